"""The window: navigation at the left, one page at a time at the right, and what holds for all of them.

Pages are imported when they are first needed, so that the window stands before anything heavy is loaded; the others
follow one by one while nobody waits, because their ticks are shown in the navigation. They are made part by part, one
in a turn of the event loop. Where somebody asks for a page that is not made yet, the one in front stays until it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QChildEvent, QEvent, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMainWindow, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from app import ahead
from app.actions import Actions
from app.context import Context
from app.document import Document
from app.dropped import OFFERS, files, kind_of, unknown
from app.errors import show_error
from app.feed import Feed
from app.jobs import Job, Jobs
from app.menu import show_help, window_menu
from app.models.packs import chosen
from app.news import News
from app.pages.page import Page
from app.style.theme import Theme
from app.widgets import Notice
from app.widgets.import_dialog import ImportDialog
from app.widgets.navigation import Navigation
from app.widgets.toast import DropHint, Toast
from app.words import plural
from core.config.files import read
from core.errors import UserError
from core.home import Home
from core.state import UNDER_WAY
from core.store.store import Store

if TYPE_CHECKING:
    from app.pages.runs import RunsPage

GROUPS = (
    (("model", "Model"), ("data", "Data"), ("layers", "Layers"), ("method", "Method"), ("run", "Run")),
    (("runs", "Runs"), ("insight", "Insight"), ("export", "Export")),
)
"""The pages as the navigation shows them: key and title."""
PAGES = {
    "model": "app.pages.model:ModelPage",
    "data": "app.pages.data:DataPage",
    "layers": "app.pages.layers:LayersPage",
    "method": "app.pages.method:MethodPage",
    "run": "app.pages.run:RunPage",
    "runs": "app.pages.runs:RunsPage",
    "insight": "app.pages.insight:InsightPage",
    "export": "app.pages.export:ExportPage",
}
"""Where each page's class is; imported on first use."""
_AT_ONCE, _IDLE = 0, 30
"""Milliseconds between two parts of a page: one that is waited for, and one that nobody has asked for."""
WAITED_FOR = frozenset({"convert", "export", "import", "importance", "insight", "every_rank", "report"})
"""Kinds of jobs that closing the window asks about."""


