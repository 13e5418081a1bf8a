"""A run with two checkpoints in a store, as a worker would have left it, without training one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from core.checkpoints import ADAPTER, name
from core.events import CheckpointSaved, RunFinished
from core.home import Home
from core.store.store import Store
from core.store.writer import Writer
from tests.core.export.made import Made, make
from tests.whole.small_runs import small_config, write_examples


def save_run(
    home: Home, folder: Path, family: str = "llama", *, template: str = "", **adapter: Any
) -> tuple[str, Made]:
    """Make a run whose checkpoints of step 3 (the best) and 6 hold the same random adapter.

    Args:
        home: whose run it is.
        folder: for its model and data.
        family: of the model.
        template: the run's own chat template.
        adapter: as in `make`.

    Returns:
        the run's id, and the live model that its exports must agree with.
    """
    made = make(folder, family, **adapter)
    shutil.copytree(made.base, folder / "model")
    write_examples(folder / "data.jsonl")
    layers = sorted(made.adapters.layers)
    config = small_config(folder, adapter={"layers": layers, **adapter}, data={"template": template})
    store = Store(home)
    run = store.create_run(config)
    store.close()
    writer = Writer(home, run)
    for step in (3, 6):
        shutil.copytree(made.folder, home.run(run) / name(step) / ADAPTER)
        writer.event(CheckpointSaved(step, name(step), best=step == 3))
    writer.event(RunFinished(6))
    writer.close()
    return run, made
