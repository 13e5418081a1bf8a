"""A task in which it is known which layers can help: the data are the answers of a model changed in those layers alone.

Teacher and student are one random Llama, but for a change of low rank in two matrices of the teacher. The student
can be made into the teacher by adapters on just those two; adapters elsewhere can only imitate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from core.adapters.attach import attach
from core.adapters.storage import STORAGES
from core.config.run import RunConfig
from core.data.batches import Batch
from core.layers import LayerPlan
from core.models.walk import walk
from core.optim.groups import groups
from core.sink import Nowhere
from core.train.interrupt import Interrupt
from core.train.loss import TokenLoss
from core.train.precision import Precision
from core.train.prepare import callbacks
from core.train.training import Training
from tests.tiny import VOCABULARY, random_model, tiny_tokenizer

PLANTED = ("model.layers.0.mlp.down_proj", "model.layers.1.self_attn.v_proj")
RANK, ROWS, COLUMNS, SHARPNESS = 4, 8, 16, 3.0


def student() -> torch.nn.Module:
    """The base model, with weights large enough to have opinions."""
    return random_model("llama", initializer_range=0.15).requires_grad_(False)


def teacher() -> torch.nn.Module:
    """The same with something more in the planted layers."""
    model = student()
    generator = torch.Generator().manual_seed(3)
    for name in PLANTED:
        weight = model.get_submodule(name).get_parameter("weight")
        out, width = weight.shape
        change = torch.randn(out, RANK, generator=generator) @ torch.randn(RANK, width, generator=generator)
        weight.add_(change, alpha=float(1.5 * weight.norm() / change.norm()))
    return model


@dataclass
class Lessons:
    """Batches of random tokens with an answer drawn from the teacher's at every place."""

    teacher: torch.nn.Module

    def micro_batches(self, step: int) -> list[Batch]:
        return [self.batch(step)]

    def batch(self, seed: int) -> Batch:
        """A batch by its number."""
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(3, VOCABULARY, (ROWS, COLUMNS), generator=generator)
        with torch.no_grad():
            chances = (SHARPNESS * self.teacher(input_ids=ids).logits[:, :-1]).softmax(-1)
        answers = torch.multinomial(chances.flatten(0, 1), 1, generator=generator).view(ROWS, -1)
        labels = torch.cat((torch.full((ROWS, 1), -100), answers), 1)
        return Batch(ids, labels, torch.ones_like(ids), None, tokens=ids.numel(), trained=answers.numel())


def lesson(folder: Path, *, steps: int, names: tuple[str, ...] | None = None) -> Training:
    """A training of the student; `names` are the layers with an adapter, None means all."""
    config = RunConfig.from_dict(
        {
            "seed": 1,
            "adapter": {"rank": RANK, "alpha": 8},
            "train": {"steps": steps, "learning_rate": 0.02, "warmup": 0.05, "device": "cpu"},
        }
    )
    model = student()
    layers = [layer for layer in walk(model) if layer.adaptable and (names is None or layer.name in names)]
    adapters = attach(
        model, [LayerPlan(layer, RANK, 8.0) for layer in layers], config.adapter, seed=1, storage=STORAGES.default()
    )
    lessons = Lessons(teacher())
    training = Training(
        config=config, folder=folder, sink=Nowhere(), precision=Precision(torch.device("cpu"), torch.float32),
        model=model, tokenizer=tiny_tokenizer(), adapters=adapters,
        optimizer=config.train.optimizer.build(groups(adapters, config.train)), objective=TokenLoss(model),
        rows=lessons, held_out=[lessons.batch(-1 - place) for place in range(8)],
    )  # fmt: skip
    training.callbacks = callbacks(training, Interrupt())
    return training
