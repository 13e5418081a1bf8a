"""Looking into one run: its singular values, the ranks it uses, what it amplifies. From adapters to figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from core.figures import anatomy as figures
from core.figures.run import short_name
from core.insight.amplification import amplification
from core.insight.opened import BaseWeights, Opened
from core.insight.spectra import effective_rank, rank_of, spectrum, stable_rank

Tick = Callable[[float], None]
"""Told the share that is done; may raise to end it."""
DRAWN = 8
"""Layers whose singular values are drawn as curves where none are asked for: those that moved most."""


def spectra(opened: Opened, tick: Tick, *, layers: Sequence[str] = ()) -> dict[str, Any]:
    """Singular values and ranks of every layer; `layers` are those that are drawn as curves."""
    values = []
    for place, name in enumerate(opened.adapters.layers):
        tick(place / len(opened.layers))
        values.append(spectrum(*opened.factors(name)).values)
    given = np.array([len(one) for one in values], dtype=np.float64)
    arrays = [one.numpy() for one in values]
    names = list(opened.adapters.layers)
    chosen = [names.index(name) for name in layers if name in names]
    if not chosen:
        chosen = np.argsort([-float(np.linalg.norm(one)) for one in arrays], kind="stable")[:DRAWN].tolist()
    used = np.array([float(rank_of(one)) for one in values])
    effective = np.array([effective_rank(one) for one in values])
    curves = [short_name(opened.layers[at]) for at in chosen]
    return {
        "singular_values": figures.singular_values(curves, [arrays[at] for at in chosen]),
        "spectrum": figures.spectrum_map(opened.layers, arrays),
        "effective_rank": figures.effective_ranks(opened.layers, effective, given),
        "ranks": figures.rank_table(opened.layers, used),
        "rank_map": figures.rank_map(opened.layers, used),
        "used_map": figures.used_map(opened.layers, effective),
        "by_layer": {
            "effective_rank": effective.tolist(),
            "stable_rank": [stable_rank(one) for one in values],
            "rank": used.tolist(),
            "norm": [float(torch.linalg.vector_norm(one)) for one in values],
        },
    }


def amplified(opened: Opened, weights: BaseWeights, tick: Tick, *, rank: int | None = None) -> dict[str, Any]:
    """The LoRA paper's table 7 for every layer, on `rank` directions (None: all)."""
    rows = []
    for place, name in enumerate(opened.adapters.layers):
        tick(place / len(opened.layers))
        one = amplification(weights.weight(name), *opened.factors(name), rank=rank)
        rows.append((one.rank, one.own, one.strongest, one.random, one.weight, one.delta, one.factor))
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    factors = np.where(np.isfinite(table[:, 6]), table[:, 6], np.nan)
    return {
        "amplification": figures.amplification(opened.layers, table),
        "factor": figures.amplified(opened.layers, factors),
        "by_layer": {"factor": factors.tolist()},
    }
