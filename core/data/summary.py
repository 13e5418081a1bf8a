"""What is known about a run's data before it starts: counts, lengths, the first examples, and what is wrong with them.

The Data page shows it, `check` prints it, and the worker refuses to start on a problem that blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.example import Example
from core.data.reading import Reading
from core.data.tokens import TokenList

BARS = 24
"""Bars of a histogram."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
LONGEST_SHOWN = 4000
"""Characters of a turn that are shown."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the data that the user should know.

    Attributes:
        path: the field of the run that it concerns, dotted.
        text: what it is, with a count and the first place.
        hint: what to do about it.
        blocking: whether a run cannot start with it.
    """

    path: str
    text: str
    hint: str = ""
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """How numbers are spread.

    Attributes:
        quantiles: share to value: "0.5" is the median, "1.0" the largest.
        edges: borders of the bars of a histogram, one more than bars.
        counts: examples in each bar.
    """

    quantiles: dict[str, float]
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, numbers: NDArray[np.int64]) -> Spread:
        """The spread of these numbers; all empty where there are none."""
        if not len(numbers):
            return cls({}, (), ())
        counts, edges = np.histogram(numbers, bins=min(BARS, int(numbers.max()) + 1), range=(0, int(numbers.max()) + 1))
        values = np.quantile(numbers, QUANTILES)
        quantiles = {str(share): float(value) for share, value in zip(QUANTILES, values, strict=True)}
        return cls(quantiles, tuple(map(float, edges)), tuple(map(int, counts)))


