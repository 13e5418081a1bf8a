"""Text in its few kinds, and text that is cut with an ellipsis where there is no room."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle, QStyleOption, QWidget


def label(text: str = "", type: str = "text", *, tone: str = "", wrap: bool = False, select: bool = False) -> QLabel:
    """A label of one kind of text.

    Args:
        type: brand, title, heading, figure, value, text, label, hint, small or mono: see the stylesheet.
        tone: muted, text, accent, amber, red or blue; empty for the kind's own colour.
        wrap: whether it breaks into lines.
        select: whether the user can mark and copy it, also with the keyboard.
    """
    made = QLabel(text)
    made.setProperty("type", type)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if tone:
        made.setProperty("tone", tone)
    if select:
        made.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    return made


def set_property(widget: QWidget, name: str, value: object) -> None:
    """Change a property that the stylesheet chooses by, and let it choose again."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class ElidedLabel(QLabel):
    """One line that ends in an ellipsis where it does not fit, or shows nothing (`whole`); its tooltip has the rest."""

    def __init__(
        self,
        text: str = "",
        type: str = "text",
        *,
        tone: str = "",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
        whole: bool = False,
    ) -> None:
        super().__init__(text)
        self._mode = mode
        self._whole = whole
        self.setProperty("type", type)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if tone:
            self.setProperty("tone", tone)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def setText(self, text: str) -> None:
        """Show another text."""
        if text != self.text():
            super().setText(text)
            self._set_tip()

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters: the rest may go; none where it is shown whole or not at all."""
        hint = super().minimumSizeHint()
        if self._whole:
            return QSize(0, hint.height())
        return QSize(min(hint.width(), self.fontMetrics().averageCharWidth() * 5), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer the whole text as a tooltip where it no longer fits."""
        super().resizeEvent(event)
        self._set_tip()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text cut to the width."""
        option = QStyleOption()
        option.initFrom(self)
        painter = QPainter(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)
        text = self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())
        if self._whole and text != self.text():
            return
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), int(self.alignment()) | Qt.TextFlag.TextSingleLine, text)

    def _set_tip(self) -> None:
        cut = self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width()
        self.setToolTip(self.text() if cut else "")
