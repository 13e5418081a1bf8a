"""From a data configuration to a run's examples: read, tokenise, leave out what teaches nothing, hold out a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.config.run import DataConfig
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
    """

    train: TokenList
    held_out: TokenList
    report: Report


def prepare(
    data: DataConfig, tokenizer: PreTrainedTokenizerBase, seed: int, progress: Progress | None = None
) -> Prepared:
    """Everything that a run trains on and measures with.

    Args:
        data: the run's.
        tokenizer: the model's.
        seed: chooses what is held out.
        progress: told how far it is.

    Raises:
        UserError: a row that cannot be read, or a problem that no run can start with.
    """
    prepared = survey(data, tokenizer, seed, progress or _silent)
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
) -> Prepared:
    """As `prepare`, but what blocks a run is only reported, and no more of it than `limit` is read.

    Without a tokenizer there are no tokens, but rows, examples and the guessed shape.
    """
    encoder = None
    if tokenizer is not None:
        encoder = Encoder(tokenizer, train_on=data.train_on, max_tokens=data.max_tokens)
    reading = _read(data, data.path, encoder, progress, limit)
    fingerprints = keys(reading.tokens)
    taught = np.flatnonzero(reading.tokens.targets)
    learnable = reading.tokens.pick(taught)
    shared = 0
    if data.held_out_path:
        other = _read(data, data.held_out_path, encoder, progress, limit).tokens
        train, held_out = learnable, other.pick(np.flatnonzero(other.targets))
        trained = set(fingerprints)
        shared = sum(key in trained for key in keys(held_out))
    else:
        sides = split([fingerprints[index] for index in taught], data.held_out, seed)
        train, held_out = (learnable.pick(side) for side in sides)
    parts = Parts(
        reading=reading,
        own_template=encoder.own_template if encoder else None,
        ends=bool(encoder and encoder.end is not None),
        train=train,
        held_out=held_out,
        duplicates=len(fingerprints) - len(set(fingerprints)),
        shared=shared,
    )
    return Prepared(train, held_out, report(data, parts))


def _read(data: DataConfig, path: str, encoder: Encoder | None, progress: Progress, limit: Limit | None) -> Reading:
    return read(
        path, format=data.format, encoder=encoder, max_tokens=data.max_tokens, progress=progress, limit=limit
    )  # fmt: skip


def _silent(_text: str, _share: float | None) -> None:
    """Nobody watches."""
