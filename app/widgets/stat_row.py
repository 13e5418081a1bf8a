"""A name at the left and its value at the right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.widgets.labels import ElidedLabel, label, set_property


class StatRow(QWidget):
    """`name ........ value`; a long value is cut in the middle and shown whole as a tooltip."""

    def __init__(self, name: str, value: str = "", *, mono: bool = False) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(12)
        self._name = label(name, "label")
        self._value = ElidedLabel(value, "mono" if mono else "value", mode=Qt.TextElideMode.ElideMiddle)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._name)
        layout.addWidget(self._value, 1)
        self.set(value)

    def set(self, value: str, *, tone: str = "") -> None:
        """Show another value, in a tone (amber for a warning, red for a failure)."""
        self._value.setText(value)
        set_property(self._value, "tone", tone or "text")
        self.setAccessibleName(f"{self._name.text()}: {value}")

    @property
    def value(self) -> str:
        """What it shows."""
        return self._value.text()
