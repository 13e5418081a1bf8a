"""The window in a large home: a 70B-shaped model, 10,000 runs, and a run of 100,000 steps of 560 layers.

    python -m tests.benchmarks.large_home [--home DIR] [--runs 10000] [--steps 100000] [--blocks 80]

Makes the home through the real store and writer (several minutes; with `--home` it is kept, and used again the next
time), opens the window, and reports one JSON document: for each page how long it takes to open for the first time and
again, and how long each thing that one can move on it takes (marker, zoom, sliders, map, search, order of the table).
Each line is four numbers in milliseconds: the median frame, the processor time of the median one, the longest frame,
the most processor time. A frame is what is done at once and painted; other programs do not lengthen processor time.

The model is a folder of headers: its weights are a hole in the file, which takes no room on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psutil

from app.models.importance import Importance
from core.events import CheckpointSaved, Evaluated, RunFinished
from core.figures.anatomy import effective_ranks, singular_values
from core.figures.wire import encode
from core.home import Home, find_home
from core.insight.agreement import spearman_table
from core.insight.importance import SCORES
from core.insight.keeping import shares
from core.layers import LayerInfo
from core.store.store import Store
from tests.app.fake_models import fake_model
from tests.app.seed import Seeded, config

if TYPE_CHECKING:
    from PySide6.QtWidgets import QSlider

    from app.pages.insight import InsightPage
    from app.pages.layers import LayersPage
    from app.pages.run import RunPage
    from app.pages.runs import RunsPage
    from app.window import Window

MOVES = 40
"""How often each thing is moved."""


def main() -> None:
    """Measure, and print one JSON document."""
    arguments = _arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        home = find_home(arguments.home or folder)
        if not (home.root / "made").exists():
            make_home(home, arguments)
        found = measure(home)
        print("{" + ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()) + "}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default="", help="folder that is kept")
    parser.add_argument("--runs", type=int, default=10_000, help="runs in the history")
    parser.add_argument("--steps", type=int, default=100_000, help="steps of the longest run")
    parser.add_argument("--blocks", type=int, default=80, help="transformer blocks, of 7 layers each")
    return parser.parse_args()


def make_home(home: Home, arguments: argparse.Namespace) -> None:
    """Everything that is large."""
    folder = home.root / "model-70b"
    write_model(folder, arguments.blocks)
    store = Store(home)
    for number in range(arguments.runs - 1):
        run = store.create_run(config(f"run-{number:05d}", steps=100), tags=("sweep",) if number % 7 == 0 else ())
        (home.run(run) / "checkpoints/step-000100").mkdir(parents=True)
        store.note(run, Evaluated(100, 4 - number % 1000 / 1000, True))
        store.note(run, CheckpointSaved(100, "checkpoints/step-000100", best=True))
        store.note(run, RunFinished(100))
    long = config("long", steps=arguments.steps, method="dora")
    model = long.model.model_copy(update={"path": str(folder)})
    train = long.train.model_copy(update={"checkpoint_every": 1000, "evaluate_every": 500})
    seeded = Seeded(
        home, store, config=long.model_copy(update={"model": model, "train": train}), blocks=arguments.blocks
    )
    seeded.begin()
    for to in range(999, arguments.steps, 1000):
        seeded.advance(to)
    seeded.finish()
    store.close()
    (home.root / "made").touch()


def write_model(folder: Path, blocks: int) -> None:
    """A model of Llama's shape at 70B, in one file of header and hole."""
    folder.mkdir(parents=True)
    hidden, wide, key = 8192, 28672, 1024
    shapes = {"k_proj": (key, hidden), "v_proj": (key, hidden), "gate_proj": (wide, hidden), "up_proj": (wide, hidden)}
    shapes["down_proj"] = (hidden, wide)
    layers = [layer for layer in fake_model(blocks).layers if layer.block is not None]
    tensors = {f"{layer.name}.weight": shapes.get(layer.suffix, (hidden, hidden)) for layer in layers}
    tensors |= {"model.embed_tokens.weight": (128256, hidden), "lm_head.weight": (128256, hidden)}
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    settings = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "vocab_size": 128256,
        "intermediate_size": wide, "num_hidden_layers": blocks, "num_attention_heads": 64, "num_key_value_heads": 8,
        "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")


