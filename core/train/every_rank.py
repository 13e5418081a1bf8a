"""The job that measures an adapter at every rank it was trained for: DyLoRA's promise, checked on held-out examples.

Body: `run`, and `checkpoint` ("best", "last" or a step).
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np

from core.adapters import state
from core.errors import UserError
from core.figures import anatomy
from core.figures.live.of_task import LOSS_UNITS
from core.figures.wire import encode
from core.home import Home
from core.saying import Say
from core.sink import Nowhere
from core.store.store import Store
from core.train.callbacks.evaluating import held_out_loss
from core.train.interrupt import Interrupt
from core.train.prepare import assemble, lay
from core.train.training import Training

EVERY_RANK = "every_rank"
"""What a rank schedule provides whose adapters can be cut."""
MOST = 16
"""Ranks that are measured, at most, evenly from 1 to the largest."""


def every_rank_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Measure; see the module for the body.

    Returns:
        `what` ("every_rank") and `frames`: one, with `step` and `figures` ("every_rank": Lines), as `insight` has them.

    Raises:
        UserError: the run was trained for one rank, or holds out nothing to measure with.
        Cancelled: by `progress`.
    """
    with closing(Store(home)) as store:
        row = store.run(body["run"])
        checkpoint = store.checkpoint(row.id, body.get("checkpoint", "best"))
    if EVERY_RANK not in row.config.adapter.axis("rank_schedule").provides:
        raise UserError(f"{row.name} was trained for its own rank only.", hint="DyLoRA trains for every rank.")
    ground = lay(row.config, home=home, folder=home.root, sink=Nowhere(), interrupt=Interrupt(), say=progress)
    saved = state.read(checkpoint.adapter)
    training = assemble(ground, row.config, saved.plans, ground.data.train)
    state.restore(training.adapters, saved)
    if not training.held_out:
        raise UserError(f"{row.name} holds out no examples to measure with.", hint="Set data.held_out.")
    ranks, losses = _losses(training, progress)
    figure = anatomy.every_rank(ranks, losses, unit=LOSS_UNITS[row.config.task])
    return {"what": EVERY_RANK, "frames": encode([{"step": checkpoint.step, "figures": {EVERY_RANK: figure}}])}


def _losses(training: Training, progress: Say) -> tuple[Any, Any]:
    """The ranks and the held-out loss at each, float64 (n,) both."""
    layers = training.adapters.layers.values()
    highest = max(layer.plan.rank for layer in layers)
    ranks = np.unique(np.linspace(1, highest, min(highest, MOST)).round()).astype(np.float64)
    losses = np.full(len(ranks), np.nan)
    for place, rank in enumerate(ranks):
        progress(f"Measuring rank {rank:.0f} of {highest}", place / len(ranks))
        for layer in layers:
            layer.active_rank = min(int(rank), layer.plan.rank)
        loss = held_out_loss(training)
        losses[place] = np.nan if loss is None else loss
    return ranks, losses
