"""How many numbers a run trains, and how much memory it will take, before anything is loaded.

The count comes from the members' own declarations (`Delta.params`, `Magnitude.params`), so a new method is counted
without a line here. The memory of activations follows what autograd keeps for the backward pass of a transformer block
whose own weights are frozen: a frozen product keeps nothing but its weight, so of the two thirds of a block's tensors
that full fine-tuning keeps, only those that the nonlinear parts, the attention and the adapters themselves need stay.
Blocks below the first adapted one keep nothing at all.

Everything is rounded up rather than down: better to be told that it is tight than to be cut off in step 12. The real
peaks beside it are printed by `tests/benchmarks/forecast.py`. The total is what the measured peak of a run should come
to, so Python and torch themselves are in it where they are measured too, and so is the model's file: while a model is
loaded on a processor, its file lies in memory beside the numbers that are made of it, which a small run never takes
again afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.adapters.axis import BaseUpdate, Delta, Init, Magnitude, Param, Selection, declared
from core.config.extent import Extent, extent
from core.config.head import head_parameters
from core.config.machine import Device, compute_bytes, likely_device
from core.config.run import JUDGING, AdapterConfig, RunConfig
from core.layers import LayerInfo, LayerPlan, Role
from core.optim.optimizers import Optimizer

if TYPE_CHECKING:
    from core.models.info import ModelInfo

FLOAT = 4
"""Bytes of a trained number, its gradient and the residual stream inside a norm: float32 whatever computes."""
READS_STREAM: tuple[frozenset[Role], ...] = (
    frozenset({"q", "k", "v", "qkv"}),
    frozenset({"gate", "up", "gate_up", "fc1"}),
)
"""Groups of layers that are fed one and the same normed input, kept once for all of them."""
GATED: frozenset[Role] = frozenset({"gate", "gate_up"})
FULL_LOGITS = frozenset({"cohere", "cohere2", "gemma2", "granite"})
"""Model types whose logits are capped or scaled, so that the loss cannot work on them in chunks (`core.train.loss`)."""
CHUNK: dict[Device, int] = {"cpu": 2**24, "mps": 2**26, "cuda": 2**26}
"""Logits that the loss works on at once, as in `core.train.loss`."""
SLACK: dict[Device, float] = {"cpu": 1.5, "cuda": 1.1, "mps": 1.1}
"""What the allocator holds for each byte of activations in use: tensors of many sizes leave gaps. The processor's is
measured (`tests/benchmarks/forecast.py`), those of the cards are an allowance."""
GAPS_OF_CHECKPOINTING = 0.45
"""The share of the activations of an ordinary run that one with gradient checkpointing still takes on a processor: what
is worked out again block by block leaves gaps in the heap, and much of what it saves is not given back."""
GAPS = 1.6
"""Bytes of the gaps in a processor's heap for each number of a weight that is worked out again and again: from its
codes, or from the parts of a dense change. Measured with models of 38, 135 and 365 million numbers."""
PROCESS = 450_000_000
"""Bytes of Python and its libraries, which the measured peak of a run on a processor has in it: the smallest models
take as much. A card's peak counts tensors alone."""
QUADRATIC = frozenset({"bert", "gemma2", "gpt2", "roberta"})
"""Model types whose attention keeps a score for every pair of tokens: capped, or with dropout inside."""
FOUR_NORMS, HEAD_NORMS = ("gemma2", "gemma3"), ("gemma3", "qwen3")
"""How the names of model types begin that norm the stream four times a block, and each head's query and key."""
ACTIVE_EXPERTS = 8
"""Experts that a token of a mixture passes through, at most, where nothing says how many."""


PARTS = ("weights", "adapter", "gradients", "optimizer", "activations", "logits", "process")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a run takes at its peak, by what they are for.

    Attributes:
        weights: the frozen model.
        adapter: all that is trained, a head that judges texts included; and what an adapter keeps frozen.
        gradients, optimizer: of what is trained.
        activations: what the backward pass finds kept.
        logits: the loss at its peak.
        process: Python and its libraries, where the measured peak has them in it, the gaps that weights leave which
            are worked out again and again, and what loading takes above all of the training.
        reclaimable: of `process` the pages of the model's file, which the system takes back where others need them.
    """

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    process: int = 0
    reclaimable: int = 0

    @property
    def total(self) -> int:
        """All of it: what the measured peak of the run should come to."""
        return sum(getattr(self, part) for part in PARTS)

    @property
    def needed(self) -> int:
        """What the machine must have free for it."""
        return self.total - self.reclaimable

    def to_dict(self) -> dict[str, int]:
        """The contract's JSON object."""
        return {name: getattr(self, name) for name in (*PARTS, "total")}


