"""AdamW in 32 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.optim.optimizers.adam import Adam

if TYPE_CHECKING:
    from torch.optim import Optimizer as TorchOptimizer


class AdamW(Adam):
    """Adam with decoupled weight decay (arXiv:1711.05101), all state in 32 bits."""

    kind = "adamw"
    label = "AdamW"
    paper = "1711.05101"

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        from torch.autograd.graph import increment_version
        from torch.optim import AdamW as TorchAdamW

        parameters = [parameter for group in groups for parameter in group["params"]]
        # One pass over each tensor instead of ten, where torch has that.
        fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
        optimizer = TorchAdamW(groups, betas=(self.beta1, self.beta2), eps=self.epsilon, fused=fused)
        if fused:
            # That pass does not count its changes as others do, and DoRA's norms are kept until one is counted.
            optimizer.register_step_post_hook(lambda *_: increment_version(parameters))
        return optimizer

    def bytes_per_parameter(self) -> float:
        return 8.0
