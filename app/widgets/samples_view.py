"""What the model answered before training and what it answers now, under each prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.widgets.labels import label

if TYPE_CHECKING:
    from core.store.rows import SampleRow


class SamplesView(QScrollArea):
    """One block per prompt: the prompt, the first answer muted, the newest answer strong."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Samples before and after")
        self._shown: tuple[SampleRow, ...] = ()

    def show_samples(self, samples: Sequence[SampleRow]) -> None:
        """Show the first and the newest answer to each prompt."""
        if tuple(samples) == self._shown:
            return
        self._shown = tuple(samples)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(4)
        for prompt in dict.fromkeys(sample.prompt for sample in samples):
            answers = [sample for sample in samples if sample.prompt == prompt]
            column.addWidget(label(prompt, "value", wrap=True, select=True))
            _add_answer(column, answers[0], "muted")
            if len(answers) > 1:
                _add_answer(column, answers[-1], "text")
            column.addSpacing(10)
        column.addStretch(1)
        self.setWidget(content)


def _add_answer(column: QVBoxLayout, sample: SampleRow, tone: str) -> None:
    when = "Before training" if sample.step == 0 else f"At step {sample.step}"
    column.addWidget(label(when, "small"))
    column.addWidget(label(sample.text.strip() or "(nothing)", "text", tone=tone, wrap=True, select=True))
