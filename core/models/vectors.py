"""The vectors of a model that fine-tuning the smallest parts trains: biases, and the gains and offsets of norms.

They are no cells of the map, which shows matrices. Read like those from file headers or from a model in memory: names
and shapes in, `LayerInfo` out, a vector of n numbers being a matrix of n rows and one column.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.layers import LayerInfo, Role
from core.models.families.family import Family
from core.models.order import in_order

ENDINGS = ("weight", "bias")


def vectors_of(family: Family, shapes: Mapping[str, tuple[int, ...]]) -> tuple[LayerInfo, ...]:
    """The vectors of the blocks, and of norms around them, by their full names in the loaded model.

    Those of heads and poolers are left out: a model that judges texts trains its head anyway.

    Args:
        family: whose names these are.
        shapes: of a checkpoint's tensors, by name.
    """
    stems = {name: name.rpartition(".")[0] for name in shapes if name.rpartition(".")[2] in ENDINGS}
    renamed = {name: family.module_name(stem, bare=False) for name, stem in stems.items()}
    bare = family.is_bare([*renamed.values()])
    found = []
    for name, stem in stems.items():
        module = family.module_name(stem, bare=bare)
        place = _place(family, module) if len(shapes[name]) == 1 else None
        if place is not None:
            role, block = place
            found.append(LayerInfo(f"{module}.{name.rpartition('.')[2]}", role, block, shapes[name][0], 1, "vector"))
    return in_order(found)


def _place(family: Family, module: str) -> tuple[Role, int | None] | None:
    """Role and block of the vectors of a module; a bias has the role of its matrix. None where they are left out."""
    last = module.rpartition(".")[2].lower()
    norm = "norm" in last or last.startswith("ln")
    place = family.place(module)
    if place is not None and place.block is not None:
        return ("norm" if norm else place.role), place.block
    outside = norm and any(module.startswith(f"{base}.") for base in family.base)
    return ("norm", None) if outside else None
