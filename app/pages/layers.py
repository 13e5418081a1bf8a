"""Layers: which matrices are trained, how large each adapter is, and what that costs, while one paints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

from PySide6.QtCore import QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.models import measures
from app.models.measures import Measure
from app.pages.page import Page
from app.widgets import EmptyState, Notice, Panel, label, plain, primary
from app.widgets.beside import Beside
from app.widgets.cell_panel import CellPanel
from app.widgets.choice_box import ChoiceBox
from app.widgets.layer_map import LayerMap
from app.widgets.map_legend import MapLegend
from app.widgets.memory_panel import MemoryPanel
from app.widgets.presets import LayerFilter, Presets
from app.widgets.scroll import scrolled
from app.widgets.selection_panel import SelectionPanel
from app.widgets.stack import Stack
from app.words import number, plural
from core.config.compact import compact
from core.config.edit import rebuilt
from core.config.extent import extent
from core.config.forecast import FLOAT, count, forecast
from core.config.machine import free_memory, likely_device
from core.config.select import select
from core.errors import UserError
from core.figures.names import shortened
from core.layers import LayerInfo, LayerPlan

_SIDE = 340
_FIGURES_EVERY = 50
"""Milliseconds between two forecasts while a stroke goes on, so that the stroke itself never waits for one."""
_FREE_FOR = 5.0
"""Seconds that a reading of the free memory is good for."""


_LETTERS = 11
"""Letters that the choice of colours has room for: names of runs are longer."""
_BAR_GAP, _MARGIN = 10, 32
"""Between the parts of the bar above the map, and at both sides of the page."""


class LayersPage(Page):
    """The map, the presets above it, and the counts beside it."""

    key: ClassVar[str] = "layers"
    title: ClassVar[str] = "Layers"

    def make(self) -> Iterator[None]:
        """The map and what stands around it, then the model in it."""
        context = self.context
        self._document = context.document
        self._every: dict[str, LayerPlan] = {}
        self._free: tuple[float, str, int | None] = (0.0, "", None)
        self.next = primary("Next: Method", lambda: context.go("method"))
        self.add_action(self.next)
        self.map = LayerMap()
        self.map.describe = self._described
        self.legend = MapLegend(lambda: self.map.scale.left)
        self.presets = Presets()
        self.filter = LayerFilter()
        self.colors = QWidget()
        self.color_by = ChoiceBox()
        self.color_by.setMinimumContentsLength(_LETTERS)
        self.color_by.setAccessibleName("Colour by")
        self.selection = SelectionPanel()
        self.memory = MemoryPanel()
        self.cell = CellPanel()
        self.trouble = Notice()
        self._figures = QTimer(self, singleShot=True, interval=_FIGURES_EVERY)
        self._figures.timeout.connect(self._show_figures)
        yield
        self._lay_out()
        yield
        self._connect()
        self._take_model()

    @property
    def complete(self) -> bool:
        """Whether at least one layer is chosen."""
        return bool(self._document.plans)

    def shown(self) -> None:
        """Offer the norms of runs that have come since."""
        self._offer_measures()
        self._refresh()

    def _lay_out(self) -> None:
        self._stack = Stack()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self.empty = EmptyState(
            "No model is chosen yet.",
            "weave",
            ("Choose a model", lambda: self.context.go("model")),
            hint="Its layers appear here at once, read from the headers of its files.",
        )
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(16)
        self.trouble.add_button(plain("Choose all linear", lambda: self._choose_preset("all-linear")))
        self._bar = Beside(gap=_BAR_GAP)
        self._bar.add(self.presets, 1)
        tools = QWidget()
        found = QHBoxLayout(tools)
        found.setContentsMargins(0, 0, 0, 0)
        found.setSpacing(_BAR_GAP)
        found.addWidget(self.filter)
        found.addStretch(1)
        found.addWidget(self.colors)
        self._bar.add(tools)
        colors = QHBoxLayout(self.colors)
        colors.setContentsMargins(6, 0, 0, 0)
        colors.setSpacing(10)
        colors.addWidget(label("Colour by", "label"))
        colors.addWidget(self.color_by)
        rows.addWidget(self.trouble)
        rows.addWidget(self._bar)
        panel = Panel()
        panel.add(self.map, 1)
        panel.add(self.legend)
        columns = Beside()
        columns.add(panel, 1)
        columns.add(self._side(), width=_SIDE)
        columns.turned.connect(self.map.keep_low)
        rows.addWidget(columns)
        rows.addStretch(1)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    def _side(self) -> QWidget:
        """The panels at the right, which scroll where the window is low."""
        inner = QWidget()
        rows = QVBoxLayout(inner)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(16)
        rows.addWidget(self.selection)
        rows.addWidget(self.memory)
        rows.addWidget(self.cell, 1)
        return scrolled(inner)

    def _connect(self) -> None:
        document = self._document
        document.model_changed.connect(self._take_model)
        document.plans_changed.connect(self._refresh)
        document.changed.connect(self._follow)
        document.reported.connect(self._tell_figures)
        self.map.painted.connect(self._paint)
        self.map.marked_changed.connect(self._show_cell)
        self.map.marked_changed.connect(self._tell_figures)
        self.map.entered.connect(self._edit_rank)
        self.presets.picked.connect(lambda names, text: self._choose(names, text))
        self.filter.matched.connect(self.map.set_matches)
        self.filter.matched.connect(lambda _: self._give_room())
        self.filter.applied.connect(lambda names, choose: self._add(names, choose, ""))
        self.color_by.activated.connect(self._color)
        self.selection.rank_edited.connect(lambda rank: self._size_all("rank", rank))
        self.selection.alpha_edited.connect(lambda alpha: self._size_all("alpha", alpha))
        self.cell.rank_edited.connect(lambda rank: self._size_marked("rank", rank))
        self.cell.alpha_edited.connect(lambda alpha: self._size_marked("alpha", alpha))
        self.cell.toggled.connect(lambda choose: self._add([layer.name for layer in self.map.marked], choose, ""))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The bar above the map fits its width."""
        super().resizeEvent(event)
        self._give_room()

    def _give_room(self) -> None:
        """Where the bar would be too narrow for what was found, the colours make room for it."""
        widths = self.presets.line, self.filter.minimumSizeHint().width(), self.colors.sizeHint().width()
        needed = sum(widths) + 3 * _BAR_GAP
        self.colors.setVisible(self._bar.stacked or needed <= self.content.width() - 2 * _MARGIN)

    # What the user does

    def _edit_rank(self) -> None:
        """What is typed next is the rank, instead of the one that stands there."""
        self.cell.rank.setFocus()
        self.cell.rank.selectAll()

    def _paint(self, names: frozenset[str], choose: bool, stroke: int) -> None:
        self._add(names, choose, f"stroke-{stroke}")

    def _add(self, names: frozenset[str] | list[str], choose: bool, merge: str) -> None:
        """Choose more layers, or fewer."""
        chosen = self._chosen | set(names) if choose else self._chosen - set(names)
        self._choose(chosen, "Choose layers" if choose else "Remove layers", merge)

    def _choose(self, names: frozenset[str], text: str, merge: str = "") -> None:
        """Choose exactly these."""
        if self._document.model is not None:
            self._document.update({"adapter.layers": compact(self._document.model.layers, names)}, text, merge=merge)

    def _choose_preset(self, preset: str) -> None:
        self._document.update(
            {"adapter.layers": preset, "adapter.ranks": {}, "adapter.alphas": {}}, "Choose all linear"
        )

    def _size_all(self, name: str, value: float) -> None:
        """One rank or alpha for all layers; sizes of their own are dropped."""
        self._document.update({f"adapter.{name}": value, f"adapter.{name}s": {}}, merge=f"{name}-for-all")

    def _size_marked(self, name: str, value: float) -> None:
        """A rank or alpha of their own for the marked layers."""
        adapter = self._document.config.adapter
        marked = [layer.name for layer in self.map.marked]
        own = {plan.name: getattr(plan, name) for plan in self._every.values()} | dict.fromkeys(marked, value)
        own = {layer: size for layer, size in own.items() if size != getattr(adapter, name)}
        self._document.update(
            {f"adapter.{name}s": own}, f"{name.capitalize()} {value:g}", merge=f"{name}-{hash(tuple(marked))}"
        )

    # What the page shows

    @property
    def _chosen(self) -> frozenset[str]:
        return frozenset(plan.name for plan in self._document.plans)

    def _take_model(self) -> None:
        """Another model: its map, or why there is none."""
        model, error = self._document.model, self._document.model_error
        self.next.setVisible(model is not None)
        if model is None:
            self._stack.setCurrentIndex(0)
            self.set_subtitle("")
            text = error.text if error else "No model is chosen yet."
            hint = error.hint if error else "Its layers appear here at once, read from the headers of its files."
            self.empty.set(text, hint)
            self.map.set_layers(())
            self.complete_changed.emit()
            return
        layers = model.adaptable
        self._stack.setCurrentIndex(1)
        matrices = plural(len(layers), "adaptable matrix", "adaptable matrices")
        self.set_subtitle(f"{shortened(model.name)}   {plural(model.blocks, 'block')}, {matrices}")
        self.map.set_layers(layers)
        self.presets.set_layers(layers)
        self.filter.set_layers(layers)
        self._offer_measures()
        self._work_out_every()
        self._refresh()

    def _follow(self, paths: frozenset[str]) -> None:
        """Something else of the configuration changed: colours follow sizes and method, the forecast follows all."""
        if any(path.startswith("adapter.") and path != "adapter.layers" for path in paths):
            self._work_out_every()
            self._refresh()
        elif any(path.startswith(("train.", "data.", "model.")) for path in paths):
            self._tell_figures()

    def _work_out_every(self) -> None:
        """The plan that each layer has, or would have if it were chosen."""
        model, adapter = self._document.model, self._document.config.adapter
        self._every = {}
        if model is None:
            return
        try:
            plans = select(model.layers, rebuilt(adapter, {"layers": "all-linear"}))
        except UserError:  # a size for layers that this model does not have: shown as the trouble of the plans
            plans = select(model.layers, rebuilt(adapter, {"layers": "all-linear", "ranks": {}, "alphas": {}}))
        self._every = {plan.name: plan for plan in plans}
        self._color()

    def _refresh(self) -> None:
        """The chosen layers changed: map, presets, counts and forecast."""
        document = self._document
        if document.model is None:
            return
        error = document.plans_error
        self.trouble.setVisible(error is not None)
        if error is not None:
            self.trouble.set(error.text, hint=error.hint, tone="red")
        chosen = self._chosen
        self.map.set_ranks({plan.name: plan.rank for plan in document.plans})
        self.presets.set_chosen(chosen)
        if self.color_by.currentData() == "rank":
            self._color()
        self._show_cell()
        self._tell_figures()
        self.next.setEnabled(bool(document.plans))
        self.complete_changed.emit()

    def _tell_figures(self) -> None:
        """Show counts and forecast soon; at once where nothing is being painted."""
        if self.map.drag is None:
            self._figures.start(0)
        elif not self._figures.isActive():
            self._figures.start(_FIGURES_EVERY)

    def _show_figures(self) -> None:
        """Counts and forecast, once for all that changed in one turn of the event loop."""
        model, config, plans = self._document.model, self._document.config, self._document.plans
        if model is None or not self.isVisible():
            return  # They are told again when the page is shown.
        report, adapter = self._document.data_report, config.adapter
        memory = forecast(model, plans, config, report)
        trained = memory.gradients // FLOAT
        self.selection.show_counts(len(plans), len(self._every), trained, model.parameters, memory.adapter)
        self.selection.show_sizes(
            adapter.rank, adapter.alpha, own_ranks=bool(adapter.ranks), own_alphas=bool(adapter.alphas)
        )
        self.memory.show_forecast(
            memory,
            self._free_memory(),
            extent(config, context=model.context, report=report),
        )

    def _free_memory(self) -> int | None:
        """Free bytes where the run would go, read anew every few seconds."""
        device = likely_device(self._document.config.train.device)
        if time.monotonic() - self._free[0] > _FREE_FOR or self._free[1] != device:
            self._free = (time.monotonic(), device, free_memory(device))
        return self._free[2]

    def _show_cell(self) -> None:
        plans = [self._every[layer.name] for layer in self.map.marked if layer.name in self._every]
        self.cell.show_layers(plans, self._chosen, count(plans, self._document.config.adapter) if plans else 0)

    # Colours

    def _offer_measures(self) -> None:
        """What the map can be coloured by: sizes always, norms where a run has measured this model."""
        model = self._document.model
        offers = {"parameters": "Parameters", "rank": "Rank", "weights": "Weights"}
        if model is not None:
            names = frozenset(layer.name for layer in model.adaptable)
            found = measures.runs_with_norms(self.context.store, names)
            offers |= {f"run:{run}": f"Change in {name}" for run, name in found.items()}
        present = self.color_by.currentData()
        self.color_by.clear()
        for key, text in offers.items():
            self.color_by.addItem(text, key)
        self.color_by.setCurrentIndex(max(self.color_by.findData(present), 0))
        self._color()

    def _color(self) -> None:
        measure = self._measure()
        self.map.set_shares(measure.shares)
        self.legend.set(measure.low, measure.high, measure.name)

    def _measure(self) -> Measure:
        key = self.color_by.currentData() or "parameters"
        if key.startswith("run:"):
            found = measures.norm_of_run(self.context.store, key.removeprefix("run:"))
            return found or measures.weights({})
        if key == "rank":
            return measures.ranks(self._every, self._chosen)
        if key == "weights":
            return measures.weights(self._every)
        return measures.parameters(self._every, self._document.config.adapter)

    def _described(self, layer: LayerInfo) -> str:
        """The tooltip of a layer."""
        plan = self._every[layer.name]
        size = f"rank {plan.rank}, alpha {plan.alpha:g}" if layer.name in self._chosen else "not chosen"
        trained = number(count([plan], self._document.config.adapter))
        return f"{layer.name}\n{layer.out_features} × {layer.in_features}, {size}\n{trained} trainable parameters"
