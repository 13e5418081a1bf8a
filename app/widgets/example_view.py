"""One example as it stands in the data: who says what, prompts quiet, what is learned in colour and underlined."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QResizeEvent, QTextBlockFormat, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QTextEdit

from app.style.theme import Theme
from app.widgets.buttons import Button
from app.widgets.labels import ElidedLabel, label
from app.widgets.panel import Panel
from app.words import number, plural

_SPEAKERS = {
    "system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool",
    "prompt": "Prompt", "completion": "Completion", "text": "Text",
}  # fmt: skip


_MEASURE = 880
"""Width of the text, in pixels."""


class ExampleText(QTextEdit):
    """The turns, to read and to copy. Left and Right step through the examples."""

    stepped = Signal(int)
    """-1 or 1."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Example")
        self.setProperty("kind", "reading")
        self._example: Mapping[str, Any] = {"turns": ()}
        self._everything = False
        Theme.current().changed.connect(self._write)

    def show_example(self, example: Mapping[str, Any], *, everything: bool) -> None:
        """Show an example (`core.data.example.Example` as a dict); `everything`: prompts are learned as well."""
        self._example, self._everything = example, everything
        self._write()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines never become longer than one reads with ease."""
        super().resizeEvent(event)
        self._keep_measure()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right go to another example; all else scrolls and copies."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is not None and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.stepped.emit(step)
            return
        super().keyPressEvent(event)

    def _write(self) -> None:
        self.clear()
        self._keep_measure()
        cursor = self.textCursor()
        for turn in self._example["turns"]:
            self._write_turn(cursor, turn)
        if "rejected" in self._example:
            worse = self._example["rejected"][-1]
            self._write_turn(cursor, {**worse, "role": "Rejected answer", "trained": False}, note="to be made unlikely")
        if "label" in self._example:
            self._write_turn(cursor, {"role": "Label", "content": str(self._example["label"]), "trained": True})
        self.moveCursor(QTextCursor.MoveOperation.Start)

    def _write_turn(self, cursor: QTextCursor, turn: Mapping[str, Any], *, note: str = "") -> None:
        """A heading with the speaker, and the text below it."""
        trained = bool(turn["trained"]) or (self._everything and not note)
        begin = cursor.atStart()
        _block(cursor, top=0 if begin else 14, first=begin)
        cursor.insertText(_SPEAKERS.get(turn["role"], turn["role"]), _heading())
        weight = 1 if self._everything else turn.get("weight", 1)
        said = f"learned, weight {weight:g}" if trained and weight != 1 else "learned"
        if trained or note:
            cursor.insertText(f"   {note or said}", _heading(accent=trained))
        _block(cursor, top=2)
        content = _content(turn)
        cursor.insertText(content or "(nothing)", _body(trained and bool(content)))

    def _keep_measure(self) -> None:
        spare = self.width() - Theme.current().px(_MEASURE)
        self.setViewportMargins(0, 0, max(spare, 0), 0)


class ExamplePanel(Panel):
    """The first examples, one at a time."""

    def __init__(self) -> None:
        super().__init__("Examples")
        self._examples: Sequence[Mapping[str, Any]] = ()
        self._everything = False
        self._index = 0
        self._place = ElidedLabel("", "hint", mode=Qt.TextElideMode.ElideMiddle)
        self.previous = Button("Previous", "plain", do=lambda: self.step(-1), name="Previous example (Left)")
        self.next = Button("Next", "plain", do=lambda: self.step(1), name="Next example (Right)")
        self._place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # first of all the title
        self._place.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.head.addWidget(self._place, 1000)
        self.add_control(self.previous)
        self.add_control(self.next)
        self.text = ExampleText()
        self.text.stepped.connect(self.step)
        self.add(self.text, 1)
        self._foot = QHBoxLayout()
        self._count = label("", "small")
        self._foot.addWidget(self._count)
        self._foot.addStretch(1)
        self.add(self._foot)

    @property
    def index(self) -> int:
        """Which example is shown, from 0."""
        return self._index

    @property
    def wanted(self) -> int:
        """The height that shows the whole text of the present example."""
        around = self.minimumSizeHint().height() - self.text.minimumSizeHint().height()
        return around + math.ceil(self.text.document().size().height())

    def show_examples(self, examples: Sequence[Mapping[str, Any]], *, everything: bool) -> None:
        """Show these; the present place is kept as far as it goes."""
        self._examples, self._everything = examples, everything
        self._index = min(self._index, max(len(examples) - 1, 0))
        self._show()

    def start_over(self) -> None:
        """Go to the first: the data is other data."""
        self._index = 0

    def step(self, by: int) -> None:
        """Go on or back."""
        index = min(max(self._index + by, 0), max(len(self._examples) - 1, 0))
        if index != self._index:
            self._index = index
            self._show()

    def find_row(self, file: str, row: int) -> bool:
        """Go to the example of a row; whether it is among the first ones."""
        places = [(example["file"], example["row"]) for example in self._examples]
        if (file, row) not in places:
            return False
        self._index = places.index((file, row))
        self._show()
        return True

    def _show(self) -> None:
        there = bool(self._examples)
        self.previous.setEnabled(self._index > 0)
        self.next.setEnabled(self._index < len(self._examples) - 1)
        if not there:
            self.text.show_example({"turns": ()}, everything=False)
            self._place.setText("")
            self._count.setText("")
            return
        example = self._examples[self._index]
        self._place.setText(f"{example['file']}, row {number(example['row'])}")
        self._count.setText(self._counted(example))
        self.text.show_example(example, everything=self._everything)

    def _counted(self, example: Mapping[str, Any]) -> str:
        said = [f"Example {self._index + 1} of the first {len(self._examples)}"]
        if "tokens" in example:
            said += [plural(example["tokens"], "token"), f"{number(example['trained'])} learned"]
            said += ["cut"] if example["truncated"] else []
        return "   ".join(said)


def _content(turn: Mapping[str, Any]) -> str:
    """What a turn says, with the functions it calls as JSON; empty where it says nothing."""
    calls = [json.dumps(call.get("function", call), ensure_ascii=False) for call in turn.get("tool_calls") or ()]
    return "\n".join(part for part in (turn["content"], *calls) if part and part.strip())


def _block(cursor: QTextCursor, *, top: int, first: bool = False) -> None:
    """Begin a paragraph."""
    form = QTextBlockFormat()
    form.setTopMargin(top)
    form.setLineHeight(135, int(QTextBlockFormat.LineHeightTypes.ProportionalHeight.value))
    if first:
        cursor.setBlockFormat(form)
    else:
        cursor.insertBlock(form)


def _heading(*, accent: bool = False) -> QTextCharFormat:
    theme = Theme.current()
    form = QTextCharFormat()
    form.setFont(theme.font(11, 500))
    form.setForeground(theme.color("accent_text" if accent else "muted"))
    return form


def _body(trained: bool) -> QTextCharFormat:
    theme = Theme.current()
    form = QTextCharFormat()
    font = theme.font(14)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    form.setFont(font)
    form.setForeground(theme.color("accent_text" if trained else "muted"))
    form.setFontUnderline(trained)
    return form
