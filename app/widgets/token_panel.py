"""The preview: a micro-batch of the run as tokens, with ways to the next one, the longest, the shortest, a cut one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from app.widgets.bar import ProgressLine
from app.widgets.buttons import Button, Chip
from app.widgets.empty_state import EmptyState
from app.widgets.flow import Flow
from app.widgets.labels import ElidedLabel, label
from app.widgets.notice import Notice
from app.widgets.panel import Panel
from app.widgets.token_view import TokenView
from app.words import number, plural

if TYPE_CHECKING:
    from app.models.inquiry import Inquiry

_WORDS = (
    ("longest", "Longest", "The micro-batch with the longest example", "L"),
    ("shortest", "Shortest", "The micro-batch with the shortest example", "S"),
    ("truncated", "Next cut", "The micro-batch with the next example that is cut", "C"),
)
_LEARNED = "learned"
_KEYS = "← → ↑ ↓ tokens   Ctrl+← → micro-batches   L longest   S shortest   C next cut   H held out"


class TokenPanel(Panel):
    """Follows an inquiry of the kind `preview_data`."""

    def __init__(self, inquiry: Inquiry) -> None:
        super().__init__("Tokens")
        self._inquiry = inquiry
        self._after = -1
        self._looked_for_cut = False
        self._held_out = False
        self.view = TokenView()
        self.jumps = {
            word: Button(text, "plain", name=f"{name} ({key})", do=partial(self.jump, word))
            for word, text, name, key in _WORDS
        }
        self.previous = Button("Previous", "plain", name="Previous micro-batch (Ctrl+Left)", do=lambda: self.step(-1))
        self.next = Button("Next", "plain", name="Next micro-batch (Ctrl+Right)", do=lambda: self.step(1))
        self.held_out = Chip("Held out", name="Show the held-out examples instead (H)", do=self.turn)
        self._where = ElidedLabel("", "hint")
        self._told = ElidedLabel("", "mono")
        self._line = ProgressLine(name="Progress of the preview")
        self.trouble = Notice(tone="red")
        self.without = EmptyState("Tokens need a model: its tokenizer makes them.", "table")
        self._lay_out()
        self.view.told.connect(self._told.setText)
        self.view.stepped.connect(self.step)
        self.view.lettered.connect(self._take_key)
        inquiry.changed.connect(self._show)
        inquiry.progress.connect(lambda _, share: self._line.set(share))
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Now somebody looks."""
        super().showEvent(event)
        self._inquiry.wake()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks."""
        super().hideEvent(event)
        self._inquiry.sleep()

    def set_cut(self, cut: bool) -> None:
        """Whether any example is cut, so that one can go there."""
        self.jumps["truncated"].setEnabled(cut)
        if not cut and self._looked_for_cut:
            self.step(0)

    def start_over(self) -> None:
        """The data is other data: go to the first micro-batch."""
        self._inquiry.answer = None
        self._held_out = False
        self._want(index=0)

    def jump(self, word: str) -> None:
        """Go to the longest, the shortest, or the next truncated example."""
        self._want(index=word, **({"after": self._after} if word == "truncated" else {}))

    def find_row(self, file: str, row: int) -> None:
        """Go to the example of a row of a file, be it trained on or held out."""
        self._want(index="row", file=file, row=row)

    def step(self, by: int) -> None:
        """Go to another micro-batch, in the order of training."""
        batch = self._inquiry.answer
        self._want(index=max((batch["index"] if batch else 0) + by, 0))

    def turn(self) -> None:
        """Show the held-out examples, or those that are trained on again."""
        self._held_out = not self._held_out
        self._want(index=0)

    def _want(self, **wanted: Any) -> None:
        self._looked_for_cut = wanted["index"] == "truncated"
        self._inquiry.want(**wanted, **({"held_out": True} if self._held_out else {}))

    def _take_key(self, letter: str) -> None:
        """One of the letters that the buttons name."""
        buttons = {key: self.jumps[word] for word, _, _, key in _WORDS} | {"H": self.held_out}
        if letter in buttons and buttons[letter].isEnabled():
            buttons[letter].click()

    def _lay_out(self) -> None:
        inner = QWidget()
        self._stack = QStackedLayout()
        self.add(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self._stack.addWidget(self.without)
        self._stack.addWidget(inner)
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        ways = Flow()
        for button in (self.previous, self.next, *self.jumps.values(), self.held_out):
            ways.add(button)
        column.addWidget(ways)
        for widget in (self.trouble, self._where, self._line):
            column.addWidget(widget)
        column.addWidget(self.view, 1)
        foot = QHBoxLayout()
        foot.setSpacing(16)
        foot.addWidget(self._told, 1)
        self._legend = label(_LEARNED, "hint", tone="accent")
        font = self._legend.font()
        font.setUnderline(True)
        self._legend.setFont(font)
        foot.addWidget(self._legend, 0, Qt.AlignmentFlag.AlignRight)
        foot.addWidget(label("not learned", "hint"))
        column.addLayout(foot)
        column.addWidget(ElidedLabel(_KEYS, "hint"))

    def _show(self) -> None:
        inquiry = self._inquiry
        self._stack.setCurrentIndex(0 if inquiry.state == "nothing" else 1)
        self._line.setVisible(inquiry.state == "reading")
        self._line.set(inquiry.share)
        failure = inquiry.failure if inquiry.state == "failed" else None
        self.trouble.setVisible(failure is not None)
        if failure is not None:
            self.trouble.set(failure.text, hint=failure.hint, tone="red", details=failure.details)
        batch = inquiry.answer
        if inquiry.state == "known" and batch is not None:
            self._held_out = batch["held_out"]
        self.held_out.setChecked(self._held_out)
        self.held_out.setEnabled(self._held_out or (batch is not None and batch["held_out_examples"] > 0))
        self.previous.setEnabled(batch is not None and batch["index"] > 0)
        if inquiry.state == "known" and batch is not None:
            self._after = -1 if batch["example"] is None else batch["example"]
            self._where.setText(_where(batch))
            self._legend.setText(f"{_LEARNED}, by weight" if _weights(batch) else _LEARNED)
            self.view.show_batch(batch)
        elif failure is not None or batch is None:
            self._where.setText("")
            self.view.show_batch(None)


def _where(batch: Mapping[str, Any]) -> str:
    """Which micro-batch it is, and how much is in it."""
    where = f"Step {number(batch['step'] + 1)}, micro-batch {number(batch['index'] + 1)}"
    said = [
        "Never trained on" if batch["held_out"] else f"{where} ({number(batch['micro_batches'])} an epoch)",
        f"{plural(len(batch['texts']), 'example')} in {plural(len(batch['rows']) + batch['left_out'], 'row')}",
        f"{plural(batch['tokens'], 'token')}, {_learned(batch)}",
    ]
    weights = _weights(batch)
    if weights:
        said.append(f"weights {min(weights):g} to {max(weights):g}")
    if batch["left_out"]:
        said.append(f"{plural(batch['left_out'], 'row')} not shown")
    if not batch["complete"]:
        said.append("from the first part of the data")
    return "   ".join(said)


def _weights(batch: Mapping[str, Any]) -> set[float]:
    """What the learned tokens weigh; nothing where each counts 1."""
    columns = [(row["weights"], row["trained"]) for row in batch["rows"] if "weights" in row]
    return {weight for column in columns for weight, learned in zip(*column, strict=True) if learned}


def _learned(batch: Mapping[str, Any]) -> str:
    """What gives a loss: tokens, pairs of answers, or labels."""
    first = batch["texts"][0] if batch["texts"] else {}
    if first.get("part"):
        return plural(batch["trained"], "pair")
    return plural(batch["trained"], "label") if "label" in first else f"{number(batch['trained'])} learned"
