"""The loop: what a step is, in which order, and how a run ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from core.callback import Callback
from core.commands import Command
from core.errors import UserError
from core.events import CheckpointSaved, Evaluated, Paused, Resumed, RunFinished, RunStopped, Sampled, StageChanged
from core.optim.schedules.schedule import factor
from core.train import checkpoint
from core.train.interrupt import Interrupt
from core.train.precision import Precision
from core.train.prepare import checkpoint_gradients
from core.train.seed import seed_everything
from core.train.trainer import train
from core.train.training import Training
from tests.core.train.small import ListSink, RandomRows, adapter_values, random_batch, small_training


class Listening(Callback):
    """Writes down the moments in their order."""

    def __init__(self) -> None:
        self.moments: list[str] = []

    def begin(self) -> None:
        self.moments.append("begin")

    def before_step(self, step: int) -> None:
        self.moments.append(f"before_step {step}")

    def after_backward(self) -> None:
        self.moments.append("after_backward")

    def before_optimizer(self) -> None:
        self.moments.append("before_optimizer")

    def after_optimizer(self) -> None:
        self.moments.append("after_optimizer")

    def after_update(self) -> None:
        self.moments.append("after_update")

    def after_step(self, step: int) -> None:
        self.moments.append(f"after_step {step}")

    def at_rest(self) -> None:
        self.moments.append("at_rest")

    def end(self) -> None:
        self.moments.append("end")


def test_a_step_has_its_moments_in_order(tmp_path: Path) -> None:
    listening = Listening()

    train(small_training(tmp_path, extra=[listening], steps=1))

    assert listening.moments == [
        "begin", "at_rest",
        "before_step 0", "after_backward", "before_optimizer", "after_optimizer", "after_update", "after_step 1",
        "at_rest", "end",
    ]  # fmt: skip


class Watching(Callback):
    """Looks at gradients and weights at the moments."""

    def __init__(self) -> None:
        self.training: Training
        self.seen: dict[str, Any] = {}

    def _norm(self) -> float:
        return float(
            torch.nn.utils.get_total_norm([p.grad for p in self.training.adapters.parameters() if p.grad is not None])
        )

    def after_backward(self) -> None:
        self.seen["unclipped"] = self._norm()
        self.seen["before"] = adapter_values(self.training)

    def before_optimizer(self) -> None:
        self.seen["clipped"] = self._norm()
        assert all(torch.equal(a, self.seen["before"][n]) for n, a in adapter_values(self.training).items())

    def after_optimizer(self) -> None:
        assert any(not torch.equal(a, self.seen["before"][n]) for n, a in adapter_values(self.training).items())

    def after_step(self, step: int) -> None:
        assert all(p.grad is not None for p in self.training.adapters.parameters())


def test_gradients_are_clipped_between_correction_and_snapshot(tmp_path: Path) -> None:
    watching = Watching()
    sink = ListSink()
    watching.training = small_training(tmp_path, sink=sink, extra=[watching], steps=1, clip=0.01)

    train(watching.training)

    assert watching.seen["unclipped"] > 0.02
    assert watching.seen["clipped"] == pytest.approx(0.01, rel=1e-3)
    assert sink.curves["gradient_norm"][1] == pytest.approx(watching.seen["unclipped"])
    assert all(parameter.grad is None for parameter in watching.training.adapters.parameters())


def test_a_clip_of_zero_never_clips(tmp_path: Path) -> None:
    watching = Watching()
    watching.training = small_training(tmp_path, extra=[watching], steps=1, clip=0)

    train(watching.training)

    assert watching.seen["clipped"] == watching.seen["unclipped"]


def test_every_trained_token_counts_the_same_in_whichever_micro_batch(tmp_path: Path) -> None:
    batches = [random_batch(2, 20, seed=1, share=0.9), random_batch(1, 8, seed=2, share=0.2)]
    watching = Watching()
    sink = ListSink()
    watching.training = training = small_training(tmp_path, sink=sink, extra=[watching], steps=1, evaluate_every=0)
    training.held_out = ()
    training.rows = type("Two", (), {"micro_batches": lambda _self, _step: batches})()
    training.model.train()
    total = sum((training.objective(batch) for batch in batches), start=torch.zeros(()))
    mean = total / sum(batch.trained for batch in batches)
    expected = torch.autograd.grad(mean, training.adapters.parameters())

    train(training)

    assert sink.curves["loss"][1] == pytest.approx(mean.item(), rel=1e-6)
    assert watching.seen["unclipped"] == pytest.approx(float(torch.nn.utils.get_total_norm(expected)), rel=1e-5)
    assert sink.curves["trained_tokens"][1] == sum(batch.trained for batch in batches)


def test_a_micro_batch_without_trained_tokens_is_left_out(tmp_path: Path) -> None:
    empty = random_batch(1, 8, seed=2, share=0.0)
    full = random_batch(1, 8, seed=3)
    training = small_training(tmp_path, steps=1)
    training.rows = type("Two", (), {"micro_batches": lambda _self, _step: [empty, full]})()

    train(training)

    assert training.measured is not None and training.measured.loss > 0


def test_the_learning_rate_follows_warm_up_and_schedule_and_keeps_the_ratios(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(
        tmp_path, sink=sink, steps=6, warmup=2, learning_rate=0.01, adapter={"rates": {"kind": "lora+", "ratio_b": 4.0}}
    )

    train(training)

    schedule = training.config.train.schedule
    expected = {step + 1: 0.01 * factor(schedule, step, 6, 2) for step in range(6)}
    assert sink.curves["learning_rate"] == pytest.approx(expected)
    by_role = {group["role"]: group["lr"] for group in training.optimizer.param_groups}
    assert by_role["b"] == pytest.approx(4 * by_role["a"])


def test_equal_seeds_give_equal_runs_to_the_bit(tmp_path: Path) -> None:
    runs = [small_training(tmp_path / name, adapter={"dropout": 0.2}) for name in "ab"]
    for training in runs:
        seed_everything(7)
        train(training)

    first, second = (adapter_values(training) for training in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_looking_at_a_run_does_not_change_it(tmp_path: Path) -> None:
    often: dict[str, Any] = {"evaluate_every": 1, "checkpoint_every": 1, "prompts": ["Hello"], "sample_tokens": 3}
    watched = small_training(tmp_path / "a", adapter={"dropout": 0.2}, **often)
    seed_everything(7)
    train(watched)
    alone = small_training(tmp_path / "b", adapter={"dropout": 0.2}, evaluate_every=0, checkpoint_every=0)
    alone.held_out = ()
    seed_everything(7)
    train(alone)

    first, second = adapter_values(watched), adapter_values(alone)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_random_numbers_drawn_while_looking_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawing(*_: object, **__: object) -> str:
        return str(torch.rand(3))

    monkeypatch.setattr("core.train.callbacks.sampling.answer", drawing)
    training = small_training(tmp_path, steps=2, evaluate_every=1, prompts=["Hello"])
    sound = training.objective

    def drawing_loss(batch: Any) -> torch.Tensor:
        if not training.model.training:
            torch.rand(3)
        return sound(batch)

    training.objective = drawing_loss  # type: ignore[assignment]
    before = torch.get_rng_state()

    train(training)

    assert torch.equal(torch.get_rng_state(), before)


def low_precision(training: Training, compute: torch.dtype) -> Training:
    """The same training with the frozen model in fewer bits, as a GPU would have it."""
    for layer in training.adapters.layers.values():
        layer.base.to(compute)
    for module in (training.model.model.embed_tokens, training.model.model.norm, training.model.lm_head):  # type: ignore[union-attr]
        module.to(compute)  # type: ignore[union-attr, operator]
    for block in training.model.model.layers:  # type: ignore[union-attr]
        block.input_layernorm.to(compute)  # type: ignore[union-attr, operator]
        block.post_attention_layernorm.to(compute)  # type: ignore[union-attr, operator]
    training.precision = Precision(torch.device("cpu"), compute)
    training.scaler = torch.amp.GradScaler("cpu", enabled=training.precision.scaled, init_scale=2.0**10)
    return training


@pytest.mark.parametrize("compute", [torch.bfloat16, torch.float16])
def test_low_precision_trains_nearly_as_float32_does(tmp_path: Path, compute: torch.dtype) -> None:
    exact, rough = ListSink(), ListSink()
    train(small_training(tmp_path / "exact", sink=exact))
    training = low_precision(small_training(tmp_path / "rough", sink=rough), compute)

    train(training)

    assert all(parameter.dtype == torch.float32 for parameter in training.adapters.parameters())
    for key in ("loss", "held_out"):
        assert rough.curves[key] == pytest.approx(exact.curves[key], rel=0.02)
    assert rough.curves["gradient_norm"][1] == pytest.approx(exact.curves["gradient_norm"][1], rel=0.05)


def test_a_float16_step_with_infinite_gradients_is_left_out_and_the_scale_lowered(tmp_path: Path) -> None:
    sink = ListSink()
    training = low_precision(small_training(tmp_path, sink=sink, steps=1), torch.float16)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = adapter_values(training)

    train(training)

    assert not math.isfinite(sink.curves["gradient_norm"][1])
    assert all(torch.equal(value, before[name]) for name, value in adapter_values(training).items())
    assert training.scaler.get_scale() < 2.0**40
    found, _ = checkpoint.newest(tmp_path)
    again = low_precision(small_training(tmp_path), torch.float16)
    assert found is not None
    checkpoint.restore(again, found)
    assert again.scaler.get_scale() == training.scaler.get_scale()


def test_training_lowers_the_loss_of_what_it_sees(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=30, learning_rate=0.02)
    same = random_batch(2, 12, seed=5)
    training.rows = type("One", (), {"micro_batches": lambda _self, _step: [same]})()

    train(training)

    assert sink.curves["loss"][30] < 0.95 * sink.curves["loss"][1]


def test_gradient_checkpointing_gives_the_same_gradients(tmp_path: Path) -> None:
    found = []
    for name, economical in (("plain", False), ("economical", True)):
        training = small_training(tmp_path / name)
        if economical:
            checkpoint_gradients(training.model)
        training.model.train()
        loss = training.objective(RandomRows().micro_batches(0)[0])
        torch.autograd.backward(loss)
        found.append({key: p.grad for key, p, _ in training.adapters.named_parameters()})

    assert all(gradient is not None for gradient in found[1].values())
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=0, atol=1e-6)


def test_a_model_that_cannot_checkpoint_gradients_is_named() -> None:
    with pytest.raises(UserError, match="Linear does not support gradient checkpointing"):
        checkpoint_gradients(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(("value", "words"), [(math.nan, "became not a number"), (math.inf, "became infinite")])
def test_a_broken_loss_fails_with_a_sentence_and_leaves_the_last_checkpoint(
    tmp_path: Path, value: float, words: str
) -> None:
    training = small_training(tmp_path, checkpoint_every=1)
    sound = training.objective

    def broken(batch: Any) -> torch.Tensor:
        return sound(batch) * (value if training.progress.step == 2 else 1.0)

    training.objective = broken  # type: ignore[assignment]
    training.held_out = ()

    with pytest.raises(UserError, match=f"loss {words} in step 3") as caught:
        train(training)

    assert "train.learning_rate" in caught.value.hint
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-000001", "step-000002"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_running_out_of_memory_says_what_to_reduce(tmp_path: Path, error: Exception) -> None:
    training = small_training(tmp_path)
    training.held_out = ()

    def hungry(_batch: Any) -> torch.Tensor:
        raise error

    training.objective = hungry  # type: ignore[assignment]

    with pytest.raises(UserError, match="ran out in step 1") as caught:
        train(training)

    assert "train.batch" in caught.value.hint


def test_another_runtime_error_is_a_bug_and_stays_one(tmp_path: Path) -> None:
    training = small_training(tmp_path)
    training.held_out = ()

    def wrong(_batch: Any) -> torch.Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    training.objective = wrong  # type: ignore[assignment]

    with pytest.raises(RuntimeError, match="shapes"):
        train(training)


def test_the_held_out_loss_is_measured_before_at_intervals_and_at_the_end(tmp_path: Path) -> None:
    sink = ListSink()

    train(small_training(tmp_path, sink=sink, steps=5, evaluate_every=2))

    assert [event.step for event in sink.of(Evaluated)] == [0, 2, 4, 5]
    assert list(sink.curves["held_out"]) == [0, 2, 4, 5]
    assert sink.of(Evaluated)[0].best


def test_a_long_evaluation_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.train.callbacks.evaluating.TELL_EVERY", 0.0)
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=1)
    training.held_out = [*training.held_out] * 4

    train(training)

    first = sink.said[: sink.said.index(sink.of(Evaluated)[0])]
    shares = [event.share for event in first if isinstance(event, StageChanged)]
    assert len(shares) == len(training.held_out)
    assert shares == [place / len(shares) for place in range(len(shares))]


def test_the_held_out_loss_weighs_every_token_the_same(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=1)
    with torch.no_grad():
        sums = [training.objective(batch).item() for batch in training.held_out]

    train(training)

    assert sink.curves["held_out"][0] == pytest.approx(sum(sums) / sum(batch.trained for batch in training.held_out))


def test_without_held_out_examples_nothing_is_evaluated(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, evaluate_every=1)
    training.held_out = ()

    train(training)

    assert not sink.of(Evaluated)


def test_stopping_saves_a_checkpoint(tmp_path: Path) -> None:
    sink = ListSink(asked={2: [Command.STOP]})

    ended = train(small_training(tmp_path, sink=sink, steps=9))

    assert ended == RunStopped(2)
    assert sink.of(CheckpointSaved)[-1].step == 2
    assert (tmp_path / "checkpoints" / "step-000002" / "adapter").is_dir()


def test_a_signal_stops_like_the_command(tmp_path: Path) -> None:
    interrupt = Interrupt()
    training = small_training(tmp_path, interrupt=interrupt, steps=9)
    interrupt.asked = True

    assert train(training) == RunStopped(0)


def test_a_stop_gives_up_a_long_evaluation(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=9)
    seen = []

    class Asking(list[Any]):
        def __iter__(self) -> Any:
            for batch in super().__iter__():
                seen.append(batch)
                sink.waiting.append(Command.STOP)
                yield batch

    training.held_out = Asking(training.held_out)

    ended = train(training)

    assert isinstance(ended, RunStopped) and not sink.of(Evaluated) and len(seen) == 1


class Impatient(ListSink):
    """Asks for something at each look while the run is paused."""

    def __init__(self, *, then: list[list[Command]]) -> None:
        super().__init__(asked={1: [Command.PAUSE]})
        self.then = then

    def commands(self) -> list[Command]:
        if self.of(Paused) and self.then:
            self.waiting += self.then.pop(0)
        return super().commands()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.train.trainer.PAUSE", 0)


@pytest.mark.usefixtures("no_waiting")
def test_a_paused_run_goes_on_when_asked(tmp_path: Path) -> None:
    sink = Impatient(then=[[], [], [Command.RESUME]])

    ended = train(small_training(tmp_path, sink=sink, steps=3))

    assert ended == RunFinished(3)
    assert [event.step for event in sink.of(Paused) + sink.of(Resumed)] == [1, 1]


@pytest.mark.usefixtures("no_waiting")
def test_stop_works_while_paused(tmp_path: Path) -> None:
    sink = Impatient(then=[[], [Command.STOP]])

    assert train(small_training(tmp_path, sink=sink, steps=3)) == RunStopped(1)


@pytest.mark.usefixtures("no_waiting")
def test_a_paused_run_still_evaluates_samples_and_saves_when_asked(tmp_path: Path) -> None:
    sink = Impatient(then=[[Command.EVALUATE, Command.SAMPLE, Command.CHECKPOINT], [], [Command.RESUME]])

    train(small_training(tmp_path, sink=sink, steps=3, prompts=["Hello"], sample_tokens=2, checkpoint_every=0))

    assert 1 in [event.step for event in sink.of(Evaluated)]
    assert 1 in [event.step for event in sink.of(Sampled)]
    assert 1 in [event.step for event in sink.of(CheckpointSaved)]


def test_the_last_of_contradicting_commands_wins(tmp_path: Path) -> None:
    sink = ListSink(asked={1: [Command.STOP, Command.PAUSE, Command.RESUME]})

    assert train(small_training(tmp_path, sink=sink, steps=2)) == RunFinished(2)


def test_samples_are_taken_before_at_evaluations_and_at_the_end(tmp_path: Path) -> None:
    sink = ListSink()

    train(small_training(tmp_path, sink=sink, steps=3, evaluate_every=2, prompts=["One", "Two"], sample_tokens=2))

    assert [(event.step, event.prompt) for event in sink.of(Sampled)] == [
        (step, prompt) for step in (0, 2, 3) for prompt in ("One", "Two")
    ]
