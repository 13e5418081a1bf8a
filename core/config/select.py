"""From what a run file says about layers to the layers themselves: names, suffixes, patterns and presets become plans.

A set of layers, each with a rank and an alpha, is all that anybody downstream sees. `core.config.compact` is the way
back: the shortest way to write such a set.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from core.adapters.axis import Selection
from core.config.compact import PRESETS, preset_names
from core.config.run import AdapterConfig
from core.errors import UserError
from core.layers import LayerInfo, LayerPlan

if TYPE_CHECKING:
    from core.models.info import ModelInfo

V = TypeVar("V", int, float)


def select(layers: Sequence[LayerInfo], adapter: AdapterConfig) -> list[LayerPlan]:
    """The chosen layers in the model's order, each with its rank and alpha.

    Args:
        layers: all matrices of the model, embeddings and head included.
        adapter: what to choose of them, and how large.

    Raises:
        UserError: an entry means no layer of this model, or only such as take no adapter; `path` says which option.
    """
    chosen: set[str] = set()
    full = {layer.name for layer in layers if layer.adaptable}
    for entry in entries(adapter.layers):
        chosen |= {entry} if entry in full else matches(layers, entry, path="adapter.layers")
    if not chosen:
        raise UserError(
            "No layer is chosen.", hint=f"Name layers, or one of {', '.join(PRESETS)}.", path="adapter.layers"
        )
    ranks = _by_layer(layers, adapter.ranks, path="adapter.ranks")
    alphas = _by_layer(layers, adapter.alphas, path="adapter.alphas")
    return [
        LayerPlan(layer, ranks.get(layer.name, adapter.rank), alphas.get(layer.name, adapter.alpha))
        for layer in layers
        if layer.name in chosen
    ]


def trained(info: ModelInfo, adapter: AdapterConfig) -> list[LayerPlan]:
    """What a run trains of a model, or tries first: the chosen layers, or what the selection makes of them.

    Raises:
        UserError: as `select`, or the model has nothing of what the selection trains.
    """
    selection = adapter.axis("selection")
    assert isinstance(selection, Selection)
    found = selection.candidates(select(info.layers, adapter), info.vectors)
    if not found:
        raise UserError(
            f"{info.name} has nothing that adapter.selection '{selection.kind}' could train.",
            hint="Choose another selection: every transformer has norms, few newer ones have biases.",
            path="adapter.selection",
        )
    return found


def entries(value: str | Sequence[str]) -> list[str]:
    """The entries of `adapter.layers`: a list as it is, a text at its commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return [part.strip() for part in parts if part.strip()]


def matches(layers: Sequence[LayerInfo], entry: str, *, path: str) -> frozenset[str]:
    """The names of the adaptable layers that one entry means.

    Args:
        layers: all matrices of the model.
        entry: a preset, a full name, the end of names from a dot on (`self_attn.q_proj`), or a pattern with `*`, which
            may leave out the beginning.
        path: the option it stands in.

    Raises:
        UserError: it means none; the hint has names that are near.
    """
    found = preset_names(layers, entry) if entry in PRESETS else _named(layers, entry)
    if found:
        return found
    if any(_fits(layer.name, entry) for layer in layers):
        raise UserError(
            f"'{entry}' is an embedding or the head, which take no adapter.",
            hint=f"Choose layers inside the blocks: {_suffixes(layers)}.",
            path=path,
        )
    raise UserError(f"No layer of this model is called '{entry}'.", hint=_near(layers, entry), path=path)


def _named(layers: Sequence[LayerInfo], entry: str) -> frozenset[str]:
    return frozenset(layer.name for layer in layers if layer.adaptable and _fits(layer.name, entry))


def _fits(name: str, entry: str) -> bool:
    if name == entry or name.endswith(f".{entry}"):
        return True
    return fnmatchcase(name, entry) or fnmatchcase(name, f"*.{entry}")


def _by_layer(layers: Sequence[LayerInfo], values: Mapping[str, V], *, path: str) -> dict[str, V]:
    """Layer name to its own value. A full name wins over patterns, and of patterns the last one wins."""
    full = {layer.name for layer in layers if layer.adaptable}
    found: dict[str, V] = {}
    for entry in sorted(values, key=lambda entry: entry in full):
        meant = (entry,) if entry in full else matches(layers, entry, path=path)
        found.update(dict.fromkeys(meant, values[entry]))
    return found


def _near(layers: Sequence[LayerInfo], entry: str) -> str:
    known = list(
        dict.fromkeys([*PRESETS, *(n for layer in layers if layer.adaptable for n in (layer.suffix, layer.name))])
    )
    near = difflib.get_close_matches(entry, known, n=3)
    said = f"Did you mean {', '.join(repr(name) for name in near)}? " if near else ""
    return f"{said}There are: {', '.join(PRESETS)}, {_suffixes(layers)}."


def _suffixes(layers: Sequence[LayerInfo]) -> str:
    return ", ".join(dict.fromkeys(layer.suffix for layer in layers if layer.adaptable))
