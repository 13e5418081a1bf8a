"""What is known about a run's data before it starts: counts, lengths, the first examples, and what is wrong with them.

The Data page shows it, `check` prints it, and the worker refuses to start on a problem that blocks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.checks import Parts, Problem, blocking, problems
from core.data.example import Example
from core.data.oddities import EMPTY
from core.data.reading import Reading
from core.data.tokens import TokenList

__all__ = ["Parts", "Problem", "Report", "Spread", "blocking", "problems", "report"]

BARS = 24
"""Bars of a histogram."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
LONGEST_SHOWN = 4000
"""Characters of a turn that are shown."""


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
        columns: columns of the data that were taken for those that the shape needs.
        template: "own", "chosen", "plain" (the model has none) or "none" (no chats in the data).
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
        left_out: examples that the run leaves out (`data.leave_out`).
        empty: answers that say nothing.
        lengths: tokens of an example, before it is cut.
        targets: tokens of an example that give a loss.
        first: the first examples as turns.
        labels: classes to the number of training examples, where texts are sorted into classes.
        problems: what to know and do; see `core.data.checks`.
        notes: on the choice of files.
    """

    format: str
    format_label: str
    reason: str
    chosen: bool
    columns: dict[str, str]
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
    left_out: int
    empty: int
    lengths: Spread
    targets: Spread
    first: tuple[dict[str, Any], ...]
    labels: dict[str, int]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of a job's answer."""
        return asdict(self)


def report(data: DataConfig, parts: Parts) -> Report:
    """Draw it up."""
    reading, tokens = parts.reading, parts.tokens
    known = parts.encoder is not None
    targets, cut = tokens.targets, tokens.cut
    return Report(
        format=reading.guess.format.kind,
        format_label=reading.guess.format.label,
        reason=reading.guess.reason,
        chosen=reading.guess.chosen,
        columns=dict(reading.guess.columns),
        template=_template(parts),
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
        duplicates=len(parts.marked("duplicates")),
        shared=len(parts.shared.get("held-out-trained", ())),
        left_out=sum(len(some) for some in parts.left.values()),
        empty=len(parts.marked(EMPTY)) if known else _seen(reading),
        lengths=Spread.of(tokens.lengths + cut[:, 0]),
        targets=Spread.of(targets),
        first=tuple(_shown(example, reading.tokens, index) for index, example in enumerate(reading.first)),
        labels=_classes(parts),
        problems=tuple(problems(data, parts)),
        notes=reading.notes,
    )


def _seen(reading: Reading) -> int:
    """Empty answers where there are no tokens yet."""
    places = reading.oddities.get(EMPTY)
    return places.count if places else 0


def _template(parts: Parts) -> str:
    if not parts.reading.chats or parts.encoder is None:
        return "plain" if parts.reading.chats else "none"
    return "chosen" if parts.encoder.chosen_template else "own" if parts.encoder.own_template else "plain"


def _classes(parts: Parts) -> dict[str, int]:
    counts = (
        np.bincount(parts.train.goals[: len(parts.train)].astype(np.int64), minlength=len(parts.labels))
        if parts.labels
        else ()
    )
    return {name: int(count) for name, count in zip(parts.labels, counts, strict=True)}


def _shown(example: Example, tokens: TokenList, index: int) -> dict[str, Any]:
    """An example for the window; documents have no token counts of their own."""
    shown = example.to_dict()
    for turn in (*shown["turns"], *shown.get("rejected", ())):
        if len(turn["content"]) > LONGEST_SHOWN:
            turn["content"] = turn["content"][:LONGEST_SHOWN] + " …"
    if example.style != "document" and index < len(tokens):
        one = tokens[index]
        shown |= {"tokens": len(one), "trained": one.targets, "truncated": one.truncated}
    return shown
