"""From a file to a run's examples, with a report of what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.run import DataConfig
from core.data.prepare import Prepared, prepare
from core.data.report import inspect_job
from core.data.summary import Problem
from core.errors import UserError
from core.home import Home
from tests.core.data.chats import byte_level
from tests.tiny import tiny_model

PACKS = Path(__file__).parents[3] / "resources" / "demo" / "data"


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pairs(count: int, words: int = 5) -> list[dict[str, Any]]:
    return [{"instruction": f"Define {n}.", "response": f"It is {n}. " + "so " * words} for n in range(count)]


def run(path: Path, **changes: Any) -> Prepared:
    return prepare(DataConfig(path=str(path), **changes), byte_level(), seed=0)


def only_problem(prepared: Prepared) -> Problem:
    (problem,) = prepared.report.problems
    return problem


def test_examples_are_split_and_counted(tmp_path: Path) -> None:
    prepared = run(lines(tmp_path / "a.jsonl", pairs(40)))
    report = prepared.report
    assert (len(prepared.train), len(prepared.held_out)) == (36, 4)
    assert (report.examples, report.train_examples, report.held_out_examples, report.rows) == (40, 36, 4, 40)
    assert report.trained_tokens == sum(each.targets for each in prepared.train)
    assert report.held_out_tokens == sum(each.targets for each in prepared.held_out)
    assert report.tokens == sum(len(each) for each in [*prepared.train, *prepared.held_out])
    assert report.problems == ()
    assert (report.template, report.format, report.share) == ("own", "instruction", 1.0)
    assert sum(report.lengths.counts) == sum(report.targets.counts) == 40
    assert report.lengths.quantiles["1.0"] == max(len(each) for each in [*prepared.train, *prepared.held_out])


def test_the_same_seed_holds_the_same_examples_out(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", pairs(40))
    config = DataConfig(path=str(path))
    rows = [[each.row for each in prepare(config, byte_level(), seed).held_out] for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_a_run_with_nothing_to_learn_is_blocked_with_a_sentence(tmp_path: Path) -> None:
    questions = [{"messages": [{"role": "user", "content": "Why?"}]}] * 3
    with pytest.raises(UserError, match=r"nothing to learn: none of the 3 examples") as caught:
        run(lines(tmp_path / "a.jsonl", questions))
    assert caught.value.path == "data.train_on"
    assert len(run(lines(tmp_path / "b.jsonl", questions), train_on="everything", held_out=0).train) == 3


def test_a_template_that_writes_no_answer_is_named_where_there_is_nothing_to_learn(tmp_path: Path) -> None:
    answered = [{"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}] * 3
    questions_alone = "{% for message in messages[:1] %}{{ message['content'] }}{% endfor %}"
    with pytest.raises(UserError, match="nothing to learn") as caught:
        run(lines(tmp_path / "a.jsonl", answered), template=questions_alone)
    assert caught.value.path == "data.template"


def test_a_run_whose_answers_are_all_cut_off_says_how_long_they_are(tmp_path: Path) -> None:
    rows = [{"instruction": "long " * 50, "response": "A"}]
    with pytest.raises(UserError, match="nothing to learn") as caught:
        run(lines(tmp_path / "a.jsonl", rows), max_tokens=20, held_out=0)
    assert caught.value.path == "data.max_tokens"
    longest = len(run(tmp_path / "a.jsonl", held_out=0).train[0])
    assert f"({longest} cuts nothing)" in caught.value.hint


def test_examples_without_an_answer_are_left_out_and_named(tmp_path: Path) -> None:
    silent = {"messages": [{"role": "user", "content": "Why?"}]}
    spoken = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
    prepared = run(lines(tmp_path / "a.jsonl", [spoken, silent, silent]), held_out=0)
    assert [each.row for each in prepared.train] == [1]
    assert prepared.report.without_targets == 2
    wanted = "Nothing to learn in 2 of 3 examples (first: a.jsonl, row 2)."
    assert prepared.report.problems[0].text == wanted


def test_truncation_is_counted_in_examples_and_in_lost_tokens(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [*pairs(4), {"instruction": "Q", "response": "so " * 100}])
    whole, short = run(path, held_out=0), run(path, held_out=0, max_tokens=60)
    lost = whole.report.trained_tokens - short.report.trained_tokens
    assert (short.report.truncated, short.report.cut_trained_tokens) == (1, lost)
    problem = only_problem(short)
    assert problem.text.startswith("Cut at 60 tokens: 1 of 5 examples (first: a.jsonl, row 5)")
    assert f"with a loss of {lost} trained tokens." in problem.text
    assert str(max(len(each) for each in whole.train)) in problem.hint


def test_equal_examples_are_counted_and_stay_together(tmp_path: Path) -> None:
    prepared = run(lines(tmp_path / "a.jsonl", [*pairs(10), *pairs(10)]), held_out=0.3)
    assert prepared.report.duplicates == 10
    assert "10 of 20 examples, which count more" in only_problem(prepared).text
    trained, held = ({each.ids.tobytes() for each in side} for side in (prepared.train, prepared.held_out))
    assert trained
    assert held
    assert not trained & held


def test_a_held_out_file_is_read_whole_and_its_overlap_is_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", pairs(10))
    other = lines(tmp_path / "b.jsonl", [*pairs(2), {"instruction": "New", "response": "Yes"}])
    prepared = run(path, held_out_path=str(other))
    assert (len(prepared.train), len(prepared.held_out)) == (10, 3)
    assert only_problem(prepared).text.startswith("Trained on as well: 2 of 3 held-out examples.")


def test_one_row_is_trained_on_and_nothing_is_held_out(tmp_path: Path) -> None:
    prepared = run(lines(tmp_path / "a.jsonl", pairs(1)))
    assert (len(prepared.train), len(prepared.held_out)) == (1, 0)
    assert only_problem(prepared).text.startswith("Nothing is held out")
    assert prepared.report.reason == "The only row has 'instruction' and 'response'."


def test_a_row_of_another_shape_is_named_with_what_it_has(tmp_path: Path) -> None:
    path = lines(tmp_path / "devil.jsonl", [*pairs(16), {"prompt": "a", "completion": "b"}])
    with pytest.raises(UserError, match=r"devil.jsonl, row 17: expected 'instruction' .* found 'prompt', 'completion'"):
        run(path)


def test_an_empty_answer_is_told(tmp_path: Path) -> None:
    prepared = run(lines(tmp_path / "a.jsonl", [*pairs(3), {"instruction": "Q", "response": " "}]), held_out=0)
    assert only_problem(prepared).text.startswith(
        "Nothing is said in the answers or texts of 1 example (first: a.jsonl, row 4)"
    )


def test_a_model_without_a_template_is_told(tmp_path: Path) -> None:
    config = DataConfig(path=str(lines(tmp_path / "a.jsonl", pairs(3))), held_out=0)
    prepared = prepare(config, byte_level(None), seed=0)
    assert prepared.report.template == "plain"
    assert "no chat template" in only_problem(prepared).text


def test_progress_is_told_and_can_end_the_reading(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", pairs(1200))
    told: list[float | None] = []
    prepare(DataConfig(path=str(path)), byte_level(), 0, lambda _text, share: told.append(share))
    assert len(told) == 2
    assert 0 < told[0] < told[1] < 1  # type: ignore[operator]

    def end(_text: str, _share: float | None) -> None:
        raise UserError("Ended.")

    with pytest.raises(UserError, match="Ended"):
        prepare(DataConfig(path=str(path)), byte_level(), 0, end)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model("llama", tmp_path_factory.mktemp("model"))


def inspected(tmp_path: Path, path: Path, model: Path | str = "", **changes: Any) -> dict[str, Any]:
    config = {"seed": 0, "model": {"path": str(model)}, "data": {"path": str(path), **changes}, "adapter": {"rank": -1}}
    found = inspect_job(Home(tmp_path), {"config": config}, lambda _text, _share: None)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, allow_nan=False))
    return found


def test_the_windows_look_shows_the_first_examples_as_turns(tmp_path: Path, model: Path) -> None:
    found = inspected(tmp_path, lines(tmp_path / "a.jsonl", pairs(70)), model)
    assert len(found["first"]) == 50
    assert found["first"][3]["turns"][1] == {"role": "assistant", "content": pairs(4)[3]["response"], "trained": True}
    assert found["first"][3]["row"] == 4
    assert 0 < found["first"][3]["trained"] < found["first"][3]["tokens"]
    assert found["tokenised"]
    assert found["trained_tokens"] > 0


def test_without_a_model_the_look_shows_rows_and_shape_alone(tmp_path: Path) -> None:
    found = inspected(tmp_path, lines(tmp_path / "a.jsonl", pairs(70)))
    assert (found["examples"], found["format"], found["tokenised"], found["tokens"]) == (70, "instruction", False, 0)
    assert len(found["first"]) == 50
    assert found["problems"] == ()


def test_a_look_reports_what_would_block_a_run(tmp_path: Path, model: Path) -> None:
    found = inspected(tmp_path, lines(tmp_path / "a.jsonl", [{"messages": [{"role": "user", "content": "?"}]}]), model)
    assert [problem["blocking"] for problem in found["problems"]] == [True]


def test_a_look_at_a_large_file_reads_a_part_and_says_so(tmp_path: Path, model: Path) -> None:
    found = inspected(tmp_path, lines(tmp_path / "a.jsonl", pairs(12_000, words=0)), model)
    assert found["rows"] == 10_000
    assert 0.8 < found["share"] < 0.9


def test_a_long_text_is_shortened_for_the_look(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_text("word " * 5000, encoding="utf-8")
    found = inspected(tmp_path, path, model, max_tokens=64)
    assert len(found["first"][0]["turns"][0]["content"]) < 4100
    assert found["examples"] > 100
    assert found["template"] == "none"


@pytest.mark.parametrize(
    ("name", "format", "examples"),
    [
        ("devil_train.jsonl", "instruction", 446),
        ("devil_val.jsonl", "instruction", 70),
        ("wordnet_topics_train.jsonl", "text", 1572),
        ("wordnet_topics_test.jsonl", "text", 473),
    ],
)
def test_the_shipped_packs_are_sound(name: str, format: str, examples: int) -> None:
    report = run(PACKS / name).report
    assert (report.format, report.examples, report.truncated, report.problems) == (format, examples, 0, ())


def test_the_packs_are_described_with_their_licences() -> None:
    readme = (PACKS / "README.md").read_text(encoding="utf-8")
    for name in (path.name for path in PACKS.iterdir() if path.suffix in (".jsonl", ".txt")):
        assert f"`{name}`" in readme
    assert "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in readme