class Stopwatch:
    """Times frames: what is done at once, and what Qt has to do after it until it is painted."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def frame(self, action: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds of one frame, and of processor time in it."""
        wall, work = time.perf_counter(), time.thread_time()
        action()
        self._app.processEvents()
        return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - work)

    def many(self, actions: Iterable[Callable[[], object]]) -> list[float]:
        """Median and longest of several frames; of the processor time too."""
        frames = np.array([self.frame(action) for action in actions])
        return [round(float(value), 1) for value in (*np.median(frames, axis=0), *frames.max(axis=0))]


def measure(home: Home) -> dict[str, Any]:
    """Open the window and move everything that moves."""
    from app.start import make_application, make_window, show
    from app.window import PAGES

    app = make_application()
    watch = Stopwatch(app)
    begun = time.perf_counter()
    window = make_window(home)
    window.resize(1440, 900)
    show(window)
    app.processEvents()
    found: dict[str, Any] = {"opened_ms": round(1000 * (time.perf_counter() - begun))}
    for key in PAGES:
        window.page(key)
    window.document.update({"model.path": str(home.root / "model-70b"), "data.path": "data.jsonl"})
    for _ in range(20):
        app.processEvents()
    for time_of in ("first", "again"):
        for key in PAGES:
            found[f"{key}: opened, {time_of}"] = watch.many([lambda key=key: window.go(key)])
    for name, actions in movements(window).items():
        found[name] = watch.many(actions)
    found["memory_mb"] = round(psutil.Process().memory_info().rss / 1e6)
    window.close()
    return found


def movements(window: Window) -> dict[str, Iterable[Callable[[], object]]]:
    """What is moved, by name: an iterable of small movements."""
    return {
        **_on_run(window, cast("RunPage", window.page("run"))),
        **_on_runs(window, cast("RunsPage", window.page("runs"))),
        **_on_layers(window, cast("LayersPage", window.page("layers"))),
        **_on_insight(window, cast("InsightPage", window.page("insight"))),
    }


def _on_run(window: Window, page: RunPage) -> dict[str, Iterable[Callable[[], object]]]:
    steps = window.context.feed.row.config.train.steps if window.context.feed.row is not None else 1
    marks = [float(step) for step in np.linspace(0, steps - 1, MOVES).round()]
    zooms = [(0.3 * steps * share, steps - 0.5 * steps * share) for share in np.linspace(0, 1, MOVES)]
    window.go("run")
    return {
        "run: marker": [lambda at=at: page.loss.plot._mark_by_hand(at) for at in marks],
        "run: pointer": [lambda at=at: page.loss.plot.hovered.emit(at) for at in marks],
        "run: zoom": [lambda zoom=zoom: page.loss.plot._zoom_by_hand(zoom) for zoom in zooms],
        "run: whole again": [lambda: page.loss.plot._zoom_by_hand(None)],
        "run: text size": [lambda way=way: window.context.theme.zoom(way) for way in (1, -1)],
    }


def _on_runs(window: Window, page: RunsPage) -> dict[str, Iterable[Callable[[], object]]]:
    from PySide6.QtCore import Qt

    def scroll(share: float) -> None:
        bar = page.table.verticalScrollBar()
        bar.setValue(round(share * bar.maximum()))

    def search(text: str) -> None:
        page.search.setText(text)
        page.refresh()

    orders = [(column, order) for column in (1, 2, 5, 7) for order in Qt.SortOrder]
    words = ("r", "run-0", "run-012", "run", "sweep", "")
    return {
        "runs: to the page": [lambda: window.go("runs")],
        "runs: scrolling": [lambda share=share: scroll(share) for share in np.linspace(0, 1, MOVES)],
        "runs: order": [lambda by=by: page.table.sortByColumn(*by) for by in orders],
        "runs: search": [lambda text=text: search(text) for text in words],
        "runs: choosing one": [lambda row=row: page.table.selectRow(row) for row in range(0, MOVES * 10, 10)],
        "runs: read again": [page.refresh, page.refresh],
    }


