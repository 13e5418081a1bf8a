"""Lets the model answer the sample prompts, so that the change can be read and not only measured."""

from __future__ import annotations

from core.callback import Callback
from core.commands import Command
from core.events import Sampled
from core.train.generate import answer
from core.train.memory import explained
from core.train.seed import undisturbed
from core.train.training import Training


class Sampling(Callback):
    """Before the first step, with every scheduled evaluation, at the end, and whenever it is asked for."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def at_rest(self) -> None:
        """Answer where it is time and this step has not been sampled yet."""
        training, step = self.training, self.training.progress.step
        due = step == 0 or training.scheduled(training.config.train.evaluate_every)
        if training.progress.sampled == step or training.stopping:
            return
        if due or Command.SAMPLE in training.wanted:
            with explained(f"while answering the sample prompts after step {step}"):
                self._sample()
            training.progress.sampled = step

    def _sample(self) -> None:
        training = self.training
        train, step = training.config.train, training.progress.step
        with undisturbed(), training.precision.autocast():
            for prompt in train.prompts:
                text = answer(
                    training.model, training.tokenizer, prompt,
                    tokens=train.sample_tokens, device=training.precision.device,
                )  # fmt: skip
                training.sink.event(Sampled(step, prompt, text))
