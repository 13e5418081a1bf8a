"""The tokens of a run as the model will see them: micro-batches drawn by the code that the trainer draws them with.

The window colours what is learned, so a wrong template or mask is seen before it is trained on. Of a huge file the
first part is read (`Limit`); the batches are then those of a run on that part, and `complete` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.config.run import JUDGING, RunConfig
from core.data.batches import IGNORED, Batch, Batches
from core.data.example import place
from core.data.fitting import fitting
from core.data.packing import MIXING
from core.data.padding import padding
from core.data.prepare import Prepared, survey
from core.data.reading import Limit
from core.data.rendering import own_template
from core.data.spelling import BYTES
from core.data.tokens import TokenList
from core.errors import UserError
from core.home import Home
from core.saying import Say

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Wanted = int | Literal["longest", "shortest", "truncated", "row"]
MOST_TOKENS = 20_000
"""Tokens of a batch that are shown; whole rows, and at least one."""


def preview_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Show a micro-batch of a run.

    Args:
        home: for models that have to be converted first.
        body: `config`: the run file's mapping. `index`: the number of a micro-batch in the order of training (0 is the
            first, and behind the last of an epoch comes the next epoch's first), or `longest`, `shortest`, `truncated`
            or `row`: the one that holds such an example. With `"truncated"` an `after` goes on behind the example of
            that number; `"row"` needs a `file` and a `row`, which is looked for on the other side too. `held_out`: true
            for the held-out examples instead.
        progress: told how far it is.

    Returns:
        `index`, `step`, `micro_batch`: where it stands; `micro_batches`: how many an epoch has.
        `held_out`: whether these are held-out examples; `held_out_examples`: how many of those there are.
        `own_template`: the text of the chat template that is used where none is chosen.
        `example`: the number of the example that was looked for; None where a number was given.
        `complete`: whether all of the data was read. `packing`: whether texts share rows. `tokens`, `trained`: counts.
        `rows`: for each row of the batch its tokens as columns of equal length: `ids`, `pieces` (text of each token),
        `trained` (whether its id is a target), `weights` (how much it counts; absent where each counts 1), `special`,
        `positions` (as the model counts them), `texts` (which of `texts` it belongs to; -1 is padding). `left_out`:
        rows that were too many to show.
        `texts`: for each text of the batch `example` (its number), `part` ("chosen" or "rejected" of a pair, else ""),
        `file`, `row`, `tokens`, `trained`, `cut`, `cut_trained`, and `label` where it is judged.

    Raises:
        UserError: the data or the model cannot be read, there is nothing to train on, nothing was cut, or a row that is
            looked for is in no batch.
    """
    from core.models.catalog import describe
    from core.models.load import load_tokenizer, resolve

    config = RunConfig.from_dict(body["config"])
    model = resolve(home, Path(config.model.path), progress)
    tokenizer = load_tokenizer(model)
    info = describe(model)
    packing = config.data.packing and config.task not in JUDGING and info.model_type not in MIXING
    prepared = survey(
        fitting(config.data, info), tokenizer, config.seed, progress, Limit(), task=config.task, home=home
    )
    held_out, example = _looked_for(prepared, body)
    examples = prepared.held_out if held_out else prepared.train
    batches, passes = _batches(config, examples, padding(tokenizer), packing=packing), config.train.accumulate
    step, part = divmod(int(body.get("index", 0)), passes) if example is None else batches.where(example)
    shown = _shown(batches.micro_batches(step)[part], examples, tokenizer, prepared)
    return {
        "index": step * passes + part,
        "step": step,
        "micro_batch": part,
        "micro_batches": -(-len(examples) // config.train.batch),
        "held_out": held_out,
        "held_out_examples": len(prepared.held_out),
        "own_template": own_template(tokenizer),
        "example": example,
        "complete": prepared.report.share >= 1,
        "packing": packing,
        **shown,
    }


def _batches(config: RunConfig, examples: TokenList, pad_id: int, *, packing: bool) -> Batches:
    """As the trainer makes them (`core.train.ground`)."""
    train = config.train
    return Batches(
        examples, batch=train.batch, accumulate=train.accumulate, max_tokens=config.data.max_tokens, seed=config.seed,
        packing=packing, pad_id=pad_id,
    )  # fmt: skip


def _looked_for(prepared: Prepared, body: Mapping[str, Any]) -> tuple[bool, int | None]:
    """Whether held-out examples are meant, and the number of the one that is looked for.

    Raises:
        UserError: there is none.
    """
    wanted, held_out = body.get("index", 0), bool(body.get("held_out"))
    if wanted == "row":
        return _row_example(prepared, body["file"], int(body["row"]), held_out)
    examples = prepared.held_out if held_out else prepared.train
    if not len(examples):
        raise UserError("There is no example to show.", hint="Look at the checks.", path="data.path")
    return held_out, _example(examples, wanted, int(body.get("after", -1)))


def _row_example(prepared: Prepared, file: str, row: int, held_out: bool) -> tuple[bool, int]:
    """On which side a row's example is, the wanted one first, and its number there.

    Raises:
        UserError: the row is in no batch.
    """
    for side in (held_out, not held_out):
        found = (prepared.held_out if side else prepared.train).at(file, row)
        if len(found):
            return side, int(found[0])
    raise UserError(
        f"{place(file, row)} is in no batch: it is left out.",
        hint="Nothing of it would be learned, or the run leaves such rows out.",
        path="data.path",
    )


def _example(examples: TokenList, wanted: Wanted, after: int) -> int | None:
    """The number of the example that is looked for; None where a micro-batch is named by its number.

    Raises:
        UserError: nothing was cut, or nobody knows what is wanted.
    """
    if isinstance(wanted, int) and wanted >= 0:
        return None
    if wanted == "longest":
        return int(examples.lengths.argmax())
    if wanted == "shortest":
        return int(examples.lengths.argmin())
    if wanted != "truncated":
        raise UserError(f"There is no micro-batch '{wanted}'.", hint="Give a number, longest, shortest or truncated.")
    cut = np.flatnonzero(examples.cut[:, 0])
    if not len(cut):
        raise UserError("No example is cut.", path="data.max_tokens")
    return int(cut[cut > after][0]) if (cut > after).any() else int(cut[0])


def _shown(
    batch: Batch, examples: TokenList, tokenizer: PreTrainedTokenizerBase, prepared: Prepared
) -> dict[str, Any]:  # fmt: skip
    assert batch.texts is not None
    rows = min(len(batch.input_ids), max(1, MOST_TOKENS // batch.input_ids.shape[1]))
    pieces = _Pieces(tokenizer)
    return {
        "tokens": batch.tokens,
        "trained": batch.trained,
        "rows": [_row(batch, number, pieces) for number in range(rows)],
        "left_out": len(batch.input_ids) - rows,
        "texts": [_text(examples, source, prepared.labels) for source in batch.sources],
    }


def _row(batch: Batch, number: int, pieces: _Pieces) -> dict[str, list[Any]]:
    assert batch.texts is not None
    ids: list[int] = batch.input_ids[number].tolist()
    positions = range(len(ids)) if batch.position_ids is None else batch.position_ids[number].tolist()
    row: dict[str, list[Any]] = {
        "ids": ids,
        "pieces": [pieces[token] for token in ids],
        "trained": (batch.labels[number] != IGNORED).tolist(),
        "special": [token in pieces.special for token in ids],
        "positions": list(positions),
        "texts": batch.texts[number].tolist(),
    }
    if batch.weights is not None:
        row["weights"] = batch.weights[number].tolist()
    return row


def _text(examples: TokenList, source: tuple[int, int], labels: tuple[str, ...]) -> dict[str, Any]:
    """What is known of one text of a batch."""
    number, part = source
    whole = examples[number]
    one = whole.texts()[part]
    pair = len(whole.texts()) == 2
    found: dict[str, Any] = {
        "example": number,
        "part": ("chosen", "rejected")[part] if pair else "",
        "file": whole.file,
        "row": whole.row,
        "tokens": len(one),
        "trained": one.targets,
        "cut": whole.cut,
        "cut_trained": whole.cut_trained,
    }
    if whole.judged:
        found["label"] = labels[int(whole.goal)] if labels else whole.goal
    return found


class _Pieces(dict[int, str]):
    """The text of each token, as it stands in a text; where it is no whole letter, the bytes as the vocabulary says."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        added = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        self.special = added | set(tokenizer.all_special_ids)

    def __missing__(self, token: int) -> str:
        name = str(self._tokenizer.convert_ids_to_tokens(token))
        text = str(self._tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False))
        if not text or "\ufffd" in text:
            text = _bytes_shown(name)
        elif name.startswith("▁") and not text.startswith(" "):
            text = " " + text
        self[token] = text
        return text


def _bytes_shown(name: str) -> str:
    """A piece that is no whole letter: its whole letters, and the bytes of the broken one as `‹C3›`."""
    if not name or any(letter not in BYTES for letter in name):
        return name
    text = bytes(BYTES[letter] for letter in name).decode("utf-8", errors="surrogateescape")
    return "".join(f"‹{ord(letter) - 0xDC00:02X}›" if 0xDC80 <= ord(letter) <= 0xDCFF else letter for letter in text)
