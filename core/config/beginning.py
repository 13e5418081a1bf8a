"""Whether a run can begin with what another has learned: its adapter must be made alike, or its numbers mean something
else. Asked before a run starts, by the configurations, and once more by what the other has saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.config.run import AXES, AdapterConfig, RunConfig
from core.errors import UserError
from core.layers import LayerPlan

PATH = "adapter.begin"
MADE_OF = ("delta", "scale", "magnitude", "init", "base_update")
"""Axes that say what an adapter's numbers mean."""


def refuse_other_making(earlier: AdapterConfig, config: RunConfig) -> None:
    """Refuse to begin from an adapter that is made of something else.

    Raises:
        UserError: which of its axes is another.
    """
    for axis in MADE_OF:
        here, there = config.adapter.axis(axis), earlier.axis(axis)
        if here != there:
            raise UserError(
                f"The run cannot begin from {config.adapter.begin}: {AXES[axis].label} is '{there.label}' there and "
                f"'{here.label}' here, or has other options.",
                hint=f"Set adapter.{axis} as it is there, or begin anew.",
                path=PATH,
            )


def refuse_other_layers(earlier: Sequence[LayerPlan], candidates: Sequence[LayerPlan], config: RunConfig) -> None:
    """Refuse an adapter on other layers than the run is to train, or of another size.

    Ranks that a start or a selection had worked out are taken as they are.

    Args:
        earlier: the layers of the adapter to begin from.
        candidates: those that the run trains, or tries first.
        config: the run's.

    Raises:
        UserError: the first layer that does not fit.
    """
    wanted = {plan.name: plan for plan in candidates}
    chosen = config.adapter.axis("init").kind == "default" and config.adapter.axis("selection").kind == "listed"
    for plan in earlier:
        here = wanted.get(plan.name)
        if here is None or here.layer != plan.layer:
            raise _other(config, f"{plan.name} is not chosen here, or has another size")
        if chosen and (here.rank, here.alpha) != (plan.rank, plan.alpha):
            raise _other(config, f"{plan.name} has rank {plan.rank} and alpha {plan.alpha:g} there")
    if chosen and len(earlier) < len(wanted):
        more = next(name for name in wanted if name not in {plan.name for plan in earlier})
        raise _other(config, f"{more} has no adapter there")


def _other(config: RunConfig, why: str) -> UserError:
    return UserError(
        f"The run cannot begin from {config.adapter.begin}: {why}.",
        hint="Choose the layers, ranks and alphas of that run, or begin anew.",
        path=PATH,
    )
