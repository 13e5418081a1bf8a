"""Runs: everything that was ever trained here; search, compare, note, repeat, remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QMessageBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.errors import show_error
from app.models.listing import Listing
from app.models.runs import RunsModel
from app.pages.page import Page
from app.plots.beside import BesideView
from app.plots.comparison import MOST, Comparison
from app.widgets import Button, EmptyState, Panel, danger, plain
from app.widgets.beside import Beside
from app.widgets.run_details import RunDetails
from app.widgets.runs_table import RunsTable
from app.widgets.stack import Stack
from app.widgets.status import WORDS, offer_way_on
from app.words import number, plural, size
from core.config.edit import replaced
from core.errors import UserError
from core.launch import observe

if TYPE_CHECKING:
    from core.store.rows import RunRow

_SEARCH_AFTER = 150
_CALM = 30
"""The list is read again after so many times what reading it cost: ten thousand runs less often than ten."""
_RIM = 4
"""Pixels around the table, in its panel."""
_BESIDE = 2
"""The place of the comparison among what the page shows."""


class RunsPage(Page):
    """The table of runs, with the chosen ones below it."""

    key: ClassVar[str] = "runs"
    title: ClassVar[str] = "Runs"

    def make(self) -> Iterator[None]:
        """The table, then what is shown of the chosen runs."""
        context = self.context
        self._stale = True
        self._kept: set[str] = set()
        self.listing = Listing(context.store, self._show_list, self)
        self._catching_up = QTimer(self, singleShot=True)
        self._catching_up.timeout.connect(self.refresh)
        self.model = RunsModel(lambda row: observe(context.store, row)[1], self)
        self.search = QLineEdit()
        self.filter = QComboBox()
        self.table = RunsTable(self.model)
        self._make_buttons()
        yield
        self.comparison = Comparison(context.store, context.settings)
        yield
        self.details = RunDetails()
        self._lay_out()
        yield
        self._connect()

    def shown(self) -> None:
        """Catch up."""
        if self._stale:
            self.refresh()

    @cached_property
    def beside(self) -> BesideView:
        """The comparison, which takes the place of the list; made when something is compared for the first time."""
        view = BesideView(self.context)
        self._stack.insertWidget(_BESIDE, view)
        return view

    @property
    def chosen(self) -> list[RunRow]:
        """The runs that are selected, in the table's order."""
        return self.table.chosen

    def compare(self, runs: list[str]) -> None:
        """Show these runs beside one another, instead of the list."""
        store = self.context.store
        try:
            rows = [store.run(run) for run in runs]
        except UserError as error:
            show_error(error, self.window())
            return
        self.listing.stop()
        self._stale = True
        self.beside.show_runs(rows)
        self._stack.setCurrentIndex(_BESIDE)
        self._show_buttons()
        self.set_title("Compare", plural(len(rows), "run"))
        self.beside.views["curves"].setFocus()

    def refresh(self) -> None:
        """Read the list again, keeping what is selected; a comparison on show stays as it is."""
        if self._stack.currentIndex() == _BESIDE:
            self._stale = True
            return
        self._stale = False
        self._kept = {row.id for row in self.chosen}
        self.listing.read(self.search.text(), self.filter.currentData())

    def _show_list(self, rows: list[RunRow], whole: bool) -> None:
        """Show these runs; those that are chosen stay chosen, also where they come with a later portion."""
        self.model.show(rows)
        self.table.choose(self._kept)
        nothing = not rows and not self.search.text() and self.filter.currentData() is None
        self._stack.setCurrentIndex(0 if nothing else 1)
        self.nothing_found.setVisible(not rows)
        self.splitter.setVisible(bool(rows))
        self._fit_table()
        self._show_buttons()
        self._show_chosen()
        if whole:
            self.set_title(self.title, plural(len(rows), "run") if rows else "")

    # Making

    def _make_buttons(self) -> None:
        self.back = plain("Back to all runs", self._back)
        self.compare_button = plain("Compare", self._compare, name="Show the chosen runs beside one another")
        self.report = plain("Report", self._report, name="Write a report of the chosen runs, as a page and as text")
        self.open = plain("Open", self._open, name="Show this run on the Run page")
        self.resume = plain("Resume", lambda: self._each_first(self.context.actions.resume))
        self.duplicate = plain("Duplicate", self._duplicate, name="Make a new configuration like this run's")
        self.more = Button("", "ghost", icon="more", name="More for the chosen runs and the bin")
        self.more.clicked.connect(lambda: self._open_menu(self.more.mapToGlobal(self.more.rect().bottomLeft())))
        self.delete = danger("Delete", self._delete, name="Move to the bin; can be undone")
        self._of_list = (self.open, self.resume, self.duplicate, self.compare_button, self.delete, self.more)
        for button in (self.back, *self._of_list[:4], self.report, *self._of_list[4:]):
            self.add_action(button)

    def _lay_out(self) -> None:
        self.search.setPlaceholderText("Search names, tags, notes, models and data")
        self.search.setAccessibleName("Search runs")
        self.search.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter by status")
        self.filter.addItem("Every status", None)
        for status, (text, _) in WORDS.items():
            self.filter.addItem(text, status)
        self._stack = Stack()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        start = ("Choose a model", lambda: self.context.go("model"))
        self.empty = EmptyState("Nothing was trained yet.", "table", start, hint="Every run is kept and listed here.")
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        bar = QHBoxLayout()
        bar.setSpacing(10)
        bar.addWidget(self.search, 1)
        bar.addWidget(self.filter)
        column.addLayout(bar)
        self.nothing_found = EmptyState("No run matches.", "table", ("Show every run", self._show_every_run))
        column.addWidget(self.nothing_found, 1)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(16)
        self._frame = Panel()
        self._frame.outer.setContentsMargins(_RIM, _RIM, _RIM, _RIM)
        self._frame.add(self.table, 1)
        self.splitter.addWidget(self._frame)
        self.splitter.addWidget(self._lower())
        self.splitter.setSizes([480, 340])
        column.addWidget(self.splitter, 1)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)
        self._show_buttons()

    def _lower(self) -> QWidget:
        lower = Beside(gap=16)
        lower.add(self.comparison, 2)
        lower.add(self.details, 1)
        return lower

    def _connect(self) -> None:
        store = self.context.store
        self._timer = QTimer(self, singleShot=True, interval=_SEARCH_AFTER)
        self._timer.timeout.connect(self.refresh)
        self.context.theme.changed.connect(self._fit_table)
        self.search.textChanged.connect(lambda: self._timer.start())
        self.filter.currentIndexChanged.connect(self.refresh)
        self.table.selectionModel().selectionChanged.connect(self._chosen_by_hand)
        self.model.modelReset.connect(self._show_chosen)
        self.table.doubleClicked.connect(lambda _: self._open())
        self.table.customContextMenuRequested.connect(lambda at: self._open_menu(self.table.viewport().mapToGlobal(at)))
        self.context.feed.runs_changed.connect(self._runs_changed)
        self.context.feed.poked.connect(self._poked)
        self.details.renamed.connect(lambda run, name: self._change(lambda: store.rename(run, name)))
        self.details.tagged.connect(lambda run, tags: self._change(lambda: store.set_tags(run, tags)))
        self.details.noted.connect(lambda run, notes: self._change(lambda: store.set_notes(run, notes)))
        for key, action in (("Delete", self._delete), ("Return", self._open)):
            shortcut = QShortcut(QKeySequence(key), self.table)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(action)
        QShortcut(QKeySequence("Ctrl+F"), self).activated.connect(self.search.setFocus)

    # Following

    def _runs_changed(self) -> None:
        if not self.isVisible():
            self._stale = True
        elif not self._catching_up.isActive():
            self._catching_up.start(int(1000 * _CALM * self.listing.cost))

    def _poked(self) -> None:
        if self.isVisible():
            self.refresh()

    def _chosen_by_hand(self) -> None:
        self._kept = {row.id for row in self.chosen}
        self._show_chosen()

    def _fit_table(self) -> None:
        """Where a few runs are all there are, what is below them has the rest; a search moves nothing."""
        if not self.search.text() and self.filter.currentData() is None:
            self._frame.setMaximumHeight(self.table.whole + 2 * _RIM)

    def _show_buttons(self) -> None:
        """Those of the list, or those of the comparison; where nothing is listed, only what needs no run."""
        comparing = self._stack.currentIndex() == _BESIDE
        listed = bool(self.model.rows) and not comparing
        self.back.setVisible(comparing)
        self.report.setVisible(listed or comparing)
        for button in self._of_list:
            if button is not self.resume or not listed:  # the chosen run says whether there is a way on
                button.setVisible(listed or (button is self.more and not comparing))

    def _show_every_run(self) -> None:
        self.search.clear()
        self.filter.setCurrentIndex(0)
        self.refresh()

    def _show_chosen(self) -> None:
        chosen = self.chosen
        one = len(chosen) == 1
        self.open.setEnabled(one)
        self.duplicate.setEnabled(one)
        self.compare_button.setEnabled(len(chosen) > 1)
        self.report.setEnabled(bool(chosen))
        self.resume.hide()
        self.delete.setEnabled(bool(chosen))
        self.details.setVisible(one)
        if one:
            offer_way_on(self.resume, chosen[0], self.model.status(chosen[0]))
            self.details.show_run(chosen[0])
        self.comparison.show_runs(chosen)
        self.comparison.note.setText(f"the first {MOST} of {number(len(chosen))}")
        self.comparison.note.setVisible(len(chosen) > MOST)

    # Doing

    def _back(self) -> None:
        self._stack.setCurrentIndex(1)
        self._show_buttons()
        self.refresh()
        self.table.setFocus()

    def _compare(self) -> None:
        if len(self.chosen) > 1:
            # The oldest first: the others are what has become of it.
            self.compare([row.id for row in sorted(self.chosen, key=lambda row: (row.created, row.id))])

    def _report(self) -> None:
        rows = self.beside.runs if self._stack.currentIndex() == _BESIDE else self.chosen
        self._change(lambda: self.context.actions.report([row.id for row in rows]))

    def _open(self) -> None:
        if len(self.chosen) == 1:
            self.context.feed.watch(self.chosen[0].id)
            self.context.go("run")

    def _duplicate(self) -> None:
        def duplicate() -> None:
            row = self.chosen[0]
            self.context.document.begin_from(row.config, f"Duplicate {row.name}")
            self.context.go("method")

        if self.chosen:
            self._change(duplicate)

    def _train_further(self) -> None:
        """Make a configuration that begins with what this run has learned."""

        def begin() -> None:
            row = self.chosen[0]
            config = replaced(row.config, {"adapter.begin": row.id, "name": f"{row.name}-further"})
            self.context.document.begin_from(config, f"Train {row.name} further")
            self.context.go("method" if config.data.path else "data")

        if self.chosen:
            self._change(begin)

    def _delete(self) -> None:
        if self.chosen:
            self._change(lambda: self.context.actions.delete([row.id for row in self.chosen]))

    def _each_first(self, action: Callable[[str], object]) -> None:
        if self.chosen:
            self._change(lambda: action(self.chosen[0].id))

    def _change(self, action: Callable[[], object]) -> None:
        """Do something; say it where it does not work."""
        try:
            action()
        except UserError as error:
            show_error(error, self.window())
        if self.isVisible():
            self.refresh()

    def _open_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        one = len(self.chosen) == 1
        actions = self.context.actions
        entries: tuple[tuple[str, Callable[[], object], bool], ...] = (
            ("Open", self._open, one),
            ("Duplicate", self._duplicate, one),
            ("Train further", self._train_further, one),
            ("Compare", self._compare, len(self.chosen) > 1),
            ("Write a report", self._report, bool(self.chosen)),
            ("Copy as command", lambda: self._each_first(actions.copy_as_command), one),
            ("Open its folder", lambda: self._each_first(actions.open_folder), one),
            ("Delete", self._delete, bool(self.chosen)),
        )
        for text, action, enabled in entries:
            entry = menu.addAction(text, action)
            entry.setEnabled(enabled)
        menu.addSeparator()
        menu.addAction("Import an adapter…", actions.ask_import)
        menu.addAction("Empty the bin…", self._empty_bin).setEnabled(self.context.store.bin()[0] > 0)
        menu.popup(at)

    def _empty_bin(self) -> None:
        """Remove deleted runs for good, once the user has read how many and how large they are."""
        runs, bytes_ = self.context.store.bin()
        text = f"Remove {plural(runs, 'deleted run')} ({size(bytes_)}) for good? They cannot be restored."
        answer = QMessageBox.question(self, "Rankloom", text)
        if answer == QMessageBox.StandardButton.Yes:
            self._change(self.context.store.empty_bin)
