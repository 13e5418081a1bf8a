"""The forecast of a run's memory beside what the machine has free."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.style.theme import Theme
from app.widgets.bar import Bar, Legend, Part
from app.widgets.labels import label, set_property
from app.widgets.panel import Panel
from app.words import size
from core.config.extent import Extent
from core.config.forecast import Memory

_PARTS = (
    ("Weights", ("weights",)), ("Adapter and gradients", ("adapter", "gradients")), ("Optimizer", ("optimizer",)),
    ("Activations", ("activations",)), ("Logits and the rest", ("logits", "process")),
)  # fmt: skip
"""The rows, and which figures of the forecast each one adds up."""
_TIGHT = 0.9


class MemoryPanel(Panel):
    """A stacked bar on a track as long as the free memory, and its rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Memory forecast", note=" ", parent=parent)
        self.bar = Bar()
        self.legend = Legend()
        self.warning = label("", "hint", tone="amber", wrap=True)
        self.warning.hide()
        self.note.setProperty("type", "value")
        self.basis = label("", "hint", wrap=True)
        self._last: tuple[Memory, int | None, Extent] | None = None
        self.add(self.bar)
        self.add(self.legend)
        self.add(self.basis)
        self.add(self.warning)
        self.body.addStretch(1)
        Theme.current().changed.connect(self._again)

    def show_forecast(self, memory: Memory, free: int | None, largest: Extent) -> None:
        """Show a forecast in bytes by part, beside the bytes that are free (None where nobody knows).

        Args:
            memory: what is forecast.
            free: bytes.
            largest: the micro-batch that it is for.
        """
        self._last = (memory, free, largest)
        self.basis.setText(_basis(largest))
        colors = Theme.current().tokens.parts
        figures = ((name, sum(getattr(memory, key) for key in keys)) for name, keys in _PARTS)
        parts = [Part(name, value, size(value), color) for (name, value), color in zip(figures, colors, strict=False)]
        self.bar.set(parts, free or 0.0)
        self.legend.set(parts)
        self.set_title("Memory forecast", _beside(memory.total, free))
        self._warn(memory.needed, free)

    def _warn(self, needed: int, free: int | None) -> None:
        """Say so where it will not fit, or only just."""
        text = ""
        if free and needed > free:
            text = "This does not fit: try a smaller batch, shorter examples or gradient checkpointing."
        elif free and needed > _TIGHT * free:
            text = "It will be tight: close other programs, or take a smaller batch."
        self.warning.setText(text)
        self.warning.setVisible(bool(text))
        set_property(self.warning, "tone", "red" if free and needed > free else "amber")
        set_property(self.note, "tone", "red" if free and needed > free else "text")

    def _again(self) -> None:
        if self._last:
            self.show_forecast(*self._last)


def _basis(largest: Extent) -> str:
    """Which of the two the forecast is for: the data's own lengths, or the longest that the options allow."""
    if largest.measured:
        return f"Largest batch of the data: {largest.rows} × {largest.columns} tokens."
    return f"Rows of {largest.columns} tokens: the data is not read yet."


def _beside(total: float, free: int | None) -> str:
    """`2.48 of 24.1 GB free`."""
    if not free:
        return size(total)
    return (
        " of ".join(f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}" for value in (total / 1e9, free / 1e9))
        + " GB free"
    )
