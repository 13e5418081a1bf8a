"""The theme: readable everywhere, and remembered."""

from __future__ import annotations

import re

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QRadioButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.style import icons
from app.style.theme import SMALLEST, Theme
from app.style.tokens import SCHEMES, Tokens
from app.widgets import danger, ghost, label, plain
from core.home import Home


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tokens", SCHEMES)
@pytest.mark.parametrize("name", ["text", "muted", "accent_text", "amber_text", "red_text", "blue_text"])
def test_text_has_a_contrast_of_4_5_on_every_ground(tokens: Tokens, name: str) -> None:
    for ground in ("ground", "side", "panel", "raised"):
        assert contrast(tokens.color(name), tokens.color(ground)) >= 4.5, (name, ground)


@pytest.mark.parametrize("tokens", SCHEMES)
def test_the_words_on_a_primary_button_can_be_read(tokens: Tokens) -> None:
    assert contrast(tokens.on_button, tokens.button) >= 4.5


@pytest.mark.parametrize("tokens", SCHEMES)
def test_curves_of_compared_runs_stand_out_from_the_panel(tokens: Tokens) -> None:
    assert min(contrast(color, tokens.panel) for color in tokens.series) >= 3
    assert len(set(tokens.series)) == 8


@pytest.fixture
def settings(home: Home) -> QSettings:
    return QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat)


def test_no_text_is_ever_smaller_than_eleven_pixels(qapp: QApplication, settings: QSettings) -> None:
    theme = Theme(settings)
    for _ in range(5):
        theme.zoom(-1)
        sizes = [int(size) for size in re.findall(r"font-size: (\d+)px", qapp.styleSheet())]
        assert min(sizes) >= SMALLEST


def test_scale_and_scheme_are_remembered(qapp: QApplication, settings: QSettings) -> None:
    theme = Theme(settings)
    theme.zoom(1)
    theme.choose("light")
    again = Theme(settings)
    assert (again.scale, again.choice, again.tokens.dark) == (1.1, "light", False)
    again.zoom(0)
    assert again.scale == 1.0


def test_changing_the_scheme_changes_what_is_already_shown(qapp: QApplication, settings: QSettings) -> None:
    theme = Theme(settings)
    shown = label("Loss", "heading")
    shown.show()
    colors = []
    for choice in ("dark", "light"):
        theme.choose(choice)
        shown.ensurePolished()
        colors.append(shown.palette().color(shown.foregroundRole()).name())
    assert colors == [tokens.text for tokens in SCHEMES]


class Plot(QWidget):
    """Notes when it is restyled."""

    def __init__(self, name: str, told: list[str]) -> None:
        super().__init__()
        self.name, self.told = name, told

    def restyle(self) -> None:
        self.told.append(self.name)


def test_what_can_be_seen_takes_another_size_first_and_is_painted_as_one(qtbot: QtBot, settings: QSettings) -> None:
    theme = Theme(settings, undressed=True)
    window, told = QWidget(), list[str]()
    column = QVBoxLayout(window)
    plots = [Plot("hidden", told), Plot("seen", told)]
    for plot in plots:
        column.addWidget(plot)
        theme.enlist(plot)
    plots[0].hide()
    theme.dress(window)
    qtbot.addWidget(window)
    window.show()
    theme.zoom(1)
    assert told == [] and not window.updatesEnabled()
    qtbot.waitUntil(lambda: len(told) == 2, timeout=30_000)
    assert told == ["seen", "hidden"] and window.updatesEnabled()


def test_the_keys_are_shown_by_the_edge_alone(qtbot: QtBot, settings: QSettings) -> None:
    Theme(settings)
    holder, edge = QWidget(), 5
    column = QVBoxLayout(holder)
    parts = [plain("First"), danger("Stop"), ghost("Copy"), QCheckBox("Verify"), QRadioButton("Merged")]
    for part in parts:
        column.addWidget(part)
    qtbot.addWidget(holder)
    holder.show()
    holder.activateWindow()
    assert QTest.qWaitForWindowActive(holder, 30_000)
    parts[0].setFocus()
    for part in parts[1:]:
        inside = part.rect().adjusted(edge, edge, -edge, -edge)
        before = part.grab(inside).toImage()
        QTest.keyClick(holder, Qt.Key.Key_Tab)
        assert part.hasFocus() and part.grab(inside).toImage() == before, part.text()


def test_digits_are_of_one_width_in_labels_and_in_painted_text(qapp: QApplication, settings: QSettings) -> None:
    theme = Theme(settings)
    shown = label("1", "figure")
    shown.ensurePolished()
    for font in (shown.font(), theme.font(20, 600)):
        assert QFontMetrics(font).horizontalAdvance("1111") == QFontMetrics(font).horizontalAdvance("0000")


@pytest.mark.parametrize("path", sorted(icons.FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_every_icon_is_painted_in_the_colour_asked_for(path: object, qapp: QApplication) -> None:
    image = icons.pixmap(path.stem, "#ff0000", 32).toImage()  # type: ignore[attr-defined]
    colors = {
        image.pixelColor(x, y).name() for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() > 200
    }
    assert colors == {"#ff0000"}