def _on_layers(window: Window, page: LayersPage) -> dict[str, Iterable[Callable[[], object]]]:
    names = [layer.name for layer in page.context.document.model.layers if layer.block is not None]  # type: ignore[union-attr]
    choices = [names[:count] for count in np.linspace(1, len(names), MOVES).astype(int)]
    ranks = [1, 2, 4, 8, 16, 32, 64]
    return {
        "layers: to the page": [lambda: window.go("layers")],
        "layers: choosing": [
            lambda names=names: window.document.update({"adapter.layers": tuple(names)}) for names in choices
        ],
        "layers: rank": [lambda rank=rank: window.document.set("adapter.rank", rank) for rank in ranks],
    }


def _on_insight(window: Window, page: InsightPage) -> dict[str, Iterable[Callable[[], object]]]:
    """Answers of the worker for all layers: their scores, and what they have learned by twenty checkpoints."""
    model = window.document.model
    assert model is not None
    layers = [layer for layer in model.layers if layer.adaptable]
    measured = Importance.of(scores(layers), name="", config=window.document.config, run="")
    answer = anatomy(layers)

    def places(slider: QSlider) -> Iterable[Callable[[], object]]:
        for share in np.linspace(0, 1, MOVES):
            place = slider.minimum() + share * (slider.maximum() - slider.minimum())
            yield partial(slider.setValue, round(place))

    return {
        "insight: to the page": [lambda: window.go("insight")],
        "insight: scores come": [lambda: page._show_measured(measured)],
        "insight: views of them": [button.click for button in page.view.views.values()],
        "insight: how much to keep": places(page.act.slider),
        "insight: to the anatomy": [page.parts["anatomy"].click],
        "insight: anatomy comes": [lambda: page.anatomy._show_answer(answer)],
        "insight: checkpoints": places(page.anatomy.moments.slider),
    }


def scores(layers: list[LayerInfo]) -> dict[str, Any]:
    """Three scores of each layer, as the worker sends them."""
    random = np.random.default_rng(0)
    rows = []
    for kind in ("output", "gradient", "sensitivity"):
        values = random.random(len(layers)).tolist()
        parts = shares({layer.name: value for layer, value in zip(layers, values, strict=True)})
        member = SCORES[kind]
        rows.append(
            {
                "kind": kind, "label": member.label, "unit": member.unit, "paper": member.paper,
                "tells": member.help(), "values": values, "shares": list(parts.values()),
            }
        )  # fmt: skip
    return {
        "layers": [layer.to_dict() for layer in layers], "scores": rows, "blocks": {}, "source": "probe", "step": 200,
        "agreement": spearman_table([row["values"] for row in rows]).tolist(), "examples": 12, "seconds": 7.0,
    }  # fmt: skip


def anatomy(layers: list[LayerInfo]) -> dict[str, Any]:
    """Spectra of each layer at twenty checkpoints, as the worker sends them."""
    random = np.random.default_rng(0)
    frames = []
    for step in range(1000, 21000, 1000):
        values = [np.sort(random.random(16))[::-1] for _ in layers]
        used = np.array([one.sum() ** 2 / (one**2).sum() for one in values])
        figures = {
            "singular_values": singular_values([layer.name for layer in layers], values),
            "effective_rank": effective_ranks(layers, used, np.full(len(layers), 16.0)),
        }
        frames.append({"step": step, "figures": figures})
    return {"what": "spectra", "frames": encode(frames)}


if __name__ == "__main__":
    main()
