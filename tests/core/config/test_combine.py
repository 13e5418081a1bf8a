"""Every row of the table of combinations: what is refused, and why; what is warned of; what is simply allowed.

The rows are those of the reference's section on combinations, in its order. `REFUSED` and `WARNED` hold words that the
sentence must have, so that a refusal says the reason of that pair and not just any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from core.adapters.names import METHODS
from core.config.combine import combined, doubtful, facts, members, unmet
from core.config.run import AXES, RunConfig
from core.problem import Problem

STEPS = {"steps": 100}


@dataclass(frozen=True)
class Row:
    """A pair, and what is to be said of it: words of the sentence, all of which must be in one problem's text.

    Attributes:
        name: the pair.
        adapter, storage, train: the run that has it.
        refused, warned: words that the sentence has; neither for a pair that is allowed without a word.
    """

    name: str
    adapter: dict[str, Any]
    storage: str = "dense"
    train: dict[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


DYLORA = {"rank_schedule": "dylora"}
DROP = {"selection": "lora-drop"}
AT_ONCE = {"kind": "delta", "start": 0}

ROWS = [
    Row(
        "LoRA+ and LoRA-FA", {"method": "lora-fa", "rates": "lora+"},
        refused=("both factors A and B", "A stays as it was drawn", "only another learning rate"),
    ),
    Row(
        "LoRA-FA and A zero", {"method": "lora-fa", "init": "zero-a"},
        refused=("A stays as it was drawn", "keeps the adapter at zero"),
    ),
    Row("LoRA-FA and dropout", {"method": "lora-fa", "dropout": 0.1}, warned=("as large as the layer's", "memory")),
    Row("LoRA-FA and PiSSA", {"method": "lora-fa", "init": "pissa"}),
    Row("LoRA-FA and OLoRA", {"method": "lora-fa", "init": "olora"}),
    Row("LoRA-FA and EVA", {"method": "lora-fa", "init": "eva"}),
    Row("LoRA-FA and DoRA", {"method": "lora-fa", "magnitude": "row"}),
    Row("LoRA-FA and AdaLoRA", {"method": "adalora", "delta": "svd-fa"}, warned=("in no paper", "by P and λ alone")),
    # LoRA-FA's corrected step is the best one for a single trained B; beside a frozen Q both P and λ are trained.
    Row(
        "LoRA-FA's correction and AdaLoRA", {"method": "adalora", "delta": "svd-fa", "rates": "lora-fa"},
        refused=("a frozen A", "both P and λ are trained"),
    ),
    Row("AdaLoRA and DyLoRA", {"method": "adalora", **DYLORA}, refused=("cut to any rank", "no order is among")),
    Row("VeRA and LoRA-FA", {"method": "vera", "rates": "lora-fa"}, warned=("changes nothing", "frozen already")),
    Row("VeRA and LoRA+", {"method": "vera", "rates": "lora+"}, refused=("A and B are frozen", "no such pair")),
    Row("VeRA and DoRA", {"method": "dvora"}),
    Row("VeRA and alpha", {"method": "vera", "scale": "alpha/r"}, refused=("no alpha", "d_initial")),
    Row("VeRA and rsLoRA", {"method": "vera", "scale": "alpha/sqrt(r)"}, refused=("no alpha", "d_initial")),
    Row(
        "VeRA and AdaLoRA", {"method": "vera", "rank_schedule": "adalora"},
        refused=("shared by all layers", "taking rank from one of them saves nothing"),
    ),
    Row("VeRA and DyLoRA", {"method": "vera", **DYLORA}, warned=("in no paper", "random directions have no order")),
    Row("VeRA and LoRA-drop", {"method": "vera", **DROP}, warned=("little is left for layers to share",)),
    Row(
        "AdaLoRA and EVA", {"method": "adalora", "init": "eva"},
        refused=("number is the budget's to say", "gives out the ranks itself"),
    ),
    Row(
        "AdaLoRA and LoRA-drop", {"method": "adalora", **DROP},
        refused=("takes rank away", "two would then decide which layers get how much"),
    ),
    Row("AdaLoRA and DoRA", {"method": "adalora", "magnitude": "row"}, warned=("in no paper", "measured anew after")),
    Row("AdaLoRA and LoRA+", {"method": "adalora", "rates": "lora+"}, warned=("in no paper", "P and λ", "fast rate")),
    Row(
        "AdaLoRA and Delta-LoRA", {"method": "adalora", "base_update": "delta"},
        refused=("masks whole directions at once", "take up every jump of it λ times over"),
    ),
    *(
        Row(f"AdaLoRA and {init}", {"method": "adalora", "init": init}, refused=("start at λ = 0",))
        for init in ("pissa", "olora", "lora-ga")
    ),
    Row("AdaLoRA and a 4-bit base", {"method": "adalora"}, "nf4"),
    Row(
        "DyLoRA and Delta-LoRA", {"method": "dylora", "base_update": "delta"},
        refused=("another rank at every step", "follows one product B A"),
    ),
    Row("DyLoRA and DoRA", {"method": "dylora", "magnitude": "row"}, warned=("in no paper", "one length for each row")),
    Row("DyLoRA and LoRA-FA", {"method": "lora-fa", **DYLORA}, warned=("in no paper", "only the columns of B")),
    Row("DyLoRA and rsLoRA", {"method": "dylora", "scale": "alpha/sqrt(r)"}),
    *(
        Row(
            f"DyLoRA and {init}", {"method": "dylora", "init": init},
            refused=("another rank at every step", "all r directions are taken out", "only some of them"),
        )
        for init in ("pissa", "olora", "lora-ga")
    ),
    Row("DyLoRA and a 4-bit base", {"method": "dylora"}, "nf4"),
    Row(
        "Delta-LoRA and dropout", {"method": "delta-lora", "dropout": 0.1},
        refused=("dropout of 0, and some is set", "the gradient of B A is not the gradient of W"),
    ),
    *(
        Row(
            f"Delta-LoRA in place and {held}", {"method": "delta-lora", "base_update": "delta-in-place"}, held,
            refused=("floating point", "no room for them", "other form"),
        )
        for held in ("nf4", "nf4-double", "int8")
    ),
    Row("Delta-LoRA beside a 4-bit base", {"method": "delta-lora"}, "nf4"),
    # In place the weight is changed in a float32 copy: in bfloat16 nothing is lost, so there is nothing to warn of.
    Row("Delta-LoRA in place and bfloat16", {"method": "delta-lora", "base_update": "delta-in-place"}),
    Row(
        "Delta-LoRA and DoRA", {"method": "delta-lora", "magnitude": "row"},
        refused=("rows that keep their length", "takes their meaning from the lengths"),
    ),
    Row("Delta-LoRA and VeRA", {"method": "vera", "base_update": "delta"}, warned=("VeRA at a larger scale, 1 + λ",)),
    Row(
        "Delta-LoRA in place and VeRA", {"method": "vera", "base_update": "delta-in-place"},
        refused=("no such pair", "follows others without a copy"),
    ),
    Row(
        "Delta-LoRA from the first step with Adam", {"base_update": AT_ONCE, "alpha": 16},
        warned=("LoRA with alpha 48 instead of 16",),
    ),
    Row(
        "Delta-LoRA from the first step without Adam", {"base_update": AT_ONCE},
        train={"optimizer": "sgd"},
    ),
    Row("DoRA and a 4-bit base", {"method": "qdora"}, "nf4"),
    Row("DoRA and LoRA+", {"method": "dora", "rates": "lora+"}),
    Row("DoRA and LoRA-drop", {"method": "dora", **DROP}),
    Row("DoRA and PiSSA", {"method": "dora", "init": "pissa"}, warned=("in no paper", "those of the whole weight")),
    Row("DoRA and OLoRA", {"method": "dora", "init": "olora"}, warned=("in no paper", "those of the whole weight")),
    *(Row(f"rsLoRA and {method}", {"method": method, "scale": "alpha/sqrt(r)"}) for method in
      ("lora+", "lora-fa", "lora-drop", "adalora", "dora", "delta-lora")),
    *(
        Row(f"{init} and {held}", {"init": init}, held, refused=("floating point", "codes cannot", "dense model"))
        for init, held in product(("pissa", "olora"), ("nf4", "int8"))
    ),
    Row("LoRA-GA and a 4-bit base", {"init": "lora-ga"}, "nf4", refused=("gradient of the weight", "dense model")),
    Row("LoRA-drop and LoRA+", {**DROP, "rates": "lora+"}),
    Row("LoRA-drop and a 4-bit base", DROP, "nf4"),
    *(
        Row(f"{delta} and {name}", {"delta": delta, **other}, refused=("no single product B A",))
        for delta in ("loha", "lokr")
        for name, other in (
            ("DoRA", {"magnitude": "row"}), ("LoRA-FA", {"rates": "lora-fa"}),
            ("AdaLoRA", {"rank_schedule": "adalora"}), ("DyLoRA", DYLORA),
        )
    ),
]  # fmt: skip


def said(row: Row) -> list[Problem]:
    train = {**STEPS, **row.train}
    return list(
        combined(RunConfig.from_dict({"adapter": row.adapter, "model": {"storage": row.storage}, "train": train}))
    )


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_every_pair_of_the_table_is_judged_as_it_says_and_for_its_reason(row: Row) -> None:
    problems = said(row)
    refusals = [problem for problem in problems if problem.blocking]
    warnings = [problem for problem in problems if not problem.blocking]

    assert bool(refusals) == bool(row.refused), [problem.text for problem in refusals]
    assert bool(warnings) >= bool(row.warned)
    assert row.refused or bool(warnings) == bool(row.warned), [problem.text for problem in warnings]
    for words, found in ((row.refused, refusals), (row.warned, warnings)):
        if words:
            assert any(all(word in problem.text for word in words) for problem in found), [p.text for p in found]
    assert all(problem.hint for problem in refusals)


def test_what_cannot_be_said_at_all_is_one_axis() -> None:
    """Two rank schedules, and two deltas in one layer: an axis has one member, so no sentence is needed."""
    kinds = {axis: {member.kind for member in AXES[axis].members} for axis in AXES}

    assert {"adalora", "dylora"} <= kinds["rank_schedule"]
    assert {"vera", "lora-fa", "svd"} <= kinds["delta"]


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_no_named_method_is_refused_or_warned_of(method: str) -> None:
    assert said(Row(method, {"method": method}, "auto")) == []


def test_a_budget_that_takes_nothing_away_is_refused() -> None:
    (problem,) = said(Row("", {"method": "adalora", "rank": 8, "rank_schedule": {"kind": "adalora", "target": 8}}))

    assert problem.blocking and "starts with rank 8 and shall end with 8" in problem.text
    assert "LoRA" in problem.hint


def test_a_budget_without_a_step_to_prune_in_is_refused() -> None:
    rule = {"kind": "adalora", "start": 60, "settle": 40}
    (problem,) = said(Row("", {"method": "adalora", "rank_schedule": rule}))

    assert problem.blocking and "none is left" in problem.text


def test_every_reason_is_of_a_word_that_somebody_needs_and_reads_as_the_end_of_a_sentence() -> None:
    every = [member for axis in AXES.values() for member in axis.members]
    needed = {word for member in every for word in member.needs}
    provided = {word for member in every for word in member.provides} | facts(RunConfig()) | {"dropout"}
    for member in every:
        for word, why in member.because.items():
            assert word in needed, (member.kind, word)
            assert not why.endswith("."), (member.kind, why)
        for word, sentence in member.wary.items():
            assert word in provided, (member.kind, word)
            assert sentence[0].isupper() and sentence.endswith("."), (member.kind, sentence)


def test_no_combination_at_all_is_refused_without_a_remedy() -> None:
    """Every pair of members of two axes, beside plain LoRA."""
    plain, given = members(RunConfig()), facts(RunConfig())
    for (one, first), (other, second) in product(AXES.items(), AXES.items()):
        for left, right in product(first.members, second.members):
            if one < other:
                paths = ["model.storage" if axis == "storage" else f"adapter.{axis}" for axis in (one, other)]
                chosen = {**plain, paths[0]: left(), paths[1]: right()}
                refused = list(unmet(chosen, given))
                for problem in (*refused, *doubtful(chosen, given)):
                    assert problem.text.endswith(".") and (problem.hint or not problem.blocking)
                for path, kind in {way for problem in refused for way in ways(problem.hint)}:
                    better = {**chosen, path: AXES[path.rpartition(".")[2]][kind]()}
                    assert len(list(unmet(better, given))) < len(refused), (left.kind, right.kind, path, kind)


def ways(hint: str) -> list[tuple[str, str]]:
    """The choices that a hint names, as option and kind."""
    found = re.findall(r"((?:adapter|model)\.\w+) to (.+?)(?=, or (?:adapter|model)\.|\.$)", hint)
    return [(path, kind) for path, kinds in found for kind in re.split(", | or ", kinds) if path != "adapter.dropout"]
