"""Any trained adapter as a plain LoRA of a chosen rank: the nearest one, by singular value decomposition.

llama.cpp, vLLM and Ollama know plain LoRA alone, with one rank and one alpha for all layers. The best rank-r stand-in
for a change dW is its r largest singular directions (Eckart and Young), and what it keeps of dW is the share of
||dW||_F^2 that those have.

Where dW is a product of thin factors, QR of both and the decomposition of an r x r matrix give it exactly and cheaply.
Row lengths (DoRA) and products of products (LoHa, LoKr, full) make dW dense: it is formed for one layer at a time from
the base weight in the model's files. A small matrix is decomposed whole; of a large one only the leading directions
are found, by subspace iteration from a seeded start, so that equal exports are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters, attach
from core.config.run import AdapterConfig
from core.export import merged
from core.export.keys import weight_keys
from core.export.saved import stand_ins
from core.export.shards import Stored, stored_tensors
from core.layers import LayerInfo, LayerPlan
from core.models.info import ModelInfo
from core.saying import Say

WHOLE = 512
"""Shorter side of a matrix up to which it is decomposed whole."""
SPARE = 16
"""Directions that the iteration carries along, beyond twice the wanted ones."""
ROUNDS = 6
"""Of the iteration: what is kept is within a thousandth of the best where something was learned, of noise less so."""


@dataclass(frozen=True)
class Kept:
    """What a layer's LoRA keeps of its change.

    Attributes:
        name: of the layer.
        norm: ||dW||_F.
        share: of ||dW||_F^2 that is kept, 0 to 1; 1 where there is no change.
    """

    name: str
    norm: float
    share: float


def total(kept: Sequence[Kept]) -> float:
    """The share of the whole change that is kept: that of the sum of all ||dW||_F^2."""
    whole = sum(one.norm**2 for one in kept)
    return sum(one.share * one.norm**2 for one in kept) / whole if whole else 1.0


def largest_rank(adapters: Adapters) -> int:
    """The rank that is taken where none is named: at which thin factors lose nothing; of others the adapter's own."""
    layers = adapters.layers.values()
    return max(len(layer.factors()[1]) if _thin(layer) else layer.active_rank for layer in layers)


@torch.no_grad()
def convert(adapters: Adapters, info: ModelInfo, rank: int, *, progress: Say) -> tuple[Adapters, list[Kept]]:
    """Work out the LoRA of one rank that is nearest to an adapter.

    Args:
        adapters: from `open_adapter`.
        info: the base model, a folder.
        rank: of every layer; a layer that has less keeps zeros, since other programs want one rank for all.
        progress: told what is going on; may raise to end the job.

    Returns:
        the LoRA on stand-ins for the layers, with alpha = rank so that its scale is 1, and what each layer keeps.

    Raises:
        UserError: a layer's weight is not in the model's files.
    """
    layers = adapters.layers
    scaled = [layer.plan for layer in layers.values() if layer.magnitude.kind != "none"]
    tensors = stored_tensors(info.path) if scaled else {}
    keys = weight_keys(scaled, tensors, info.model_type)
    config = AdapterConfig(rank=rank, alpha=float(rank), dropout=adapters.config.dropout, layers=tuple(layers))
    plans = [LayerPlan(layer.plan.layer, rank, float(rank)) for layer in layers.values()]
    plain = attach(stand_ins(plans, adapters.head), plans, config, seed=0, storage=adapters.storage, fresh=False)
    plain.head, plain.labels = adapters.head, adapters.labels
    kept = []
    for number, (name, layer) in enumerate(layers.items()):
        progress(f"Decomposing {name}", number / len(layers))
        if _thin(layer):
            u, s, vh, norm = _factored(layer)
        else:
            change = _against(layer, tensors[keys[name]]) if name in keys else layer.delta_weight()
            u, s, vh, norm = leading(change, rank)
        kept.append(Kept(name, norm, min(1.0, float(s[:rank].square().sum()) / norm**2) if norm else 1.0))
        own = plain.layers[name].own
        count = min(rank, len(s))
        root = s[:count].sqrt()
        own["b"].zero_()[:, :count] = (u[:, :count] * root).float()
        own["a"].zero_()[:count] = (root[:, None] * vh[:count]).float()
    return plain, kept


def to_dict(kept: Sequence[Kept], rank: int, layers: Sequence[LayerInfo]) -> dict[str, Any]:
    """What was kept, for the job's result: of the whole, and by layer."""
    places = {layer.name: layer for layer in layers}
    rows = [
        {"name": one.name, "block": places[one.name].block, "role": places[one.name].role, "norm": one.norm,
         "share": one.share}
        for one in kept
    ]  # fmt: skip
    return {"rank": rank, "share": total(kept), "layers": rows}


def sentence(kept: Sequence[Kept], rank: int) -> str:
    """The same for people."""
    least = min(kept, key=lambda one: one.share)
    return (
        f"As a plain LoRA of rank {rank} it keeps {total(kept):.2%} of what was learned, by the squared norm "
        f"of the change (least in {least.name}, {least.share:.2%})."
    )


def leading(change: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """The leading singular directions of a dense (out, in) change: U, S, Vh, and the norm of the whole."""
    norm = float(change.double().norm())
    short = min(change.shape)
    if short <= WHOLE or 2 * rank + SPARE >= short // 2:
        u, s, vh = torch.linalg.svd(change.double(), full_matrices=False)
        return u, s, vh, norm
    width = min(short, 2 * rank + SPARE)
    basis = torch.randn(change.shape[1], width, generator=torch.Generator().manual_seed(0), dtype=change.dtype)
    for _ in range(ROUNDS):
        left, _ = torch.linalg.qr(change @ basis)
        basis, _ = torch.linalg.qr(change.T @ left)
    u, s, vh = torch.linalg.svd(change @ basis, full_matrices=False)
    return u.double(), s.double(), (vh @ basis.T).double(), norm


def _thin(layer: Adapted) -> bool:
    """Whether the change is a product of factors, fewer together than the matrix itself."""
    return "factors" in layer.delta.provides and layer.magnitude.kind == "none"


def _factored(layer: Adapted) -> tuple[Tensor, Tensor, Tensor, float]:
    """All singular directions of scale * B A, from the factors alone."""
    b, a = (factor.detach().double() for factor in layer.factors())
    left, upper = torch.linalg.qr(b)
    right, lower = torch.linalg.qr(a.T)
    u, s, vh = torch.linalg.svd(upper @ lower.T * layer.scale)
    return left @ u[:, : len(s)], s, vh[: len(s)] @ right.T, float(s.norm())


def _against(layer: Adapted, stored: Stored) -> Tensor:
    """The change of a layer's weight against the one that it was trained over, (out, in) float32."""
    weight = stored.read().float()
    change = merged.merge(layer, weight, torch.float32) - merged.rounded(layer.storage, layer.plan.layer, weight)
    return change.T if layer.plan.layer.kind == "conv1d" else change
