"""What is wrong with the data, the worst first: where, what one click does about it, and how to overrule it.

A check that keeps the run from starting may be overruled with a reason, which is stored in the run: whoever looks at
the result later can read why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.document import Document
from app.widgets.bar import Swatch
from app.widgets.buttons import Button, ghost, plain, primary
from app.widgets.labels import label
from app.widgets.panel import Panel
from core.config.edit import replaced, sentence
from core.data.check_names import CHECKS

_ROWS_SHOWN = 3
_LONGEST_BUTTON = 34
"""Letters on a button."""


class DataChecks(Panel):
    """A row for each problem: red where it blocks the start, amber otherwise, quiet where it was overruled."""

    def __init__(self, document: Document) -> None:
        super().__init__("Checks")
        self._document = document
        self._inner: QWidget | None = None
        self.texts: tuple[str, ...] = ()
        self.remedies: list[Button] = []
        self.overrules: list[Button] = []

    def show_problems(self, problems: Sequence[Mapping[str, Any]], *, tokenised: bool) -> None:
        """Show `core.data.checks.Problem`s as dicts; `tokenised`: whether there was a model to check with."""
        if self._inner is not None:
            self._inner.hide()
            self._inner.deleteLater()
        self._inner = QWidget()
        column = QVBoxLayout(self._inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        problems = sorted(problems, key=lambda problem: not problem["blocking"])
        self.texts = tuple(problem["text"] for problem in problems)
        self.remedies, self.overrules = [], []
        for problem in problems:
            column.addWidget(self._row(problem))
        if not problems:
            sound = (
                "Nothing is wrong with the data." if tokenised else "The checks need a model: its tokenizer is asked."
            )
            column.addWidget(label(sound, "label"))
        blocking = any(problem["blocking"] for problem in problems)
        self.set_title("Checks", "A run cannot start like this." if blocking else "")
        self.add(self._inner)

    def overrule(self, check: str, reason: str) -> None:
        """Let the run start all the same; an empty reason takes that back."""
        others = {name: why for name, why in self._document.config.data.overrides.items() if name != check}
        text = "Overrule a check" if reason else "Heed a check again"
        self._document.update({"data.overrides": {**others, check: reason} if reason else others}, text)

    def _row(self, problem: Mapping[str, Any]) -> QWidget:
        """A square in the tone, the sentence, the hint, the rows, the buttons."""
        overruled, blocking = problem.get("overruled", ""), problem["blocking"]
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(10)
        square = Swatch("red" if blocking else "faint" if overruled else "amber")
        line.addWidget(square, 0, Qt.AlignmentFlag.AlignTop)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(label(problem["text"], "value", tone="red" if blocking else "", wrap=True, select=True))
        for said in (f"Overruled: {overruled}" if overruled else problem["hint"], _places(problem)):
            if said:
                texts.addWidget(label(said, "hint", wrap=True, select=True))
        line.addLayout(texts, 1)
        for button in self._buttons(problem):
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        row.setAccessibleName(f"{problem['text']} {problem['hint']}".strip())
        return row

    def _buttons(self, problem: Mapping[str, Any]) -> list[Button]:
        """What can be done about a problem."""
        made = []
        remedy, check = problem.get("remedy") or {}, problem.get("check", "")
        if problem.get("overruled"):
            made.append(ghost("Heed it again", lambda: self.overrule(check, ""), name=f"Heed again: {problem['text']}"))
            self.overrules.append(made[-1])
        elif problem["blocking"] and check in CHECKS:
            made.append(ghost("Overrule…", lambda: self._ask_reason(problem), name=f"Overrule: {problem['text']}"))
            self.overrules.append(made[-1])
        if remedy and not problem.get("overruled"):
            config = self._document.config
            said = sentence(config, replaced(config, remedy))
            mend = plain(
                said if " to " in said and len(said) <= _LONGEST_BUTTON else "Mend",
                lambda: self._document.update(remedy, said),
                name=f"Mend: {said}",
            )
            self.remedies.append(mend)
            made.append(mend)
        return made

    def _ask_reason(self, problem: Mapping[str, Any]) -> None:
        dialog = ReasonDialog(problem["text"], self)
        if dialog.exec():
            self.overrule(problem["check"], dialog.reason)


class ReasonDialog(QDialog):
    """Why a run may start although a check says no."""

    def __init__(self, problem: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Overrule a check")
        self.setMinimumWidth(480)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        column.addWidget(label(problem, "heading", wrap=True))
        column.addWidget(
            label("Why may the run start all the same? The reason is stored in the run.", "label", wrap=True)
        )
        self.line = QLineEdit()
        self.line.setAccessibleName("Reason")
        column.addWidget(self.line)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(plain("Cancel", self.reject))
        accept = primary("Overrule", self.accept)
        accept.setEnabled(False)
        accept.setDefault(True)
        self.line.textChanged.connect(lambda: accept.setEnabled(bool(self.reason)))
        buttons.addWidget(accept)
        column.addLayout(buttons)

    @property
    def reason(self) -> str:
        """What the user wrote."""
        return self.line.text().strip()


def _places(problem: Mapping[str, Any]) -> str:
    """The first rows that it concerns, and how many more there are."""
    rows = problem.get("rows") or ()
    if len(rows) < 2:
        return ""
    more = max(problem["count"], len(rows)) - _ROWS_SHOWN
    places = [place.rsplit(", row ", 1) for place in rows[:_ROWS_SHOWN]]
    one_file = len({place[0] for place in places}) == 1 and all(len(place) == 2 for place in places)
    shown = "Rows " + ", ".join(place[1] for place in places) if one_file else "; ".join(rows[:_ROWS_SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown
