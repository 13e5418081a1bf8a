"""What a start wants to know of the data before the first step: a few of the run's own batches, seen without training.

The adapters are put on for the look and taken off again, since ranks may follow from it. Whatever was drawn meanwhile
is forgotten: the run goes on from its seed as if the start had been known. A run that is resumed never looks again: its
ranks and values are in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from core.adapters.axis import Init, Scale
from core.adapters.sight import Sight
from core.config.run import RunConfig
from core.data.batches import IGNORED, Batch
from core.data.tokens import TokenList
from core.errors import UserError
from core.events import Noticed
from core.layers import LayerPlan
from core.saying import Say
from core.train import seed
from core.train.ground import Ground
from core.train.memory import explained
from core.train.selecting import Assemble
from core.train.training import Training


def started(
    ground: Ground, config: RunConfig, plans: Sequence[LayerPlan], assemble: Assemble, say: Say
) -> tuple[Sequence[LayerPlan], Mapping[str, Tensor]]:
    """The layers with the ranks that they start with, and the first values that follow from the data.

    Args:
        ground: without adapters; it is left so.
        config: the run's.
        plans: the layers to train.
        assemble: how a training is put together.
        say: told how far it is.

    Raises:
        UserError: memory ran out, or the data gives no layer anything to start from.
        Cancelled: by `say`.
    """
    init, scale = config.adapter.axis("init"), config.adapter.axis("scale")
    assert isinstance(init, Init) and isinstance(scale, Scale)
    if not init.looks():
        return plans, {}
    say("Looking at the data for the start", 0.0)
    training = assemble(ground, config, plans, ground.data.train)
    try:
        with explained("while the start was worked out"):
            found = init.seen(sight(training, init.looks(), say), plans, scale)
    finally:
        training.adapters.detach()
        seed.seed_everything(config.seed)
    if not found.plans:
        raise UserError("No layer saw anything of the data that its start could follow.", path="adapter.init")
    for note in found.notes:
        ground.sink.event(Noticed(note))
    return found.plans, found.values


def tried(ground: Ground, config: RunConfig, examples: TokenList, assemble: Assemble, say: Say) -> Training:
    """A training of all candidate layers that starts as a run of them would.

    A start that gives some layers no rank at all is told so little about them: they are tried too, from the delta's
    own start.

    Args:
        ground, config, assemble, say: see `started`.
        examples: to train on.
    """
    plans, values = started(ground, config, ground.candidates, assemble, say)
    known = {plan.name: plan for plan in plans}
    training = assemble(ground, config, [known.get(plan.name, plan) for plan in ground.candidates], examples)
    training.adapters.take(values)
    return training


def sight(training: Training, batches: int, say: Say) -> Sight:
    """The first batches of a training, to be sent through its model."""
    accumulate = training.config.train.accumulate
    micro = [batch for step in range(-(-batches // accumulate)) for batch in training.rows.micro_batches(step)]
    rows = [batch for batch in micro[:batches] if batch.trained]

    def loss(batch: Batch) -> Tensor:
        with training.precision.autocast():
            return training.objective(batch)

    def tell(share: float) -> None:
        say("Looking at the data for the start", share)

    return Sight(training.adapters, rows, loss, counted, tell)


def counted(batch: Batch) -> Tensor:
    """The tokens that are learned from; where a whole text is judged, all of it. (rows, columns) bool."""
    if batch.goals is not None and batch.texts is not None:
        return batch.texts >= 0
    return batch.labels != IGNORED
