"""The adapter in PEFT's layout, which PEFT and many others open.

    adapter_config.json        type, ranks, alphas and the names of the layers
    adapter_model.safetensors  base_model.model.<layer>.lora_A.weight (r, in), .lora_B.weight (out, r), ...

PEFT has types of its own for many methods (`core.export.forms`); whatever it lacks goes out as the LoRA that it equals,
where there is one. The configuration holds only keys that every release of PEFT knows: an unknown one makes an older
release refuse the whole adapter. Names are where other writers go wrong. PEFT takes a target for the end of a name, so
a suffix would also catch every layer that ends alike and was not trained; wherever that would happen, the full names
are written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from core.adapters.attach import Adapters
from core.atomic import write_text
from core.errors import UserError
from core.export.forms import FORMS
from core.export.forms.form import PREFIX, Form, copied
from core.models.judging import POOLER

CONFIG = "adapter_config.json"
TENSORS = "adapter_model.safetensors"
LORA = "LORA"


def write(
    adapters: Adapters, folder: Path, *, base: str, modules: Collection[str], steps: int = 1, form: Form | None = None
) -> None:
    """Write an adapter into an existing folder.

    Args:
        adapters: to be written, from `open_adapter` or from a live model.
        folder: where to.
        base: the base model's name for whoever loads the adapter.
        modules: the names of all modules of the base model that own a weight.
        steps: length of the run, which AdaLoRA's configuration wants to know.
        form: the type; None takes the most particular one that can say it.

    Raises:
        UserError: PEFT has no type that can.
    """
    form = form or form_for(adapters)
    tensors = {form.key(name): tensor for name, tensor in form.tensors(adapters).items()}
    tensors |= {f"{PREFIX}{name}": copied(tensor) for name, tensor in adapters.head.items()}
    said = configuration(adapters, form, base=base, modules=modules, steps=steps)
    save_file(tensors, folder / TENSORS, metadata={"format": "pt"})
    write_text(folder / CONFIG, json.dumps(said, indent=2) + "\n")


def form_for(adapters: Adapters) -> Form:
    """The type of PEFT's that adapters go out as.

    Raises:
        UserError: there is none.
    """
    for form in FORMS:
        if not form.objection(adapters):
            return form
    raise UserError(
        f"PEFT has no type of adapter for this: {_why_not_its_own(adapters)}.",
        hint="Export it as a plain LoRA of a chosen rank, or a merged model.",
    )


def equivalent(adapters: Adapters, form: Form) -> str:
    """A sentence where an adapter goes out as the LoRA that it equals; empty where the type is its own."""
    layers = list(adapters.layers.values())
    if form.type != LORA or all(layer.delta.kind in form.deltas for layer in layers):
        return ""
    rank = max(len(layer.factors()[1]) for layer in layers)
    return f"Written as the LoRA of rank {rank} that it equals: {_why_not_its_own(adapters)}."


def _why_not_its_own(adapters: Adapters) -> str:
    """What keeps adapters from PEFT's type for their kind of delta; LoRA's reason where there is no such type."""
    kind = next(iter(adapters.layers.values())).delta.kind
    own = [form for form in FORMS if kind in form.deltas]
    return (own or [form for form in FORMS if form.type == LORA])[0].objection(adapters)


def size(adapters: Adapters) -> int:
    """Bytes that the files will take, at most.

    Raises:
        UserError: no type can say what was trained.
    """
    tensors = [*form_for(adapters).tensors(adapters).values(), *adapters.head.values()]
    return sum(int(tensor.nbytes) for tensor in tensors)


def configuration(adapters: Adapters, form: Form, *, base: str, modules: Collection[str], steps: int) -> dict[str, Any]:
    """The mapping of `adapter_config.json`."""
    return {
        "peft_type": form.type,
        "task_type": "SEQ_CLS" if adapters.head else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "inference_mode": True,
        **form.settings(adapters, steps=steps),
        "target_modules": targets(adapters.layers, modules),
        "modules_to_save": head_modules(adapters.head) or None,
    }


def head_modules(head: Iterable[str]) -> list[str]:
    """The modules that a head's tensors belong to, by the names with which PEFT keeps them whole."""
    found = {name.split(".")[0] if POOLER not in name else POOLER.strip(".") for name in head}
    return sorted(found)


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
