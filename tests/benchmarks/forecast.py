"""The memory that is forecast for a run against the peak that it really takes: `python -m tests.benchmarks.forecast`.

Every case is a process of its own, since a process gives little memory back. It loads the model, trains two steps in
which every token is trained and every row is full (what the forecast assumes), and reads the peak of the resident
memory, Python, torch and transformers with it, as the forecast does. Needs Linux, whose kernel lets a process start its
peak anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CASES: tuple[dict[str, Any], ...] = (
    {"train": {"batch": 1}, "data": {"max_tokens": 512}},
    {"train": {"batch": 8}, "data": {"max_tokens": 128}},
    {"train": {"batch": 4}, "data": {"max_tokens": 512}},
    {"train": {"batch": 4, "gradient_checkpointing": True}, "data": {"max_tokens": 512}},
    {"train": {"batch": 4}, "data": {"max_tokens": 256}, "adapter": {"layers": ["q_proj", "v_proj"]}},
    {"train": {"batch": 4}, "data": {"max_tokens": 256}, "adapter": {"layers": ["layers.2?.*"]}},
    {"train": {"batch": 4}, "data": {"max_tokens": 256}, "adapter": {"dropout": 0.1}},
    {"train": {"batch": 4}, "data": {"max_tokens": 256}, "adapter": {"rank": 64}},
    {"train": {"batch": 4}, "data": {"max_tokens": 256}, "adapter": {"method": "dora"}},
    {"train": {"batch": 2}, "data": {"max_tokens": 128}, "adapter": {"method": "full"}},
    {"train": {"batch": 2}, "data": {"max_tokens": 128}, "model": {"storage": "nf4-double"}},
    {"train": {"batch": 2}, "data": {"max_tokens": 128}, "model": {"storage": "int8"}},
)


def main() -> int:
    """Print one line a case for SmolLM2 where it is installed, else for a random model of its shape."""
    if not sys.platform.startswith("linux"):
        print("The peak of the resident memory can only be measured on Linux.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = smollm2_shape(Path(folder))
        print(f"{'case':86} {'forecast':>9} {'measured':>9} {'ratio':>6}   activations forecast")
        for case in CASES:
            command = [sys.executable, "-m", "tests.benchmarks.forecast", str(path), json.dumps(case)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **QUIET})
            if ended.returncode:
                print(ended.stderr, file=sys.stderr)
                return 1
            found = json.loads(ended.stdout.splitlines()[-1])
            ratio = found["forecast"] / found["measured"]
            print(
                f"{json.dumps(case):86} {found['forecast'] / 1e6:6.0f} MB {found['measured'] / 1e6:6.0f} MB "
                f"{ratio:6.2f}   {found['activations'] / 1e6:6.0f} MB",
                flush=True,
            )
    return 0


QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "OMP_NUM_THREADS": "2"}


def smollm2_shape(folder: Path) -> Path:
    """A random model of SmolLM2-135M's shape: memory does not ask what the numbers are."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "llama", vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def measure(path: Path, case: dict[str, Any]) -> dict[str, int]:
    """Train two steps and return the forecast beside the peak."""
    import torch
    from transformers import AutoModelForCausalLM

    from core import heap
    from core.adapters.attach import attach
    from core.config.forecast import forecast
    from core.config.run import RunConfig
    from core.config.select import select
    from core.data.batches import Batch
    from core.models.catalog import describe
    from core.models.hold import hold
    from core.optim.groups import groups
    from core.train.loss import TokenLoss
    from core.train.prepare import checkpoint_gradients

    stored, train = case.get("model", {}), case["train"]
    case = {**case, "model": {"compute": "float32", **stored}, "train": {**train, "device": "cpu"}}
    config = RunConfig.from_dict(case)
    info = describe(path)
    plans = select(info.layers, config.adapter)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    model.config.use_cache = False
    hold(model, info.layers, config.storage)
    heap.keep()
    adapters = attach(model, plans, config.adapter, seed=0, storage=config.storage)
    adapters.fold()
    if config.train.gradient_checkpointing:
        checkpoint_gradients(model)
    loss = TokenLoss(model.train())
    optimizer = config.train.optimizer.build(groups(adapters, config.train))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    rows, columns = config.train.batch, config.data.max_tokens
    ids = torch.randint(0, info.vocabulary, (rows, columns))
    batch = Batch(ids, ids, torch.ones_like(ids), None, ids.numel(), ids.numel())
    for _ in range(2):
        loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    memory = forecast(info, plans, config)
    # The file is let go again before the peak starts anew.
    return {"forecast": memory.needed, "measured": resident(), "activations": memory.activations}


def resident() -> int:
    """Bytes of resident memory at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(Path(sys.argv[1]), json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
