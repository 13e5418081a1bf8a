"""A vector of a model beneath an adapter: a bias, or the gains of a norm, as a matrix of one column.

A matrix is a module that an `Adapted` can take the place of; a vector is only a number of a module's that its code
reads. So that code is made to read the changed vector instead: torch calls this a parametrization. The vector itself is
left alone, and is there again as it was when the adapter is switched off or taken away.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from core.adapters.adapted import Adapted


class Vector(nn.Module):
    """The frozen vector as an (n, 1) weight, in the same memory."""

    def __init__(self, values: nn.Parameter) -> None:
        super().__init__()
        self.weight = nn.Parameter(values.detach()[:, None], requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., 1) to (..., n)."""
        return functional.linear(x, self.weight)


class Changed(nn.Module):
    """What the model reads where its vector was."""

    def __init__(self, layer: Adapted) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor) -> Tensor:
        """The vector (n,) with its change, summed in the wider precision of the two and rounded to the model's own.

        So a model in bfloat16 computes in bfloat16, and the change beside it is learned in float32. Switched off, the
        vector is itself.
        """
        if not self.layer.enabled:
            return values
        change = self.layer.delta.weight(self.layer.tensors())[:, 0]
        return (values + change * self.layer.scale).to(values.dtype)


def found_in(model: nn.Module, name: str) -> Vector | None:
    """The vector of this name beneath an adapter to be; None where the name is a module's, as in a stand-in.

    Raises:
        AttributeError: there is no such module.
    """
    module, _, key = name.rpartition(".")
    values = model.get_submodule(module)._parameters.get(key)
    return None if values is None else Vector(values)


def put_on(model: nn.Module, name: str, layer: Adapted) -> None:
    """Have the model read the changed vector of this name."""
    module, _, key = name.rpartition(".")
    parametrize.register_parametrization(model.get_submodule(module), key, Changed(layer))


def take_off(model: nn.Module, name: str) -> None:
    """Have it read its own again."""
    module, _, key = name.rpartition(".")
    parametrize.remove_parametrizations(model.get_submodule(module), key, leave_parametrized=False)
