"""A list whose rows have a name, a quiet second line and a word at the right."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.style.theme import Theme

_HEIGHT, _PADDING, _RIGHT = 56, 14, 130


class TwoLines(QStyledItemDelegate):
    """Paints a row.

    Args:
        line: role of the second line.
        word: role of the word at the right.
        broken: role that says whether the row cannot be used.
    """

    def __init__(self, *, line: int, word: int, broken: int) -> None:
        super().__init__()
        self._line, self._word, self._broken = line, word, broken

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """All rows are of one height, which grows with the text."""
        return QSize(200, Theme.current().px(_HEIGHT))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Background by state, then the three texts."""
        theme = Theme.current()
        state = option.state
        rect = QRect(option.rect).adjusted(0, 2, 0, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(theme.color("chosen"))
            painter.drawRoundedRect(rect, 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(theme.color("raised"))
            painter.drawRoundedRect(rect, 6, 6)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(theme.color("accent"))
            painter.drawRoundedRect(rect.adjusted(0, 0, -1, -1), 6, 6)
        inner = rect.adjusted(theme.px(_PADDING), theme.px(7), -theme.px(_PADDING), -theme.px(7))
        self._texts(painter, inner, option, index)
        painter.restore()

    def _texts(
        self,
        painter: QPainter,
        inner: QRect,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        theme = Theme.current()
        broken = bool(index.data(self._broken))
        left = QRect(inner.left(), inner.top(), inner.width() - theme.px(_RIGHT), inner.height())
        name = QFont(option.font)
        name.setWeight(QFont.Weight.DemiBold)
        upper, lower = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        painter.setFont(name)
        painter.setPen(theme.color("muted" if broken else "text"))
        _elided(painter, left, upper, str(index.data()))
        painter.setFont(option.font)
        painter.setPen(theme.color("red_text" if broken else "muted"))
        _elided(painter, QRect(inner), lower, str(index.data(self._line) or ""))
        painter.setPen(theme.color("muted"))
        painter.drawText(inner, Qt.AlignmentFlag.AlignRight | upper, str(index.data(self._word) or ""))


def _elided(painter: QPainter, rect: QRect, alignment: Qt.AlignmentFlag, text: str) -> None:
    cut = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
    painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | alignment, cut)


def two_lines_view(name: str, *, line: int, word: int, broken: int) -> QListView:
    """A list of such rows, without a frame, that the keyboard walks through."""
    view = QListView()
    view.setAccessibleName(name)
    view.setFrameShape(QListView.Shape.NoFrame)
    view.setItemDelegate(TwoLines(line=line, word=word, broken=broken))
    view.setMouseTracking(True)
    view.setUniformItemSizes(True)
    view.setSizeAdjustPolicy(QListView.SizeAdjustPolicy.AdjustToContents)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
    Theme.current().changed.connect(view.doItemsLayout)
    return view
