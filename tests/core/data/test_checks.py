"""Every check finds what it is for, with a count, the first rows and a remedy, and can be overruled with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.run import DataConfig, problems
from core.data.checks import Problem
from core.data.prepare import Prepared, prepare, survey
from core.errors import UserError
from tests.core.data.chats import UNMARKED, byte_level

ASKED = {"role": "user", "content": "Why?"}
SAID = {"role": "assistant", "content": "So."}


def look(
    folder: Path, rows: list[dict[str, Any]], *, task: str = "causal-lm", template: str | None = None, **data: Any
) -> Prepared:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tokenizer = byte_level(template) if template else byte_level()
    return survey(DataConfig(path=str(path), **data), tokenizer, 0, lambda *_: None, task=task)


def found(prepared: Prepared, check: str) -> Problem:
    (problem,) = [each for each in prepared.report.problems if each.check == check]
    return problem


def talks(count: int) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": f"Why {n}?"}, SAID]} for n in range(count)]


def test_an_end_that_is_never_learned_blocks_and_may_be_overruled(tmp_path: Path) -> None:
    rows = [{"input_ids": [30 + n, 31, 32], "labels": [-100, 31, 32]} for n in range(4)]
    problem = found(look(tmp_path, rows), "end-not-trained")
    assert (problem.blocking, problem.count) == (True, 4)
    assert problem.rows == tuple(f"a.jsonl, row {n}" for n in range(1, 5))
    with pytest.raises(UserError, match="The end is not learned in 4 of 4 examples"):
        prepare(DataConfig(path=str(tmp_path / "a.jsonl")), byte_level(), 0)
    allowed = DataConfig(path=str(tmp_path / "a.jsonl"), overrides={"end-not-trained": "parts of longer texts"})
    settled = found(prepare(allowed, byte_level(), 0), "end-not-trained")
    assert (settled.blocking, settled.overruled) == (False, "parts of longer texts")


def test_an_end_that_some_examples_lack_is_only_told(tmp_path: Path) -> None:
    rows = [{"input_ids": [30, 31, 2]}, {"input_ids": [30, 31]}, {"input_ids": [30, 33, 2]}]
    problem = found(look(tmp_path, rows), "end-not-trained")
    assert (problem.blocking, problem.count, problem.rows) == (False, 1, ("a.jsonl, row 2",))


def test_a_template_without_marks_has_its_end_learned_where_it_is_written(tmp_path: Path) -> None:
    prepared = look(tmp_path, talks(3), template=UNMARKED)
    assert [each for each in prepared.report.problems if each.check == "end-not-trained"] == []


def test_an_override_needs_a_known_check_and_a_reason() -> None:
    assert "there is no check 'end'" in problems({"data": {"overrides": {"end": "x"}}})["data.overrides"]
    assert "say why" in problems({"data": {"overrides": {"one-label": " "}}})["data.overrides"]


def test_a_chosen_template_that_the_tokenizer_spells_out_blocks(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps(talks(1)[0]), encoding="utf-8")
    prepared = survey(DataConfig(path=str(path), template="llama-3"), byte_level(), 0, lambda *_: None)
    blocked = found(prepared, "template-marks")
    assert (blocked.blocking, blocked.remedy) == (True, {"data.template": ""})
    assert prepared.report.template == "chosen"


def test_words_that_the_model_has_no_embedding_for_block_and_cannot_be_overruled(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"input_ids": [30, last, 2]}) + "\n" for last in (31, 40, 41)), encoding="utf-8")
    data = DataConfig(path=str(path))
    problem = found(survey(data, byte_level(), 0, lambda *_: None, vocabulary=40), "unknown-tokens")
    assert (problem.blocking, problem.path, problem.rows) == (True, "model.path", ("a.jsonl, row 2", "a.jsonl, row 3"))
    assert not survey(data, byte_level(), 0, lambda *_: None, vocabulary=42).report.problems


def test_a_doubled_begin_of_text_is_told_with_its_count(tmp_path: Path) -> None:
    problem = found(look(tmp_path, [{"input_ids": [1, 30, 31, 2]}, {"input_ids": [1, 1, 30, 2]}]), "double-begin")
    assert (problem.count, problem.rows, problem.settled) == (1, ("a.jsonl, row 2",), True)


def test_thoughts_that_the_template_does_not_write_are_told(tmp_path: Path) -> None:
    thoughtful = {"messages": [ASKED, {**SAID, "reasoning_content": "Hm."}]}
    problem = found(look(tmp_path, [*talks(2), thoughtful]), "thoughts-unwritten")
    assert (problem.count, problem.rows, problem.path) == (1, ("a.jsonl, row 3",), "model.path")


def test_truncation_has_a_remedy_that_cuts_nothing(tmp_path: Path) -> None:
    rows = [*talks(3), {"messages": [ASKED, {"role": "assistant", "content": "so " * 50}]}]
    problem = found(look(tmp_path, rows, max_tokens=20), "truncated")
    assert (problem.count, problem.rows) == (1, ("a.jsonl, row 4",))
    (longest,) = problem.remedy.values()
    assert look(tmp_path, rows, max_tokens=longest).report.truncated == 0
    assert look(tmp_path, rows, max_tokens=longest - 1).report.truncated == 1


def test_repeated_rows_and_roles_out_of_order_are_named(tmp_path: Path) -> None:
    rows = [
        *talks(2),
        {"messages": [SAID, ASKED, SAID]},
        {"messages": [ASKED, ASKED, SAID]},
        {"messages": [ASKED, {"role": "system", "content": "Be"}, SAID]},
        {"messages": [ASKED, SAID, ASKED]},
        talks(1)[0],
    ]
    prepared = look(tmp_path, rows)
    assert found(prepared, "duplicates").rows == ("a.jsonl, row 7",)
    assert found(prepared, "roles-out-of-order").rows == tuple(f"a.jsonl, row {n}" for n in (3, 4, 5))
    assert found(prepared, "unanswered").rows == ("a.jsonl, row 6",)


def test_held_out_rows_that_are_trained_on_are_named(tmp_path: Path) -> None:
    other = tmp_path / "b.jsonl"
    other.write_text(
        "".join(json.dumps(row) + "\n" for row in [*talks(1), {"messages": [ASKED, SAID]}]), encoding="utf-8"
    )
    problem = found(look(tmp_path, talks(3), held_out_path=str(other)), "held-out-trained")
    assert (problem.count, problem.rows, problem.blocking) == (1, ("b.jsonl, row 1",), False)


def test_letters_that_the_tokenizer_spells_in_bytes_are_told_by_script(tmp_path: Path) -> None:
    thai = {"messages": [{"role": "user", "content": "ทำไม" * 20}, {"role": "assistant", "content": "เพราะ" * 20}]}
    rows = [*talks(60), thai, *talks(2), thai]
    problem = found(look(tmp_path, rows), "bytes")
    assert problem.text == (
        "The tokenizer breaks Thai letters into bytes in 2 examples (first: a.jsonl, row 61): 3.0 tokens for each."
    )
    assert (problem.count, problem.rows) == (2, ("a.jsonl, row 61", "a.jsonl, row 64"))
    left = look(tmp_path, rows, **{key.removeprefix("data."): value for key, value in problem.remedy.items()})
    assert left.report.left_out == 2 and found(left, "bytes").settled
    plain = look(tmp_path, [*talks(2), {"messages": [ASKED, {"role": "assistant", "content": "ж" * 20}]}])
    assert all(each.check != "bytes" for each in plain.report.problems)


def test_one_row_that_outweighs_the_others_is_named(tmp_path: Path) -> None:
    rows = [*talks(20), {"messages": [ASKED, {"role": "assistant", "content": "word " * 400}]}]
    problem = found(look(tmp_path, rows, max_tokens=4096, held_out=0), "dominates")
    assert problem.rows == ("a.jsonl, row 21",)
    assert all(each.check != "dominates" for each in look(tmp_path, talks(20), held_out=0).report.problems)


def sorts(labels: list[Any]) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]


def test_lopsided_rare_and_lone_labels_are_told(tmp_path: Path) -> None:
    task = "sequence-classification"
    lopsided = look(tmp_path, sorts(["a"] * 30 + ["b"] * 3), task=task, held_out=0)
    assert found(lopsided, "label-imbalance").count == 30
    assert "b (3)" in found(lopsided, "rare-labels").text
    assert lopsided.report.labels == {"a": 30, "b": 3}
    assert found(look(tmp_path, sorts(["a"] * 5), task=task, held_out=0), "one-label").blocking


def test_a_weight_of_a_label_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    weights = {"good": 2.0, "bda": 3.0}
    prepared = look(tmp_path, sorts(["good", "bad"] * 8), task="sequence-classification", label_weights=weights)
    (problem,) = [each for each in prepared.report.problems if each.path == "data.label_weights"]
    assert problem.blocking and "'bda'" in problem.text and "'bad'" in problem.hint
    assert problem.remedy == {"data.label_weights": {"good": 2.0}}


def test_classes_are_in_an_order_that_does_not_depend_on_the_rows(tmp_path: Path) -> None:
    task = "sequence-classification"
    prepared = look(tmp_path, sorts([10, 2, 10, 2, 1]), task=task, held_out=0)
    assert prepared.labels == ("1", "2", "10")
    assert prepared.train.goals.tolist() == [2, 1, 2, 1, 0]
    named = look(tmp_path, sorts([1, 0, 1]), task=task, held_out=0, labels=("no", "yes"))
    assert (named.labels, named.train.goals.tolist()) == (("no", "yes"), [1, 0, 1])
    with pytest.raises(UserError, match=r"a.jsonl, row 2: there is no class 'maybe'"):
        look(tmp_path, sorts(["no", "maybe"]), task=task, labels=("no", "yes"))


def test_numbers_as_classes_are_never_taken_for_one_another(tmp_path: Path) -> None:
    task = "sequence-classification"
    prepared = look(tmp_path, sorts([1000001, 1000002, 0.5]), task=task, held_out=0)
    assert prepared.labels == ("0.5", "1000001", "1000002")
    with pytest.raises(UserError, match="there is no class '0' in the training data"):
        look(tmp_path, sorts([0, 1]), task=task, held_out=0, labels=("1", "2"))
    with pytest.raises(UserError, match=r"a.jsonl, row 2: 'label' is no number \(nan\)"):
        look(tmp_path, sorts([1, float("nan")]), task=task, held_out=0)


def test_regression_wants_numbers(tmp_path: Path) -> None:
    prepared = look(tmp_path, sorts([0.5, "2", 3]), task="regression", held_out=0)
    assert prepared.train.goals.tolist() == [0.5, 2, 3]
    with pytest.raises(UserError, match=r"a.jsonl, row 2: the label 'high' is no number"):
        look(tmp_path, sorts([0.5, "high"]), task="regression")
