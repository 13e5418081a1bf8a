"""One click on what mends a check really mends it, and what was left out can be taken in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config.run import DataConfig, problems
from core.data.check_names import LEAVABLE
from core.data.prepare import Prepared, survey
from core.data.problem import Problem
from core.data.sameness import conflicting, groups, near_key
from tests.core.data.chats import byte_level
from tests.core.data.test_checks import ASKED, SAID, sorts, talks

Rows = list[dict[str, Any]]


def answered(text: str) -> dict[str, Any]:
    return {"messages": [ASKED, {"role": "assistant", "content": text}]}


def said(text: str, label: str) -> dict[str, Any]:
    return {"text": text, "label": label}


LATE = {"messages": [ASKED, {"role": "system", "content": "Be"}, SAID]}
SORTS = "sequence-classification"
CASES: list[tuple[str, str, Rows, Rows, dict[str, Any]]] = [
    # check, task, rows, rows of a held-out file, options
    ("nothing-trained", "causal-lm", [{"messages": [ASKED]}] * 2, [], {}),
    ("nothing-trained", "causal-lm", [answered("Why. " * 40), answered("No. " * 40)], [], {"max_tokens": 8}),
    ("nothing-trained", "causal-lm", [LATE], [], {"leave_out": ["roles-out-of-order"]}),
    ("end-not-trained", "causal-lm", [{"input_ids": [30 + n, 31], "labels": [-100, 31]} for n in range(3)], [], {}),
    ("end-not-trained", "causal-lm", [{"input_ids": [30 + n, 31, 2], "labels": [-100, 31, -100]} for n in range(3)],
     [], {}),
    ("template-marks", "causal-lm", talks(2), [], {"template": "llama-3"}),
    ("truncated", "causal-lm", [*talks(3), answered("so " * 50)], [], {"max_tokens": 20}),
    ("truncated", "causal-lm", [*talks(3), answered("so " * 300)], [], {"max_tokens": 90}),  # the model reads no more
    ("empty-answers", "causal-lm", [*talks(3), answered(" ")], [], {}),
    ("bad-answers", "causal-lm", [{"prompt": "So?", "completion": f"{n}", "label": n > 1} for n in range(9)], [], {}),
    ("roles-out-of-order", "causal-lm", [*talks(3), LATE], [], {}),
    ("partly-nothing-trained", "causal-lm", [*talks(3), {"messages": [ASKED]}], [], {}),
    ("unanswered", "causal-lm", [*talks(3), {"messages": [ASKED, SAID, ASKED]}], [], {}),
    ("marks-in-texts", "causal-lm", [*talks(3), answered("It is <|im_end|> so.")], [], {}),
    ("duplicates", "causal-lm", [*talks(3), talks(1)[0]], [], {}),
    ("near-duplicates", "causal-lm", [*talks(3), answered("Yes,  it is."), answered("yes, it IS.\n")], [], {}),
    ("dominates", "causal-lm", [*talks(20), answered("word " * 400)], [], {"max_tokens": 4096, "held_out": 0}),
    ("held-out-trained", "causal-lm", talks(4), talks(5)[3:], {}),
    ("held-out-near", "causal-lm", [*talks(3), answered("Yes, it is.")], [*talks(9)[5:], answered("YES, it  is.")], {}),
    ("nothing-held-out", "causal-lm", talks(4), [{"messages": [ASKED]}], {}),
    ("nothing-held-out", "causal-lm", talks(1), [], {"held_out": 0.5}),
    ("conflicting-labels", SORTS, [*sorts(["a", "b"] * 9), said("one text", "a"), said("One  text", "b")], [], {}),
    ("conflicting-labels", "regression", [*sorts([1, 2] * 5), said("one text", "1"), said("One text", "2")], [], {}),
    ("rare-labels", SORTS, sorts(["a", "b"] * 9 + ["c"]), [], {}),
    ("rare-labels", SORTS, sorts(["a", "b"] * 9 + ["c"]), [said("x", "a"), said("y", "c")], {}),
    ("label-imbalance", SORTS, sorts(["a"] * 40 + ["b"] * 6), [], {}),
]  # fmt: skip


def look(folder: Path, task: str, data: DataConfig) -> Prepared:
    return survey(data, byte_level(), 0, lambda *_: None, task=task, context=128)


def open_problems(prepared: Prepared) -> dict[str, Problem]:
    return {each.check: each for each in prepared.report.problems if not each.settled}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Rows], str]:
    def written(name: str, rows: Rows) -> str:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path) if rows else ""

    return written


@pytest.mark.parametrize(("check", "task", "rows", "beside", "options"), CASES)
def test_the_remedy_of_a_check_mends_it(
    check: str, task: str, rows: Rows, beside: Rows, options: dict[str, Any], tmp_path: Path, write: Any
) -> None:
    data = DataConfig(path=write("a.jsonl", rows), held_out_path=write("b.jsonl", beside), **options)
    before = look(tmp_path, task, data)
    problem = open_problems(before)[check]
    assert problem.remedy
    assert (problem.count and problem.rows) or check == "nothing-held-out"
    changes = {path.removeprefix("data."): value for path, value in problem.remedy.items()}
    mended = DataConfig(**{**data.model_dump(), **changes})
    after = look(tmp_path, task, mended)
    assert check not in open_problems(after)
    assert len(after.train)
    assert all(0 <= goal < len(after.labels) for goal in (*after.train.goals, *after.held_out.goals) if after.labels)
    if "leave_out" in changes and check in changes["leave_out"]:
        (settled,) = [each for each in after.report.problems if each.settled and each.check == check]
        assert settled.count == after.report.left_out > 0
        assert f"Left out: {settled.count}" in settled.text and LEAVABLE[check] in settled.text
        again = {path.removeprefix("data."): value for path, value in settled.remedy.items()}
        assert DataConfig(**{**mended.model_dump(), **again}) == data


def test_what_is_left_out_is_gone_from_what_is_trained_on_and_held_out(write: Any, tmp_path: Path) -> None:
    rows = [*talks(6), answered(" "), talks(1)[0]]
    data = DataConfig(path=write("a.jsonl", rows), held_out=0.3, leave_out=("empty-answers", "duplicates"))
    prepared = look(tmp_path, "causal-lm", data)
    used = sorted(one.row for side in (prepared.train, prepared.held_out) for one in side)
    assert used == [1, 2, 3, 4, 5, 6]
    assert [each.count for each in prepared.report.problems if each.settled] == [1, 1]


def test_a_check_without_examples_cannot_be_left_out() -> None:
    assert (
        "there is no check 'no-template' with examples"
        in problems({"data": {"leave_out": ["no-template"]}})["data.leave_out"]
    )
    assert "above 0" in problems({"data": {"label_weights": {"a": 0}}})["data.label_weights"]


def test_nearly_equal_examples_stay_on_one_side_of_the_split(write: Any, tmp_path: Path) -> None:
    rows = [answered(text) for n in range(20) for text in (f"Answer {n}.", f"answer  {n}.", f"ANSWER {n}. ")]
    prepared = look(tmp_path, "causal-lm", DataConfig(path=write("a.jsonl", rows), held_out=0.3))
    sides = [{(one.row - 1) // 3 for one in side} for side in (prepared.train, prepared.held_out)]
    assert len(prepared.held_out) == 18
    assert not sides[0] & sides[1]


def test_examples_are_one_group_by_way_of_a_third() -> None:
    found = groups([b"x", b"y", b"y", b"z"], np.array([7, 7, 8, 9], dtype=np.int64))
    assert found[0] == found[1] == found[2] != found[3]


def test_labels_conflict_where_one_text_has_two_of_them() -> None:
    near = np.array([5, 3, 5, 3, 4], dtype=np.int64)
    assert conflicting(near, np.array([0.0, 1.0, 1.0, 1.0, 0.0])).tolist() == [0, 2]


def test_a_label_and_white_space_are_no_part_of_what_is_compared() -> None:
    from core.data.formats import FORMATS
    from core.data.row import Row

    def key(**value: Any) -> int:
        (example,) = FORMATS["classification"]().examples(Row("a", 1, value))
        return near_key(example)

    assert key(text="A  ẞtraße\n", label="a") == key(text="a sstrasse", label="b") != key(text="a strase", label="a")
