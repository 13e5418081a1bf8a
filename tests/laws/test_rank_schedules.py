"""AdaLoRA's budget and DyLoRA's draws: against peft step by step, and the papers' invariants."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import nn

from core import worker
from core.adapters.attach import Adapters, attach
from core.adapters.rank.adalora import Adalora, Budget
from core.adapters.rank.dylora import Drawing, Dylora
from core.adapters.storage import STORAGES
from core.config.check import check_config
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.layers import LayerPlan
from core.models.walk import walk
from core.optim.groups import groups
from core.optim.optimizers import OPTIMIZERS
from core.store.store import Store
from tests.laws.world import tokens
from tests.tiny import random_model
from tests.whole.small_runs import create

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
STEPS, BEGIN, SETTLE, FIRST, TARGET = 20, 3, 5, 6, 2


def loss_of(model: nn.Module) -> torch.Tensor:
    ids = tokens()
    loss: torch.Tensor = model(input_ids=ids, labels=ids).loss
    return loss


def attached(rank: int, **adapter: object) -> tuple[Adapters, RunConfig]:
    config = RunConfig.from_dict(
        {"adapter": {"rank": rank, "alpha": 6, **adapter}, "train": {"steps": STEPS, "learning_rate": 1e-2}}
    )
    model = random_model("llama")
    plans = [LayerPlan(layer, rank, 6.0) for layer in walk(model) if layer.suffix in ("q_proj", "down_proj")]
    return attach(model, plans, config.adapter, seed=0, storage=STORAGES.default()), config


def adalora() -> tuple[Adapters, RunConfig, Budget]:
    rule = {
        "kind": "adalora", "target": TARGET, "start": BEGIN, "settle": SETTLE, "orthogonality": 0.5,
    }  # fmt: skip
    ours, config = attached(FIRST, method="adalora", rank_schedule=rule)
    member = config.adapter.axis("rank_schedule")
    assert isinstance(member, Adalora)
    (budget,) = member.callbacks(ours, config)
    assert isinstance(budget, Budget)
    return ours, config, budget


def test_budget_and_masks_are_pefts_step_by_step() -> None:
    ours, config, budget = adalora()
    settings = peft.AdaLoraConfig(
        init_r=FIRST, target_r=TARGET, tinit=BEGIN, tfinal=SETTLE, deltaT=1, total_step=STEPS, lora_alpha=6,
        orth_reg_weight=0.5, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM",
    )  # fmt: skip
    # In float64: the first gradients of lambda are so small that float32's rounding shows.
    theirs = peft.get_peft_model(random_model("llama"), settings).double()
    ours.model.double()
    with torch.no_grad():
        for name, layer in ours.layers.items():
            module = theirs.get_submodule(f"base_model.model.{name}")
            module.lora_A["default"].copy_(layer.own["q"])
            module.lora_B["default"].copy_(layer.own["p"])
            module.lora_E["default"].zero_()
    mine = config.train.optimizer.build(groups(ours, config.train))
    other = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    left = []
    for step in range(STEPS):
        budget.before_step(step)
        loss_of(ours.model).backward()
        budget.after_backward()
        mine.step()
        budget.after_update()
        mine.zero_grad()
        loss_of(theirs).backward()
        other.step()
        theirs.base_model.update_and_allocate(step + 1)
        other.zero_grad()

        for name, layer in ours.layers.items():
            expected = theirs.get_submodule(f"base_model.model.{name}").lora_E["default"].flatten()
            assert torch.equal(layer.own["lam"] == 0, expected == 0), (step, name)
            assert torch.allclose(layer.own["lam"], expected, rtol=1e-2, atol=1e-4), (step, name)
        left.append(sum(int((layer.own["lam"] != 0).sum()) for layer in ours.layers.values()))

    layers = len(ours.layers)
    assert left[BEGIN - 1] == FIRST * layers and left[-1] == TARGET * layers
    assert left == sorted(left, reverse=True)


def test_the_budget_is_the_published_codes_and_not_the_misprint() -> None:
    rule = Adalora(start=3, settle=5)

    budgets = [rule.budget(step, 20, 12, 4) for step in range(1, 17)]

    assert budgets == [12, 12, 12, 10, 8, 7, 6, 5, 5, 4, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize("delta", ["svd", "svd-fa"])
@pytest.mark.parametrize("orth", ["code", "paper"])
def test_directions_are_pushed_apart_by_the_gradient_of_the_chosen_formula(delta: str, orth: str) -> None:
    rule = {"kind": "adalora", "orthogonality": 0.5, "orth": orth}
    ours, _ = attached(FIRST, delta=delta, rank_schedule=rule)
    factors = [p for layer in ours.layers.values() for p in (layer.own["p"], layer.own["q"].T) if p.requires_grad]
    far = torch.stack([(factor.T @ factor - torch.eye(FIRST)).norm() for factor in factors])
    loss = 0.5 * (far.square().sum() if orth == "paper" else far.mean())
    trained = [p for layer in ours.layers.values() for p in (layer.own["p"], layer.own["q"]) if p.requires_grad]
    expected = torch.autograd.grad(loss, trained)

    Budget(Adalora(orthogonality=0.5, orth=orth), ours, STEPS).after_backward()

    assert len(trained) == len(ours.layers) * (2 if delta == "svd" else 1)
    for parameter, wanted in zip(trained, expected, strict=True):
        assert parameter.grad is not None and torch.allclose(parameter.grad, wanted, rtol=1e-4, atol=1e-7)


def test_masking_moves_no_factor_and_no_moment() -> None:
    ours, config, budget = adalora()
    optimizer = config.train.optimizer.build(groups(ours, config.train))
    for step in range(10):
        budget.before_step(step)
        optimizer.zero_grad()
        loss_of(ours.model).backward()
        budget.after_backward()
        optimizer.step()
        before = copy.deepcopy([optimizer.state_dict()["state"], [layer.own["p"] for layer in ours.layers.values()]])
        budget.after_update()

    after = [optimizer.state_dict()["state"], [layer.own["p"] for layer in ours.layers.values()]]
    for index, state in before[0].items():
        assert torch.equal(state["exp_avg"], after[0][index]["exp_avg"])
    assert all(torch.equal(one, other) for one, other in zip(before[1], after[1], strict=True))


def test_a_step_that_is_left_out_for_its_infinite_gradients_says_nothing_of_importance() -> None:
    ours, _, budget = adalora()
    loss_of(ours.model).backward()
    budget.before_step(0)
    budget.after_update()
    before = {key: tensor.clone() for key, tensor in budget.state().items()}
    gradient = next(iter(ours.layers.values())).own["lam"].grad
    assert gradient is not None and before
    gradient[0] = torch.inf
    budget.before_step(1)
    budget.after_update()

    assert all(torch.equal(tensor, before[key]) for key, tensor in budget.state().items())


def test_a_restored_budget_goes_on_as_if_nothing_had_happened() -> None:
    ours, _, budget = adalora()
    loss_of(ours.model).backward()
    for step in range(6):
        budget.before_step(step)
        budget.after_update()
    again = Budget(budget.rule, ours, STEPS)
    again.restore({key: tensor.clone() for key, tensor in budget.state().items()})
    for one in (budget, again):
        one.before_step(7)
        one.after_update()

    assert {name: kept.tolist() for name, kept in budget.kept.items()} == {
        name: kept.tolist() for name, kept in again.kept.items()
    }


@pytest.mark.parametrize("frozen", [False, True])
def test_only_the_rows_in_use_are_moved_by_plain_descent(frozen: bool) -> None:
    ours, config = attached(4, method="frozen-dylora" if frozen else "dylora")
    (drawing,) = config.adapter.axis("rank_schedule").callbacks(ours, config)  # type: ignore[attr-defined]
    with torch.no_grad():
        for layer in ours.layers.values():
            layer.own["b"].normal_()
    before = {name: parameter.clone() for name, parameter, _ in ours.named_parameters()}
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    drawing.before_step(0)
    b = drawing.active
    loss_of(ours.model).backward()
    drawing.after_backward()
    optimizer.step()
    drawing.after_step(1)

    for name, parameter, role in ours.named_parameters():
        moved = (parameter != before[name]).any(dim=1 if role == "a" else 0)
        expected = [index == b - 1 if frozen else index < b for index in range(4)]
        assert moved.tolist() == expected, name


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(("method", "kind"), [("dylora", "adamw"), ("dylora", "sgd"), ("vera", "adamw")])
def test_held_rows_move_as_if_theirs_were_the_only_steps(method: str, kind: str, frozen: bool) -> None:
    """Against an optimizer for every row, which only sees the steps that use it."""
    ours, config = attached(4, method=method, rank_schedule={"kind": "dylora", "frozen": frozen, "leak": "mask"})
    optimizer = OPTIMIZERS[kind].model_validate({"weight_decay": 0.1})
    together = optimizer.build(groups(ours, config.train.model_copy(update={"optimizer": optimizer})))
    (drawing,) = config.adapter.axis("rank_schedule").callbacks(ours, config)  # type: ignore[attr-defined]
    drawing.meet(together)
    factors = [
        (parameter, dim)
        for layer in ours.layers.values()
        for key, parameter in layer.own.items()
        if parameter.requires_grad and (dim := layer.declared[key].rank_dim) is not None
    ]
    apart = [[nn.Parameter(row.detach().clone()) for row in parameter.unbind(dim)] for parameter, dim in factors]
    decay = {id(parameter): group["weight_decay"] for group in together.param_groups for parameter in group["params"]}
    alone = [
        [
            optimizer.build([{"params": [row], "lr": 1e-2, "weight_decay": decay[id(parameter)], "ratio": 1.0}])
            for row in rows
        ]
        for (parameter, _), rows in zip(factors, apart, strict=True)
    ]
    for step in range(12):
        drawing.before_step(step)
        together.zero_grad()
        loss_of(ours.model).backward()
        drawing.after_backward()
        used = range(drawing.active - 1 if frozen else 0, drawing.active)
        for (parameter, dim), rows, steppers in zip(factors, apart, alone, strict=True):
            for place in used:
                rows[place].grad = parameter.grad.select(dim, place).clone()
                steppers[place].step()
        drawing.before_optimizer()
        together.step()
        drawing.after_optimizer()
        drawing.after_step(step + 1)

        for (parameter, dim), rows in zip(factors, apart, strict=True):
            assert torch.allclose(parameter, torch.stack(list(rows), dim), rtol=1e-5, atol=1e-7)
    assert len({drawing.rule.draw(config.seed, step, 4) for step in range(12)}) == 4


def test_held_rows_are_bit_for_bit_a_lora_where_all_are_always_in_use() -> None:
    ends = []
    for leak in ("allow", "mask"):
        ours, config = attached(4, method="dylora", rank_schedule={"kind": "dylora", "lowest": 4, "leak": leak})
        (drawing,) = config.adapter.axis("rank_schedule").callbacks(ours, config)  # type: ignore[attr-defined]
        optimizer = config.train.optimizer.build(groups(ours, config.train))
        drawing.meet(optimizer)
        for step in range(4):
            drawing.before_step(step)
            optimizer.zero_grad()
            loss_of(ours.model).backward()
            drawing.before_optimizer()
            optimizer.step()
            drawing.after_optimizer()
        ends.append([parameter.clone() for parameter in ours.parameters()])

    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_an_optimizer_with_a_state_in_blocks_cannot_hold_rows() -> None:
    ours, config = attached(4, method="dylora", rank_schedule={"kind": "dylora", "leak": "mask"})
    (drawing,) = config.adapter.axis("rank_schedule").callbacks(ours, config)  # type: ignore[attr-defined]

    with pytest.raises(UserError, match="AdamW in 32 bits"):
        drawing.meet(torch.optim.Adagrad(ours.parameters()))
    asked = {"adapter": {"rank_schedule": {"kind": "dylora", "leak": "mask"}}, "train": {"optimizer": "adamw-8bit"}}
    assert any("no row can be held" in problem.text for problem in check_config(RunConfig.from_dict(asked), None)[0])


def test_a_run_with_held_rows_goes_on_to_the_bit(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    parts: dict[str, Any] = {
        "adapter": {"method": "dylora", "rank_schedule": {"kind": "dylora", "leak": "mask"}},
        "train": {"steps": 6, "evaluate_every": 0, "checkpoint_every": 3},
    }
    whole, broken = create(store, tmp_path, **parts), create(store, tmp_path, **parts)
    assert worker.main(home, whole) == 0 and worker.main(home, broken) == 0
    path = "checkpoints/step-000006/adapter/adapter.safetensors"
    (home.run(broken) / path).write_bytes(b"")
    assert worker.main(home, broken, resume=True) == 0
    store.close()

    assert (home.run(broken) / path).read_bytes() == (home.run(whole) / path).read_bytes()


def test_the_output_at_a_rank_is_that_of_a_lora_with_the_first_rows() -> None:
    ours, _ = attached(4, method="dylora")
    layer = next(iter(ours.layers.values()))
    with torch.no_grad():
        layer.own["b"].normal_()
    x = torch.randn(3, layer.plan.layer.in_features)
    layer.active_rank = 2
    expected = layer.base(x) + (6.0 / 2) * (x @ layer.own["a"][:2].T) @ layer.own["b"][:, :2].T

    assert torch.allclose(layer(x), expected, atol=1e-6)


def test_the_draws_follow_their_distribution_and_the_step_alone() -> None:
    uniform = Counter(Dylora().draw(0, step, 8) for step in range(8000))
    geometric = Counter(Dylora(distribution="geometric", probability=0.5).draw(0, step, 3) for step in range(7000))

    assert Dylora().draw(3, 17, 8) == Dylora().draw(3, 17, 8)
    # Chi-square with 7 degrees of freedom: above 24.3 once in a thousand; the draws are fixed by the seed.
    assert sum((uniform[rank] - 1000) ** 2 / 1000 for rank in range(1, 9)) < 24.3
    assert [round(geometric[rank] / 1000) for rank in (1, 2, 3)] == [4, 2, 1]


def test_after_a_step_the_whole_rank_is_back() -> None:
    ours, config = attached(4, method="dylora")
    drawing = Drawing(Dylora(), ours, config.seed)
    for step in range(5):
        drawing.before_step(step)
    drawing.after_step(5)

    assert all(layer.active_rank == layer.plan.rank for layer in ours.layers.values())