class Window(QMainWindow):
    """The one window of a home."""

    made, complete = Signal(), Signal()
    """One more page is made, and all of them are."""

    def __init__(self, home: Home, settings: QSettings, theme: Theme) -> None:
        super().__init__()
        self.settings = settings
        store = Store(home)
        feed, jobs = Feed(store), Jobs(home, store)
        self.document = Document(home, taken=store.names)
        self.context = Context(
            home=home, store=store, feed=feed, jobs=jobs, actions=Actions(home, store, feed, jobs),
            document=self.document, theme=theme, settings=settings, go=self.go,
        )  # fmt: skip
        self.pages: dict[str, Page] = {}
        self._begun: dict[str, Iterator[None]] = {}
        self._wanted = ""
        self._makes_rest = False
        self._making = QTimer(self, singleShot=True)
        self._making.timeout.connect(self._go_on_making)
        self.setWindowTitle("Rankloom")
        self.setMinimumSize(1000, 640)
        self.setAcceptDrops(True)
        self._lay_out()
        self._bind_keys()
        self.news = News(self.context, self._toast)
        self._connect()
        self._restore_geometry()
        self._show_first_page()

    # Pages

    def go(self, key: str) -> None:
        """Bring a page to the front: at once, or as soon as it is made."""
        self._wanted = key
        self.navigation.show_page(key)
        self.settings.setValue("page", key)
        if key in self.pages:
            self._show_wanted()
        else:
            self._making.start(0)

    def page(self, key: str) -> Page:
        """A page; what is missing of it is made at once."""
        while key not in self.pages:
            self._make_part(key)
        return self.pages[key]

    @property
    def current(self) -> str:
        """The key of the page in front, or that comes to the front as soon as it is made."""
        return self._wanted

    def make_rest(self) -> None:
        """From now on also make, while the window is idle, what nobody has asked for yet."""
        self._makes_rest = True
        self._making.start(_IDLE)

    def _go_on_making(self) -> None:
        """Make the next part of the page that is waited for, else of another, and come back."""
        missing = [key for key in (self._wanted, *(PAGES if self._makes_rest else ())) if key not in self.pages]
        if missing:
            self._make_part(missing[0])
            self._making.start(_AT_ONCE if self._wanted not in self.pages else _IDLE)
        elif self._makes_rest:
            self._makes_rest = False
            self.complete.emit()

    def _make_part(self, key: str) -> None:
        """Begin with a page, or go on with it; once it is whole, it is one of `pages`."""
        if key not in self._begun:
            self._begun[key] = self._made(key)
        next(self._begun[key], None)

    def _made(self, key: str) -> Iterator[None]:
        """Import what a page needs, then make it; rests after each part."""
        try:
            module, name = PAGES[key].split(":")
            yield from ahead.imported(module)
            page: Page = getattr(sys.modules[module], name)(self.context, at_once=False)
            self.context.theme.dress(page)
            self._stack.addWidget(page)
            yield
            yield from page.making
        finally:
            del self._begun[key]
        self.pages[key] = page
        self.made.emit()
        page.complete_changed.connect(lambda: self.navigation.set_done(key, page.complete))
        self.navigation.set_done(key, page.complete)
        if key == self._wanted:
            self._show_wanted()

    def _show_wanted(self) -> None:
        page = self.pages[self._wanted]
        self.context.theme.freshen(page)
        self._stack.setCurrentWidget(page)
        self._toast.raise_()  # the page has come in front of everything
        page.shown()
        page.setFocus()

    # Doing

    def start_run(self) -> None:
        """Start a run of the configuration as it stands; where something is missing, say what."""
        problems = self.document.check()
        try:
            if problems:
                raise UserError("The run cannot start yet.", hint=" ".join(problems.values()))
            self.context.actions.start(self.document.config)
        except UserError as error:
            show_error(error, self)

    def open_model(self) -> None:
        """Ask for a model folder."""
        if chosen := QFileDialog.getExistingDirectory(self, "Open a model folder"):
            self.use(Path(chosen))

    def open_gguf(self) -> None:
        """Ask for a GGUF file."""
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a GGUF file", "", "GGUF models (*.gguf)")
        if chosen:
            self.use(Path(chosen))

    def import_adapter(self, adapter: str = "") -> None:
        """Ask for an adapter of PEFT's; once it is a run, show it."""
        dialog = ImportDialog(self.context.jobs, self, adapter=adapter, model=self.document.config.model.path)
        dialog.accepted.connect(lambda: self.news.imported(dialog.result_of or {}))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def use(self, path: Path) -> None:
        """Take it for what it is: the model, the data, an adapter to be imported or a run file to be opened."""
        try:
            match kind_of(path) if path.exists() else None:
                case "adapter":
                    self.import_adapter(str(path))
                case "run file":
                    self.document.replace(read(path), f"Open {path.name}")
                    self.go("method")
                case "model" | "data" as kind:
                    values = chosen(str(path)) if kind == "data" else {"model.path": str(path)}
                    self.document.update(values, f"Choose {path.name}")
                    self.document.remember(kind, str(path))
                    self.go(kind)
                case _:
                    raise unknown(path)
        except UserError as error:
            show_error(error, self)

    # Events

    def childEvent(self, event: QChildEvent) -> None:
        """A dialog or menu of the window wears what its pages wear."""
        super().childEvent(event)
        child = event.child()
        if event.polished() and isinstance(child, QWidget) and child.isWindow():
            self.context.theme.dress(child)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Say what dropping would do."""
        paths = files(event.mimeData().urls())
        kind = kind_of(paths[0]) if len(paths) == 1 else None
        if kind is not None:
            event.acceptProposedAction()
            self._drop.say(OFFERS[kind])

    def dragLeaveEvent(self, event: QEvent) -> None:
        """Nothing is dragged any more."""
        self._drop.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take what was dropped."""
        self._drop.hide()
        self.use(files(event.mimeData().urls())[0])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The navigation takes what there is room for, and what floats keeps its place."""
        super().resizeEvent(event)
        self.navigation.fit(self.width())
        self._toast.place()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Save and let go; trainings go on. Jobs of the warm worker would end with the window: ask first."""
        if self._ending and not self._may_end_jobs():
            event.ignore()
            return
        self.settings.setValue("geometry", self.saveGeometry())
        self.settings.sync()
        self.document.flush()
        for timer in self.findChildren(QTimer):
            timer.stop()  # Nothing is made or read any more.
        self.context.feed.stop()
        self.context.jobs.stop()
        self.context.store.close()
        event.accept()

    @property
    def _ending(self) -> list[Job]:
        """Jobs whose result the user waits for, and which would end with the window; looking at data is asked anew."""
        return [job for job in self.context.jobs.under_way if job.kind in WAITED_FOR]

    # Making

    def _lay_out(self) -> None:
        self.navigation = Navigation(GROUPS)
        self.navigation.chosen.connect(self.go)
        self.navigation.menu_button.clicked.connect(self._open_menu)
        self._stack = QStackedWidget()
        self._trouble = Notice(tone="red")
        self._trouble.hide()
        centre = QWidget()
        column, row = QVBoxLayout(centre), QHBoxLayout()
        for layout in (column, row):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(0)
        column.addLayout(row, 1)
        column.addWidget(self._trouble)
        row.addWidget(self.navigation)
        row.addWidget(self._stack, 1)
        self.setCentralWidget(centre)
        self._toast = Toast(self._stack)
        self._drop = DropHint(self._stack)
        for part in (self.navigation, self._toast, self._drop, self._trouble):
            self.context.theme.dress(part)

    def _bind_keys(self) -> None:
        keys: list[tuple[str | QKeySequence.StandardKey, Callable[[], object]]] = [
            (f"Ctrl+{number}", partial(self.go, key)) for number, key in enumerate(PAGES, start=1)
        ]
        theme, undo = self.context.theme, self.document.undo
        keys += [
            ("Ctrl+Return", self.start_run), ("Ctrl+Enter", self.start_run),
            ("Ctrl+Z", undo.undo), ("Ctrl+Y", undo.redo), ("Ctrl+Shift+Z", undo.redo),
            ("Ctrl+O", self.open_model), ("Ctrl+Shift+O", self.open_gguf), ("Ctrl+I", self.import_adapter),
            ("F1", partial(show_help, self)), ("Ctrl+Q", self.close),
            ("Ctrl++", lambda: theme.zoom(1)), ("Ctrl+=", lambda: theme.zoom(1)),
            ("Ctrl+-", lambda: theme.zoom(-1)), ("Ctrl+0", lambda: theme.zoom(0)),
        ]  # fmt: skip
        for key, action in keys:
            QShortcut(QKeySequence(key), self).activated.connect(action)

    def _connect(self) -> None:
        actions, feed = self.context.actions, self.context.feed
        actions.started.connect(self._started)
        actions.import_asked.connect(self.import_adapter)
        actions.compared.connect(self._compare)
        actions.report_failed.connect(lambda text, hint: show_error(UserError(text, hint=hint), self))
        feed.trouble.connect(self._show_trouble)
        feed.watched.connect(self._name_window)
        feed.start()

    def _restore_geometry(self) -> None:
        geometry = self.settings.value("geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(1440, 900)

    def _show_first_page(self) -> None:
        """The run that is under way, else the page that was in front last time, else the first."""
        store = self.context.store
        busy = next(iter(store.runs(phases=UNDER_WAY, most=1)), None)
        shown = busy or next(iter(store.runs(most=1)), None)
        if shown is not None:
            self.context.feed.watch(shown.id)
        remembered = str(self.settings.value("page", "model"))
        first = "run" if busy is not None else remembered if remembered in PAGES else "model"
        self.page(first)  # The window is painted with it.
        self.go(first)
        self._go_on_queueing()

    def _go_on_queueing(self) -> None:
        """Runs that were queued before have their turn, and those that ended unseen are told of."""
        try:
            self.context.actions.go_on_queueing()
        except UserError as error:
            self._show_trouble(str(error))
        QTimer.singleShot(0, self, self.news.awaited.look)

    # Following

    def _started(self) -> None:
        self.document.take_next_name()
        self.go("run")

    def _compare(self, runs: list[str]) -> None:
        # First the comparison: the page that comes to the front need not read the list that it does not show.
        cast("RunsPage", self.page("runs")).compare(runs)
        self.go("runs")

    def _show_trouble(self, text: str) -> None:
        self._trouble.set(text, tone="red")
        self._trouble.setVisible(bool(text))

    def _name_window(self) -> None:
        row = self.context.feed.row
        self.setWindowTitle("Rankloom" if row is None else f"{row.name} – Rankloom")

    def _open_menu(self) -> None:
        button = self.navigation.menu_button
        window_menu(self).popup(button.mapToGlobal(button.rect().bottomLeft()))

    def _may_end_jobs(self) -> bool:
        answer = QMessageBox.question(
            self, "Rankloom", "Closing the window ends what it is working on: "
            f"{plural(len(self._ending), 'job')}. Trainings go on. Close it?",
        )  # fmt: skip
        return answer == QMessageBox.StandardButton.Yes
