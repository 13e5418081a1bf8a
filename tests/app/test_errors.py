"""How a failure is shown."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.errors import ErrorDialog
from app.widgets import Button


def buttons(dialog: ErrorDialog) -> dict[str, Button]:
    return {button.text(): button for button in dialog.findChildren(Button) if not button.isHidden()}


def test_the_details_fit_into_the_dialog_and_can_be_hidden_again(qtbot: QtBot) -> None:
    dialog = ErrorDialog("It went wrong.", hint="Try it again.", details="Traceback\n" * 30)
    qtbot.addWidget(dialog)
    dialog.show()
    low = dialog.height()
    buttons(dialog)["Show details"].click()
    QApplication.processEvents()
    assert dialog.details.isVisible() and dialog.rect().contains(dialog.details.geometry())
    assert dialog.details.geometry().bottom() < buttons(dialog)["Close"].geometry().top()
    buttons(dialog)["Hide details"].click()
    assert dialog.height() == low


def test_all_that_is_said_can_be_copied(qtbot: QtBot) -> None:
    dialog = ErrorDialog("It went wrong.", hint="Try it again.")
    qtbot.addWidget(dialog)
    buttons(dialog)["Copy"].click()
    assert QGuiApplication.clipboard().text() == "It went wrong.\n\nTry it again."


def test_the_keys_are_on_close_and_not_on_what_comes_before_it(qtbot: QtBot) -> None:
    dialog = ErrorDialog("It went wrong.")
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.focusWidget() is buttons(dialog)["Close"]


def test_lines_are_no_further_apart_than_they_are_high(qtbot: QtBot) -> None:
    dialog = ErrorDialog("There is nothing in the folder that is called so. " * 5, hint="Look elsewhere. " * 8)
    qtbot.addWidget(dialog)
    dialog.show()
    layout = dialog.layout()
    assert layout is not None and dialog.height() <= layout.totalHeightForWidth(dialog.width())
