"""A task in which it is known which layers can help: one of attention, one of an MLP, and no others.

Every token carries a signal, one of four, and noise of its own. The answer at each place has two parts, each one of
four: what the signal here stands for, and what the signal one token before stands for; three of ten are guessed. The
student is a Llama whose frozen norms decide what each block reads, and whose frozen output matrices decide where it
writes:

- Only the two planted blocks read the signal; all others read the noise, which says nothing about the answer.
- A planted `down_proj` is given the signal and writes it where nobody reads. So does a planted `o_proj`, whose
  attention looks one token back. A planted `v_proj` reads no signal, and its `o_proj` writes to the answers. What the
  block's other matrices do makes no difference until the planted one has moved.
- The head reads the answers alone, and hears nothing of the base model: all answers are equally likely.

The norms hardly normalise (their epsilon is huge, their gain makes up for it), since what goes into an ordinary norm
changes the size of everything that comes out, and so would tell of the signal. Other layers still get gradients, from
answers that cannot be foreseen, and adapters on them move as far as any; they only learn nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

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
from tests.tiny import random_model, tiny_tokenizer

KINDS, GUESSED = 4, 0.3
CONSTANT, NOISE, SIGNAL, HERE, BEFORE = slice(4), slice(4, 12), slice(12, 20), slice(20, 24), slice(24, 28)
"""What the numbers of the hidden state are for; nobody reads the rest, up to `HIDDEN`."""
HIDDEN, MIDDLE, BLOCKS, HEADS, PAIRS = 48, 64, 3, 4, 2
EPSILON, SIZE, QUIET = 1e6, 4.0, 0.1
RANK, ROWS, COLUMNS, RATE = 4, 16, 12, 0.01


@dataclass(frozen=True)
class Plant:
    """Where the task can be learned, and the seed of everything.

    Attributes:
        role: of attention: "o_proj", or "v_proj" of block 0 (others could hear the signal through what came before).
        attention: the block of that.
        mlp: the block whose `down_proj` is the other one.
        seed: of weights, task and adapters.
    """

    role: str
    attention: int
    mlp: int
    seed: int

    @property
    def names(self) -> tuple[str, str]:
        """The two layers."""
        return f"model.layers.{self.attention}.self_attn.{self.role}", f"model.layers.{self.mlp}.mlp.down_proj"


def student(plant: Plant) -> torch.nn.Module:
    """The base model, which finds all answers equally likely."""
    model = random_model(
        "llama", seed=plant.seed, hidden_size=HIDDEN, intermediate_size=MIDDLE, num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS, num_key_value_heads=PAIRS, vocab_size=KINDS**2, initializer_range=0.2,
        rms_norm_eps=EPSILON, tie_word_embeddings=False, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    ).requires_grad_(False)  # fmt: skip
    generator = torch.Generator().manual_seed(plant.seed)
    weights = dict(model.named_parameters())
    slow, fast = torch.eye(KINDS).repeat_interleave(KINDS, 0), torch.eye(KINDS).repeat(KINDS, 1)
    tokens, head = weights["model.embed_tokens.weight"].zero_(), weights["lm_head.weight"].zero_()
    tokens[:, CONSTANT] = SIZE / 2
    tokens[:, NOISE], tokens[:, SIGNAL] = slow @ _directions(generator), fast @ _directions(generator)
    head[:, HERE], head[:, BEFORE] = 1.5 * slow, 1.5 * fast
    _reads(weights["model.norm.weight"], HERE, BEFORE)
    for block in range(BLOCKS):
        name = f"model.layers.{block}"
        for norm, out, planted in (
            ("input_layernorm", "self_attn.o_proj", plant.attention),
            ("post_attention_layernorm", "mlp.down_proj", plant.mlp),
        ):
            _reads(weights[f"{name}.{norm}.weight"], CONSTANT, SIGNAL if block == planted else NOISE)
            written = weights[f"{name}.{out}.weight"]
            for part in (CONSTANT, SIGNAL, HERE, BEFORE):
                written[part] = 0
            written[NOISE] *= 0 if block == planted else QUIET
    attention = {
        key: weights[f"model.layers.{plant.attention}.self_attn.{key}_proj.weight"] for key in ("q", "k", "v", "o")
    }
    _look_back(attention)
    if plant.role == "v_proj":
        _hear_nothing(attention, generator)
    return model


def _directions(generator: torch.Generator) -> Tensor:
    """What each kind looks like in its eight numbers: as long as one another, and at right angles."""
    return SIZE * torch.linalg.qr(torch.randn(8, 8, generator=generator))[0][:KINDS]


def _reads(norm: Tensor, *parts: slice) -> None:
    norm.zero_()
    for part in parts:
        norm[part] = EPSILON**0.5


def _look_back(attention: Mapping[str, Tensor]) -> None:
    """Queries and keys that ask for the token before, whatever the tokens are.

    Both are one constant vector, the query turned back by one place; the rotary embedding turns all by their place, so
    that they agree where the key is one place behind.
    """
    half = HIDDEN // HEADS // 2
    angles = 10_000.0 ** -(torch.arange(half) / half)
    sought = torch.zeros(half)
    sought[:2] = 7.0  # The quickest angles tell neighbours apart.
    query, key = torch.cat((sought * angles.cos(), -sought * angles.sin())), torch.cat((sought, torch.zeros(half)))
    for name, vector, heads in (("q", query, HEADS), ("k", key, PAIRS)):
        attention[name].zero_()
        attention[name][:, CONSTANT] = vector.repeat(heads)[:, None] / (2 * SIZE)


def _hear_nothing(attention: Mapping[str, Tensor], generator: torch.Generator) -> None:
    """A value that says the same of every token, and an output matrix that writes it to the answers as nothing."""
    attention["v"][:, SIGNAL] = 0
    said = attention["v"][:, CONSTANT].sum(1).view(PAIRS, -1).repeat_interleave(HEADS // PAIRS, 0).flatten()
    rows = 0.2 * torch.randn(KINDS, HIDDEN, generator=generator)
    attention["o"][BEFORE] = rows - torch.outer(rows @ said, said) / said.square().sum()


@dataclass
class Lessons:
    """Batches without end, each by its number. What the signals stand for is the task's secret."""

    here: Tensor
    before: Tensor

    @classmethod
    def of(cls, plant: Plant) -> Lessons:
        generator = torch.Generator().manual_seed(plant.seed)
        return cls(torch.randperm(KINDS, generator=generator), torch.randperm(KINDS, generator=generator))

    def micro_batches(self, step: int) -> list[Batch]:
        return [self.batch(step)]

    def batch(self, number: int) -> Batch:
        generator = torch.Generator().manual_seed(number)
        ids = torch.randint(KINDS**2, (ROWS, COLUMNS), generator=generator)
        signals = ids % KINDS

        def answered(right: Tensor) -> Tensor:
            guessed = torch.rand(right.shape, generator=generator) < GUESSED
            return torch.where(guessed, torch.randint(KINDS, right.shape, generator=generator), right)

        answers = KINDS * answered(self.here[signals[:, 1:-1]]) + answered(self.before[signals[:, :-2]])
        labels = torch.cat((torch.full((ROWS, 2), -100), answers), 1)
        return Batch(ids, labels, torch.ones_like(ids), None, tokens=ids.numel(), trained=answers.numel())

    def batches(self, start: int, count: int) -> list[Batch]:
        return [self.batch(start + place) for place in range(count)]


