"""From scores to the next run: what is kept, what is spent, and that the run file says just that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.forecast import count
from core.config.run import RunConfig
from core.config.select import select
from core.errors import UserError
from core.insight.allocation import Proposal, keep_threshold, keep_top, spend
from core.layers import LayerInfo

SHAPES = {"q": (32, 32), "v": (16, 32), "down": (32, 64)}
LAYERS = [
    LayerInfo(f"model.layers.{block}.{role}_proj", role, block, *shape)  # type: ignore[arg-type]
    for block in range(4)
    for role, shape in SHAPES.items()
]
NAMES = [layer.name for layer in LAYERS]


def config(**adapter: object) -> RunConfig:
    return RunConfig.from_dict({"adapter": {"rank": 8, "alpha": 16, **adapter}})


def written(proposal: Proposal, run: RunConfig) -> bool:
    """Whether a run with the proposal's changes plans just what it says."""
    after = proposal.applied(run)
    return select(LAYERS, after.adapter) == list(proposal.plans) and count(proposal.plans, after.adapter) == (
        proposal.parameters
    )


@settings(max_examples=40, deadline=None)
@given(
    scores=st.lists(st.floats(0, 100), min_size=len(NAMES), max_size=len(NAMES)),
    budget=st.integers(96, 60_000),
    method=st.sampled_from(["lora", "rslora", "dora", "adalora"]),
)
def test_a_budget_is_never_exceeded_and_hardly_left(scores: list[float], budget: int, method: str) -> None:
    run = config(method=method)
    by_name = dict(zip(NAMES, scores, strict=True))
    try:
        proposal = spend(LAYERS, select(LAYERS, run.adapter), by_name, budget, run.adapter, highest=64)
    except UserError:
        assert not any(scores) or budget < 48 + 32 + 2
        return
    assert proposal.parameters <= budget
    assert written(proposal, run)
    assert all(1 <= plan.rank <= min(plan.layer.out_features, plan.layer.in_features) for plan in proposal.plans)
    full = all(
        any(
            plan.name == name and plan.rank == min(plan.layer.out_features, plan.layer.in_features)
            for plan in proposal.plans
        )
        for name, score in by_name.items()
        if score > 0
    )
    assert full or budget - proposal.parameters < 32 + 64 + 33


def test_ranks_follow_the_scores() -> None:
    run = config(layers=["q_proj"])
    scores = dict(zip(NAMES, (4.0, 0, 0, 2.0, 0, 0, 1.0, 0, 0, 0.0, 0, 0), strict=True))

    proposal = spend(LAYERS, select(LAYERS, run.adapter), scores, 14 * 64, run.adapter)

    assert [plan.rank for plan in proposal.plans] == [8, 4, 2]
    assert proposal.parameters == 14 * 64


@pytest.mark.parametrize(("scale", "alphas"), [("alpha/r", [16, 8, 4]), ("alpha/sqrt(r)", [16, 8 * 2**0.5, 8])])
def test_the_scale_stays_when_the_rank_changes(scale: str, alphas: list[float]) -> None:
    run = config(layers=["q_proj"], scale=scale)
    scores = dict(zip(NAMES, (4.0, 0, 0, 2.0, 0, 0, 1.0, 0, 0, 0.0, 0, 0), strict=True))

    proposal = spend(LAYERS, select(LAYERS, run.adapter), scores, 14 * 64, run.adapter)

    assert [plan.alpha for plan in proposal.plans] == pytest.approx(alphas)
    assert written(proposal, run)


def test_the_top_layers_are_kept_as_they_were_planned() -> None:
    run = config(ranks={NAMES[3]: 2})
    scores = {name: float(place) for place, name in enumerate(NAMES)}

    proposal = keep_top(LAYERS, select(LAYERS, run.adapter), scores, 9, run.adapter)

    assert [plan.name for plan in proposal.plans] == NAMES[3:]
    assert proposal.plans[0].rank == 2
    assert written(proposal, run)


def test_the_threshold_is_that_of_lora_drop() -> None:
    run = config()
    scores = {name: 1.0 if ".0." in name else 0.01 for name in NAMES}

    proposal = keep_threshold(LAYERS, select(LAYERS, run.adapter), scores, 0.9, run.adapter)

    assert [plan.name for plan in proposal.plans] == NAMES[:3]
    assert proposal.parameters == 8 * (64 + 48 + 96)


def test_a_budget_too_small_is_said() -> None:
    run = config()
    scores = dict.fromkeys(NAMES, 1.0)

    with pytest.raises(UserError, match="47 parameters are too few") as raised:
        spend(LAYERS, select(LAYERS, run.adapter), scores, 47, run.adapter)
    assert raised.value.hint == "The smallest takes 48."


def test_a_run_that_would_look_for_its_layers_is_told_them() -> None:
    run = config(method="lora-drop")
    scores = dict.fromkeys(NAMES, 1.0)

    proposal = keep_top(LAYERS, select(LAYERS, run.adapter), scores, 2, run.adapter)

    assert proposal.applied(run).adapter.axis("selection").kind == "listed"