def count(plans: Iterable[LayerPlan], adapter: AdapterConfig) -> int:
    """How many numbers the optimizer will see; none of matrices, where vectors are trained instead."""
    selection = adapter.axis("selection")
    assert isinstance(selection, Selection)
    params = _params(selection.candidates(list(plans), ()), adapter)
    return sum(times * param.numel for param, times in params if param.trainable)


def forecast(
    info: ModelInfo, plans: Sequence[LayerPlan], config: RunConfig, report: Mapping[str, Any] | None = None
) -> Memory:
    """The memory of a run.

    Args:
        info: the base model.
        plans: the chosen layers; none means that nothing is trained.
        config: everything else.
        report: what is known about the data (`core.data.summary`); None takes every row for as long as it may be.
    """
    largest = extent(config, context=info.context, report=report)
    selection = config.adapter.axis("selection")
    assert isinstance(selection, Selection)
    plans = selection.candidates(plans, info.vectors)
    device = likely_device(config.train.device)
    width = compute_bytes(config.model.compute, device)
    head = head_parameters(info, config, report)
    trained = count(plans, config.adapter) + head
    optimizer = config.train.optimizer
    assert isinstance(optimizer, Optimizer)
    memory = Memory(
        weights=_weights(info, config, width),
        adapter=(sum(times * param.numel for param, times in _params(plans, config.adapter)) + head) * FLOAT,
        gradients=trained * FLOAT,
        optimizer=math.ceil(trained * optimizer.bytes_per_parameter()),
        activations=math.ceil(_activations(info, plans, config, largest, width, device) * SLACK[device])
        if plans
        else 0,
        logits=_logits(info, config, largest, width, room=CHUNK[device]) if plans else 0,
    )
    if device != "cpu":
        return memory
    above = max(0, _file(info) - (memory.total - memory.weights))
    process = PROCESS + config.storage.library + math.ceil(GAPS * _worked_out(info, plans, config))
    return replace(memory, process=process + above, reclaimable=above)


def _params(plans: Iterable[LayerPlan], adapter: AdapterConfig) -> Iterator[tuple[Param, int]]:
    """Every tensor of the adapters, and how often it is there: one for all plans of one make.

    One that all layers share is there once, at the largest shape that any of them needs.
    """
    delta, magnitude = adapter.axis("delta"), adapter.axis("magnitude")
    base_update, init = adapter.axis("base_update"), adapter.axis("init")
    assert isinstance(delta, Delta) and isinstance(magnitude, Magnitude)
    assert isinstance(base_update, BaseUpdate) and isinstance(init, Init)
    shared: dict[str, Param] = {}
    makes: dict[object, list[LayerPlan]] = {}
    for plan in plans:
        makes.setdefault(plan.make, []).append(plan)
    for alike in makes.values():
        for param in declared(alike[0], delta, magnitude, base_update, init).values():
            if param.shared is None:
                yield param, len(alike)
            elif param.shared not in shared or param.numel > shared[param.shared].numel:
                shared[param.shared] = param
    yield from ((param, 1) for param in shared.values())


def _weights(info: ModelInfo, config: RunConfig, width: int) -> int:
    """The frozen model: matrices of the blocks as they are stored, everything else in the compute precision.

    Where they are not stored as numbers, the largest is there as numbers as well while it is used.
    """
    matrices = [layer for layer in info.layers if layer.adaptable]
    stored = sum(layer.parameters * config.storage.bytes_per_weight(width, layer.in_features) for layer in matrices)
    rest = max(0, info.parameters - sum(layer.parameters for layer in matrices))
    if "float_base" not in config.storage.provides:
        rest += max((layer.parameters for layer in matrices), default=0)
    return math.ceil(stored) + rest * width


def _worked_out(info: ModelInfo, plans: Sequence[LayerPlan], config: RunConfig) -> int:
    """Numbers of the weights that are not there between two uses of them."""
    if "float_base" not in config.storage.provides:
        return sum(layer.parameters for layer in info.layers if layer.adaptable)
    delta = config.adapter.axis("delta")
    assert isinstance(delta, Delta)
    there = delta.itself or "factors" in delta.provides
    return 0 if there else sum(plan.layer.parameters for plan in plans)


