"""A large home: a 70B-shaped model, 10,000 runs, and ten of 100,000 steps of 560 layers.

Everything goes through the real store and writer. The model is a folder of headers: its weights are a hole in the
file, which takes no room on the disk. One of the long runs has measured its layers at every step; the others, which
are there to be compared with it, at every thousandth, because nine more times the same gigabyte would show no more.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from core.events import CheckpointSaved, Evaluated, RunFinished
from core.home import Home
from core.store.store import Store
from tests.app.fake_models import fake_model
from tests.app.seed import Seeded, config

RUNS, LONG, STEPS, BLOCKS = 10_000, 10, 100_000, 80
"""Runs, how many of them are long, the steps of those, and the blocks of the model, of seven layers each."""
_RARELY = 1000


def make_home(home: Home) -> None:
    """Everything that is large; several minutes."""
    write_model(home.root / "model-70b", BLOCKS)
    store = Store(home)
    for number in range(RUNS - LONG):
        run = store.create_run(config(f"run-{number:05d}", steps=100), tags=("sweep",) if number % 7 == 0 else ())
        (home.run(run) / "checkpoints/step-000100").mkdir(parents=True)
        store.note(run, Evaluated(100, 4 - number % 1000 / 1000, True))
        store.note(run, CheckpointSaved(100, "checkpoints/step-000100", best=True))
        store.note(run, RunFinished(100))
    for number in range(LONG):
        _train_long(home, store, number, _Rarely if number < LONG - 1 else Seeded)
    store.close()
    (home.root / "made").touch()


class _Rarely(Seeded):
    """Measures its layers now and then."""

    def _vectors(self, step: int, done: float) -> None:
        if step % _RARELY == 0:
            super()._vectors(step, done)


def _train_long(home: Home, store: Store, number: int, kind: type[Seeded]) -> None:
    base = config(f"long-{number}", steps=STEPS, method=("dora", "lora", "lora+")[number % 3])
    model = base.model.model_copy(update={"path": str(home.root / "model-70b")})
    train = base.train.model_copy(update={"checkpoint_every": 1000, "evaluate_every": 500})
    config_of = base.model_copy(update={"seed": number, "model": model, "train": train})
    seeded = kind(home, store, config=config_of, blocks=BLOCKS, seed=number)
    seeded.begin()
    for to in range(999, STEPS, 1000):
        seeded.advance(to)
    seeded.samples()
    seeded.finish()


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
