"""The document: edits, undo, problems, the draft."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.document import Document
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.models.info import ModelInfo
from tests.app.fake_models import GPT2, fake_model

MODELS = {"/models/llama": fake_model(3), "/models/gpt2": fake_model(2, GPT2)}


@pytest.fixture(autouse=True)
def _models(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(path: Path) -> ModelInfo:
        if path.as_posix() not in MODELS:
            raise UserError(f"There is no model at {path.as_posix()}.", hint="Choose another.")
        return MODELS[path.as_posix()]

    monkeypatch.setattr("app.document.describe", describe)


def test_a_change_is_told_by_its_paths_and_can_be_undone() -> None:
    document, heard = Document(), list[frozenset[str]]()
    document.changed.connect(heard.append)
    document.set("adapter.rank", 16)
    assert document.undo.undoText() == "Rank (r) 8 to 16"
    document.undo.undo()
    assert document.config == RunConfig()
    document.undo.redo()
    assert document.config.adapter.rank == 16
    assert heard == [frozenset({"adapter.rank"})] * 3


def test_edits_of_one_field_melt_into_one_step() -> None:
    document = Document()
    for rank in (1, 12, 128):
        document.set("adapter.rank", rank)
    document.set("adapter.alpha", 32)
    assert document.undo.count() == 2
    assert document.undo.text(0) == "Rank (r) 8 to 128"
    document.undo.undo()
    document.undo.undo()
    assert document.config == RunConfig()


def test_an_edit_after_a_pause_is_a_step_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.document._PAUSE", -1.0)
    document = Document()
    for rank in (1, 12):
        document.set("adapter.rank", rank)
    document.undo.undo()
    assert document.config.adapter.rank == 1


def test_the_learning_rate_goes_along_with_the_method_in_one_step_unless_it_is_given() -> None:
    document = Document()
    document.set("train.learning_rate", 5e-3)
    document.update({"adapter.method": "pissa"}, "Method PiSSA")
    assert document.config.train.learning_rate == 5e-4
    document.undo.undo()
    assert (document.config.adapter.method, document.config.train.learning_rate) == ("lora", 5e-3)
    document.update({"adapter.method": "pissa", "train.learning_rate": 1e-3})
    assert document.config.train.learning_rate == 1e-3


def test_going_back_to_the_old_value_leaves_no_step() -> None:
    document = Document()
    document.set("adapter.rank", 16)
    document.set("adapter.rank", 8)
    assert document.undo.count() == 0


def test_presets_do_not_melt_into_one_another() -> None:
    document = Document()
    document.update({"adapter.layers": "mlp"}, "Choose the MLP layers")
    document.update({"adapter.layers": "attention"}, "Choose the attention layers")
    assert document.undo.count() == 2
    assert document.undo.undoText() == "Choose the attention layers"


def test_a_refused_value_changes_nothing() -> None:
    document = Document()
    with pytest.raises(UserError):
        document.update({"train.steps": 5, "adapter.rank": 0})
    assert document.config == RunConfig()
    assert document.undo.count() == 0


def test_choosing_a_model_describes_it_and_plans_its_layers() -> None:
    document = Document()
    document.set("model.path", "/models/llama")
    assert document.model is MODELS["/models/llama"]
    assert len(document.plans) == 21
    document.update({"adapter.layers": ("q_proj",), "adapter.ranks": {"*.0.*": 4}})
    assert [plan.rank for plan in document.plans] == [4, 8, 8]


def test_layers_that_the_next_model_does_not_have_are_a_problem_in_words() -> None:
    document = Document()
    document.update({"model.path": "/models/llama", "adapter.layers": ("gate_proj",)})
    document.set("model.path", "/models/gpt2")
    assert document.plans == ()
    assert "gate_proj" in document.problems()["adapter.layers"]
    document.undo.undo()
    assert len(document.plans) == 3


def test_a_model_that_cannot_be_read_is_a_problem_on_its_field() -> None:
    document = Document()
    document.set("model.path", "/models/nowhere")
    assert document.model is None
    assert document.problems()["model.path"] == "There is no model at /models/nowhere."


def test_what_is_missing_is_said() -> None:
    document = Document()
    document.update({"adapter.layers": ()})
    assert set(document.problems()) == {"model.path", "data.path", "adapter.layers"}


def test_values_that_do_not_go_together_are_warned_of_when_checked() -> None:
    document = Document()
    document.update({"model.path": "/models/llama", "data.path": "x.jsonl", "data.held_out": 0.0})
    assert document.check() == {}
    assert "Nothing is held out" in " ".join(problem.text for problem in document.warnings)


def test_a_text_that_is_no_value_keeps_a_run_from_starting_until_it_is_mended() -> None:
    document, heard = Document(), list[None]()
    document.problems_changed.connect(lambda: heard.append(None))
    document.say("adapter.rank", "Rank (r) must be a whole number.")
    assert document.problems()["adapter.rank"] == "Rank (r) must be a whole number."
    document.set("adapter.rank", 3)
    assert "adapter.rank" not in document.problems()
    assert heard


def test_a_blocking_report_on_the_data_is_a_problem() -> None:
    document = Document()
    found = {"path": "data.train_on", "text": "There is nothing to learn.", "hint": "Train on everything."}
    document.take_report({"problems": [{**found, "blocking": True}, {**found, "path": "seed", "blocking": False}]})
    assert document.problems()["data.train_on"] == "There is nothing to learn. Train on everything."
    assert "seed" not in document.problems()
    document.take_report(None)
    assert "data.train_on" not in document.problems()


def test_a_name_follows_method_and_data_until_somebody_chooses_one() -> None:
    document = Document(taken=lambda: {"lora-devil-1"})
    document.set("data.path", "/data/devil_train.jsonl")
    assert document.config.name == "lora-devil-2"
    document.set("adapter.method", "rslora")
    assert document.config.name == "rslora-devil-1"
    document.set("name", "my own")
    document.set("adapter.method", "lora")
    assert document.config.name == "my own"


def test_after_a_start_the_suggested_name_moves_on_without_a_step_to_undo() -> None:
    taken: set[str] = set()
    document = Document(taken=lambda: taken)
    document.set("data.path", "/data/devil_train.jsonl")
    taken.add(document.config.name)
    document.take_next_name()
    assert document.config.name == "lora-devil-2"
    assert document.undo.count() == 1


def test_a_draft_comes_back_in_the_next_window(home: Home) -> None:
    first = Document(home)
    first.update({"model.path": "/models/llama", "adapter.layers": ("q_proj",), "train.schedule": "linear"})
    first.remember("model", "/models/llama")
    first.flush()
    second = Document(home)
    assert second.config == first.config
    assert second.recent == {"model": ("/models/llama",)}
    assert len(second.plans) == 3
    assert second.undo.count() == 0


def test_a_draft_without_layers_comes_back_without_layers(home: Home) -> None:
    first = Document(home)
    first.update({"adapter.layers": (), "adapter.rank": 32})
    first.flush()
    assert Document(home).config == first.config


def test_what_an_older_draft_holds_and_is_no_longer_valid_falls_back_to_its_default(home: Home) -> None:
    text = "config:\n  name: kept\n  adapter: {rank: 0, alpha: 3.0, gone: 1}\n"
    text += "  train: {schedule: {kind: cosine, floor: 7}}\n"
    (home.root / "draft.yaml").write_text(text, encoding="utf-8")
    config = Document(home).config
    assert (config.name, config.adapter.rank, config.adapter.alpha) == ("kept", 8, 3.0)
    assert config.train == RunConfig().train


@pytest.mark.parametrize("text", ["", "[1, 2]", "config: 3", "{", "config:\n  model: 7\n"])
def test_a_broken_draft_is_left_behind(home: Home, text: str) -> None:
    (home.root / "draft.yaml").write_text(text, encoding="utf-8")
    assert Document(home).config == RunConfig()


def test_recent_paths_are_kept_newest_first_without_doubles() -> None:
    document = Document()
    for path in ("a", "b", "a", *"cdefghij"):
        document.remember("data", path)
    assert document.recent["data"] == tuple("jihgfedc")


def test_a_run_file_is_taken_over_as_one_step() -> None:
    document = Document()
    document.say("adapter.rank", "not a number")
    document.replace(RunConfig(name="other", seed=3), "Open other.yaml")
    assert document.undo.undoText() == "Open other.yaml"
    assert "adapter.rank" not in document.problems()
    document.undo.undo()
    assert document.config == RunConfig()
