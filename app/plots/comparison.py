"""The curves of several runs over each other: which curve, aligned by what, and whether seeds are taken together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QComboBox, QHBoxLayout

from app.plots.lines import LinesPlot
from app.plots.saving import save_button
from app.style.theme import Theme
from app.widgets import Button, Panel, label
from app.widgets.scroll import scrolled
from core.figures import compare
from core.figures.compare import AXES, Course, Drawn
from core.figures.trace import Measured

if TYPE_CHECKING:
    from core.store.rows import RunRow
    from core.store.store import Store

MOST = 64
"""Runs whose curves are drawn at once; of more the first."""
_AT_ONCE, _THEN = 10, 6
"""Runs that are drawn at first, and that come with each further turn of the window."""
_PORTION, _DRAWN = 10_000, 200_000
"""Points that are read, and that are smoothed and put in their places, in one turn of the window."""
_KEEP = 0.9
_NAMES = 240
"""Width of the list of names, in unscaled pixels."""
_LOWEST = 120
"""Height of the plot below which the page scrolls, in unscaled pixels."""
_BY = {"step": "by step", "tokens": "by token", "seconds": "by second"}


class Comparison(Panel):
    """One curve of any number of runs, with their names beside it; that of a single run is known already.

    Args:
        store: where they are.
        settings: remembers what was chosen.
        large: whether it has a page to itself, with room for the help.
    """

    def __init__(self, store: Store, settings: QSettings, *, large: bool = False) -> None:
        super().__init__("Loss")
        self._store, self._settings = store, settings
        self._runs: tuple[RunRow, ...] = ()
        self._read: dict[tuple[str, str], Measured] = {}
        self._whole: set[tuple[str, str]] = set()
        self._drawn: dict[tuple[str, str, str], Drawn] = {}
        self._kinds: dict[str, tuple[str, str]] = {}
        self._count = _AT_ONCE
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._draw)
        self.plot = LinesPlot("Curves of the chosen runs", upright=True)
        self.plot.marked.connect(self.plot.set_mark)
        self.plot.hovered.connect(self.plot.set_hover)
        self.choice = self._box("Which curve", compare.CURVES, "runs/curve")
        self.by = self._box("What the curves are aligned by", _BY, "runs/by")
        self.grouped = Button("Seeds as one", "ghost", name="Show runs that differ in their seed alone as their mean")
        self.grouped.setCheckable(True)
        self.grouped.toggled.connect(self.refresh)
        self.log = Button("Log", "ghost", name="Scale the values by powers of ten")
        self.log.setCheckable(True)
        self.log.toggled.connect(self.plot.set_log)
        self.title.hide()
        self.head.insertWidget(0, self.choice)
        self.head.insertWidget(1, self.by)
        for control in (self.grouped, self.log, save_button(self.plot, lambda: self.plot.figure)):
            self.add_control(control)
        self.names = scrolled(self.plot.legend)
        self.help = label("", "hint", wrap=True)
        self._lay_out(large)

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Compare these runs (the first `MOST` of them), as they are in the store now."""
        chosen = tuple(runs[:MOST])
        as_before = {row.id for row in chosen for before in self._runs if row is before and not row.under_way}
        if chosen and len(as_before) == len(chosen) and chosen == self._runs:
            return  # they are drawn already, or are being drawn
        self._read = {of: curve for of, curve in self._read.items() if of[0] in as_before}
        self._whole &= self._read.keys()
        self._drawn = {of: drawn for of, drawn in self._drawn.items() if of[0] in as_before}
        self._runs = chosen
        self.refresh()

    def refresh(self) -> None:
        """Draw what is chosen: the first few at once, the others and long ones while the window goes on."""
        self._count = _AT_ONCE
        self._draw()

    def _draw(self) -> None:
        """Draw as many runs as it is their turn, once their curves are read."""
        key, by = str(self.choice.currentData()), cast(compare.By, self.by.currentData())
        runs = self._runs[: self._count]
        whole = self._read_on(runs, {key, AXES[by][1]} - {""})
        courses = (
            [self._course(row, name, key, by) for row, name in zip(runs, names(runs), strict=True)] if whole else []
        )
        if not whole or not self._draw_on(courses, key, by):
            self._next.start()
            return
        together = len({course.group for course in courses}) < len(courses)
        self.grouped.setVisible(together)
        grouped = together and self.grouped.isChecked()
        drawn = [self._drawn[row.id, key, by] for row in runs]
        figure = compare.curves(courses, key, by, keep=_KEEP, grouped=grouped, of=len(self._runs), drawn=drawn)
        self.plot.show_figure(figure)
        self.names.setVisible(len(figure.series) > 1)
        self.help.setText(figure.help)
        if self._count < len(self._runs):
            self._count += _THEN
            self._next.start()

    def _lay_out(self, large: bool) -> None:
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(self.plot, 1)
        row.addWidget(self.names)
        self.add(row, 1)
        if large:
            self.add(self.help)
        Theme.current().changed.connect(self._scale)
        self._scale()

    def _scale(self) -> None:
        self.names.setFixedWidth(Theme.current().px(_NAMES))
        self.plot.setMinimumHeight(Theme.current().px(_LOWEST))

    def _course(self, row: RunRow, name: str, key: str, by: compare.By) -> Course:
        """What a curve is made of; where its steps lie on another axis is read only for that axis."""
        places = {axis: self._read[row.id, of] if axis == by and of else Measured() for axis, (_, of) in AXES.items()}
        if row.id not in self._kinds:
            self._kinds[row.id] = compare.group_of(row.config_text), compare.task_of(row.config_text)
        group, task = self._kinds[row.id]
        return Course(name, group, self._read[row.id, key], places["tokens"], places["seconds"], task)

    def _read_on(self, runs: Sequence[RunRow], keys: Collection[str]) -> bool:
        """Read a portion of what is not read yet of these curves; returns whether that was all."""
        left = _PORTION
        for of in ((row.id, key) for row in runs for key in sorted(keys)):
            if of in self._whole:
                continue
            curve = self._read.setdefault(of, Measured())
            steps, values = self._store.curve(*of, curve.last_step, most=left)
            curve.extend(steps.astype(np.int64), values)
            if len(steps) == left:
                return False
            self._whole.add(of)
            left -= len(steps)
        return True

    def _draw_on(self, courses: Sequence[Course], key: str, by: compare.By) -> bool:
        """Draw some of the curves that are not drawn yet; returns whether that was all."""
        left = _DRAWN
        self._drawn = {of: drawn for of, drawn in self._drawn.items() if of[1:] == (key, by)}
        for row, course in zip(self._runs, courses, strict=False):
            if (row.id, key, by) in self._drawn:
                continue
            if left <= 0:
                return False
            self._drawn[row.id, key, by] = compare.draw(course, key, by, keep=_KEEP)
            left -= len(course.values)
        return True

    def _box(self, name: str, items: dict[str, str], setting: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setToolTip(name)
        for key, text in items.items():
            box.addItem(text, key)
        box.setCurrentIndex(max(box.findData(self._settings.value(setting)), 0))
        box.currentIndexChanged.connect(self.refresh)
        box.currentIndexChanged.connect(lambda: self._settings.setValue(setting, box.currentData()))
        return box


def names(runs: Sequence[RunRow]) -> list[str]:
    """What the runs are called, each differently."""
    found: list[str] = []
    for row in runs:
        found.append(row.name if row.name not in found else f"{row.name} {row.id[-4:]}")
    return found
