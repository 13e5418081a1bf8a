"""Adapters of PEFT's as runs of the history, and runs that begin from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from core.commandline.examination import examine
from core.config.beginning import refuse_other_layers
from core.config.select import select
from core.errors import UserError
from core.export.adapter import CONFIG
from core.export.importing import import_job
from core.export.job import export_job
from core.home import Home
from core.models.catalog import describe
from core.state import Phase
from core.store.store import Store
from core.train import beginning
from core.train.interrupt import Interrupt
from core.train.prepare import prepare
from core.train.trainer import train
from tests.core.export.made import logits
from tests.core.export.test_foreign import CONFIGS, made_by_peft
from tests.core.export.test_job import silent
from tests.core.train.small import ListSink
from tests.tiny import tiny_model
from tests.whole.small_runs import write_examples

# The deprecated name is one that PEFT itself uses.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


def imported(home: Home, folder: Path, kind: str) -> tuple[dict, Path, torch.Tensor]:
    """A run made of an adapter of PEFT's, its base model, and what both say together."""
    base, adapter, said = made_by_peft(folder, "llama", CONFIGS[kind](["q_proj", "v_proj"]))
    return import_job(home, {"adapter": str(adapter), "model": str(base)}, silent), base, said


@pytest.mark.parametrize("kind", ["rslora", "dora", "vera", "adalora"])
def test_an_imported_adapter_is_a_run_that_is_merged_and_exported_like_any(
    home: Home, tmp_path: Path, store: Store, kind: str
) -> None:
    result, base, said = imported(home, tmp_path, kind)
    row = store.run(result["run"])
    assert (row.phase, row.tags, row.name) == (Phase.FINISHED, ("imported",), "adapter")
    assert row.method == {"rslora": "rsLoRA", "dora": "DoRA", "vera": "VeRA", "adalora": "AdaLoRA"}[kind]
    assert str(tmp_path / "adapter") in row.notes
    assert result["layers"] == len(store.layers(row.id)) == 4
    assert {plan.layer for plan in select(describe(base).layers, row.config.adapter)} == set(store.layers(row.id))
    steps, norms = store.vectors(row.id, "delta_norm")
    assert list(steps) == [0] and norms.shape == (1, 4) and (norms > 0).all()
    export_job(home, {"run": row.id, "to": "merged", "out": str(tmp_path / "merged")}, silent)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert (logits(merged) - said).abs().max() < 1e-5
    export_job(home, {"run": row.id, "to": "adapter", "out": str(tmp_path / "again")}, silent)
    plain = AutoModelForCausalLM.from_pretrained(base)
    assert (logits(peft.PeftModel.from_pretrained(plain, tmp_path / "again").eval()) - said).abs().max() < 1e-5


def test_a_head_that_judges_comes_along(home: Home, tmp_path: Path, store: Store) -> None:
    base = tiny_model("llama", tmp_path / "base")
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3, dtype=torch.float32)
    config = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="SEQ_CLS")
    adapted = peft.get_peft_model(model, config).eval()
    for parameter in adapted.parameters():
        parameter.data += 0.02 if parameter.requires_grad else 0
    adapted.save_pretrained(tmp_path / "judge")
    said = json.loads((base / "config.json").read_text(encoding="utf-8"))
    names = {"1": "neither", "2": "yes", "0": "no"}
    (base / "config.json").write_text(json.dumps({**said, "id2label": names}), encoding="utf-8")
    result = import_job(home, {"adapter": str(tmp_path / "judge"), "model": str(base)}, silent)
    row = store.run(result["run"])
    assert (row.config.task, row.config.data.labels) == ("sequence-classification", ("no", "neither", "yes"))
    export_job(home, {"run": row.id, "to": "merged", "out": str(tmp_path / "merged")}, silent)
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
    assert (logits(merged) - logits(adapted)).abs().max() < 1e-5


def test_another_base_models_name_is_remarked_upon(home: Home, tmp_path: Path, store: Store) -> None:
    base, adapter, _ = made_by_peft(tmp_path, "llama", CONFIGS["rslora"](["q_proj"]))
    said = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    (adapter / CONFIG).write_text(json.dumps({**said, "base_model_name_or_path": "meta/Big-Llama"}), encoding="utf-8")
    result = import_job(home, {"adapter": str(adapter), "model": str(base), "name": "Of a friend"}, silent)
    assert "names Big-Llama as its base model" in result["notes"][0]
    assert store.run(result["run"]).name == "Of a friend"
    assert "Big-Llama" in store.run(result["run"]).notes


