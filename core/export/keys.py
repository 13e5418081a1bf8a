"""Which key in a model's files is the weight of which module: files may carry another prefix, or none at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.errors import UserError
from core.export.shards import Stored
from core.layers import LayerPlan
from core.models.families import family_of


def module_keys(keys: Iterable[str], model_type: str) -> dict[str, str]:
    """Module name to the key of its weight, for every module of the files that owns one."""
    family = family_of(model_type)
    renamed = {
        key: family.module_name(key.removesuffix(".weight"), bare=False) for key in keys if key.endswith(".weight")
    }
    bare = family.is_bare(list(renamed.values()))
    return {family.module_name(name, bare=bare): key for key, name in renamed.items()}


def weight_keys(plans: Iterable[LayerPlan], tensors: Mapping[str, Stored], model_type: str) -> dict[str, str]:
    """Layer name to the key of its weight in the files.

    Raises:
        UserError: the files do not hold a layer's weight as a matrix of its shape.
    """
    keys = module_keys(tensors, model_type)
    found = {}
    for plan in plans:
        layer, key = plan.layer, keys.get(plan.name, "")
        shape: tuple[int, ...] = (layer.out_features, layer.in_features)
        if layer.kind == "vector":
            module, _, ending = plan.name.rpartition(".")
            key, shape = f"{keys.get(module, '').removesuffix('weight')}{ending}", (layer.out_features,)
        if key not in tensors or tensors[key].shape != (shape[::-1] if layer.kind == "conv1d" else shape):
            raise UserError(
                f"The model's files do not hold the weight of {plan.name} as one matrix of its own.",
                hint="Export the adapter instead.",
            )
        found[plan.name] = key
    return found
