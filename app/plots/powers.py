"""An axis in powers of ten that stays readable over many of them."""

from __future__ import annotations

import pyqtgraph as pg

_FEW = 2.0
"""Powers of ten up to which the numbers between them are marked too."""


class PowersAxis(pg.AxisItem):
    """Marks whole powers of ten only, where there are many: the lines between would run into one surface."""

    def logTickValues(
        self, low: float, high: float, size: float, standard: list[tuple[float, list[float]]]
    ) -> list[tuple[float | None, list[float]]]:
        """Ticks by level, given in powers of ten."""
        found: list[tuple[float | None, list[float]]] = super().logTickValues(low, high, size, standard)
        return found if high - low <= _FEW else [level for level in found if level[0] is not None]
