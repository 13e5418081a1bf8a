"""From a data configuration to a run's examples: read, tokenise, leave out what teaches nothing, hold out a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.goals import classes, names_of, values
from core.data.reading import Limit, Progress, Reading, read
from core.data.split import keys, split
from core.data.summary import Parts, Report, blocking, report
from core.data.template import Encoder
from core.data.tokens import TokenList
from core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data of a run.

    Attributes:
        train: examples to train on; each has a token that gives a loss.
        held_out: examples that only measure.
        report: what is known about them.
        labels: the names of the classes, where texts are sorted into classes.
    """

    train: TokenList
    held_out: TokenList
    report: Report
    labels: tuple[str, ...] = ()


def prepare(
    data: DataConfig,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    progress: Progress | None = None,
    *,
    task: str = "causal-lm",
    vocabulary: int = 0,
) -> Prepared:
    """Everything that a run trains on and measures with.

    Args:
        data: the run's.
        tokenizer: the model's.
        seed: chooses what is held out.
        progress: told how far it is.
        task: what the run learns.
        vocabulary: tokens that the model knows; 0 where nobody can tell.

    Raises:
        UserError: a row that cannot be read, or a problem that no run can start with.
    """
    prepared = survey(data, tokenizer, seed, progress or _silent, task=task, vocabulary=vocabulary)
    worst = blocking(prepared.report.problems)
    if worst:
        raise UserError(worst.text, hint=worst.hint, path=worst.path)
    return prepared


def survey(
    data: DataConfig,
    tokenizer: PreTrainedTokenizerBase | None,
    seed: int,
    progress: Progress,
    limit: Limit | None = None,
    *,
    task: str = "causal-lm",
    vocabulary: int = 0,
) -> Prepared:
    """As `prepare`, but what blocks a run is only reported, and no more of it than `limit` is read.

    Without a tokenizer there are no tokens, but rows, examples and the guessed shape.
    """
    encoder = None
    if tokenizer is not None:
        encoder = Encoder(tokenizer, train_on=data.train_on, max_tokens=data.max_tokens, template=data.template)

    def read_path(path: str) -> Reading:
        return read(path, data, task=task, encoder=encoder, progress=progress, limit=limit)

    reading = read_path(data.path)
    names = names_of(reading.labels, data.labels) if task == "sequence-classification" else ()
    tokens = reading.tokens = _judged(reading, task, names) if encoder else reading.tokens
    fingerprints = keys(tokens)
    taught = np.flatnonzero(tokens.targets)
    shared = np.zeros(0, dtype=np.int64)
    if data.held_out_path:
        other = read_path(data.held_out_path)
        judged = _judged(other, task, names)
        train, held_out = tokens.pick(taught), judged.pick(np.flatnonzero(judged.targets))
        trained = set(fingerprints)
        shared = np.flatnonzero([key in trained for key in keys(held_out)])
    else:
        sides = split([fingerprints[index] for index in taught], data.held_out, seed)
        train, held_out = (tokens.pick(taught).pick(side) for side in sides)
    parts = Parts(
        reading=reading,
        encoder=encoder,
        train=train,
        held_out=held_out,
        repeated=_repeated(fingerprints),
        shared=shared,
        labels=names,
        task=task,
        vocabulary=vocabulary,
    )
    return Prepared(train, held_out, report(data, parts), names)


def _judged(reading: Reading, task: str, names: tuple[str, ...]) -> TokenList:
    """The tokens with what each text is judged as, where texts are judged."""
    if not reading.labels:
        return reading.tokens
    if task == "regression":
        return reading.tokens.with_goals(values(reading.tokens, reading.labels))
    return reading.tokens.with_goals(classes(reading.tokens, reading.labels, names))


def _repeated(fingerprints: list[bytes]) -> NDArray[np.int64]:
    """Which examples repeat an earlier one."""
    seen: set[bytes] = set()
    return np.array([at for at, key in enumerate(fingerprints) if key in seen or seen.add(key)], dtype=np.int64)  # type: ignore[func-returns-value]


def _silent(_text: str, _share: float | None) -> None:
    """Nobody watches."""
