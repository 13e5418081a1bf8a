"""Checkpoints: whole or not there, and enough to go on to the bit."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from core.adapters import state as adapter_state
from core.adapters.names import METHODS
from core.callback import Callback
from core.commands import Command
from core.errors import UserError
from core.events import CheckpointSaved, Evaluated, Noticed, Sampled
from core.train import checkpoint
from core.train.trainer import train
from tests.core.train.small import ListSink, adapter_values, small_training

LONG: dict[str, Any] = {
    "steps": 8, "accumulate": 2, "schedule": "cosine", "warmup": 2, "checkpoint_every": 2, "adapter": {"dropout": 0.3},
}  # fmt: skip


def folders(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_a_resumed_run_ends_with_the_same_adapter_and_counts_to_the_bit(tmp_path: Path) -> None:
    whole = small_training(tmp_path / "whole", **LONG)
    train(whole)

    first = small_training(tmp_path / "parts", sink=ListSink(asked={3: [Command.STOP]}), **LONG)
    train(first)
    torch.rand(7)
    second = small_training(tmp_path / "parts", **LONG)
    found, damaged = checkpoint.newest(tmp_path / "parts")
    assert found is not None and not damaged and found.step == 3
    checkpoint.restore(second, found)
    train(second)

    expected = adapter_values(whole)
    assert all(torch.equal(value, expected[name]) for name, value in adapter_values(second).items())
    assert second.progress.tokens == whole.progress.tokens
    assert second.progress.trained_tokens == whole.progress.trained_tokens
    assert second.progress.best_loss == whole.progress.best_loss


def test_a_resumed_run_does_not_repeat_what_was_done_at_its_step(tmp_path: Path) -> None:
    often: dict[str, Any] = {"evaluate_every": 2, "prompts": ["Hello"], "sample_tokens": 1}
    train(small_training(tmp_path, sink=ListSink(asked={2: [Command.STOP]}), **often))
    sink = ListSink()
    second = small_training(tmp_path, sink=sink, **often)
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    checkpoint.restore(second, found)

    train(second)

    assert [event.step for event in sink.said if isinstance(event, (Evaluated, Sampled))] == [2, 2, 4, 4]


@pytest.mark.parametrize("file", ["state.json", "optimizer.safetensors", "adapter/adapter.safetensors"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_damaged_checkpoint_is_never_chosen(tmp_path: Path, file: str, harm: str) -> None:
    train(small_training(tmp_path, steps=3, checkpoint_every=1))
    path = tmp_path / "checkpoints" / "step-000003" / file
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    if (file, harm) == ("state.json", "changed"):
        path.write_bytes(content.replace(b'"step"', b'"stop"'))

    found, damaged = checkpoint.newest(tmp_path)

    assert found is not None and found.step == 2
    assert damaged == ["step-000003"]


def test_what_a_file_manager_puts_into_a_checkpoint_damages_nothing(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=1))
    (tmp_path / "checkpoints" / "step-000001" / "adapter" / ".DS_Store").touch()

    found, damaged = checkpoint.newest(tmp_path)

    assert found is not None and found.step == 1 and not damaged


def test_a_folder_half_written_is_no_checkpoint_and_is_cleaned_away(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=2, checkpoint_every=1))
    (tmp_path / "checkpoints" / "step-000002").rename(tmp_path / "checkpoints" / ".step-000002.abc.part")

    found, damaged = checkpoint.newest(tmp_path)
    checkpoint.clean(tmp_path)

    assert found is not None and found.step == 1 and not damaged
    assert folders(tmp_path) == ["step-000001"]


def test_checkpoints_beyond_the_step_that_is_gone_on_from_are_removed(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=3, checkpoint_every=1))

    checkpoint.clean(tmp_path, after=2)

    assert folders(tmp_path) == ["step-000001", "step-000002"]


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    training = small_training(tmp_path, steps=8, checkpoint_every=1, evaluate_every=1, keep=2)
    losses = iter([9.0, 8.0, 5.0, 6.0, 7.0, 7.0, 7.0, 7.0, 7.0])
    sink = training.sink
    assert isinstance(sink, ListSink)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.train.callbacks.evaluating.held_out_loss", lambda *_, **__: next(losses))
        train(training)

    assert folders(tmp_path) == ["step-000002", "step-000007", "step-000008"]
    assert [event.step for event in sink.of(CheckpointSaved) if event.best] == [1, 2]
    assert training.progress.best_step == 2


def test_the_best_is_saved_whatever_the_schedule_says(tmp_path: Path) -> None:
    training = small_training(tmp_path, steps=4, checkpoint_every=0, evaluate_every=1)
    losses = iter([9.0, 8.0, 5.0, 6.0, 7.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.train.callbacks.evaluating.held_out_loss", lambda *_, **__: next(losses))
        train(training)

    assert folders(tmp_path) == ["step-000001", "step-000002", "step-000004"]
    assert adapter_state.read(tmp_path / "checkpoints" / "step-000002" / "adapter").plans


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("step-999999", "step-1000000", "step-000010", "notes"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)

    _, damaged = checkpoint.newest(tmp_path)

    assert damaged == ["step-1000000", "step-999999", "step-000010"]


def test_a_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=1))

    files = [path for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()]

    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert json.loads((tmp_path / "checkpoints" / "step-000001" / "state.json").read_text(encoding="utf-8"))


def test_a_checkpoint_of_other_layers_is_refused(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=1))
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None

    with pytest.raises(UserError, match="does not fit these layers"):
        checkpoint.restore(small_training(tmp_path, adapter={"rank": 3}), found)


class Remembering(Callback):
    """A member of an axis with a state."""

    name = "remembering"

    def __init__(self) -> None:
        self.value = torch.zeros(2)

    def after_update(self) -> None:
        self.value += 1

    def state(self) -> dict[str, torch.Tensor]:
        return {"value": self.value}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        self.value = state["value"]


def test_what_a_callback_remembers_is_kept(tmp_path: Path) -> None:
    train(small_training(tmp_path, steps=2, extra=[Remembering()]))
    again = Remembering()
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None

    checkpoint.restore(small_training(tmp_path, extra=[again]), found)

    assert again.value.tolist() == [2.0, 2.0]


class FullDisk:
    """A disk without room between two steps; `fsync` says so, as it does in the world."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        real = os.fsync

        def fsync(handle: int) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        monkeypatch.setattr("os.fsync", fsync)


