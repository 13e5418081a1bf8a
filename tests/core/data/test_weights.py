"""A message's weight reaches every token of its answer and no other, however the example is cut, kept and laid."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.run import DataConfig
from core.data.batches import Batches
from core.data.prepare import Prepared, survey
from core.data.template import tokenise
from core.data.tokens import TokenList, Tokens
from core.errors import UserError
from tests.core.data.chats import ENDS, STOCK, TRIMS, byte_level
from tests.core.data.test_masks import TALK, example
from tests.core.data.test_template import ROUNDS

WEIGHTS = st.sampled_from([0, 0.25, 1, 3])


def talk(rounds: list[tuple[str, str]], weights: list[float]) -> list[dict[str, Any]]:
    return [
        message
        for (asked, answer), weight in zip(rounds, weights, strict=True)
        for message in (
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answer, "weight": weight},
        )
    ]


def weights_of(tokens: Tokens) -> list[float]:
    """Of every token; 0 where it is not learned."""
    given = np.ones(len(tokens)) if tokens.weights is None else tokens.weights
    return np.where(tokens.trained, given, 0).tolist()


def look(folder: Path, rows: list[dict[str, Any]], *, task: str = "causal-lm", **data: Any) -> Prepared:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return survey(DataConfig(path=str(path), held_out=0, **data), byte_level(), 0, lambda *_: None, task=task)


@pytest.mark.parametrize("name", STOCK)
@settings(deadline=None, max_examples=10)
@given(rounds=ROUNDS, data=st.data())
def test_every_token_of_an_answer_has_its_messages_weight(
    name: str, rounds: list[tuple[str, str]], data: st.DataObject
) -> None:
    weights = [data.draw(WEIGHTS) for _ in rounds]
    tokens = tokenise(example("messages", messages=talk(rounds, weights)), byte_level(STOCK[name]))
    lead = " " if name == "mistral" else ""
    answers = [lead + (answer.strip() if name in TRIMS else answer) + ENDS[name] for _, answer in rounds]
    for weight in {*weights} - {0}:
        mine = "".join(text for text, own in zip(answers, weights, strict=True) if own == weight)
        found = tokens.ids[np.array(weights_of(tokens)) == weight]
        assert byte_level().decode(found.tolist()) == mine


@pytest.mark.parametrize(
    ("said", "learned", "weight"),
    [
        ({"weight": 0}, False, 0),
        ({"weight": 0.5}, True, 0.5),
        ({"weight": True}, True, 1),
        ({"weight": 7}, True, 7),
        ({"weight": 2, "train": True}, True, 2),
        ({"weight": 2, "train": False}, False, 0),
        ({"weight": None, "train": 1}, True, 1),
        ({}, True, 1),
    ],
)
def test_a_weight_is_what_the_message_says(said: dict[str, Any], learned: bool, weight: float) -> None:
    turn = example("messages", messages=[TALK[0], {**TALK[1], **said}]).turns[1]
    shape = example(
        "conversations", conversations=[{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", **said}]
    )
    assert (turn.trained, turn.weight) == (shape.turns[1].trained, shape.turns[1].weight) == (learned, weight)


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf, "1", "heavy", [1], 1e7, 1e-9, 10**400])
def test_a_bad_weight_is_told_with_its_row_and_message(weight: Any) -> None:
    with pytest.raises(UserError, match=r"^a.jsonl, row 3: message 2 of 'messages' has the weight ") as told:
        example("messages", messages=[TALK[0], {**TALK[1], "weight": weight}])
    assert told.value.hint.startswith("A weight is 0 (not learned) or a number from 0.000001 to 1,000,000")


def test_a_cut_row_keeps_the_weights_of_what_is_left(tmp_path: Path) -> None:
    rows = [{"messages": talk([("a", "First of all."), ("b", "Second.")], [2, 0.5])}]
    whole = weights_of(look(tmp_path, rows).train[0])
    assert {*whole} == {0, 2, 0.5}
    for room in range(whole.index(2) + 1, len(whole)):
        assert weights_of(look(tmp_path, rows, max_tokens=room).train[0]) == whole[:room]


def test_an_end_that_is_put_behind_an_answer_weighs_what_the_answer_does(tmp_path: Path) -> None:
    row = {"prompt": [TALK[0]], "completion": [{**TALK[1], "weight": 4}]}
    kept = look(tmp_path, [row], template="{% for m in messages %}{{ m.content }} {% endfor %}").train[0]
    assert kept.ids[-1] == byte_level().eos_token_id
    assert weights_of(kept)[-1] == 4


def test_everything_is_learned_alike_where_that_was_asked_for() -> None:
    made = example("messages", messages=talk([("a", "b")], [5]))
    tokens = tokenise(made, byte_level(), train_on="everything")
    assert tokens.weights is None and tokens.trained.all()


def test_a_list_keeps_weights_and_has_no_array_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    plain = [Tokens(np.arange(n, dtype=np.int32), generator.random(n) < 0.7) for n in (5, 3, 8)]
    heavy = [
        Tokens(np.arange(n, dtype=np.int32), generator.random(n) < 0.7, weights=generator.random(n, np.float32))
        for n in (4, 9)
    ]
    assert not TokenList(plain).weighted and TokenList(plain)[0].weights is None
    monkeypatch.setattr("core.data.weights.FILLED", 3)
    both = [*plain, heavy[0], plain[0], heavy[1]]
    held = TokenList(both)
    monkeypatch.setattr("core.data.flat.IN_MEMORY", 16)
    mapped = TokenList(both)
    assert isinstance(mapped._weights, np.memmap)
    for kept in (held, mapped):
        assert kept.weighted
        assert [weights_of(one) for one in kept] == [weights_of(one) for one in both]
        assert kept.counted == pytest.approx([sum(weights_of(one)[1:]) for one in both], rel=1e-6)
        assert kept.pick(np.array([5, 0])).counted == pytest.approx(kept.counted[[5, 0]])


@pytest.mark.parametrize("packing", [True, False])
def test_a_batch_lays_weights_where_it_lays_labels(tmp_path: Path, packing: bool) -> None:
    rows = [{"messages": talk([("a" * n, "b" * n), ("c", "d")], [0.5 * n, 1])} for n in range(1, 7)]
    kept = look(tmp_path, rows).train
    batches = Batches(kept, batch=3, accumulate=2, max_tokens=99, packing=packing)
    for batch in batches.micro_batches(0):
        assert batch.texts is not None and batch.weights is not None
        for text, (number, _) in enumerate(batch.sources):
            inside = batch.texts == text
            assert batch.weights[inside].tolist() == pytest.approx([0, *weights_of(kept[number])[1:]])
        assert float(batch.weights[batch.labels == -100].sum()) == 0
        assert batch.counted == pytest.approx(sum(kept.counted[number] for number, _ in batch.sources))


def test_weights_of_one_are_no_weights(tmp_path: Path) -> None:
    rounds = [("a", "b"), ("c", "d")]
    plain, ones = (
        look(tmp_path, [{"messages": talk(rounds, [1, 1])}, {"messages": talk(rounds[:1], weights)}]).train
        for weights in ([1], [2])
    )
    assert not plain.weighted and ones.weighted
    batches = [Batches(each, batch=1, max_tokens=99).micro_batches(at)[0] for each in (plain, ones) for at in (0, 1)]
    assert sum(batch.weights is None for batch in batches) == 3


def test_answers_that_all_weigh_nothing_are_nothing_to_learn(tmp_path: Path) -> None:
    prepared = look(tmp_path, [{"messages": talk([("a", "b")], [0])}] * 3)
    (problem,) = [one for one in prepared.report.problems if one.check == "nothing-trained"]
    assert problem.blocking and problem.count == 3
    assert problem.hint.startswith("Every answer says that it is not learned (weight 0")


def test_one_heavy_row_dominates_by_its_weight(tmp_path: Path) -> None:
    rows = [{"messages": talk([(f"a{n}", "b" * (1 + n % 3))], [1000 if n == 7 else 1])} for n in range(20)]
    (problem,) = [one for one in look(tmp_path, rows).report.problems if one.check == "dominates"]
    assert (problem.count, problem.rows) == (1, ("a.jsonl, row 8",))
    assert problem.text.startswith("One example has 98% of the weight of all trained tokens")


@pytest.mark.parametrize(("task", "train_on"), [("preference", "completions"), ("causal-lm", "everything")])
def test_weights_that_are_not_used_are_told(tmp_path: Path, task: str, train_on: str) -> None:
    rows: list[dict[str, Any]] = [{"messages": talk([(f"a{n}", "b")], [0.5 if n % 2 else 1])} for n in range(4)]
    if task == "preference":
        rows = [{"prompt": f"a{n}", "chosen": row["messages"], "rejected": TALK} for n, row in enumerate(rows)]
    (problem,) = [
        one for one in look(tmp_path, rows, task=task, train_on=train_on).report.problems if one.check == "weights"
    ]
    assert (problem.count, problem.rows, problem.blocking) == (2, ("a.jsonl, row 2", "a.jsonl, row 4"), False)
