"""How pages use their room: they scroll where they would be cut, and forms do not follow a window of any width."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.pages.method import MethodPage
from app.starting_point import starting_point
from app.style.sheet import sheet
from app.style.theme import SCALES, Theme
from app.widgets.flow import Flow
from app.window import Window
from core.models.catalog import tiny_model
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


def settled(shown: Window) -> None:
    """Layouts have told each other what they need."""
    for _ in range(4):
        QApplication.processEvents()


def test_a_page_scrolls_where_large_text_would_cut_it(window: Open, seeded: Make) -> None:
    seeded().begin().advance(20).finish()
    shown = window()
    page = shown.page("run")
    shown.go("run")
    settled(shown)
    assert page.content.size() == page.viewport().size() == page.size()
    for _ in SCALES:
        shown.context.theme.zoom(1)
    settled(shown)
    least = page.content.minimumSizeHint()
    assert page.content.width() >= least.width() and page.content.height() >= least.height()
    assert page.content.height() > page.viewport().height() and page.verticalScrollBar().maximum() > 0
    shown.context.theme.zoom(0)
    settled(shown)
    assert page.content.size() == page.size()


def test_the_largest_text_needs_no_scrolling_sideways(window: Open, seeded: Make) -> None:
    seeded().begin().advance(20).stop()
    shown = window()
    shown.document.update(starting_point(tiny_model()), "Start")
    entry = shown.navigation.entries["runs"]
    assert entry.toolTip() == "Ctrl+6"
    for _ in SCALES:
        shown.context.theme.zoom(1)
    assert shown.width() == 1280 and shown.navigation.width() < 120
    assert (entry.toolTip(), entry.accessibleName()) == ("Runs (Ctrl+6)", "Runs")
    for key in shown.navigation.entries:
        page = shown.page(key)
        shown.go(key)
        settled(shown)
        assert page.horizontalScrollBar().maximum() == 0, key
    shown.context.theme.zoom(0)
    assert shown.navigation.width() == 200


def test_forms_do_not_follow_a_window_of_any_width_but_plots_do(window: Open) -> None:
    shown = window()
    shown.resize(2560, 1440)
    widths = {}
    for key in ("method", "run"):
        page = shown.page(key)
        shown.go(key)
        settled(shown)
        widths[key] = page.content.width() / page.width()
    assert widths["method"] < 0.8 and widths["run"] == 1.0


def test_a_full_disk_is_told_of_in_a_line_that_covers_nothing(window: Open) -> None:
    shown = window()
    shown.page("runs")
    shown.go("runs")
    shown.context.feed.trouble.emit("The disk is full. Free some space: runs go on, and what they say is kept.")
    settled(shown)
    said, page = shown._trouble, shown.page("runs")
    assert said.isVisible() and said.height() < 60
    assert page.mapTo(shown, page.rect().bottomLeft()).y() + 1 == said.mapTo(shown, said.rect().topLeft()).y()
    assert said.mapTo(shown, said.rect().bottomLeft()).y() + 1 == shown.height()
    shown.context.feed.trouble.emit("")
    settled(shown)
    assert not said.isVisible()


def test_what_is_missing_for_a_run_is_one_click_away(window: Open) -> None:
    shown = window()
    page = cast(MethodPage, shown.page("method"))
    shown.go("method")
    assert (page.choose.text(), page.choose.isVisible()) == ("Choose a model", True)
    page.choose.click()
    assert shown.current == "model"
    shown.document.update({"model.path": str(tiny_model())}, "Choose a model")
    shown.go("method")
    assert page.choose.text() == "Choose data"


def test_the_tab_key_comes_to_the_page_in_front(window: Open) -> None:
    shown = window()
    for key in ("model", "runs"):
        shown.page(key)
        shown.go(key)
        shown.navigation.menu_button.setFocus(Qt.FocusReason.TabFocusReason)
        QTest.keyClick(shown.windowHandle(), Qt.Key.Key_Tab)
        assert QApplication.focusWidget() is shown.navigation.entries[key]


@pytest.mark.parametrize("scale", SCALES)
def test_round_ends_are_round_at_every_size_of_text(qapp: QApplication, scale: float) -> None:
    theme = Theme.current()
    text = sheet(theme.tokens, theme.text_px, lambda size: round(size * scale), "mono", lambda *_: "")
    rule = text.partition('QPushButton[kind="chip"] {')[2].partition("}")[0]
    radius, padding, height = (int(rule.partition(name)[2].strip(" :").partition("px")[0]) for name in _ROUND)
    assert radius <= (height + 2 * padding + 2) / 2


_ROUND = ("border-radius", "padding", "min-height")


def test_what_stands_in_a_line_has_one_middle(qapp: QApplication) -> None:
    line, parts = Flow(), [QWidget(), QWidget()]
    for part, height in zip(parts, (20, 30), strict=True):
        part.setMinimumSize(40, height)
        line.add(part)
    line.resize(100, 30)
    line.show()
    assert parts[0].geometry().center().y() == parts[1].geometry().center().y() == 14
    line.close()
