"""Opens the window. Imports nothing heavy: the first paint comes before plots, and torch never comes at all."""

from __future__ import annotations

import gc
import signal
import sys

from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app import errors
from app.garbage import Garbage
from app.style.theme import Theme
from app.window import Window
from core.home import Home, find_home

IDLE_AFTER = 250
"""Milliseconds after the first paint at which the pages that nobody has opened yet are made."""


def make_application() -> QApplication:
    """The application object, in the style that the stylesheet is written for."""
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Rankloom")
    app.setOrganizationName("Rankloom")
    app.setStyle("Fusion")
    return app


def make_window(home: Home) -> Window:
    """The window of a home, not yet shown. Choices are remembered in the home, so that each home has its own."""
    settings = QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat)
    theme = Theme(settings, undressed=True)
    window = Window(home, settings, theme)
    window.setWindowIcon(theme.icon("rankloom", "accent", 64))
    return window


def main(home: str | None = None) -> int:
    """Open the window and stay until it is closed; returns the exit status.

    Args:
        home: the folder of database and runs; None for the usual place.

    Raises:
        UserError: the home or its database cannot be used.
    """
    gc.disable()  # Nothing is garbage yet, and looking for it takes a tenth of the start; `Garbage` looks later.
    found = find_home(home)
    app = make_application()
    errors.install()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    window = make_window(found)
    show(window)
    return app.exec()


def show(window: Window) -> None:
    """Put the window on the screen; what it need not show at once is made a moment later."""
    window.show()
    window.made.connect(Garbage(window).settle)
    QTimer.singleShot(IDLE_AFTER, window, window.make_rest)
