"""The adapter in PEFT's layout, which PEFT, vLLM and llama.cpp's converter open.

    adapter_config.json        ranks, alphas and the names of the layers
    adapter_model.safetensors  base_model.model.<layer>.lora_A.weight (r, in) and .lora_B.weight (out, r)

The configuration holds only keys that every release of PEFT knows: an unknown one makes an older release refuse the
whole adapter. Names are where other writers go wrong. PEFT takes a target for the end of a name, so a suffix would
also catch every layer that ends alike and was not trained; wherever that would happen, the full names are written.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.atomic import write_text
from core.errors import UserError
from core.models.judging import POOLER

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"
PREFIX = "base_model.model."
ROOT_SCALE = "alpha/sqrt(r)"
ROWS = "row"


@dataclass(frozen=True)
class Factors:
    """What one layer does to its weight.

    Attributes:
        b, a: (out, r) and (r, in), with dW = scale * b a.
        scale: the factor in front.
        lengths: the lengths (out,) that DoRA gives the rows of the sum; None leaves them.
    """

    b: Tensor
    a: Tensor
    scale: float
    lengths: Tensor | None = None


def write(adapters: Adapters, folder: Path, *, base: str, modules: Collection[str]) -> None:
    """Write an adapter into an existing folder.

    Args:
        adapters: to be written, from `open_adapter` or from a live model.
        folder: where to.
        base: the base model's name for whoever loads the adapter.
        modules: the names of all modules of the base model that own a weight.

    Raises:
        UserError: the method is more than a low-rank sum, which the layout cannot say.
    """
    refuse_unsayable(adapters)
    tensors = {}
    for name, layer in adapters.layers.items():
        b, a = layer.factors()
        tensors[f"{PREFIX}{name}.lora_A.weight"] = _copied(a)
        tensors[f"{PREFIX}{name}.lora_B.weight"] = _copied(b)
        if layer.magnitude.kind == ROWS:
            tensors[f"{PREFIX}{name}.lora_magnitude_vector"] = layer.own["m"].detach().cpu().contiguous()
    tensors |= {f"{PREFIX}{name}": _copied(tensor) for name, tensor in adapters.head.items()}
    save_file(tensors, folder / TENSORS, metadata={"format": "pt"})
    write_text(folder / CONFIG, json.dumps(configuration(adapters, base=base, modules=modules), indent=2) + "\n")


def refuse_unsayable(adapters: Adapters) -> None:
    """Refuse what is more than a low-rank sum, which the layout cannot say."""
    for name, layer in adapters.layers.items():
        if "factors" not in layer.delta.provides or layer.magnitude.kind not in ("none", ROWS):
            raise UserError(
                f"{name} was trained with more than PEFT's adapter layout can hold.",
                hint="Export a merged model instead.",
            )


def size(adapters: Adapters) -> int:
    """Bytes that the files will take, at most.

    Raises:
        UserError: the layout cannot say what was trained.
    """
    refuse_unsayable(adapters)
    tensors = [tensor for layer in adapters.layers.values() for tensor in (*layer.own.values(), *layer.factors())]
    return sum(int(tensor.nbytes) for tensor in tensors)


def _copied(tensor: Tensor) -> Tensor:
    """For the file, which holds no tensor twice: layers may share theirs."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def configuration(adapters: Adapters, *, base: str, modules: Collection[str]) -> dict[str, Any]:
    """The mapping of `adapter_config.json`."""
    layers = adapters.layers
    root = all(layer.scale_rule.kind == ROOT_SCALE for layer in layers.values())
    ranks = {name: len(layer.factors()[1]) for name, layer in layers.items()}
    alphas = {name: _alpha(layer, ranks[name], root=root) for name, layer in layers.items()}
    rank, alpha = _most_common(ranks.values()), _most_common(alphas.values())
    return {
        "peft_type": "LORA",
        "task_type": "SEQ_CLS" if adapters.head else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": adapters.config.dropout,
        "target_modules": targets(layers, modules),
        "rank_pattern": {name: value for name, value in ranks.items() if value != rank},
        "alpha_pattern": {name: value for name, value in alphas.items() if value != alpha},
        "bias": "none",
        "fan_in_fan_out": any(layer.plan.layer.kind == "conv1d" for layer in layers.values()),
        "use_rslora": root,
        "use_dora": any(layer.magnitude.kind == ROWS for layer in layers.values()),
        "modules_to_save": head_modules(adapters.head) or None,
    }


