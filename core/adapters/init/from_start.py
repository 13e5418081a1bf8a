"""How far A has gone from where it started: whether directions that were chosen with care are still the ones in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.figures.figure import Axis
from core.figures.live.layer_map import LayerMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.adapters.adapted import Adapted

FROM_START = LayerMap(
    key="from-start",
    title="Distance from the start by layer",
    help="How far A has gone from where it started. Layers that stay dark still use the directions they were given.",
    paper="",
    vector="from_start",
    value=Axis("Norm of A − A₀"),
)


def from_start(layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
    """||A - A0|| of every layer, under the figure's key."""
    from core.adapters.norms import by_layer

    pairs = [(layer.own["a"], layer.own["start_a"]) for layer in layers]
    return {FROM_START.vector: by_layer(pairs, lambda a, first: (a - first).norm(dim=(1, 2)))}