@dataclass(frozen=True, slots=True)
class Report:
    """See the module. Token counts are 0 where no model was chosen (`tokenised` is False).

    Attributes:
        format: kind of the shape the rows were read in.
        format_label: the same for people.
        reason: why that shape.
        chosen: whether the user said so.
        template: "own", "plain" (the model has none) or "none" (no chats in the data).
        tokenised: whether a tokenizer was at hand.
        rows: rows read.
        share: of the data's bytes, how much was read; below 1 the counts are those of the part that was read.
        examples: examples to train on or hold out; a document counts its windows.
        train_examples, held_out_examples: after the split.
        tokens: in all examples.
        trained_tokens: those of the training part that give a loss.
        held_out_tokens: those of the held-out part that do.
        truncated: examples that are cut.
        cut_trained_tokens: answer tokens that are lost by it.
        without_targets: examples with nothing to learn, which are left out.
        duplicates: examples that repeat an earlier one.
        shared: held-out examples that are trained on as well.
        empty: answers that say nothing.
        lengths: tokens of an example, before it is cut.
        targets: tokens of an example that give a loss.
        first: the first examples as turns.
        problems: what to know and do.
        notes: on the choice of files.
    """

    format: str
    format_label: str
    reason: str
    chosen: bool
    template: str
    tokenised: bool
    rows: int
    share: float
    examples: int
    train_examples: int
    held_out_examples: int
    tokens: int
    trained_tokens: int
    held_out_tokens: int
    truncated: int
    cut_trained_tokens: int
    without_targets: int
    duplicates: int
    shared: int
    empty: int
    lengths: Spread
    targets: Spread
    first: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of a job's answer."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the report is drawn from.

    Attributes:
        reading: the data's path.
        own_template: whether the model has a chat template; None where no model was chosen.
        ends: whether the tokenizer has an end-of-text token.
        train: examples to train on.
        held_out: examples held out.
        duplicates: examples of `reading` that repeat an earlier one.
        shared: examples of `held_out` that are in `train` too.
    """

    reading: Reading
    own_template: bool | None
    ends: bool
    train: TokenList
    held_out: TokenList
    duplicates: int
    shared: int


def report(data: DataConfig, parts: Parts) -> Report:
    """Draw it up."""
    reading, tokens = parts.reading, parts.reading.tokens
    known = parts.own_template is not None
    targets, cut = tokens.targets, tokens.cut
    return Report(
        format=reading.guess.format.kind,
        format_label=reading.guess.format.label,
        reason=reading.guess.reason,
        chosen=reading.guess.chosen,
        template=("own" if parts.own_template else "plain") if reading.chats else "none",
        tokenised=known,
        rows=reading.rows,
        share=reading.share,
        examples=len(tokens) if known else reading.examples,
        train_examples=len(parts.train),
        held_out_examples=len(parts.held_out),
        tokens=int(tokens.lengths.sum()),
        trained_tokens=int(parts.train.targets.sum()),
        held_out_tokens=int(parts.held_out.targets.sum()),
        truncated=int((cut[:, 0] > 0).sum()),
        cut_trained_tokens=int(cut[:, 1].sum()),
        without_targets=int((targets == 0).sum()),
        duplicates=parts.duplicates,
        shared=parts.shared,
        empty=reading.empty,
        lengths=Spread.of(tokens.lengths + cut[:, 0]),
        targets=Spread.of(targets),
        first=tuple(_shown(example, tokens, index) for index, example in enumerate(reading.first)),
        problems=tuple(problems(data, parts)),
        notes=reading.notes,
    )


def _shown(example: Example, tokens: TokenList, index: int) -> dict[str, Any]:
    """An example for the window; documents have no token counts of their own."""
    shown = example.to_dict()
    for turn in shown["turns"]:
        if len(turn["content"]) > LONGEST_SHOWN:
            turn["content"] = turn["content"][:LONGEST_SHOWN] + " …"
    if example.style != "document" and index < len(tokens):
        one = tokens[index]
        shown |= {"tokens": len(one), "trained": one.targets, "truncated": one.truncated}
    return shown


def problems(data: DataConfig, parts: Parts) -> list[Problem]:
    """What is wrong, the worst first."""
    if not parts.reading.examples:
        return [Problem("data.path", "There is no example in the data.", blocking=True)]
    if parts.own_template is None:
        return []
    nothing = _nothing_to_learn(data, parts)
    if nothing:
        return [nothing]
    found = (_partly_empty(parts), _truncated(data, parts), _held_out(data, parts), _repeated(parts), _spoken(parts))
    return [problem for problem in found if problem]


def _nothing_to_learn(data: DataConfig, parts: Parts) -> Problem | None:
    """Without a single trained token a run would change nothing."""
    if len(parts.train):
        return None
    tokens = parts.reading.tokens
    text = f"There is nothing to learn: none of the {_count(len(tokens), 'example')} has a trained token."
    if tokens.cut[:, 1].any():
        longest = int((tokens.lengths + tokens.cut[:, 0]).max())
        hint = (
            f"The answers begin behind the cut: set data.max_tokens above {data.max_tokens} ({longest} cuts nothing)."
        )
        return Problem("data.max_tokens", text, hint, blocking=True)
    hint = "No row has an answer (a turn of the assistant). Set data.train_on to everything, or choose another shape."
    return Problem("data.train_on", text, hint, blocking=True)


def _partly_empty(parts: Parts) -> Problem | None:
    tokens = parts.reading.tokens
    nothing = np.flatnonzero(tokens.targets == 0)
    if not len(nothing):
        return None
    place = tokens[int(nothing[0])].place
    text = f"Nothing to learn in {len(nothing):,} of {len(tokens):,} examples, which are left out (first: {place})."
    return Problem("data.path", text, "Look at these rows.")


def _truncated(data: DataConfig, parts: Parts) -> Problem | None:
    tokens = parts.reading.tokens
    cut = tokens.cut
    long = np.flatnonzero(cut[:, 0])
    if not len(long):
        return None
    place = tokens[int(long[0])].place
    lost = int(cut[:, 1].sum())
    text = f"Cut at {data.max_tokens:,} tokens: {len(long):,} of {len(tokens):,} examples (first: {place})"
    text += f", with a loss of {_count(lost, 'trained token')}." if lost else "; only prompts lose by it."
    longest = int((tokens.lengths + cut[:, 0]).max())
    return Problem("data.max_tokens", text, f"With data.max_tokens at {longest} nothing is cut.")


def _held_out(data: DataConfig, parts: Parts) -> Problem | None:
    if parts.shared:
        text = f"Trained on as well: {parts.shared:,} of {len(parts.held_out):,} held-out examples."
        hint = "The held-out loss will be too good; take them out of one file."
        return Problem("data.held_out_path", text, hint)
    if (data.held_out or data.held_out_path) and not len(parts.held_out):
        text = "Nothing is held out: there is no second example that differs from the first."
        if data.held_out_path:
            text = "Nothing is held out: no example of the held-out file has a trained token."
        return Problem("data.held_out", text, "There will be no held-out loss.")
    return None


def _repeated(parts: Parts) -> Problem | None:
    if not parts.duplicates:
        return None
    total = len(parts.reading.tokens)
    text = f"Equal to an earlier one: {parts.duplicates:,} of {total:,} examples, which count more for it."
    return Problem("data.path", text, "They never stand on both sides of the held-out split.")


def _spoken(parts: Parts) -> Problem | None:
    """What concerns the end of answers and the template."""
    if parts.reading.empty:
        text = f"Answers without a word: {parts.reading.empty:,}. From them the model learns to stop at once."
        return Problem("data.path", text, "Leave such rows out.")
    if not parts.ends:
        text = "The tokenizer has no end-of-text token, so the model may not learn where an answer ends."
        return Problem("model.path", text)
    if parts.reading.chats and not parts.own_template:
        text = "The model has no chat template: turns stand under plain headings (### User:, ### Assistant:)."
        return Problem("model.path", text, "Ask the trained model in the same form.")
    return None


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def blocking(found: Sequence[Problem]) -> Problem | None:
    """The first problem that a run cannot start with."""
    return next((problem for problem in found if problem.blocking), None)
