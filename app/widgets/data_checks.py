"""What is wrong with the data, the worst first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.widgets.bar import Swatch
from app.widgets.buttons import Button, plain
from app.widgets.labels import label
from app.widgets.panel import Panel

Remedy = tuple[str, Callable[[], object]]
"""What a button says, and what it does."""


class DataChecks(Panel):
    """A row for each problem: red where it blocks the start, amber otherwise."""

    def __init__(self) -> None:
        super().__init__("Checks")
        self._inner: QWidget | None = None
        self.texts: tuple[str, ...] = ()
        self.remedies: list[Button] = []

    def show_problems(
        self, problems: Sequence[Mapping[str, Any]], remedy: Callable[[Mapping[str, Any]], Remedy | None]
    ) -> None:
        """Show them; `remedy` says what one click can do about a problem."""
        if self._inner is not None:
            self._inner.hide()
            self._inner.deleteLater()
        self._inner = QWidget()
        column = QVBoxLayout(self._inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        problems = sorted(problems, key=lambda one: not one["blocking"])
        self.texts = tuple(problem["text"] for problem in problems)
        self.remedies = []
        for problem in problems:
            cure = remedy(problem)
            button = None if cure is None else plain(cure[0], cure[1], name=f"{cure[0]}: {problem['text']}")
            self.remedies += [] if button is None else [button]
            column.addWidget(_row(problem, button))
        if not problems:
            column.addWidget(label("Nothing is wrong with the data.", "label"))
        blocking = sum(bool(problem["blocking"]) for problem in problems)
        self.set_title("Checks", "A run cannot start like this." if blocking else "")
        self.add(self._inner)


def _row(problem: Mapping[str, Any], remedy: Button | None) -> QWidget:
    """A square in the tone, the sentence, the hint, the button."""
    tone = "red" if problem["blocking"] else "amber"
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(10)
    line.addWidget(Swatch(tone), 0, Qt.AlignmentFlag.AlignTop)
    texts = QVBoxLayout()
    texts.setSpacing(2)
    texts.addWidget(label(problem["text"], "value", tone="red" if problem["blocking"] else "", wrap=True, select=True))
    if problem["hint"]:
        texts.addWidget(label(problem["hint"], "hint", wrap=True, select=True))
    line.addLayout(texts, 1)
    if remedy is not None:
        line.addWidget(remedy, 0, Qt.AlignmentFlag.AlignTop)
    row.setAccessibleName(f"{problem['text']} {problem['hint']}".strip())
    return row