def candidates(plant: Plant) -> list[LayerPlan]:
    """All layers that can be adapted, as they would be planned."""
    return [LayerPlan(layer, RANK, 2.0 * RANK) for layer in walk(student(plant)) if layer.adaptable]


def lesson(folder: Path, plant: Plant, *, steps: int, plans: Sequence[LayerPlan]) -> Training:
    """A training of the student with adapters on these layers."""
    config = RunConfig.from_dict(
        {
            "seed": plant.seed,
            "adapter": {"rank": RANK, "alpha": 2.0 * RANK},
            "train": {"steps": steps, "learning_rate": RATE, "warmup": 0.05, "device": "cpu"},
        }
    )
    model, lessons = student(plant), Lessons.of(plant)
    adapters = attach(model, plans, config.adapter, seed=plant.seed, storage=STORAGES.default())
    training = Training(
        config=config, folder=folder, sink=Nowhere(), precision=Precision(torch.device("cpu"), torch.float32),
        model=model, tokenizer=tiny_tokenizer(), adapters=adapters,
        optimizer=config.train.optimizer.build(groups(adapters, config.train)), objective=TokenLoss(model),
        rows=lessons, held_out=lessons.batches(20_000, 3),
    )  # fmt: skip
    training.callbacks = callbacks(training, Interrupt())
    return training
