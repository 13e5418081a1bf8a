"""A pill of text that says a state: running, paused, failed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from app.widgets.labels import set_property


class Badge(QLabel):
    """A state in a word and a tone: accent, amber, red, blue or muted."""

    def __init__(self, text: str = "", tone: str = "muted") -> None:
        super().__init__()
        self.setProperty("kind", "badge")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.set(text, tone)

    def set(self, text: str, tone: str = "muted") -> None:
        """Show another state."""
        self.setText(text)
        self.setAccessibleName(f"Status: {text}")
        set_property(self, "tone", tone)