class Filling(Callback):
    """Fills the disk before one step and empties it before another."""

    def __init__(self, disk: FullDisk, *, full: int, free: int | None = None) -> None:
        self.disk, self.full, self.free = disk, full, free

    def before_step(self, step: int) -> None:
        if step in (self.full, self.free):
            self.disk.full = step == self.full


def test_a_full_disk_is_said_and_the_next_checkpoint_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ListSink()
    filling = Filling(FullDisk(monkeypatch), full=1, free=2)

    train(small_training(tmp_path, sink=sink, steps=3, checkpoint_every=1, evaluate_every=0, extra=[filling]))

    notice = sink.of(Noticed)[0].text
    assert "step 2" in notice and str(tmp_path) in notice and "the disk is full" in notice and "MiB free" in notice
    assert folders(tmp_path) == ["step-000001", "step-000003"], "nothing half-written is left"


def test_a_disk_that_stays_full_fails_the_run_and_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = Filling(FullDisk(monkeypatch), full=2)
    training = small_training(tmp_path, steps=3, checkpoint_every=1, evaluate_every=0, extra=[filling])

    with pytest.raises(UserError, match="state after step 3 is lost") as caught:
        train(training)

    assert "newest checkpoint is of step 2" in caught.value.text
    assert folders(tmp_path) == ["step-000001", "step-000002"]


def test_a_small_real_disk_that_is_full_is_survived(tmp_path: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    (run / "checkpoints").mkdir(parents=True)
    ballast = small_disk / "ballast"

    class Ballast(Callback):
        def before_step(self, step: int) -> None:
            if step == 1:
                fill(ballast)
            elif step == 2:
                ballast.unlink()

    sink = ListSink()
    train(small_training(run, sink=sink, steps=3, checkpoint_every=1, evaluate_every=0, extra=[Ballast()]))

    assert "step 2" in sink.of(Noticed)[0].text
    assert folders(run) == ["step-000001", "step-000003"]


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        size = 2**16
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A disk of two megabytes, where the system lets us mount one."""
    import subprocess

    place = tmp_path / "disk"
    place.mkdir()
    try:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    except OSError:
        pytest.skip("no mount on this system")
    if made.returncode:
        pytest.skip("not allowed to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("method", [method.name for method in METHODS if method.storage is None])
def test_every_method_goes_on_to_the_bit(tmp_path: Path, method: str) -> None:
    options: dict[str, Any] = {"steps": 5, "evaluate_every": 0, "adapter": {"method": method, "dropout": 0.2}}
    whole = small_training(tmp_path / "whole", **options)
    train(whole)

    train(small_training(tmp_path / "parts", sink=ListSink(asked={3: [Command.STOP]}), **options))
    second = small_training(tmp_path / "parts", **options)
    found, _ = checkpoint.newest(tmp_path / "parts")
    assert found is not None
    checkpoint.restore(second, found)
    train(second)

    expected = adapter_values(whole)
    assert all(torch.equal(value, expected[name]) for name, value in adapter_values(second).items())


def test_a_folded_weight_goes_on_to_the_bit_where_its_change_has_too_few_digits(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 5, "evaluate_every": 0, "adapter": {"method": "full"}}
    whole = small_training(tmp_path / "whole", **options)
    train(whole)
    train(small_training(tmp_path / "parts", sink=ListSink(asked={3: [Command.STOP]}), **options))
    found, _ = checkpoint.newest(tmp_path / "parts")
    assert found is not None

    def ended() -> bool:
        second = small_training(tmp_path / "parts", **options)
        checkpoint.restore(second, found)
        train(second)
        assert all(layer.folded for layer in second.adapters.layers.values())
        expected = adapter_values(whole)
        return all(torch.equal(value, expected[name]) for name, value in adapter_values(second).items())

    assert ended()
    (found.folder / checkpoint.FOLDED).unlink()
    assert not ended()
