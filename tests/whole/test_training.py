"""The worker, from a row in the store to its last event."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import VERSION, worker
from core.adapters.storage.held import Held
from core.adapters.storage.nf4 import Nf4
from core.commands import Command
from core.errors import UserError
from core.events import CheckpointSaved, Evaluated, Noticed, RunFailed, RunFinished, RunStarted, Sampled, StageChanged
from core.export.job import export_job
from core.home import Home
from core.launch import RunLock, kill, launch, observe
from core.models.catalog import describe
from core.models.hold import hold
from core.state import Status
from core.store.store import Store
from core.store.writer import Writer
from core.train.trial import try_forward
from tests.tiny import GROUPED, LONG, random_model, tiny_model
from tests.waiting import wait_until
from tests.whole.small_runs import create, write_examples

ENDLESS = {"steps": 100_000, "checkpoint_every": 0, "evaluate_every": 0}


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    for row in store.runs():
        kill(row.folder)
    store.close()


def events(store: Store, run: str, kind: type) -> list[object]:
    return [event for _, _, event in store.events(run) if isinstance(event, kind)]


def test_a_signal_while_the_last_word_is_said_takes_it_from_nobody(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Writer.close

    def interrupted(writer: Writer) -> None:
        signal.raise_signal(signal.SIGINT)
        close(writer)

    monkeypatch.setattr(Writer, "close", interrupted)
    first = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, it is ignored
    run = create(store, tmp_path, train={"steps": 1})
    assert worker.main(store.home, run) == 0
    signal.signal(signal.SIGINT, first)

    assert observe(store, store.run(run))[1] is Status.FINISHED


def test_a_run_goes_from_its_row_to_its_adapter(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"prompts": ["Define fox"], "sample_tokens": 2})

    assert worker.main(store.home, run) == 0

    row = store.run(run)
    assert observe(store, row)[1] is Status.FINISHED
    assert events(store, run, RunFinished) == [RunFinished(6)]
    steps, losses = store.curve(run, "loss")
    assert steps.tolist() == [1, 2, 3, 4, 5, 6] and np.isfinite(losses).all()
    assert store.curve(run, "held_out")[0].tolist() == [0, 3, 6]
    assert len(store.layers(run)) == 14
    assert store.vectors(run, "delta_norm")[1].shape == (6, 14)
    assert [row.step for row in store.samples(run)] == [0, 3, 6]
    assert [row.step for row in store.checkpoints(run)][-1] == 6
    assert len(events(store, run, Sampled)) == len(events(store, run, Evaluated)) == 3
    assert {path.name for path in store.checkpoints(run)[-1].folder.iterdir()} >= {"adapter", "state.json"}


def test_a_stop_is_obeyed_while_the_run_is_being_prepared(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path)
    store.command(run, Command.STOP)

    assert worker.main(store.home, run) == 0

    assert observe(store, store.run(run))[1] is Status.STOPPED
    assert events(store, run, RunStarted) == [] and store.checkpoints(run) == []


def test_the_start_says_what_is_trained_where_and_with_what(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"steps": 1})

    worker.main(store.home, run)

    (started,) = events(store, run, RunStarted)
    assert isinstance(started, RunStarted)
    assert (started.step, started.steps, started.device, started.compute) == (0, 1, "cpu", "float32")
    assert 0 < started.trainable_parameters < started.total_parameters
    assert started.examples + started.held_out_examples == 24 and started.held_out_examples > 0
    assert started.environment["rankloom"] == VERSION
    assert {"python", "torch", "transformers", "platform", "device"} <= set(started.environment)
    stages = [event.text for event in events(store, run, StageChanged) if isinstance(event, StageChanged)]
    assert "Loading the model" in stages and "Putting the adapters on" in stages


def test_equal_runs_end_with_equal_adapters_to_the_bit(store: Store, tmp_path: Path) -> None:
    runs = [create(store, tmp_path, adapter={"dropout": 0.1}, train={"steps": 3}) for _ in range(2)]

    for run in runs:
        assert worker.main(store.home, run) == 0

    first, second = (store.checkpoints(run)[-1].folder / "adapter" / "adapter.safetensors" for run in runs)
    assert first.read_bytes() == second.read_bytes()


def test_packing_changes_no_loss(store: Store, tmp_path: Path) -> None:
    packed, padded = (
        create(store, tmp_path, data={"packing": packing}, train={"steps": 4, "batch": 4}) for packing in (True, False)
    )

    for run in (packed, padded):
        assert worker.main(store.home, run) == 0

    for key in ("loss", "held_out"):
        np.testing.assert_allclose(store.curve(packed, key)[1], store.curve(padded, key)[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("part", "options", "words"),
    [
        ("model", {"path": "/nowhere/model"}, "nowhere"),
        ("data", {"path": "/nowhere/data.jsonl"}, "nowhere"),
        ("adapter", {"layers": ["q_prjo"]}, "q_prjo"),
        ("train", {"device": "mps"}, "mps"),
    ],
)
def test_what_is_wrong_in_the_world_fails_with_a_sentence(
    store: Store, tmp_path: Path, part: str, options: dict[str, object], words: str
) -> None:
    if options.get("device") == sys.platform == "darwin":
        pytest.skip("this machine has that device")
    run = create(store, tmp_path, **{part: options})

    assert worker.main(store.home, run) == 2

    (failed,) = events(store, run, RunFailed)
    assert isinstance(failed, RunFailed)
    assert words in failed.text and not failed.traceback
    assert observe(store, store.run(run))[1] is Status.FAILED


def test_a_model_that_cannot_compute_is_told_so_and_the_log_has_the_traceback(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny_model("llama", tmp_path / "model", num_attention_heads=4, num_key_value_heads=3, head_dim=8)
    write_examples(tmp_path / "data.jsonl")

    assert worker.main(store.home, create(store, tmp_path)) == 2

    (failed,) = [event for row in store.runs() for event in events(store, row.id, RunFailed)]
    assert isinstance(failed, RunFailed) and not failed.traceback
    assert str(tmp_path / "model") in failed.text and "model.layers.0.self_attn (LlamaAttention)" in failed.text
    assert "config.json" in failed.hint
    assert "in sdpa_attention_forward" in caplog.text


def test_our_own_code_inside_a_model_stays_a_bug(tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path / "model"))
    model = random_model("llama").requires_grad_(False)
    hold(model, info.layers, Nf4())
    try_forward(model, info)
    next(module for module in model.modules() if isinstance(module, Held)).shape = torch.Size((3, 3))

    with pytest.raises(RuntimeError):
        try_forward(model, info)


def test_a_model_with_damaged_weights_is_told_so_before_it_is_trained(tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path / "model"))
    model = random_model("llama").requires_grad_(False)
    model.get_parameter("model.layers.0.mlp.up_proj.weight")[0, 0] = float("nan")

    with pytest.raises(UserError, match="says is not a number"):
        try_forward(model, info)


def test_a_bug_is_kept_with_its_traceback(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("core.train.prepare.attach", broken)
    run = create(store, tmp_path)

    assert worker.main(store.home, run) == 1

    (failed,) = events(store, run, RunFailed)
    assert isinstance(failed, RunFailed)
    assert failed.text == "ZeroDivisionError: by nothing" and "in broken" in failed.traceback


def test_a_run_that_is_being_trained_is_not_trained_twice(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path)

    with RunLock(store.home.run(run)), pytest.raises(UserError, match="trained by another process"):
        worker.main(store.home, run)

    assert not store.events(run)


def test_a_worker_that_cannot_use_the_database_leaves_the_reason_in_the_folder_of_its_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise UserError("rankloom.db is in use by another program.", hint="Close it.")

    run = create(store, tmp_path)
    store.launched(run)
    store.note(run, RunStarted(40, 100, "cpu", "float32", 1, 1, 1, 0, {}))
    monkeypatch.setattr(worker, "Writer", busy)
    with pytest.raises(UserError, match="in use"):
        worker.main(store.home, run)

    row, status = observe(store, store.run(run))
    assert status is Status.FAILED and row.state.step == 40
    assert (row.state.message, row.state.hint) == ("rankloom.db is in use by another program.", "Close it.")


def test_a_launched_run_pauses_goes_on_saves_and_stops_when_asked(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train=ENDLESS)
    launch(store.home, run)
    wait_until(lambda: store.curve(run, "loss")[0].size > 0)

    store.command(run, Command.PAUSE)
    wait_until(lambda: observe(store, store.run(run))[1] is Status.PAUSED)
    paused_at = store.run(run).state.step
    store.command(run, Command.EVALUATE)
    store.command(run, Command.CHECKPOINT)
    wait_until(lambda: len(store.checkpoints(run)) == 1)
    assert store.checkpoints(run)[0].step == paused_at == store.run(run).state.step

    store.command(run, Command.RESUME)
    wait_until(lambda: store.run(run).state.step > paused_at)
    store.command(run, Command.STOP)
    wait_until(lambda: observe(store, store.run(run))[1] is Status.STOPPED)
    assert store.checkpoints(run)[-1].step == store.run(run).state.step


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked to end there")
def test_a_launched_run_that_is_asked_to_end_saves_a_checkpoint_first(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train=ENDLESS)
    worker_process = launch(store.home, run)
    wait_until(lambda: store.curve(run, "loss")[0].size > 0)

    os.kill(worker_process.pid, signal.SIGTERM)
    wait_until(lambda: observe(store, store.run(run))[1] is Status.STOPPED)

    (saved,) = events(store, run, CheckpointSaved)
    assert isinstance(saved, CheckpointSaved) and saved.step == store.run(run).state.step
    state = json.loads((store.home.run(run) / saved.folder / "state.json").read_text(encoding="utf-8"))
    assert state["progress"]["step"] == saved.step


def test_a_model_that_cannot_be_packed_is_trained_without(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.train.prepare.packable", lambda _model: False)
    run = create(store, tmp_path, train={"steps": 1})

    assert worker.main(store.home, run) == 0

    notices = [event.text for event in events(store, run, Noticed) if isinstance(event, Noticed)]
    assert any("without packing" in text for text in notices)


def test_a_model_whose_files_call_a_layer_otherwise_is_trained_and_exported(store: Store, tmp_path: Path) -> None:
    blocks: dict[str, Any] = {"layer_types": ["conv", "full_attention"], "sliding_window": 64}
    tiny_model("lfm3", tmp_path / "otherwise", **GROUPED, **LONG, **blocks)
    there = {layer.name for layer in describe(tmp_path / "otherwise").adaptable}
    assert "model.layers.1.self_attn.gate_proj" in there
    run = create(store, tmp_path, model={"path": str(tmp_path / "otherwise")}, train={"steps": 1})

    assert worker.main(store.home, run) == 0

    trained = {layer.name for layer in store.layers(run)}
    assert there ^ trained == {"model.layers.1.self_attn.gate_proj", "model.layers.1.self_attn.g_proj"}
    body = {"run": run, "to": "lora", "rank": 2, "out": str(tmp_path / "out"), "verify": True}
    assert export_job(store.home, body, lambda text, share: None)["verified"]
