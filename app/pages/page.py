"""The base of every page: a header (name, subtitle, actions) above a body, and a tick for the navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.widgets import ElidedLabel

if TYPE_CHECKING:
    from app.context import Context


class Page(QWidget):
    """One page of the window. Takes the `Context` as its only argument.

    Attributes:
        key: how `Context.go` and the tests name it.
        title: its name in the navigation and in the header.
        body: the layout below the header.
        complete_changed: sent when `complete` may have changed; the navigation then reads it again.
    """

    key: ClassVar[str] = ""
    title: ClassVar[str] = ""
    complete_changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.setProperty("kind", "page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"{self.title} page")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(32, 18, 32, 24)
        outer.setSpacing(14)
        header = QWidget()
        header.setMinimumHeight(36)
        row = QHBoxLayout(header)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        self.title_label = ElidedLabel(self.title, "title")
        self.subtitle_label = ElidedLabel("", "label")
        self._beside_title = QHBoxLayout()
        self._actions = QHBoxLayout()
        self._actions.setSpacing(8)
        row.addWidget(self.title_label)
        row.addLayout(self._beside_title)
        row.addWidget(self.subtitle_label, 1)
        row.addLayout(self._actions)
        outer.addWidget(header)
        self.body = QVBoxLayout()
        self.body.setSpacing(16)
        outer.addLayout(self.body, 1)

    @property
    def complete(self) -> bool:
        """Whether this step of the work is done: the tick in the navigation."""
        return False

    def set_title(self, title: str, subtitle: str = "") -> None:
        """Change the header; the subtitle is the quiet text beside the name."""
        self.title_label.setText(title)
        self.subtitle_label.setText(subtitle)

    def set_subtitle(self, subtitle: str) -> None:
        """Change the quiet text beside the name."""
        self.subtitle_label.setText(subtitle)

    def add_beside_title(self, widget: QWidget) -> None:
        """Put something (a badge) between name and subtitle."""
        self._beside_title.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def add_action(self, widget: QWidget) -> None:
        """Put a button at the right end of the header."""
        self._actions.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def shown(self) -> None:
        """Called each time the page comes to the front: the moment to catch up with what it skipped while hidden."""
