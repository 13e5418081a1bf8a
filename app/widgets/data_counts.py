"""The figures of data: how much of it there is, how much of it is learned, and how long the examples are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QWidget

from app.plots.histogram import HistogramPlot
from app.plots.saving import save_button
from app.style.theme import Theme
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number, share
from core.figures.figure import Axis, Histogram, Mark

_NARROW = 560
"""Pixels below which the two panels have no room side by side."""
NOT_COUNTED = "after choosing a model"
_SPREADS = {"lengths": "Lengths", "targets": "Learned"}
_SHOWN = {
    "lengths": (
        "Length of an example", "Tokens",
        "How many examples are so many tokens long, as this model reads them. What lies behind the line is cut off.",
    ),
    "targets": (
        "Learned tokens of an example", "Learned tokens",
        "How many examples have so many tokens that are learned: the others are only read.",
    ),
}  # fmt: skip
"""Of each spread the title, what is along the axis, and how to read it."""


class DataCounts(QWidget):
    """Two panels side by side: counts and lengths."""

    def __init__(self) -> None:
        super().__init__()
        columns = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._columns = columns
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(16)
        self._rows = {
            name: StatRow(name)
            for name in (
                "Examples",
                "To train on",
                "Held out",
                "Tokens",
                "Learned tokens",
                "Classes",
                "Cut",
                "Repeated",
                "Left out",
            )
        }
        counts = Panel("Counts")
        for row in self._rows.values():
            counts.add(row)
        counts.body.addStretch(1)
        self._lengths = Panel("Lengths")
        self.plot = HistogramPlot("Tokens of an example")
        self._report: Mapping[str, Any] = {}
        self._max_tokens = 0
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which tokens of an example are counted")
        for spread, text in _SPREADS.items():
            self.choice.addItem(text, spread)
        self.choice.currentIndexChanged.connect(lambda _: self._show_lengths())
        self._lengths.title.hide()
        self._lengths.head.insertWidget(0, self.choice)
        self._lengths.add_control(save_button(self.plot, lambda: self.plot.figure))
        self._without = label("Token counts need a model: its tokenizer makes them.", "label", wrap=True)
        self._lengths.add(self._without)
        self._lengths.add(self.plot, 1)
        columns.addWidget(counts, 1)
        columns.addWidget(self._lengths, 1)

    def show_report(self, report: Mapping[str, Any], max_tokens: int) -> None:
        """Show a report of `core.data.summary`."""
        about = "" if report["share"] >= 1 else "at least "
        counted = bool(report["tokenised"])
        texts = {
            "Examples": f"{about}{number(report['examples'])}",
            "To train on": number(report["train_examples"]) if counted else NOT_COUNTED,
            "Held out": number(report["held_out_examples"]) if counted else NOT_COUNTED,
            "Tokens": f"{about}{number(report['tokens'])}" if counted else NOT_COUNTED,
            "Learned tokens": _learned(report) if counted else NOT_COUNTED,
            "Classes": number(len(report["labels"])),
            "Cut": _part(report["truncated"], report["examples"]) if counted else NOT_COUNTED,
            "Repeated": _part(report["duplicates"], report["examples"]) if counted else NOT_COUNTED,
            "Left out": number(report.get("left_out", 0)),
        }
        for name, text in texts.items():
            self._rows[name].set(text, tone="muted" if text == NOT_COUNTED else "")
        self._rows["Classes"].setVisible(bool(report["labels"]))
        self._rows["Learned tokens"].setVisible(not report["labels"])
        self._rows["Left out"].setVisible(bool(report.get("left_out")))
        self._report, self._max_tokens = report, max_tokens
        self._show_lengths()

    def _show_lengths(self) -> None:
        """The histogram of all tokens, or of those that are learned."""
        report, counted = self._report, bool(self._report.get("tokenised"))
        several = counted and not report["labels"]
        self.choice.setVisible(several)
        self._lengths.title.setVisible(not several)
        spread = "lengths" if self.choice.isHidden() else str(self.choice.currentData())
        figure = histogram(report, self._max_tokens, spread) if counted else None
        self.plot.show_figure(figure)
        self.plot.setVisible(figure is not None)
        self._lengths.setToolTip(figure.help if figure is not None else "")
        self._without.setVisible(not counted)
        self._lengths.set_title("Lengths", _quantiles(report[spread]) if counted else "")

    def minimumSizeHint(self) -> QSize:
        """One panel wide: where there is no room for two, they stand one above the other."""
        return QSize(Theme.current().px(_NARROW) // 2, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn with the room."""
        super().resizeEvent(event)
        narrow = self.width() < Theme.current().px(_NARROW)
        turned = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if turned != self._columns.direction():
            self._columns.setDirection(turned)

    def value(self, name: str) -> str:
        """What a row shows."""
        return self._rows[name].value


def histogram(report: Mapping[str, Any], max_tokens: int, spread: str = "lengths") -> Histogram | None:
    """The lengths ("lengths"), or the learned tokens ("targets"), as a figure; None where there is nothing to count."""
    numbers = report[spread]
    if not numbers["counts"]:
        return None
    mark = Mark(max_tokens, f"cut at {number(max_tokens)}") if report["truncated"] and spread == "lengths" else None
    title, axis, help = _SHOWN[spread]
    edges, counts = tuple(numbers["edges"]), tuple(numbers["counts"])
    return Histogram(title, Axis(axis), Axis("Examples"), edges, counts, mark, help)


def _learned(report: Mapping[str, Any]) -> str:
    """Tokens that give a loss, in both parts, and their share."""
    learned = report["trained_tokens"] + report["held_out_tokens"]
    return f"{number(learned)}   {share(learned, report['tokens'])}" if report["tokens"] else "0"


def _part(count: int, whole: int) -> str:
    return f"{number(count)}   {share(count, whole)}" if count else "none"


def _quantiles(spread: Mapping[str, Any]) -> str:
    """Median and most, in words."""
    found = spread["quantiles"]
    return f"median {number(round(found['0.5']))}, most {number(round(found['1.0']))}" if found else ""
