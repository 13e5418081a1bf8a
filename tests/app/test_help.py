"""The help in the window: every page of it, and the one that F1 opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtTest import QTest

from app.models.manual import FOLDER, OF_PAGE, topics
from app.widgets.help_window import HelpWindow
from app.window import PAGES, Window
from core.adapters.names import METHODS

Open = Callable[[], Window]


def test_every_page_of_help_is_listed_and_every_page_of_the_window_has_one() -> None:
    assert {topic.key for topic in topics()} == {file.stem for file in FOLDER.glob("*.md")}
    assert set(OF_PAGE) == set(PAGES) and set(OF_PAGE.values()) <= {topic.key for topic in topics()}


def test_the_page_on_methods_names_each_of_them() -> None:
    text = next(topic.text for topic in topics() if topic.key == "methods")
    assert all(f"| {method.label} | {method.summary} |" in text for method in METHODS)


def test_every_key_of_the_window_is_named(window: Open) -> None:
    text = next(topic.text for topic in topics() if topic.key == "keys")
    bound = window().findChildren(QShortcut, options=Qt.FindChildOption.FindDirectChildrenOnly)
    keys = {shortcut.key().toString(QKeySequence.SequenceFormat.PortableText) for shortcut in bound}
    pages = {f"Ctrl+{number}" for number in range(1, len(PAGES) + 1)}
    others = {"Ctrl+Enter", "Ctrl+=", "Ctrl+Shift+Z"}  # other names of keys that are named
    assert pages | others < keys and f"Ctrl+1 to Ctrl+{len(PAGES)}" in text
    assert [key for key in keys - pages - others if key not in text] == []


@pytest.mark.parametrize("page", ["model", "layers"])
def test_f1_opens_what_belongs_to_the_page_in_front_and_words_find_others(
    window: Callable[[], Window], page: str
) -> None:
    shown = window()
    shown.go(page)
    QTest.keyClick(shown, Qt.Key.Key_F1)
    help = shown.findChild(HelpWindow)
    assert help is not None and help.isVisible()
    title = next(topic.title for topic in topics() if topic.key == OF_PAGE[page])
    assert help.text.toPlainText().startswith(title)
    QTest.keyClicks(help.search, "singular VALUES")
    listed = [help.list.item(row).text() for row in range(help.list.count())]
    assert "Looking inside" in listed and len(listed) < len(topics())
    QTest.keyClicks(help.search, " xyzzy")
    assert help.list.isHidden() and not help.nothing.isHidden()
    QTest.keyClick(help, Qt.Key.Key_Escape)
    assert not help.isVisible() and shown.isVisible()
