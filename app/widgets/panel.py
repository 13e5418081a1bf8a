"""Panels: a titled surface with a hairline, and the tiles of figures above them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLayout, QSizePolicy, QVBoxLayout, QWidget

from app.widgets.labels import ElidedLabel, label, set_property

_LEFT_OVER = 1000
"""Stretch of the note beside that of the empty room in the head, which is there for panels without a note."""


class Panel(QFrame):
    """A surface with a title at the left of its head and controls at the right.

    Attributes:
        outer: the layout of the whole.
        head: the layout of the title row; put controls there with `add_control`.
        body: the layout below it; `add` puts widgets there.
    """

    def __init__(self, title: str = "", *, note: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "panel")
        self.outer = outer = QVBoxLayout(self)
        outer.setContentsMargins(20, 14, 20, 16)
        outer.setSpacing(10)
        self.head = QHBoxLayout()
        self.head.setSpacing(10)
        self.title = ElidedLabel(title, "heading")
        self.note = ElidedLabel(note, "hint", whole=True)
        # It has what title and controls leave, and is left out where that is too little.
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.head.addWidget(self.title)
        self.head.addStretch(1)
        self.head.addWidget(self.note, _LEFT_OVER)
        if title:
            outer.addLayout(
                self.head
            )  # before anything in it is shown: what has no parent would be a window of its own
        self.note.setVisible(bool(note))
        self.body = QVBoxLayout()
        self.body.setSpacing(8)
        outer.addLayout(self.body, 1)
        if title:
            self.setAccessibleName(title)

    def set_title(self, title: str, note: str = "") -> None:
        """Change the title and the quiet text at the right of it."""
        self.title.setText(title)
        self.setAccessibleName(title)
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def add_control(self, control: QWidget) -> None:
        """Put a control at the right end of the head."""
        self.head.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)

    def add(self, item: QWidget | QLayout, stretch: int = 0) -> None:
        """Put a widget or layout at the end of the body."""
        if isinstance(item, QWidget):
            self.body.addWidget(item, stretch)
        else:
            self.body.addLayout(item, stretch)


class Tile(QFrame):
    """One figure with its name above it and a quiet note beside it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setProperty("kind", "tile")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 10, 12)
        layout.setSpacing(4)
        self._name = ElidedLabel(name, "label")
        self._value = label("–", "figure")
        self._note = ElidedLabel("", "small", whole=True)
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self._value, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self._note, 1, Qt.AlignmentFlag.AlignBottom)
        layout.addWidget(self._name)
        layout.addLayout(row)

    def set(self, value: str, note: str = "", *, tone: str = "") -> None:
        """Show a value ("–" where there is none yet) and a note such as "of 200"."""
        self._value.setText(value or "–")
        self._note.setText(note)
        set_property(self._note, "tone", tone or "muted")
        self.setAccessibleName(f"{self._name.text()}: {value or 'nothing yet'} {note}".strip())

    def rename(self, name: str) -> None:
        """Show another name above the value."""
        self._name.setText(name)

    @property
    def value(self) -> str:
        """What it shows."""
        return self._value.text()