def test_what_does_not_fit_makes_no_run(home: Home, tmp_path: Path, store: Store) -> None:
    _, adapter, _ = made_by_peft(tmp_path, "llama", CONFIGS["rslora"](["q_proj"]))
    wide = tiny_model("llama", tmp_path / "wide", hidden_size=64)
    with pytest.raises(UserError, match="does not fit this model"):
        import_job(home, {"adapter": str(adapter), "model": str(wide)}, silent)
    with pytest.raises(UserError, match="There is no model"):
        import_job(home, {"adapter": str(adapter), "model": str(tmp_path / "nowhere")}, silent)
    assert store.runs() == [] and store.runs(deleted=True) == []


def test_an_import_that_breaks_off_leaves_nothing(
    home: Home, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UserError("The disk is full.")

    base, adapter, _ = made_by_peft(tmp_path, "llama", CONFIGS["rslora"](["q_proj"]))
    monkeypatch.setattr("core.export.importing.state.save", full)
    with pytest.raises(UserError, match="full"):
        import_job(home, {"adapter": str(adapter), "model": str(base)}, silent)
    assert store.runs() == [] and store.bin() == (0, 0)


def test_a_run_refuses_to_begin_from_what_is_made_of_something_else(home: Home, tmp_path: Path, store: Store) -> None:
    result, base, _ = imported(home, tmp_path, "dora")
    config = store.run(result["run"]).config
    here = config.adapter.model_copy(update={"begin": result["run"]})
    saved = beginning.earlier(home, config.model_copy(update={"adapter": here}))
    assert saved is not None
    layers = describe(base).layers
    unknown = config.model_copy(update={"adapter": here.model_copy(update={"begin": "nothing"})})
    assert [problem.path for problem in examine(home, unknown).problems] == ["adapter.begin", "data.path"]
    for changes, why in (
        ({"method": "lora"}, "Magnitude is 'Row lengths"),
        ({"begin": "nothing"}, "There is no run 'nothing'"),
    ):
        with pytest.raises(UserError, match=why) as refused:
            beginning.earlier(home, config.model_copy(update={"adapter": here.model_copy(update=changes)}))
        assert refused.value.path == "adapter.begin"
    for changes, why in (
        ({"rank": 7}, "has rank 4 and alpha 6 there"),
        ({"layers": ("q_proj",)}, "v_proj is not chosen here"),
        ({"layers": "all-linear"}, "has no adapter there"),
    ):
        other = config.model_copy(update={"adapter": here.model_copy(update=changes)})
        with pytest.raises(UserError, match=why):
            refuse_other_layers(saved.plans, select(layers, other.adapter), other)


@pytest.mark.parametrize("kind", ["dora", "adalora", "vera"])
def test_a_run_begins_from_an_imported_adapter_and_learns_on(
    home: Home, tmp_path: Path, store: Store, kind: str
) -> None:
    result, _, said = imported(home, tmp_path, kind)
    row = store.run(result["run"])
    changes = {
        "adapter": row.config.adapter.model_copy(update={"begin": row.id}),
        "data": row.config.data.model_copy(update={"path": str(write_examples(tmp_path / "data.jsonl"))}),
        "train": row.config.train.model_copy(
            update={"steps": 10, "batch": 8, "device": "cpu", "learning_rate": 0.05, "evaluate_every": 1}
        ),
        "model": row.config.model.model_copy(update={"compute": "float32"}),
    }
    config, sink = row.config.model_copy(update=changes), ListSink()
    (tmp_path / "run").mkdir()
    training = prepare(
        config, home=home, folder=tmp_path / "run", sink=sink, interrupt=Interrupt(), say=lambda *_: None
    )
    assert (logits(training.model.eval()) - said).abs().max() < 1e-5
    training.model.train()
    train(training)
    held_out = sink.curves["held_out"]
    assert held_out[10] < held_out[1] - 0.01
