"""LORA: two factors a layer, with rsLoRA's scale and DoRA's row lengths. Everything with factors can go out as it."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.errors import UserError
from core.export.forms.form import Folder, Form, Piece, copied, rounded, split, transposed
from core.layers import LayerInfo

ROOT_SCALE = "alpha/sqrt(r)"
ROWS = "row"
EDITING = ("pissa", "olora", "loftq", "corda", "lora_ga")
"""Starts of PEFT's that change the base weights: an adapter saved as it is then belongs to the changed ones."""


class LoraForm(Form):
    """See the module's docstring."""

    type = "LORA"
    deltas = ("lora", "lora-fa")
    marks = (".lora_A.weight",)
    refused: ClassVar[dict[str, str]] = {
        "lora_bias": "it trains biases of its own",
        "trainable_token_indices": "it trains embeddings of single tokens",
        "target_parameters": "it changes parameters that are no layers of their own",
        "layer_replication": "it repeats layers of the base model",
        "alora_invocation_tokens": "it acts only after certain tokens",
        "use_qalora": "it groups the inputs of a layer (QA-LoRA)",
        "arrow_config": "it mixes several adapters (Arrow)",
    }

    def objection(self, adapters: Adapters) -> str:
        for name, layer in adapters.layers.items():
            if "factors" not in layer.delta.provides or layer.magnitude.kind not in ("none", ROWS):
                return f"what {name} has learned is more than two factors and row lengths"
        return ""

    def tensors(self, adapters: Adapters) -> dict[str, Tensor]:
        found = {}
        for name, layer in adapters.layers.items():
            b, a = layer.factors()
            found[f"{name}.lora_A.weight"], found[f"{name}.lora_B.weight"] = copied(a), copied(b)
            if layer.magnitude.kind == ROWS:
                found[f"{name}.lora_magnitude_vector"] = copied(layer.own["m"])
        return found

    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        layers = adapters.layers
        root = all(layer.scale_rule.kind == ROOT_SCALE for layer in layers.values())
        ranks = {name: len(layer.factors()[1]) for name, layer in layers.items()}
        rank, other_ranks = split(ranks)
        alpha, other_alphas = split({name: _alpha(layer, ranks[name], root=root) for name, layer in layers.items()})
        return {
            "r": rank,
            "lora_alpha": alpha,
            "lora_dropout": adapters.config.dropout,
            "rank_pattern": other_ranks,
            "alpha_pattern": other_alphas,
            "bias": "none",
            "fan_in_fan_out": transposed(adapters),
            "use_rslora": root,
            "use_dora": any(layer.magnitude.kind == ROWS for layer in layers.values()),
        }

    def axes(self, folder: Folder) -> dict[str, Any]:
        start = folder.said.get("init_lora_weights", True)
        if isinstance(start, str) and start.startswith(EDITING):
            raise UserError(
                f"The adapter belongs to base weights that its start, {start}, has changed.",
                hint="Save it in PEFT with path_initial_model_for_weight_conversion: then it fits the original ones.",
            )
        dora, root = bool(folder.said.get("use_dora")), bool(folder.said.get("use_rslora"))
        found: dict[str, Any] = {"method": "dora" if dora else "rslora" if root else "lora"}
        found |= {"scale": ROOT_SCALE} if dora and root else {}
        return {**found, "dropout": folder.number("lora_dropout", 0.0)}

    def piece(self, folder: Folder, layer: LayerInfo, given: str) -> Piece:
        a, b = folder.take(f"{given}.lora_A.weight"), folder.take(f"{given}.lora_B.weight")
        own = {"a": a, "b": b}
        if folder.said.get("use_dora"):
            ending = ".weight" if f"{given}.lora_magnitude_vector.weight" in folder.tensors else ""
            own["m"] = folder.take(f"{given}.lora_magnitude_vector{ending}").flatten()
        rank = int(folder.by_layer(given, "rank_pattern", "r", 8))
        if len(a) != rank:
            raise UserError(f"The adapter's configuration gives {given} the rank {rank}, its file {len(a)}.")
        return Piece(rank, folder.by_layer(given, "alpha_pattern", "lora_alpha", 8), own)


def _alpha(layer: Adapted, rank: int, *, root: bool) -> float:
    """The alpha with which PEFT's rule gives the layer's own scale at this rank: the user's, where it does."""
    alpha = layer.scale * (math.sqrt(rank) if root else rank)
    return rounded(layer.plan.alpha if math.isclose(alpha, layer.plan.alpha) else alpha)
