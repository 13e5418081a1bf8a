"""The window's menu: recent files, how it looks, how large its text is, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from app.models.manual import OF_PAGE
from app.style.theme import CHOICES

if TYPE_CHECKING:
    from app.window import Window

_AIR = "\N{EM SPACE}"
"""Behind the longest entry, whose key would follow it like one more word."""
_LOOKS = {"system": "Like the system", "dark": "Dark", "light": "Light"}


def window_menu(window: Window) -> QMenu:
    """The menu, as things stand."""
    menu = QMenu(window)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    document = window.document
    _add(menu, "Open a model folder…", "Ctrl+O", window.open_model)
    _add(menu, "Open a GGUF file…", "Ctrl+Shift+O", window.open_gguf)
    _add(menu, "Import an adapter…", "Ctrl+I", window.import_adapter)
    for kind in ("model", "data"):
        _add_recent(menu, window, kind)
    menu.addSeparator()
    undo = _add(menu, f"Undo {document.undo.undoText()}".strip(), "Ctrl+Z", document.undo.undo)
    undo.setEnabled(document.undo.canUndo())
    redo = _add(menu, f"Redo {document.undo.redoText()}".strip(), "Ctrl+Y", document.undo.redo)
    redo.setEnabled(document.undo.canRedo())
    _add(menu, "Start the run", "Ctrl+Return", window.start_run)
    menu.addSeparator()
    _add_looks(menu, window)
    text = menu.addMenu("Text size")
    for name, key, direction in (("Larger", "Ctrl++", 1), ("Smaller", "Ctrl+-", -1), ("As it was", "Ctrl+0", 0)):
        _add(text, name, key, partial(window.context.theme.zoom, direction))
    menu.addSeparator()
    _add(menu, "Help", "F1", lambda: show_help(window))
    _add(menu, "Quit", "Ctrl+Q", window.close)
    return menu


def show_help(window: Window) -> None:
    """Show what the help says of the page in front, in the one window of help."""
    from app.widgets.help_window import HelpWindow

    (window.findChild(HelpWindow) or HelpWindow(window)).open_at(OF_PAGE[window.current])


def _add(menu: QMenu, text: str, key: str, do: Callable[[], object]) -> QAction:
    """An entry that names its key, some way off; the key itself is bound to the window."""
    action = menu.addAction(f"{text}{_AIR}\t{key}")
    action.triggered.connect(lambda: do())
    return action


def _add_recent(menu: QMenu, window: Window, kind: str) -> None:
    paths = window.document.recent.get(kind, ())
    recent = menu.addMenu("Recent models" if kind == "model" else "Recent data")
    recent.setEnabled(bool(paths))
    for path in paths:
        action = recent.addAction(Path(path).name or path)
        action.setToolTip(path)
        action.setEnabled(Path(path).exists())
        action.triggered.connect(lambda _=False, path=path: window.use(Path(path)))


def _add_looks(menu: QMenu, window: Window) -> None:
    looks = menu.addMenu("Appearance")
    group = QActionGroup(looks)
    for choice in CHOICES:
        action = looks.addAction(_LOOKS[choice])
        action.setCheckable(True)
        action.setChecked(choice == window.context.theme.choice)
        action.triggered.connect(lambda _=False, choice=choice: window.context.theme.choose(choice))
        group.addAction(action)
