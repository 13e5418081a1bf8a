"""Putting adapters on a loaded model, and taking them off again.

`attach` replaces each chosen child module by an `Adapted` that holds the original; `detach` puts the originals back by
reference, so nothing of the base was ever copied or touched. First values are drawn on the CPU, each tensor from a
generator of its own seeded by (seed, layer, tensor): the same layer starts the same whichever others are chosen, on
whatever device, and equal seeds give equal runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.adapters.adapted import Adapted
from core.adapters.axis import BaseUpdate, Delta, Init, Magnitude, Param, ParamRole, Scale, Storage, declared
from core.adapters.vector import Vector, found_in, put_on, take_off
from core.config.run import AdapterConfig
from core.errors import UserError
from core.layers import LayerPlan


@dataclass
class Adapters:
    """The adapters of one model, in the order of the plans.

    Attributes:
        model: the model they sit in.
        config: what was asked for.
        storage: how the base weights are held.
        layers: layer name to its `Adapted`.
        shared: tensors that several layers hold together, at their largest shape.
        head: the trained tensors of a head that judges texts, by their names in the model.
        labels: the classes that it tells apart; none where it gives a number.
    """

    model: nn.Module
    config: AdapterConfig
    storage: Storage
    layers: dict[str, Adapted]
    shared: dict[str, Tensor] = field(default_factory=dict)
    head: dict[str, nn.Parameter] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter, ParamRole]]:
        """Every trained tensor once: its name (`layer.tensor`, or `shared.key`), the parameter and its role."""
        seen: set[int] = set()
        for name, layer in self.layers.items():
            for key, parameter in layer.own.items():
                if parameter.requires_grad and id(parameter) not in seen:
                    seen.add(id(parameter))
                    param = layer.declared[key]
                    yield f"shared.{param.shared}" if param.shared else f"{name}.{key}", parameter, param.role
        for name, parameter in self.head.items():
            yield f"head.{name}", parameter, "head"

    def parameters(self) -> list[nn.Parameter]:
        """The trained tensors."""
        return [parameter for _, parameter, _ in self.named_parameters()]

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the layers once, frozen ones too, by `layer.tensor` and `shared.key`; the head is apart."""
        own = {
            f"{name}.{key}": tensor
            for name, layer in self.layers.items()
            for key, tensor in layer.stated().items()
            if layer.declared[key].shared is None
        }
        return own | {f"shared.{key}": tensor for key, tensor in self.shared.items()}

    def count(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def take(self, values: Mapping[str, Tensor]) -> None:
        """Give the layers' own tensors these values, by `layer.tensor`."""
        with self.apart():
            for place, value in values.items():
                layer, _, key = place.rpartition(".")
                self.layers[layer].own[key].copy_(value)

    def fold(self) -> None:
        """Train W + dW as one tensor from here on, in the layers where that can be done."""
        for layer in self.layers.values():
            layer.fold()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """W and dW as two tensors in every layer while the block lasts, for values of dW to be set."""
        folded = [layer for layer in self.layers.values() if layer.folded]
        for layer in folded:
            layer.unfold()
        try:
            yield
        finally:
            for layer in folded:
                layer.fold()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base model, bit for bit, while the block lasts."""
        before = {name: layer.enabled for name, layer in self.layers.items()}
        for layer in self.layers.values():
            layer.enabled = False
        try:
            yield
        finally:
            for name, layer in self.layers.items():
                layer.enabled = before[name]

    def detach(self) -> nn.Module:
        """Put the original modules back and return the model."""
        for name, layer in self.layers.items():
            if isinstance(layer.base, Vector):
                take_off(self.model, name)
            else:
                _replace(self.model, name, layer.base)
        return self.model


def attach(
    model: nn.Module,
    plans: Sequence[LayerPlan],
    config: AdapterConfig,
    *,
    seed: int,
    storage: Storage,
    fresh: bool = True,
) -> Adapters:
    """Freeze the model and put an adapter on each planned layer.

    Args:
        model: loaded, in its compute dtype, on its device.
        plans: the layers with rank and alpha.
        config: the axes.
        seed: of the first values.
        storage: how the base weights are held.
        fresh: whether the first values are wanted that follow from the base weights; not where saved ones take over.

    Raises:
        UserError: a planned layer is not in the model, has another shape, or shares its weight with another module.
    """
    model.requires_grad_(False)
    delta, scale, magnitude, init, base_update = _members(config)
    shared = _shared_tensors(plans, delta, init, seed)
    layers: dict[str, Adapted] = {}
    tied = _tied_weights(model)
    for plan in plans:
        base = _find(model, plan, tied)
        device = base.get_parameter("weight").device
        params = declared(plan, delta, magnitude, base_update, init)
        own = {
            key: nn.Parameter(_first(init, plan.name, key, param, seed).to(device), requires_grad=param.trainable)
            for key, param in params.items()
            if param.shared is None
        }
        # A delta may share tensors among all layers (VeRA): those are sliced, whatever a group has in common.
        common = {key: param for key, param in params.items() if plan.shared and param.shared == f"{plan.shared}.{key}"}
        own |= _common(common, shared, init, seed, device)
        sliced = {key: param for key, param in params.items() if key not in common}
        layer = Adapted(
            base, plan, delta=delta, scale=scale, magnitude=magnitude, init=init, storage=storage,
            base_update=base_update, own=own, shared=_slices(sliced, shared, device), dropout=config.dropout,
        )  # fmt: skip
        if fresh:
            init.begin(layer)
            base_update.begin(layer)
        layer.train(base.training)
        if isinstance(base, Vector):
            put_on(model, plan.name, layer)
        else:
            _replace(model, plan.name, layer)
        layers[plan.name] = layer
    return Adapters(model, config, storage, layers, shared)


def train_head(adapters: Adapters, first: Mapping[str, Tensor], labels: Sequence[str]) -> None:
    """Let the model's head that judges texts take part in the training, from these values on.

    Args:
        adapters: on the model.
        first: the head's tensors by their names in the model; float32, as all that is trained.
        labels: the classes that it tells apart; none where it gives a number.
    """
    for name, value in first.items():
        place, _, key = name.rpartition(".")
        module = adapters.model.get_submodule(place)
        parameter = nn.Parameter(value.detach().to(module.get_parameter(key).device, torch.float32, copy=True))
        module.register_parameter(key, parameter)
        adapters.head[name] = parameter
    adapters.labels = tuple(labels)


def _members(config: AdapterConfig) -> tuple[Delta, Scale, Magnitude, Init, BaseUpdate]:
    names = ("delta", "scale", "magnitude", "init", "base_update")
    delta, scale, magnitude, init, base_update = (config.axis(name) for name in names)
    assert isinstance(delta, Delta) and isinstance(scale, Scale) and isinstance(magnitude, Magnitude)
    assert isinstance(init, Init) and isinstance(base_update, BaseUpdate)
    return delta, scale, magnitude, init, base_update


def _first(init: Init, layer: str, name: str, param: Param, seed: int) -> Tensor:
    digest = hashlib.sha256(f"{seed}/{layer}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return init.fill(name, param, generator)


def _shared_tensors(plans: Sequence[LayerPlan], delta: Delta, init: Init, seed: int) -> dict[str, Tensor]:
    """Each shared tensor once, at the largest shape that any layer needs."""
    largest: dict[str, Param] = {}
    for plan in plans:
        for param in delta.params(plan).values():
            if param.shared is not None:
                known = largest.get(param.shared, param)
                shape = tuple(max(pair) for pair in zip(known.shape, param.shape, strict=True))
                largest[param.shared] = Param(shape, param.role, param.fill, param.std, False, param.shared)
    return {key: _first(init, "shared", key, param, seed) for key, param in largest.items()}


def _common(
    params: dict[str, Param], shared: dict[str, Tensor], init: Init, seed: int, device: torch.device
) -> dict[str, nn.Parameter]:
    """The tensors that this layer has together with others of its shape: made for the first, the same ones for all."""
    found: dict[str, nn.Parameter] = {}
    for name, param in params.items():
        if param.shared is not None:
            if param.shared not in shared:
                first = _first(init, "shared", param.shared, param, seed).to(device)
                shared[param.shared] = nn.Parameter(first, requires_grad=param.trainable)
            parameter = shared[param.shared]
            assert isinstance(parameter, nn.Parameter)
            found[name] = parameter
    return found


def _slices(params: dict[str, Param], shared: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """This layer's views of the shared tensors, moved to its device once for all layers."""
    found = {}
    for name, param in params.items():
        if param.shared is not None:
            shared[param.shared] = whole = shared[param.shared].to(device)
            found[name] = whole[tuple(slice(size) for size in param.shape)]
    return found


def _find(model: nn.Module, plan: LayerPlan, tied: set[str]) -> nn.Module:
    try:
        vector = found_in(model, plan.name) if plan.layer.kind == "vector" else None
        if vector is not None:
            return vector
        base = model.get_submodule(plan.name)
    except AttributeError:
        raise UserError(f"The model has no layer {plan.name}.", path="adapter.layers") from None
    if isinstance(base, Adapted):
        raise UserError(f"{plan.name} already has an adapter.", hint="Detach it first.")
    weight = base.get_parameter("weight")
    expected = (plan.layer.out_features, plan.layer.in_features)
    stored = tuple(reversed(weight.shape)) if plan.layer.kind == "conv1d" else tuple(weight.shape)
    if weight.is_floating_point() and stored != expected:
        raise UserError(f"{plan.name} is {stored[0]} x {stored[1]} in the model, not {expected[0]} x {expected[1]}.")
    if plan.name in tied:
        raise UserError(
            f"{plan.name} shares its weight with another module: an adapter on one would change both when merged.",
            hint="Leave this layer out.",
            path="adapter.layers",
        )
    return base


def _tied_weights(model: nn.Module) -> set[str]:
    """Names of modules whose weight is also another module's."""
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor):
            owners.setdefault(id(weight), []).append(name)
    return {name for names in owners.values() if len(names) > 1 for name in names}


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
