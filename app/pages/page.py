"""The base of every page: a header (name, subtitle, actions) above a body, and a tick for the navigation.

A page is made in parts. Its widgets are many, and made all at once they would hold the window up for longer than a
frame; so `make` is a generator that rests between two parts, and the window does something else there.

Where text is so large, or the window so small, that a page would be cut or run into itself, it scrolls instead. And
forms and lists do not follow a window of any width: nobody reads across half a metre.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets import ElidedLabel
from app.widgets.flow import Line

if TYPE_CHECKING:
    from app.context import Context


_LEAST, _NARROW = QSize(740, 560), QSize(480, 300)
"""Width and height below which a page scrolls, in unscaled pixels: one whose parts stand beside one another, and one
with no room for that."""
_WIDEST = 1720
"""How wide a page gets that is not `wide`, in unscaled pixels: a window that fills a usual screen is filled."""
_SIDES, _BETWEEN = 32, 16
"""Pixels at both sides of what is on a page, and between the parts of its header."""
_HIGH = 36
"""Pixels that the header is high at least, with or without buttons."""
_NAME = 0.5
"""Share of the page's width that its name may take, however long."""


class Page(QScrollArea):
    """One page of the window; subclasses make what is on it in `make`.

    Args:
        context: what every page is given.
        at_once: whether all of it is made now; otherwise one after another as `making` is gone through.

    Attributes:
        making: what is left to be made, part by part.
        key: how `Context.go` and the tests name it.
        title: its name in the navigation and in the header.
        wide: whether it takes all the width there is: for maps, plots and tables, not for forms.
        scrolls: whether it scrolls as a whole where it is low; otherwise what is below its header does so by itself.
        content: all that is on it, header included.
        body: the layout below the header.
        complete_changed: sent when `complete` may have changed; the navigation then reads it again.
    """

    key: ClassVar[str] = ""
    title: ClassVar[str] = ""
    wide: bool = True
    scrolls: ClassVar[bool] = True
    complete_changed = Signal()

    def __init__(self, context: Context, *, at_once: bool = True) -> None:
        super().__init__()
        self.context = context
        self.setProperty("kind", "page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName(f"{self.title} page")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.content = _Content(self)
        self.setWidget(self.content)
        outer = QVBoxLayout(self.content)
        outer.setContentsMargins(_SIDES, 18, _SIDES, 24)
        outer.setSpacing(14)
        header = QWidget()
        self._header = QBoxLayout(QBoxLayout.Direction.LeftToRight, header)
        self._header.setContentsMargins(0, 0, 0, 0)
        self._header.setSpacing(_BETWEEN)
        row = QHBoxLayout()
        row.addStrut(_HIGH)
        row.setSpacing(_BETWEEN)
        self._header.addLayout(row, 1)
        self.title_label = ElidedLabel(self.title, "title", mode=Qt.TextElideMode.ElideMiddle)
        self.subtitle_label = ElidedLabel("", "label")
        self._beside_title = QHBoxLayout()
        self._actions = Line()
        row.addWidget(self.title_label)
        row.addLayout(self._beside_title)
        row.addWidget(self.subtitle_label, 1)
        self._header.addWidget(self._actions)
        outer.addWidget(header)
        self.body = QVBoxLayout()
        self.body.setSpacing(16)
        outer.addLayout(self.body, 1)
        self.making = self.make()
        if at_once:
            for _ in self.making:
                pass

    def make(self) -> Iterator[None]:
        """Make what is on the page, and `yield` after each part; signals are connected in the last one."""
        yield from ()

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
        self._actions.add(widget)

    def shown(self) -> None:
        """Called each time the page comes to the front: the moment to catch up with what it skipped while hidden."""

    def fit(self) -> None:
        """Give what is on the page the room there is: never less than it needs, and no more than it makes use of."""
        px, room = Theme.current().px, self.viewport().size()
        narrow = room.width() < px(_LEAST.width())
        self._break_header(narrow and self._header_width(room.width()) > room.width())
        wanted = _NARROW if narrow or not self.scrolls else _LEAST
        least = QSize(px(wanted.width()), px(wanted.height())).expandedTo(self.content.minimumSizeHint())
        if narrow and self.scrolls:
            least.setHeight(max(least.height(), self.content.heightForWidth(max(room.width(), least.width()))))
        if not self.wide:
            room.setWidth(min(room.width(), px(_WIDEST)))
        self.content.resize(room.expandedTo(least))
        self.title_label.setMaximumWidth(int(_NAME * self.content.width()))

    def _header_width(self, room: int) -> int:
        """How wide the page must be for name and buttons in one row."""
        name = min(self.title_label.sizeHint().width(), int(_NAME * room))
        others = self._beside_title.sizeHint().width() + self.subtitle_label.minimumSizeHint().width()
        return name + others + self._actions.line + 2 * _SIDES + 3 * _BETWEEN

    def _break_header(self, breaks: bool) -> None:
        """Put the buttons below the name, or beside it."""
        self._header.setDirection(QBoxLayout.Direction.TopToBottom if breaks else QBoxLayout.Direction.LeftToRight)
        self._actions.may_break(breaks)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The room is another."""
        super().resizeEvent(event)
        self.fit()


class _Content(QWidget):
    """Tells its page when it needs more room, or less."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page

    def event(self, event: QEvent) -> bool:
        """Something on it has another size."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._page.fit()
        return super().event(event)
