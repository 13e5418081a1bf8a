"""A training that begins with what another run has learned: its adapter's values are this one's first ones.

Unlike a resumed run this is a run of its own, with its own data, steps and optimizer, and so it may begin from an
adapter that was imported. What the adapter is made of must be the same, or its numbers would mean something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from core.adapters import state
from core.adapters.attach import Adapters
from core.adapters.state import SavedAdapter
from core.config.run import AXES, RunConfig
from core.errors import UserError
from core.home import Home
from core.layers import LayerPlan
from core.store.store import Store

PATH = "adapter.begin"
MADE_OF = ("delta", "scale", "magnitude", "init", "base_update")
"""Axes that say what an adapter's numbers mean."""


def earlier(home: Home, config: RunConfig) -> SavedAdapter | None:
    """The adapter that a run begins from: the best of the run it names; None where it names none.

    Raises:
        UserError: there is no such run, it has no checkpoint, or its adapter is made of something else.
    """
    begin = config.adapter.begin
    if not begin:
        return None
    try:
        with closing(Store(home)) as store:
            saved = state.read(store.checkpoint(store.run(begin).id).adapter)
    except UserError as error:
        raise UserError(error.text, hint=error.hint, path=PATH) from None
    for axis in MADE_OF:
        here, there = config.adapter.axis(axis), saved.config.axis(axis)
        if here != there:
            raise UserError(
                f"The run cannot begin from {begin}: {AXES[axis].label} is '{there.label}' there and '{here.label}' "
                "here, or has other options.",
                hint=f"Set adapter.{axis} as it is there, or begin anew.",
                path=PATH,
            )
    return saved


def refuse_other_layers(saved: SavedAdapter, candidates: Sequence[LayerPlan], config: RunConfig) -> None:
    """Refuse an adapter on other layers than the run is to train, or of another size.

    Ranks that a start or a selection had worked out are taken as they are.
    """
    wanted = {plan.name: plan for plan in candidates}
    chosen = config.adapter.axis("init").kind == "default" and config.adapter.axis("selection").kind == "listed"
    for plan in saved.plans:
        here = wanted.get(plan.name)
        if here is None or here.layer != plan.layer:
            raise _other(config, f"{plan.name} is not chosen here, or has another size")
        if chosen and (here.rank, here.alpha) != (plan.rank, plan.alpha):
            raise _other(config, f"{plan.name} has rank {plan.rank} and alpha {plan.alpha:g} there")
    if chosen and len(saved.plans) < len(wanted):
        more = next(name for name in wanted if name not in {plan.name for plan in saved.plans})
        raise _other(config, f"{more} has no adapter there")


def _other(config: RunConfig, why: str) -> UserError:
    return UserError(
        f"The run cannot begin from {config.adapter.begin}: {why}.",
        hint="Choose the layers, ranks and alphas of that run, or begin anew.",
        path=PATH,
    )


def take(adapters: Adapters, saved: SavedAdapter) -> None:
    """Give the adapters the saved values.

    Raises:
        UserError: a head that judges tells other classes apart.
    """
    if saved.labels != adapters.labels:
        there, here = ", ".join(saved.labels) or "one number", ", ".join(adapters.labels) or "one number"
        raise UserError(
            f"The run cannot begin from that one: its head tells {there} apart, this one {here}.",
            hint="Name the classes in data.labels in the same order, or begin anew.",
            path=PATH,
        )
    state.restore(adapters, saved)
