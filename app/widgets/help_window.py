"""Help: its pages at the left, the one that is read at the right. It stays open beside the work."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QTextBlockFormat, QTextCharFormat, QTextCursor, QTextFrameFormat, QTextTable
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from app.models.manual import Topic, topics
from app.style.theme import Theme
from app.widgets.labels import label

_LINE = 140
"""Height of a line of text, in percent of its letters."""


class HelpWindow(QDialog):
    """A search, the pages that it finds, and the text."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        theme = Theme.current()
        self.setWindowTitle("Help")
        self.resize(theme.px(900), theme.px(640))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search the help")
        self.search.setAccessibleName("Search the help")
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setAccessibleName("Pages of help")
        self.nothing = label("No page has these words.", "hint", wrap=True)
        self.nothing.hide()
        self.text = QTextBrowser()
        self.text.setProperty("kind", "reading")
        self.text.setAccessibleName("Text of the page")
        self.text.setOpenLinks(False)
        side = QVBoxLayout()
        side.setSpacing(10)
        side.addWidget(self.search)
        side.addWidget(self.nothing)
        side.addWidget(self.list, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 20, 20, 20)
        row.setSpacing(24)
        row.addLayout(side)
        row.addWidget(self.text, 1)
        self.search.textChanged.connect(self._find)
        self.list.currentItemChanged.connect(lambda *_: self._show())
        for follow in (self._scale, self._show):
            theme.changed.connect(follow)
        self._scale()
        self._find("")

    def open_at(self, key: str) -> None:
        """Show a page, in front of the window."""
        self.search.clear()
        items = (self.list.item(row) for row in range(self.list.count()))
        self.list.setCurrentItem(next(item for item in items if self._topic(item).key == key))
        self.show()
        self.activateWindow()
        self.list.setFocus()

    def _find(self, words: str) -> None:
        """List the pages that have these words, and stay on the one in front where it is among them."""
        before = self._topic(self.list.currentItem())
        found = [topic for topic in topics() if topic.tells_of(words)]
        with QSignalBlocker(self.list):
            self.list.clear()
            for topic in found:
                item = QListWidgetItem(topic.title, self.list)
                item.setData(Qt.ItemDataRole.UserRole, topic)
        self.nothing.setVisible(not found)
        self.list.setVisible(bool(found))
        if found:
            self.list.setCurrentRow(found.index(before) if before in found else 0)

    def _topic(self, item: QListWidgetItem | None) -> Topic:
        """The page of a line; the first of all where there is none."""
        found: Topic = item.data(Qt.ItemDataRole.UserRole) if item is not None else topics()[0]
        return found

    def _scale(self) -> None:
        """The side grows with the text."""
        for widget in (self.search, self.nothing, self.list):
            widget.setFixedWidth(Theme.current().px(200))

    def _show(self) -> None:
        """Set the text: Markdown knows headings, bold and tables, the theme knows how large and in which colours."""
        theme = Theme.current()
        document = self.text.document()
        document.setDefaultFont(theme.font(13))
        self.text.setMarkdown(self._topic(self.list.currentItem()).text)
        cursor = QTextCursor(document)
        block = document.begin()
        while block.isValid():
            cursor.setPosition(block.position())
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            level = block.blockFormat().headingLevel()
            spaced = QTextBlockFormat()
            spaced.setLineHeight(_LINE, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            if level:
                spaced.setTopMargin(theme.px(0 if level == 1 else 18))
                spaced.setBottomMargin(theme.px(6))
                large = QTextCharFormat()
                large.setFont(theme.font(20 if level == 1 else 15, 600))
                cursor.mergeCharFormat(large)
            elif cursor.currentTable() is None:
                spaced.setBottomMargin(theme.px(6))
            cursor.mergeBlockFormat(spaced)
            block = block.next()
        for frame in document.rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                self._style_table(frame)
        self.text.moveCursor(QTextCursor.MoveOperation.Start)

    def _style_table(self, table: QTextTable) -> None:
        theme, layout = Theme.current(), table.format()
        layout.setBorderCollapse(True)
        layout.setBorder(1)
        layout.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        layout.setBorderBrush(theme.color("line"))
        layout.setCellPadding(theme.px(6))
        layout.setTopMargin(theme.px(6))
        layout.setBottomMargin(theme.px(10))
        table.setFormat(layout)
