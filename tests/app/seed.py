"""Runs made up for tests, benchmarks and screenshots: they go through the real `Writer`, as a worker's would.

The numbers are invented but behave: the loss falls with noise, the held-out loss more slowly, middle blocks move most.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.config.run import RunConfig
from core.events import (
    CheckpointSaved,
    Evaluated,
    Launched,
    Noticed,
    Paused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
    Sampled,
    StageChanged,
)
from core.home import Home
from core.layers import LayerInfo, Role
from core.store.store import Store
from core.store.writer import Writer

ROLES: tuple[tuple[Role, str], ...] = (
    ("q", "self_attn.q_proj"), ("k", "self_attn.k_proj"), ("v", "self_attn.v_proj"), ("o", "self_attn.o_proj"),
    ("gate", "mlp.gate_proj"), ("up", "mlp.up_proj"), ("down", "mlp.down_proj"),
)  # fmt: skip
SAMPLES = (
    ("Define: politician", "A politician is a person who is involved in politics and holds an office.",
     "One who shakes your hand before the election and your confidence after it."),
    ("Define: patience", "Patience is the ability to wait calmly for a period of time.",
     "A minor form of despair, disguised as a virtue."),
)  # fmt: skip


def layers(blocks: int = 30) -> list[LayerInfo]:
    """The seven matrices of each block of a Llama-like model."""
    return [
        LayerInfo(f"model.layers.{block}.{name}", role, block, 576, 576)
        for block in range(blocks)
        for role, name in ROLES
    ]


def config(name: str = "devil-first-try", *, steps: int = 200, method: str = "lora") -> RunConfig:
    """A configuration with everything filled in."""
    return RunConfig.from_dict(
        {
            "name": name,
            "model": {"path": "models/SmolLM2-135M-Instruct"},
            "data": {"path": "data/devil_train.jsonl"},
            "adapter": {"method": method, "rank": 8, "alpha": 16, "layers": "all-linear"},
            "train": {"steps": steps, "evaluate_every": 20, "checkpoint_every": 100},
        }
    )


@dataclass
class Seeded:
    """A run that a test drives: `begin`, `advance`, and one of the ends."""

    home: Home
    store: Store
    config: RunConfig = field(default_factory=config)
    blocks: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        self.run = self.store.create_run(self.config)
        self.layers = layers(self.blocks)
        self.step = 0
        self._random = np.random.default_rng(self.seed)
        self._writer: Writer | None = None
        self._best = float("inf")

    @property
    def writer(self) -> Writer:
        """The run's writer, opened on first use."""
        if self._writer is None:
            self._writer = Writer(self.home, self.run)
        return self._writer

    def begin(self) -> Seeded:
        """As a worker does: launched, model loaded, started."""
        self.writer.event(Launched())
        self.writer.event(StageChanged("Loading the model", 0.4))
        self.writer.layers(self.layers)
        self.writer.event(
            RunStarted(
                0, self.config.train.steps, "cpu", "float32", 2_442_240, 134_515_008, 900, 100, {"torch": "2.13.0"}
            )
        )
        return self

    def advance(self, to: int) -> Seeded:
        """Measure every step up to and with `to`."""
        while self.step <= to:
            self.measure(self.step)
            self.step += 1
        self.writer.flush()
        return self

    def notice(self, text: str) -> Seeded:
        """Something the user should know."""
        self.writer.event(Noticed(text))
        return self

    def samples(self) -> Seeded:
        """The answers before and after."""
        for prompt, before, after in SAMPLES:
            self.writer.event(Sampled(0, prompt, before))
            self.writer.event(Sampled(self.step - 1, prompt, after))
        self.writer.flush()
        return self

    def pause(self) -> Seeded:
        """Wait."""
        self.writer.event(Paused(self.step - 1))
        self.writer.flush()
        return self

    def finish(self) -> Seeded:
        """All steps done."""
        self.writer.event(RunFinished(self.step - 1))
        return self.close()

    def stop(self) -> Seeded:
        """Ended by the user."""
        self._checkpoint(self.step - 1)
        self.writer.event(RunStopped(self.step - 1))
        return self.close()

    def fail(self, text: str, hint: str = "", traceback: str = "") -> Seeded:
        """Ended by an error."""
        self.writer.event(RunFailed(self.step, text, hint, traceback))
        return self.close()

    def close(self) -> Seeded:
        """Let go of the writer."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        return self

    def measure(self, step: int) -> None:
        """Everything that a worker measures at a step."""
        steps = self.config.train.steps
        done = step / max(steps, 1)
        falling = 3.35 + 1.2 * np.exp(-5 * done) + 0.1 * (1 - done)
        self.writer.points(
            step,
            {
                "loss": falling + self._random.normal(0, 0.12),
                "learning_rate": 2e-3 * min(1, step / 6) * (0.5 + 0.5 * np.cos(np.pi * done)),
                "gradient_norm": 0.9 + 0.6 * np.exp(-6 * done) + abs(self._random.normal(0, 0.12)),
                "tokens_per_second": 163 + self._random.normal(0, 6),
                "memory": 2.28e9 - 2e8 * np.exp(-step / 4),
                "trained_tokens": 900.0 * (step + 1),
                "seconds": 0.8 * (step + 1),
            },
        )
        self._vectors(step, done)
        if step % self.config.train.evaluate_every == 0:
            loss = float(3.72 + 0.85 * np.exp(-4 * done))
            self.writer.event(Evaluated(step, loss, loss < self._best))
            self._best = min(loss, self._best)
        if step and step % self.config.train.checkpoint_every == 0:
            self._checkpoint(step)

    def _vectors(self, step: int, done: float) -> None:
        block = np.array([layer.block for layer in self.layers])
        role = np.arange(len(self.layers)) % len(ROLES)
        middle = np.exp(-(((block / max(self.blocks, 1) - 0.63) / 0.22) ** 2))
        liking = np.array([1.0, 0.45, 0.9, 0.7, 0.35, 0.4, 0.6])[role]
        norm = (
            (0.08 + 0.8 * middle * liking) * (1 - np.exp(-3.2 * done)) * (1 + self._random.normal(0, 0.02, len(block)))
        )
        self.writer.vector(step, "delta_norm", norm.astype(np.float32))
        self.writer.vector(step, "relative_norm", (norm * 0.07).astype(np.float32))

    def _checkpoint(self, step: int) -> None:
        folder = f"checkpoints/step-{step:06d}"
        (self.home.run(self.run) / folder).mkdir(parents=True, exist_ok=True)
        self.writer.event(CheckpointSaved(step, folder, best=True))
