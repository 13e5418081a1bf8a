"""What is wrong with the data, the worst first: where, what one click does about it, and how to overrule it.

A row that a check names is a button that shows it in the preview. A check that keeps the run from starting may be
overruled with a reason, which is stored in the run: whoever looks at the result later can read why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.document import Document
from app.widgets.bar import Swatch
from app.widgets.buttons import Button, ghost, plain, primary
from app.widgets.flow import Flow
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.tab_order import lead_through
from app.wording import labelled
from app.words import number
from core.config.edit import replaced, sentence
from core.data.check_names import CHECKS

_ROWS_SHOWN = 3
_LONGEST_BUTTON = 34
"""Letters on a button."""


class DataChecks(Panel):
    """A row for each problem: red where it blocks the start, amber otherwise, quiet where it is settled."""

    row_wanted = Signal(str, int)
    """Show the example of this row of this file."""
    model_wanted = Signal()
    """Choose another model, which alone would mend it."""

    def __init__(self, document: Document) -> None:
        super().__init__("Checks")
        self._document = document
        self._inner: QWidget | None = None
        self.texts: tuple[str, ...] = ()
        self.remedies: list[Button] = []
        self.overrules: list[Button] = []
        self.places: list[Button] = []

    def show_problems(self, problems: Sequence[Mapping[str, Any]], *, tokenised: bool) -> None:
        """Show `core.data.checks.Problem`s as dicts; `tokenised`: whether there was a model to check with."""
        if self._inner is not None:
            self._inner.hide()
            self._inner.deleteLater()
        self._inner = QWidget()
        column = QVBoxLayout(self._inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        problems = [{**one, "text": labelled(one["text"]), "hint": labelled(one["hint"])} for one in problems]
        problems.sort(key=lambda problem: (not problem["blocking"], bool(problem.get("settled"))))
        self.texts = tuple(problem["text"] for problem in problems)
        self.remedies, self.overrules, self.places = [], [], []
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
        lead_through(self, self._inner.findChildren(Button))

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
        quiet = bool(overruled or problem.get("settled"))
        square = Swatch("red" if blocking else "faint" if quiet else "amber")
        line.addWidget(square, 0, Qt.AlignmentFlag.AlignTop)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(label(problem["text"], "value", tone="red" if blocking else "", wrap=True, select=True))
        if said := f"Overruled: {overruled}" if overruled else problem["hint"]:
            texts.addWidget(label(said, "hint", wrap=True, select=True))
        if problem.get("rows"):
            texts.addWidget(self._places(problem))
        line.addLayout(texts, 1)
        for button in self._buttons(problem):
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        row.setAccessibleName(f"{problem['text']} {problem['hint']}".strip())
        return row

    def _places(self, problem: Mapping[str, Any]) -> QWidget:
        """The first rows that it concerns, each to be shown with a click, and how many more there are."""
        places = [place.rsplit(", row ", 1) for place in problem["rows"][:_ROWS_SHOWN]]
        one_file = len({place[0] for place in places}) == 1
        line = Flow(spacing=12)
        for file, row in places:
            said = number(int(row))
            text = f"Row {said}" if one_file else f"{file}, row {said}"
            place = ghost(text, partial(self.row_wanted.emit, file, int(row)), name=f"Show {file}, row {said}")
            place.setProperty("look", "link")
            self.places.append(place)
            line.add(place)
        more = max(problem["count"], len(places)) - len(places)
        if more > 0:
            line.add(label(f"and {number(more)} more", "hint"))
        return line

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
            short = said if " to " in said and len(said) <= _LONGEST_BUTTON else "Mend"
            make = ghost if problem.get("settled") else plain
            does = problem.get("does") or short
            mend = make(does, lambda: self._document.update(remedy, said), name=f"{does}: {problem['text']}")
            self.remedies.append(mend)
            made.append(mend)
        elif problem["path"] == "model.path":
            made.append(plain("Choose a model…", self.model_wanted.emit, name="Choose another model"))
            self.remedies.append(made[-1])
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
