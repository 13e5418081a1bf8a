"""The learning rate and the rank that a method wants beside LoRA's: told, kept, warned of when forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from core.adapters.names import METHODS
from core.config.edit import replaced
from core.config.pace import RANK, at_pace, breadth, pace, told, untouched
from core.config.run import RunConfig, TrainConfig

PACES = {
    "pissa": 0.1, "olora": 0.1, "lora-ga": 0.1, "full": 0.1, "lora+": 0.5, "vera": 10.0, "dvora": 10.0, "qdvora": 10.0,
    "bitfit": 1.0, "norm-tuning": 2.0,
}  # fmt: skip


BREADTHS = {"vera": 32, "dvora": 32, "qdvora": 32}


def run(method: str, rate: float | None = None, **adapter: Any) -> RunConfig:
    train = {} if rate is None else {"learning_rate": rate}
    return RunConfig.from_dict({"adapter": {"method": method, **adapter}, "train": train})


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_a_method_whose_rate_was_forgotten_is_warned_of_and_its_own_rate_is_not(method: str) -> None:
    wanted, rank = PACES.get(method, 1.0), 8 * BREADTHS.get(method, 1)
    usual = TrainConfig().learning_rate
    problems = list(untouched(run(method, rank=rank)))

    assert pace(run(method)) == wanted and breadth(run(method)) == rank / 8
    assert bool(told(run(method))) is (wanted != 1)
    assert bool(problems) is not (1 / 4 < wanted < 4), problems
    assert all(not problem.blocking and f"{usual * wanted:g}" in problem.hint for problem in problems)
    assert not list(untouched(run(method, usual * wanted * 1.01, rank=rank)))
    forgotten = list(untouched(run(method, usual * wanted * 1.01)))
    assert [(problem.path, str(rank) in problem.hint) for problem in forgotten] == [(RANK, True)] * (rank > 8)


def test_another_method_keeps_the_proportion_to_whatever_rate_was_found_for_this_model() -> None:
    lora = run("lora", 5e-3)
    pissa = at_pace(lora, replaced(lora, {"adapter.method": "pissa"}))
    vera = at_pace(pissa, replaced(pissa, {"adapter.method": "vera"}))

    assert (pissa.train.learning_rate, vera.train.learning_rate) == (5e-4, 5e-2)
    assert (pissa.adapter.rank, vera.adapter.rank) == (8, 256)
    back = at_pace(vera, replaced(vera, {"adapter.method": "lora"}))
    assert (back.train, back.adapter.rank) == (lora.train, 8)


def test_members_that_are_chosen_one_by_one_count_together() -> None:
    both = RunConfig.from_dict({"adapter": {"method": "lora+", "init": "pissa"}})

    assert pace(both) == 0.05 and told(both) == "Takes about 1/20 of LoRA's learning rate."
