"""What a task shows beside the loss: how many texts are sorted rightly, how far two answers are apart."""

from __future__ import annotations

from collections.abc import Mapping

from core.figures.figure import Axis
from core.figures.live.course import Course
from core.figures.live.figure import LiveFigure

LOSS_UNITS: Mapping[str, str] = {
    "causal-lm": "nats per token",
    "sequence-classification": "nats per text",
    "regression": "squared error",
    "preference": "nats per pair",
}
"""Task to the unit of its loss."""


def _both(key: str) -> dict[str, str]:
    """A measurement of the texts that are trained on, and of those that are held out."""
    return {key: "train", f"held_out_{key}": "held out"}


TASK_FIGURES: Mapping[str, tuple[LiveFigure, ...]] = {
    "sequence-classification": (
        Course(
            key="accuracy",
            title="Accuracy",
            help="Share of the texts that are put into the right class: of each batch, and of all held-out ones.",
            of=_both("accuracy"),
            value=Axis("Accuracy"),
        ),
        Course(
            key="scores",
            title="F1 and Matthews",
            help="Of the held-out texts: F1 counts each class alike, and Matthews' correlation is 0 for guessing.",
            of={"held_out_f1": "F1", "held_out_matthews": "Matthews"},
            value=Axis("Score"),
        ),
    ),
    "regression": (
        Course(
            key="pearson",
            title="Pearson's correlation",
            help="How well the given numbers follow the true ones, of the held-out texts: 1 is perfect, 0 is nothing.",
            of={"held_out_pearson": "held out"},
            value=Axis("Correlation"),
        ),
    ),
    "preference": (
        Course(
            key="margin",
            title="Margin of the rewards",
            help="Reward of the chosen answers less that of the rejected ones: it begins at 0 and should rise.",
            of=_both("reward_margin"),
            value=Axis("Margin", "nats"),
            paper="2305.18290",
        ),
        Course(
            key="rewards",
            title="Rewards of chosen and rejected answers",
            help="How much likelier the training has made them, times beta. Both may fall: their distance counts.",
            of={"reward_chosen": "chosen", "reward_rejected": "rejected"},
            value=Axis("Reward", "nats"),
            paper="2305.18290",
        ),
        Course(
            key="order",
            title="Pairs in the right order",
            help="Share of the pairs whose chosen answer has the higher reward.",
            of=_both("reward_accuracy"),
            value=Axis("Share of the pairs"),
        ),
    ),
}
"""Task to its figures, the first of which is shown first."""
