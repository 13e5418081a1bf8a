"""Known names of combinations: a shortcut that fills the axes, and a recogniser that names what the axes say.

A method is a row here and nothing else; what it does lives in the members of the axes.

Two baselines of the LoRA paper are not here, because the axes would have to bend for them. Everything downstream asks
what a method has made of a weight: merging, export, measuring and every analysis. Bottleneck adapters (Houlsby et al.,
arXiv:1902.00751) put layers with a nonlinearity between the model's own, and prefix tuning (Li and Liang,
arXiv:2101.00190) puts trained keys and values in front of the attention's: neither changes a weight, so nothing could
be merged, and no program that runs a plain model could run the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from core.component import Component, did_you_mean
from core.errors import UserError


@dataclass(frozen=True, slots=True)
class Method:
    """A named point in the space of the axes.

    Attributes:
        name: how the run file says it (`lora+`).
        label: how people write it (`LoRA+`).
        paper: arXiv id; empty where there is none.
        summary: one sentence for somebody who chooses.
        axes: the axes on which it differs from LoRA, as run-file values.
        storage: what it implies for the base weights; None leaves that to the model part.
    """

    name: str
    label: str
    paper: str
    summary: str
    axes: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    storage: str | None = None


def _method(name: str, label: str, paper: str, summary: str, *, storage: str | None = None, **axes: Any) -> Method:
    return Method(name, label, paper, summary, MappingProxyType(axes), storage)


METHODS: tuple[Method, ...] = (
    _method(
        "lora", "LoRA", "2106.09685",
        "Two small matrices per layer; the plain, dependable choice.",
    ),
    _method(
        "rslora", "rsLoRA", "2312.03732",
        "LoRA with alpha / √r, so that high ranks learn as fast as low ones.",
        scale="alpha/sqrt(r)",
    ),
    _method(
        "lora+", "LoRA+", "2402.12354",
        "LoRA whose B learns 16 times faster than its A: quicker on wide models, at the same cost.",
        rates="lora+",
    ),
    _method(
        "vera", "VeRA", "2310.11454",
        "Two vectors per layer over one shared random pair: adapters of kilobytes, at high rank and rate.",
        delta="vera", scale="1",
    ),
    _method(
        "lora-fa", "LoRA-FA", "2308.03303",
        "LoRA with A frozen: about half the numbers, and long inputs need not be kept for the backward pass.",
        delta="lora-fa", rates="lora-fa",
    ),
    _method(
        "lora-drop", "LoRA-drop", "2402.07721",
        "Tries all layers briefly, then trains those that matter; the others share one adapter.",
        selection="lora-drop",
    ),
    _method(
        "adalora", "AdaLoRA", "2303.10512",
        "Starts with more rank than wanted and takes it away where it matters least.",
        delta="svd", rank_schedule="adalora",
    ),
    _method(
        "dora", "DoRA", "2402.09353",
        "Trains the length of each row apart from its direction; closer to full fine-tuning at low ranks.",
        magnitude="row",
    ),
    _method(
        "delta-lora", "Delta-LoRA", "2309.02411",
        "The base weight follows the adapter's product; compare it with LoRA at a larger alpha.",
        base_update="delta",
    ),
    _method(
        "delta-lora-in-place", "Delta-LoRA (in place)", "2309.02411",
        "Delta-LoRA to the letter: every chosen weight is changed in a copy of its own; the same result, more memory.",
        base_update="delta-in-place",
    ),
    _method(
        "dylora", "DyLoRA", "2210.07558",
        "One training for every rank: pick the rank afterwards.",
        rank_schedule="dylora",
    ),
    _method(
        "frozen-dylora", "Frozen DyLoRA", "2210.07558",
        "DyLoRA in which each step trains only the last row that it uses: faster, less exact.",
        rank_schedule={"kind": "dylora", "frozen": True},
    ),
    _method(
        "pissa", "PiSSA", "2404.02948",
        "LoRA that starts as the largest part of the weight instead of nothing: learns faster at first.",
        init="pissa",
    ),
    _method(
        "olora", "OLoRA", "2406.01775",
        "LoRA that starts with orthonormal columns taken from the weight.",
        init="olora",
    ),
    _method(
        "eva", "EVA", "2410.07170",
        "LoRA whose A starts along what each layer is fed, with more rank where that has more directions.",
        init="eva",
    ),
    _method(
        "lora-ga", "LoRA-GA", "2407.05000",
        "LoRA that starts along the first gradient of full fine-tuning: its first steps go the same way.",
        init="lora-ga",
    ),
    _method(
        "loha", "LoHa", "2108.06098",
        "The elementwise product of two low-rank matrices: a higher rank from few numbers, at slower steps.",
        delta="loha",
    ),
    _method(
        "lokr", "LoKr", "2212.10650",
        "The Kronecker product of a small matrix and a low-rank one: very small adapters.",
        delta="lokr",
    ),
    _method(
        "dvora", "DVoRA", "2402.09353",
        "DoRA's row lengths over VeRA's shared pair.",
        delta="vera", scale="1", magnitude="row",
    ),
    _method(
        "qlora", "QLoRA", "2305.14314",
        "LoRA over a base held in 4 bits: a quarter of the memory, for slower steps.",
        storage="nf4-double",
    ),
    _method(
        "qdora", "QDoRA", "2402.09353",
        "DoRA over a base held in 4 bits; row lengths are those of the quantised weights.",
        magnitude="row", storage="nf4-double",
    ),
    _method(
        "qdvora", "QDVoRA", "2402.09353",
        "DoRA's row lengths over VeRA's shared pair, over a base held in 4 bits.",
        delta="vera", scale="1", magnitude="row", storage="nf4-double",
    ),
    _method(
        "qdylora", "QDyLoRA", "2402.10462",
        "One training for every rank, over a base held in 4 bits.",
        rank_schedule="dylora", storage="nf4-double",
    ),
    _method(
        "full", "Full fine-tuning", "",
        "Every number of the chosen weights: the yardstick, at many times the memory. Norms and embeddings stay.",
        delta="full", scale="1",
    ),
    _method(
        "bitfit", "BitFit", "2106.10199",
        "Only the biases of the chosen blocks: a yardstick of a thousandth of the model, where it has biases.",
        delta="full", scale="1", selection="biases",
    ),
    _method(
        "norm-tuning", "Norm tuning", "2312.11420",
        "Only gains and offsets of the norms of the chosen blocks: the smallest yardstick, for every model.",
        delta="full", scale="1", selection="norms",
    ),
)  # fmt: skip

CUSTOM = "Custom"
"""What a combination is called that nobody has named."""

_BY_NAME = {method.name: method for method in METHODS}


def method(name: str) -> Method:
    """The method of this name.

    Raises:
        UserError: there is none; the hint says which there are.
    """
    if name not in _BY_NAME:
        raise UserError(f"There is no method '{name}'.", hint=did_you_mean(name, _BY_NAME), path="adapter.method")
    return _BY_NAME[name]


def recognise(members: Mapping[str, Component], storage: str) -> str:
    """The label of a combination, from axis name to member; `CUSTOM` where nobody has named it.

    A name that asks for options of a member (frozen DyLoRA) is more particular, and wins.
    """
    known = [
        (sum(len(_options(value)) for value in method.axes.values()), method.label)
        for method in METHODS
        if _same_storage(method.storage or "dense", storage)
        and all(_fits(members[axis], method.axes.get(axis, default)) for axis, default in DEFAULTS.items())
    ]
    return max(known)[1] if known else CUSTOM


def _same_storage(one: str, other: str) -> bool:
    """Whether two ways to hold the base go under one name: QLoRA is QLoRA with or without double quantisation."""
    return one.split("-")[0] == other.split("-")[0]


def _options(value: Any) -> dict[str, Any]:
    return {} if isinstance(value, str) else value


def _fits(member: Component, value: Any) -> bool:
    wanted = _options(value) or {"kind": value}
    said = member.to_value()
    return all(said[key] == wanted[key] for key in wanted)


DEFAULTS = {
    "delta": "lora", "scale": "alpha/r", "magnitude": "none", "init": "default", "rates": "one",
    "rank_schedule": "fixed", "selection": "listed", "base_update": "frozen",
}  # fmt: skip
"""Plain LoRA: the kind on each axis that a method need not mention."""