def _file(info: ModelInfo) -> int:
    """Bytes of the weights as they are loaded; a GGUF file is converted first."""
    if info.kind == "folder":
        return info.bytes
    return info.parameters * (FLOAT if info.dtype == "F32" else FLOAT // 2)


def _activations(
    info: ModelInfo, plans: Sequence[LayerPlan], config: RunConfig, largest: Extent, width: int, device: Device
) -> int:
    """What the backward pass finds kept, and what it works in beside that."""
    columns, tokens = largest.columns, largest.tokens
    chosen: dict[int, list[LayerPlan]] = {}
    for plan in plans:
        chosen.setdefault(plan.layer.block or 0, []).append(plan)
    roles: dict[int, set[Role]] = {block: set() for block in range(info.blocks)}
    for layer in info.layers:
        roles.setdefault(layer.block or 0, set()).add(layer.role)
    known: dict[object, int] = {}
    kept = []
    lowest = min(chosen)
    for block in sorted(at for at in roles if at >= lowest):
        here = chosen.get(block, ())
        make = (frozenset(roles[block]), *(plan.make for plan in here))
        if make not in known:
            known[make] = _block(info, roles[block], here, config, width=width, columns=columns)
        kept.append(known[make])
    stream = info.hidden * FLOAT
    working = 3 * _inner(info) * width + 3 * stream
    if config.train.gradient_checkpointing:
        least = GAPS_OF_CHECKPOINTING * (sum(kept) + working) if device == "cpu" else 0
        return math.ceil(tokens * max(least, stream * len(kept) + max(kept) + working))
    return tokens * (sum(kept) + working)


def _block(
    info: ModelInfo, roles: set[Role], plans: Sequence[LayerPlan], config: RunConfig, *, width: int, columns: int
) -> int:
    """Bytes kept for one token by one block, in rows of `columns` tokens."""
    attention = info.heads * info.head_dim
    inner = _inner(info)
    norms = (4 if info.model_type.startswith(FOUR_NORMS) else 2) * info.hidden * FLOAT
    if info.model_type.startswith(HEAD_NORMS):
        norms += (info.heads + info.kv_heads) * info.head_dim * FLOAT
    # Query, key and value (keys and values spread over the query heads, as a mask makes them) and the result.
    kept = 4 * attention * width + info.heads * FLOAT
    # Its mask as numbers; where the scores themselves are kept, they are so before and after dropout or cap.
    kept += columns * (3 * info.heads * width if info.model_type in QUADRATIC else FLOAT)
    # Gate, its activation and up; a plain MLP written with tanh keeps four of its inner tensors.
    kept += (3 if roles & GATED else 4) * inner * width
    kept += _inputs(info, [plan.layer for plan in plans if _keeps_input(plan, config.adapter)], width)
    kept += sum(plan.rank for plan in plans) * width
    if config.adapter.dropout:
        kept += sum(plan.layer.in_features * (width + 1) + plan.rank * width for plan in plans)
    magnitude = config.adapter.axis("magnitude")
    assert isinstance(magnitude, Magnitude)
    kept += sum(plan.layer.out_features for plan in plans if magnitude.params(plan)) * width
    return norms + kept


def _keeps_input(plan: LayerPlan, adapter: AdapterConfig) -> bool:
    """Whether a gradient needs the layer's input: not where the in-side factor is frozen (LoRA-FA, VeRA)."""
    delta = adapter.axis("delta")
    assert isinstance(delta, Delta)
    return any(param.trainable and param.role in ("a", "weight") for param in delta.params(plan).values())


def _inputs(info: ModelInfo, layers: Sequence[LayerInfo], width: int) -> int:
    """Bytes of the inputs that the adapters' own gradients need, for one token; that of `o` is kept anyway."""
    found = sum(info.hidden for group in READS_STREAM if any(layer.role in group for layer in layers))
    found += _inner(info) if any(layer.role in ("down", "fc2") for layer in layers) else 0
    found += sum(layer.in_features for layer in layers if layer.role == "other")
    return found * width


def _logits(info: ModelInfo, config: RunConfig, largest: Extent, width: int, *, room: int) -> int:
    """The loss at its peak: a chunk of trained tokens' logits three times over, and two gradients of all tokens.

    Where texts are judged there are a few scores for each, which are nothing beside the gradients.
    """
    gradients = 2 * largest.tokens * info.hidden * width
    if config.task in JUDGING:
        return gradients
    trained = largest.trained
    rows = trained if info.model_type in FULL_LOGITS else min(trained, max(16, room // max(1, info.vocabulary)))
    return rows * info.vocabulary * (2 * FLOAT + width) + gradients


def _inner(info: ModelInfo) -> int:
    return info.intermediate * min(ACTIVE_EXPERTS, max(1, info.experts))
