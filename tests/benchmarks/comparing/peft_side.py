"""The same method in peft, over the same weights, with the same rank, data and optimizer, as its documentation shows.

Two loops: a plain one, whose rows are padded and whose loss is the model's own; and one that is given our packed rows
and our loss, so that nothing is left to differ but the adapters.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.storage.held import Held
from core.data.batches import Batch
from core.train.ground import Ground
from core.train.loss import TokenLoss
from core.train.training import Rows, Training

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LORA: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "lora+": {},
    "lora-fa": {},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa_niter_4"},
    "olora": {"init_lora_weights": "olora"},
    "qlora": {},
    "qdora": {"use_dora": True},
}
"""What peft has of LoRA's kind, and how it is asked for. A start that is a part of the weight costs its steps nothing
more than another: peft writes what is left over the base weight, so there it is taken in its quick form.
"""


@dataclass
class Theirs:
    """A method of peft's in a loop.

    Attributes:
        model: peft's.
        optimizer: over what it trains.
        rows: the batches.
        loss: of a batch, its mean over the trained tokens.
        after: what peft asks to be called after a step.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rows: Rows
    loss: Callable[[Batch], Tensor]
    after: Callable[[int], None]
    done: int = 0

    @classmethod
    def of(cls, ground: Ground, name: str, ours: Training, *, same_rows: bool) -> Theirs | None:
        """peft's form of a method beside our training of it; None where peft has none.

        Args:
            ground: modules of its own; peft changes them.
            name: of the method.
            ours: the training to be compared with.
            same_rows: whether rows and loss are ours.
        """
        import peft

        rank, alpha = ours.config.adapter.rank, ours.config.adapter.alpha
        config = config_of(name, rank, alpha, ours.config.train.steps)
        if config is None:
            return None
        base = ground.loaded.model
        # Before anything of bitsandbytes stands in it: one pass without training turns that to codes for inference.
        summed = TokenLoss(base)
        if name in ("pissa", "olora"):
            own_weights(base)
        if name.startswith("q"):
            in_bitsandbytes(base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = peft.get_peft_model(base, config)
        model.train()
        examples = ground.data.train
        rows = ours.rows if same_rows else ground.batches(ours.config, examples, packing=False)
        loss = packed_loss(summed, name == "adalora") if same_rows else plain_loss(model)
        after = model.base_model.update_and_allocate if name == "adalora" else silent
        return cls(model, optimizer_of(name, model, rank, alpha, ours), rows, loss, after)

    def step(self) -> None:
        """One optimizer step."""
        for batch in self.rows.micro_batches(self.done):
            self.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.after(self.done)
        self.optimizer.zero_grad()
        self.done += 1


def config_of(name: str, rank: int, alpha: float, steps: int) -> Any:
    """peft's configuration; None where it does not know the method."""
    import peft

    if name in LORA:
        return peft.LoraConfig(r=rank, lora_alpha=int(alpha), target_modules=TARGETS, **LORA[name])
    if name == "adalora":
        return peft.AdaLoraConfig(
            init_r=rank, target_r=max(1, rank * 2 // 3), lora_alpha=int(alpha), target_modules=TARGETS, tinit=0,
            tfinal=steps // 4, deltaT=1, total_step=steps, orth_reg_weight=0.1,
        )  # fmt: skip
    if name == "vera":
        return peft.VeraConfig(r=rank, target_modules=TARGETS)
    if name == "loha":
        return peft.LoHaConfig(r=rank, alpha=int(alpha), target_modules=TARGETS)
    if name == "lokr":
        return peft.LoKrConfig(r=rank, alpha=int(alpha), target_modules=TARGETS)
    return None


def optimizer_of(name: str, model: nn.Module, rank: int, alpha: float, ours: Training) -> torch.optim.Optimizer:
    """AdamW, or what peft has for the method."""
    import peft.optimizers

    rate: float = ours.config.train.learning_rate
    trained = [p for p in model.parameters() if p.requires_grad]
    found: torch.optim.Optimizer
    if name == "lora+":
        found = peft.optimizers.create_loraplus_optimizer(model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=16.0)
    elif name == "lora-fa":
        found = peft.optimizers.create_lorafa_optimizer(model, r=rank, lora_alpha=int(alpha), lr=rate)
    else:
        found = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    return found


def plain_loss(model: nn.Module) -> Callable[[Batch], Tensor]:
    """The model's own loss of padded rows."""

    def loss(batch: Batch) -> Tensor:
        found: Tensor = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels, use_cache=False
        ).loss
        return found

    return loss


def packed_loss(summed: TokenLoss, orthogonal: bool) -> Callable[[Batch], Tensor]:
    """Our loss of packed rows, through the model that peft has put its adapters into.

    AdaLoRA's term that keeps directions apart is added as peft does it, which has it in the forward pass left out here.
    """

    def loss(batch: Batch) -> Tensor:
        found = summed(batch) / batch.trained
        return found + 0.1 * apart(summed.model) if orthogonal else found

    return loss


def apart(model: nn.Module) -> Tensor:
    """The mean over all P and Q of ||P^T P - I||_F."""
    found = []
    for name, factor in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            gram = factor @ factor.T if "lora_A" in name else factor.T @ factor
            found.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram))))
    return torch.stack(found).mean()


def own_weights(model: nn.Module) -> None:
    """Give the layers weights of their own, since peft writes over them."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in TARGETS and isinstance(module, nn.Linear):
            module.weight = nn.Parameter(module.weight.detach().clone(), requires_grad=False)


def in_bitsandbytes(model: nn.Module) -> None:
    """Hold the layers as bitsandbytes does, from the numbers that ours stand for."""
    import bitsandbytes

    for name, module in list(model.named_modules()):
        if not isinstance(module, Held):
            continue
        rows, columns = module.shape
        held = bitsandbytes.nn.Linear4bit(
            columns, rows, bias=module.bias is not None, quant_type="nf4", compute_dtype=torch.float32
        )
        held.weight = bitsandbytes.nn.Params4bit(module.dense(), requires_grad=False, quant_type="nf4")
        place, _, key = name.rpartition(".")
        setattr(model.get_submodule(place), key, held.to("cpu"))
    model.is_loaded_in_4bit = True  # type: ignore[assignment]


def silent(step: int) -> None:
    """Nothing is asked for."""
