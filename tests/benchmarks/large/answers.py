"""What the worker would answer about the layers of a large model: invented numbers in its own figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.figures import anatomy as figures
from core.figures.run import short_name
from core.figures.wire import encode
from core.insight.agreement import spearman_table
from core.insight.importance import SCORES
from core.insight.keeping import shares
from core.layers import LayerInfo

_CHECKPOINTS = range(1000, 21000, 1000)


def scores(layers: list[LayerInfo]) -> dict[str, Any]:
    """Three scores of each layer and what each block is worth."""
    random = np.random.default_rng(0)
    rows = []
    for kind in ("output", "gradient", "sensitivity"):
        values = random.random(len(layers)).tolist()
        parts = shares({layer.name: value for layer, value in zip(layers, values, strict=True)})
        member = SCORES[kind]
        rows.append(
            {
                "kind": kind, "label": member.label, "unit": member().unit("causal-lm"), "paper": member.paper,
                "tells": member.help(), "values": values, "shares": list(parts.values()),
            }
        )  # fmt: skip
    blocks = {str(layer.block): float(random.random()) for layer in layers if layer.block is not None}
    return {
        "layers": [layer.to_dict() for layer in layers], "scores": rows, "blocks": blocks, "source": "probe",
        "step": 200, "agreement": spearman_table([row["values"] for row in rows]).tolist(), "examples": 12,
        "seconds": 7.0,
    }  # fmt: skip


def anatomy(what: str, layers: list[LayerInfo]) -> dict[str, Any]:
    """What was looked at, at twenty checkpoints."""
    random = np.random.default_rng(0)
    seen = [layer.to_dict() for layer in layers]
    frames = [
        {"step": step, "figures": {"layers": seen, **_figures(what, layers, random, place)}}
        for place, step in enumerate(_CHECKPOINTS, start=1)
    ]
    return {"what": what, "frames": encode(frames)}


def _figures(what: str, layers: list[LayerInfo], random: np.random.Generator, moments: int) -> dict[str, Any]:
    values = random.random(len(layers))
    phi = random.random((64, 64))
    match what:
        case "spectra" | "ranks":
            spectra = [np.sort(random.random(16))[::-1] for _ in layers]
            return {
                "singular_values": figures.singular_values([layer.name for layer in layers[:4]], spectra[:4]),
                "spectrum": figures.spectrum_map(layers, spectra),
                "effective_rank": figures.effective_ranks(layers, 16 * values, np.full(len(layers), 16.0)),
                "ranks": figures.rank_table(layers, 16 * values),
                "rank_map": figures.rank_map(layers, np.round(16 * values)),
                "used_map": figures.used_map(layers, 16 * values),
            }
        case "amplified":
            table = np.column_stack([values * place for place in range(1, 8)])
            return {
                "amplification": figures.amplification(layers, table),
                "factor": figures.amplified(layers, 30 * values),
            }
        case "subspaces":
            return {
                "phi": figures.similarity(phi, "one", "other", short_name(layers[0]), "what dW reads"),
                "diagonal": figures.similarity_line(phi, np.full(phi.shape, 0.02), short_name(layers[0])),
                "shared": figures.shared_by_layer(layers, values),
            }
        case "agreement":
            return {
                "agreement_map": figures.agreement_map(layers, values - 0.4, "one", "other"),
                "agreement": figures.agreement(layers, values - 0.4, "one", "other"),
            }
        case "movement":
            names = [f"{short_name(layer)}, step {step}" for step in _CHECKPOINTS[:moments] for layer in layers]
            xs, ys = random.random(len(names)), random.random(len(names))
            found = np.repeat(np.linspace(0, 1, moments), len(layers))
            return {
                "movement_one": figures.movement("one", names, xs, ys, found, (0.01, -0.01)),
                "trend": figures.trends({"one": (-0.2, -0.4, 0.1, -0.3, -0.5, 0.2, 90.0)}),
                "by_layer_trend": figures.trends({short_name(one): tuple(random.random(7)) for one in layers}),
            }
        case _:
            ranks = np.arange(1.0, 17.0)
            return {"every_rank": figures.every_rank(ranks, 3.5 + 0.5 * np.exp(-ranks / 3))}