def head_modules(head: Iterable[str]) -> list[str]:
    """The modules that a head's tensors belong to, by the names with which PEFT keeps them whole."""
    found = {name.split(".")[0] if POOLER not in name else POOLER.strip(".") for name in head}
    return sorted(found)


def _alpha(layer: Adapted, rank: int, *, root: bool) -> float:
    """The alpha with which PEFT's rule gives the layer's own scale at this rank: the user's, where it does."""
    alpha = layer.scale * (math.sqrt(rank) if root else rank)
    alpha = layer.plan.alpha if math.isclose(alpha, layer.plan.alpha) else alpha
    return int(alpha) if alpha == int(alpha) else alpha


def _most_common(values: Iterable[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def targets(trained: Collection[str], modules: Collection[str]) -> list[str]:
    """The shortest list of names that PEFT matches to exactly the trained layers.

    Args:
        trained: full names of the layers with an adapter.
        modules: full names of all modules of the model.
    """
    found = []
    for suffix in sorted({name.rsplit(".", 1)[-1] for name in trained}):
        inside = [name for name in trained if name == suffix or name.endswith(f".{suffix}")]
        caught = [name for name in modules if name == suffix or name.endswith(f".{suffix}")]
        found += [suffix] if set(caught) <= set(inside) else sorted(inside)
    return found


def read(folder: Path) -> dict[str, Factors]:
    """Read a LoRA adapter in PEFT's layout, by layer name.

    Raises:
        UserError: there is none, it is damaged, or it is of another type.
    """
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if said["peft_type"] != "LORA":
            raise UserError(f"The adapter in {folder} is {said['peft_type']}, not LoRA.")
        with safe_open(folder / TENSORS, framework="pt") as file:
            return dict(_factors(said, {key: file.get_tensor(key) for key in file.keys()}))  # noqa: SIM118
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(f"The adapter in {folder} cannot be read: {error!r}.") from None


def _factors(said: dict[str, Any], tensors: dict[str, Tensor]) -> Iterator[tuple[str, Factors]]:
    ending = ".lora_A.weight"
    for key, a in tensors.items():
        if key.endswith(ending):
            name = key.removeprefix(PREFIX).removesuffix(ending)
            rank = said["rank_pattern"].get(name, said["r"])
            alpha = said["alpha_pattern"].get(name, said["lora_alpha"])
            scale = alpha / (math.sqrt(rank) if said["use_rslora"] else rank)
            stem = key.removesuffix(ending)
            yield (
                name,
                Factors(tensors[f"{stem}.lora_B.weight"], a, scale, tensors.get(f"{stem}.lora_magnitude_vector")),
            )


def read_head(folder: Path) -> dict[str, Tensor]:
    """The tensors of a head that were saved with the adapter, by their names in the model."""
    with safe_open(folder / TENSORS, framework="pt") as file:
        keys = [key for key in file.keys() if ".lora_" not in key]  # noqa: SIM118
        return {key.removeprefix(PREFIX): file.get_tensor(key) for key in keys}


@torch.no_grad()
def add_to(model: nn.Module, layers: dict[str, Factors]) -> None:
    """Put what `read` found into the weights of a plain model, in place."""
    for name, found in layers.items():
        module = model.get_submodule(name)
        stored = module.get_parameter("weight")
        weight = stored.T if isinstance(module, Conv1D) else stored
        changed = weight.float() + (found.b.float() @ found.a.float()) * found.scale
        if found.lengths is not None:
            changed *= (found.lengths / changed.norm(dim=1))[:, None]
        weight.copy_(changed)
