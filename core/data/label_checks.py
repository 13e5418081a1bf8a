"""What can be wrong with labels: one for all, one for nearly all, hardly any of some, several for one text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.component import did_you_mean
from core.config.run import DataConfig
from core.data.leaving import RARE
from core.data.problem import Parts, Problem, about, everything, listed

LOPSIDED = 0.8
"""Share of the examples in one class from which a model may get by without looking."""


def label_problems(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """All of it, where texts are judged."""
    yield from _conflicting(data, parts)
    if parts.task == "sequence-classification":
        yield from _classes(data, parts)
        yield from _weights(data, parts)


def _conflicting(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Texts that stand there twice, each time with another label: nobody can learn both."""
    some = parts.marked("conflicting-labels")
    if len(some):
        place = parts.tokens[int(some[0])].place
        text = f"The same text has different labels in {len(some):,} examples (first: {place})."
        hint = "At least one of them is wrong; a model that has learned them both can only guess."
        remedy = {"data.leave_out": (*data.leave_out, "conflicting-labels")}
        yield about(
            parts.tokens, some, "data.path", text, hint, check="conflicting-labels", remedy=remedy,
            does="Leave them out",
        )  # fmt: skip


def _weights(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Weights of classes that the data does not have."""
    known = {name: weight for name, weight in data.label_weights.items() if name in parts.labels}
    if len(known) < len(data.label_weights):
        unknown = next(name for name in data.label_weights if name not in known)
        text = f"data.label_weights has a weight for '{unknown}', and the data has no such label."
        yield Problem(
            "data.label_weights", text, did_you_mean(unknown, parts.labels), blocking=True,
            remedy={"data.label_weights": known}, does="Leave it out",
        )  # fmt: skip


def _classes(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Classes of which one has nearly all examples, or some have hardly any."""
    if len(parts.labels) < 2:
        text = f"All examples have the label '{parts.labels[0]}': there is nothing to tell apart."
        yield about(
            parts.tokens, everything(parts.tokens), "data.path", text, "Look at the label column.", blocking=True,
            check="one-label",
        )  # fmt: skip
        return
    counts = np.bincount(parts.tokens.goals.astype(np.int64), minlength=len(parts.labels))
    largest = int(counts.argmax())
    share = counts[largest] / counts.sum()
    if share >= LOPSIDED:
        text = f"The label '{parts.labels[largest]}' has {share:.0%} of the examples."
        hint = f"Always saying so is right {share:.0%} of the time: look at F1 and Matthews rather than accuracy."
        weights = {
            name: round(float(counts.sum() / (np.count_nonzero(counts) * count)), 3)
            for name, count in zip(parts.labels, counts, strict=True)
            if count
        }
        weighed = bool(data.label_weights)
        yield about(
            parts.tokens,
            np.flatnonzero(parts.tokens.goals == largest),
            "data.label_weights",
            f"{text} The rarer ones count more in the loss." if weighed else text,
            hint,
            check="label-imbalance",
            remedy={"data.label_weights": {} if weighed else weights},
            does="Let all count alike" if weighed else "Let rare ones count more",
            settled=weighed,
        )
    rare = [f"{name} ({count})" for name, count in zip(parts.labels, counts, strict=True) if count < RARE]
    if rare:
        text = f"Hardly any example has the label {listed(rare)}."
        remedy = {"data.leave_out": (*data.leave_out, "rare-labels")}
        some = parts.marked("rare-labels")
        yield about(
            parts.tokens, some, "data.path", text, "Such classes are hardly learned.", check="rare-labels",
            remedy=remedy, does="Leave them out",
        )  # fmt: skip
