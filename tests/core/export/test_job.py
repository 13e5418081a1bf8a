"""The export as a job: what is chosen, written, compared and refused, and that nothing is left half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import room
from core.data.templates import text_of
from core.errors import Cancelled, UserError
from core.export import merged, shards
from core.export.job import export_job
from core.home import Home
from core.models.gguf import convert
from tests.core.export.made import logits
from tests.core.export.saved_run import save_run


def silent(text: str, share: float | None) -> None:
    assert text


def left_behind(folder: Path) -> list[str]:
    """What an export has left beside its target."""
    return sorted(path.name for path in folder.iterdir() if "out" in path.name)


@pytest.mark.parametrize("to", ["adapter", "merged", "gguf"])
@pytest.mark.parametrize("method", ["lora", "dora"])
def test_every_export_agrees_with_the_live_model(home: Home, tmp_path: Path, to: str, method: str) -> None:
    run, _ = save_run(home, tmp_path, method=method, rank=4, alpha=8)
    result = export_job(home, {"run": run, "to": to, "out": str(tmp_path / "out"), "verify": True}, silent)
    verified = result["verified"]
    assert verified["max_logit_gap"] < (1e-2 if to == "gguf" else 1e-5)
    assert verified["token_agreement"] > (0.95 if to == "gguf" else 0.999)
    assert verified["perplexity_exported"] == pytest.approx(verified["perplexity_live"], rel=1e-2)
    assert verified["tokens"] > 50
    assert verified["sentence"] in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert all(Path(file).is_file() for file in result["files"])


def test_the_empty_folder_one_stands_in_is_exported_to(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    result = export_job(home, {"run": run, "to": "adapter", "out": "."}, silent)
    assert result["folder"] == str(tmp_path / "out") and all(Path(file).is_file() for file in result["files"])


@pytest.mark.parametrize("to", ["merged", "gguf"])
def test_the_template_that_was_trained_with_goes_along(home: Home, tmp_path: Path, to: str) -> None:
    run, _ = save_run(home, tmp_path, rank=4, template="llama-3")
    export_job(home, {"run": run, "to": to, "out": str(tmp_path / "out")}, silent)
    opened = tmp_path / "out" if to == "merged" else convert(home, *(tmp_path / "out").glob("*.gguf"))
    assert AutoTokenizer.from_pretrained(opened).chat_template == text_of("llama-3")


def test_the_comparison_sees_an_export_without_its_adapter(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = save_run(home, tmp_path, rank=4, alpha=8)
    monkeypatch.setattr(merged, "merge", lambda layer, stored, dtype=None, **_: stored)
    result = export_job(home, {"run": run, "to": "merged", "out": str(tmp_path / "out"), "verify": True}, silent)
    assert result["verified"]["max_logit_gap"] > 1e-3


def test_the_merged_model_is_the_one_that_was_trained(home: Home, tmp_path: Path) -> None:
    run, made = save_run(home, tmp_path, rank=4, alpha=8)
    export_job(home, {"run": run, "to": "merged", "out": str(tmp_path / "out")}, silent)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-5


@pytest.mark.parametrize(("asked", "step"), [(None, 3), ("best", 3), ("last", 6), ("6", 6), (3, 3)])
def test_the_checkpoint_asked_for_is_taken(home: Home, tmp_path: Path, asked: Any, step: int) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "checkpoint": asked}
    assert export_job(home, body, silent)["step"] == step


def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "checkpoint": "4"}
    with pytest.raises(UserError, match="best, last, 3, 6"):
        export_job(home, body, silent)
    assert left_behind(tmp_path) == []


def test_a_run_without_checkpoints_is_refused(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    shutil.rmtree(home.run(run) / "checkpoints")
    with pytest.raises(UserError, match="no checkpoint yet"):
        export_job(home, {"run": run, "to": "adapter", "out": str(tmp_path / "out")}, silent)


def test_a_folder_with_something_in_it_is_not_touched(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept", encoding="utf-8")
    with pytest.raises(UserError, match="already there"):
        export_job(home, {"run": run, "to": "merged", "out": str(tmp_path / "out")}, silent)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_folder_may_be_exported_into(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    (tmp_path / "out").mkdir()
    export_job(home, {"run": run, "to": "adapter", "out": str(tmp_path / "out")}, silent)
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("to", ["merged", "gguf"])
def test_a_cancelled_export_leaves_nothing(home: Home, tmp_path: Path, to: str) -> None:
    run, _ = save_run(home, tmp_path, rank=4)

    def stop(text: str, share: float | None) -> None:
        if share is not None and share > 0.5:
            raise Cancelled("The export was cancelled.")

    with pytest.raises(Cancelled):
        export_job(home, {"run": run, "to": to, "out": str(tmp_path / "out")}, stop)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("to", ["adapter", "merged", "gguf"])
def test_too_little_room_is_said_before_anything_is_written(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    monkeypatch.setattr(room, "free", lambda path: 1234)
    with pytest.raises(UserError, match=r"takes [\d,]+ bytes and 1,234 are free"):
        export_job(home, {"run": run, "to": to, "out": str(tmp_path / "out")}, silent)
    assert left_behind(tmp_path) == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = save_run(home, tmp_path, rank=4)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shards, "_write_one", full)
    with pytest.raises(UserError, match="no room for the export"):
        export_job(home, {"run": run, "to": "merged", "out": str(tmp_path / "out")}, silent)
    assert left_behind(tmp_path) == []


def test_a_base_models_name_is_never_a_path(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out")}
    with pytest.raises(UserError, match="means nothing on another machine"):
        export_job(home, {**body, "base": "/models/llama"}, silent)
    export_job(home, {**body, "base": "somebody/llama"}, silent)
    said = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert said["base_model_name_or_path"] == "somebody/llama"
    for file in (tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()


def test_an_adapter_for_one_rank_is_not_cut(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "rank": 2}
    with pytest.raises(UserError, match="cannot be cut to rank 2"):
        export_job(home, body, silent)


def test_more_rank_than_there_is_cannot_be_cut(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, method="dylora", rank=4)
    with pytest.raises(UserError, match="ranks up to 4"):
        export_job(home, {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "rank": 100}, silent)


def test_an_adapter_for_every_rank_is_cut_and_agrees(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, method="dylora", rank=4)
    body = {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "rank": 2, "verify": True}
    assert export_job(home, body, silent)["verified"]["max_logit_gap"] < 1e-5
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))["r"] == 2


def test_without_the_data_the_models_are_asked_something_else(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    (tmp_path / "data.jsonl").unlink()
    result = export_job(home, {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "verify": True}, silent)
    assert result["verified"]["tokens"] > 10


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o027, 0o640)])
def test_exported_files_have_the_rights_of_any_new_file(mask: int, rights: int, home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    before = os.umask(mask)
    try:
        result = export_job(home, {"run": run, "to": "merged", "out": str(tmp_path / "out"), "verify": True}, silent)
    finally:
        os.umask(before)
    assert {Path(file).stat().st_mode & 0o777 for file in result["files"]} == {rights}


@pytest.mark.parametrize(("error", "left"), [(UserError("No memory."), ["out"]), (Cancelled("Cancelled."), [])])
def test_an_export_that_could_not_be_verified_says_so_and_one_that_is_cancelled_is_gone(
    error: UserError, left: list[str], home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    run, _ = save_run(home, tmp_path, rank=4)
    monkeypatch.setattr("core.export.job.asking.verify", broken)
    with pytest.raises(type(error), match=r"could not be verified: No memory|^Cancelled") as told:
        export_job(home, {"run": run, "to": "adapter", "out": str(tmp_path / "out"), "verify": True}, silent)
    assert left_behind(tmp_path) == left
    assert not left or f"{tmp_path / 'out'}, whole" in told.value.hint


def test_an_unknown_form_is_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no export to 'onnx'"):
        export_job(home, {"run": "any", "to": "onnx", "out": str(tmp_path / "out")}, silent)
