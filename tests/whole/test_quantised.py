"""Runs over a quantised base, by the worker itself: trained, resumed to the bit, exported and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core import kernels, worker
from core.adapters.storage import STORAGES
from core.errors import UserError
from core.events import Noticed, RunFailed
from core.export.job import export_job
from core.home import Home
from core.launch import observe
from core.state import Status
from core.store.store import Store
from tests.whole.small_runs import create


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    store.close()


def silent(text: str, share: float | None) -> None:
    """Nobody listens."""


def adapter(store: Store, run: str, step: int) -> bytes:
    return (store.home.run(run) / f"checkpoints/step-{step:06d}/adapter/adapter.safetensors").read_bytes()


def exported(store: Store, run: str, out: Path, **more: Any) -> dict[str, Any]:
    return export_job(store.home, {"run": run, "out": str(out), "verify": True, "checkpoint": "last", **more}, silent)


@pytest.mark.parametrize("method", ["qlora", "qdora"])
def test_a_run_over_4_bits_finishes_shows_its_cost_and_is_merged_as_it_was_trained(
    store: Store, tmp_path: Path, method: str
) -> None:
    run = create(store, tmp_path, adapter={"method": method, "layers": ["q_proj", "v_proj", "down_proj"]})

    assert worker.main(store.home, run) == 0

    row = store.run(run)
    assert observe(store, row)[1] is Status.FINISHED
    assert row.config.storage.kind == "nf4-double"
    losses = store.curve(run, "loss")[1]
    assert losses[-1] < losses[0]
    steps, errors = store.vectors(run, "quantisation_error")
    assert len(steps) == 1 and ((errors > 0.05) & (errors < 0.15)).all()
    deltas = store.vectors(run, "delta_norm")[1]
    ratios = store.vectors(run, "delta_over_error")[1]
    assert ratios.shape == deltas.shape and (ratios[-1] > 0).all()

    found = exported(store, run, tmp_path / "merged", to="merged")
    assert found["verified"]["max_logit_gap"] < 1e-4 and found["verified"]["token_agreement"] == 1
    assert "held in NF4" in found["notes"][0] and found["notes"][0] in (tmp_path / "merged/README.md").read_text(
        "utf-8"
    )


def test_a_layer_without_an_adapter_is_written_as_the_model_computed_with_it(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter={"method": "qlora", "layers": ["q_proj"]}, train={"steps": 1})
    worker.main(store.home, run)
    exported(store, run, tmp_path / "merged", to="merged")
    before = load_file(tmp_path / "model/model.safetensors")
    after = load_file(tmp_path / "merged/model.safetensors")
    key = "model.layers.1.mlp.up_proj.weight"

    assert torch.equal(after[key], STORAGES["nf4-double"]().rounded(before[key]))
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    assert after[key].dtype == before[key].dtype


def test_merging_into_the_original_weights_says_how_far_off_it_is(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter={"method": "qlora"}, train={"steps": 2})
    worker.main(store.home, run)

    found = exported(store, run, tmp_path / "merged", to="merged", onto="original")

    assert found["verified"]["max_logit_gap"] > 1e-3
    assert "times what it changes" in found["notes"][0] and "not the model that was trained" in found["notes"][0]
    with pytest.raises(UserError, match="onto 'nothing'"):
        exported(store, run, tmp_path / "other", to="merged", onto="nothing")


def test_the_adapter_alone_is_compared_over_the_base_that_it_belongs_to(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter={"method": "qlora"}, train={"steps": 2})
    worker.main(store.home, run)

    found = exported(store, run, tmp_path / "adapter", to="adapter")

    assert found["verified"]["max_logit_gap"] < 1e-4
    assert "full precision" in found["notes"][0] and "times what it changes" in found["notes"][0]


@pytest.mark.parametrize(
    ("storage", "optimizer"),
    [
        ("int8", "adamw"),
        ("nf4", "sgd"),
        ("auto", "paged-adamw-32bit"),
        ("auto", "adamw-8bit"),
        ("auto", "paged-adamw-8bit"),
    ],
)
def test_a_resumed_run_is_the_same_run_to_the_bit(store: Store, tmp_path: Path, storage: str, optimizer: str) -> None:
    if "bit" in optimizer and kernels.bitsandbytes() is None:
        pytest.skip("bitsandbytes cannot be loaded here")
    parts: dict[str, dict[str, Any]] = {
        "adapter": {"method": "qdora", "rank": 128, "dropout": 0.1, "layers": ["q_proj", "down_proj"]},
        "model": {"storage": storage},
    }
    train = {"optimizer": optimizer, "steps": 4, "evaluate_every": 0, "checkpoint_every": 2, "schedule": "constant"}
    whole = create(store, tmp_path, **parts, train=train)
    broken = create(store, tmp_path, **parts, train=train)
    assert worker.main(store.home, whole) == 0
    assert worker.main(store.home, broken) == 0
    (store.home.run(broken) / "checkpoints/step-000004/adapter/adapter.safetensors").write_bytes(b"damaged")

    assert worker.main(store.home, broken, resume=True) == 0

    assert adapter(store, broken, 4) == adapter(store, whole, 4)
    np.testing.assert_array_equal(store.curve(broken, "loss")[1], store.curve(whole, "loss")[1])
    optimizer_state = load_file(store.home.run(whole) / "checkpoints/step-000004/optimizer.safetensors")
    small = any(tensor.dtype == torch.uint8 for tensor in optimizer_state.values())
    assert small == optimizer.endswith("8bit")


def test_paging_on_a_processor_is_answered_with_a_sentence(store: Store, tmp_path: Path) -> None:
    if kernels.bitsandbytes() is None:
        pytest.skip("bitsandbytes cannot be loaded here")
    run = create(store, tmp_path, train={"optimizer": "paged-adamw-32bit", "steps": 1})

    assert worker.main(store.home, run) == 0

    notices = [event.text for _, _, event in store.events(run) if isinstance(event, Noticed)]
    assert any("nothing to page" in text for text in notices)


def test_an_optimizer_without_its_library_is_refused_with_a_remedy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "installed", lambda: False)
    run = create(store, tmp_path, train={"optimizer": "adamw-8bit", "steps": 1})

    assert worker.main(store.home, run) == 2

    (failed,) = [event for _, _, event in store.events(run) if isinstance(event, RunFailed)]
    assert "bitsandbytes, which is not installed" in failed.text and "adamw" in failed.hint
