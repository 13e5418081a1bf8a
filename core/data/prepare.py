"""From a data configuration to a run's examples: read, tokenise, leave out what teaches nothing, hold out a part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.config.run import DataConfig
from core.data.goals import classes, names_of, values
from core.data.kept import Keeper
from core.data.leaving import Kept, kept_of, twins
from core.data.reading import Limit, Reading, read
from core.data.sameness import groups
from core.data.shelf import Shelf
from core.data.split import split
from core.data.summary import Parts, Report, blocking, report
from core.data.template import Encoder
from core.data.tokens import TokenList
from core.errors import UserError
from core.home import Home
from core.saying import Say, silent

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
    progress: Say = silent,
    *,
    task: str = "causal-lm",
    vocabulary: int = 0,
    home: Home | None = None,
) -> Prepared:
    """Everything that a run trains on and measures with.

    Args:
        data: the run's.
        tokenizer: the model's.
        seed: chooses what is held out.
        progress: told how far it is.
        task: what the run learns.
        vocabulary: tokens that the model knows; 0 where nobody can tell.
        home: where tokens are kept for the next time; None keeps nothing.

    Raises:
        UserError: a row that cannot be read, or a problem that no run can start with.
    """
    prepared = survey(data, tokenizer, seed, progress, task=task, vocabulary=vocabulary, home=home)
    worst = blocking(prepared.report.problems)
    if worst:
        raise UserError(worst.text, hint=worst.hint, path=worst.path)
    return prepared


def survey(
    data: DataConfig,
    tokenizer: PreTrainedTokenizerBase | None,
    seed: int,
    progress: Say,
    limit: Limit | None = None,
    *,
    task: str = "causal-lm",
    vocabulary: int = 0,
    context: int = 0,
    home: Home | None = None,
) -> Prepared:
    """As `prepare`, but what blocks a run is only reported, and no more of it than `limit` is read.

    Without a tokenizer there are no tokens, but rows, examples and the guessed shape.
    """
    encoder = None
    if tokenizer is not None:
        encoder = Encoder(
            tokenizer, train_on=data.train_on, max_tokens=data.max_tokens, template=data.template,
            learn_end=data.learn_end,
        )  # fmt: skip

    def read_path(path: str) -> Reading:
        anew = partial(read, path, data, task=task, encoder=encoder, progress=progress, limit=limit)
        if home is None or encoder is None:
            return anew()
        return Keeper(Shelf(home.prepared), data, task, encoder, limit).read(path, progress, anew)

    reading = read_path(data.path)
    names = names_of(reading.labels, data.labels) if task == "sequence-classification" else ()
    if encoder is not None:
        reading.tokens = _judged(reading, task, names)
    ends = encoder is not None and encoder.end is not None
    beside = None
    if data.held_out_path:
        other = read_path(data.held_out_path)
        if encoder is not None:
            other.tokens = _judged(other, task, names)
        beside = kept_of(other, data.leave_out, task, ends=ends, tokenizer=tokenizer)
    kept = kept_of(reading, data.leave_out, task, ends=ends, beside=beside, tokenizer=tokenizer)
    if "rare-labels" in data.leave_out and names and not data.labels:
        names, (kept, beside) = _without_rare(names, kept, beside)
    train, held_out = _sides(kept, beside, data.held_out, seed)
    parts = Parts(
        reading=reading,
        encoder=encoder,
        tokens=kept.tokens,
        train=train.tokens,
        held_out=held_out.tokens,
        marks=kept.marks,
        shared=twins(held_out, train) if beside else {},
        left=kept.left,
        labels=names,
        task=task,
        vocabulary=vocabulary,
        context=context,
    )
    return Prepared(train.tokens, held_out.tokens, report(data, parts), names)


def _sides(kept: Kept, beside: Kept | None, share: float, seed: int) -> tuple[Kept, Kept]:
    """What is trained on and what is held out, of the examples that teach something.

    Where a share is held out, examples that are the same stay on one side.
    """
    taught = kept.pick(np.flatnonzero(kept.tokens.targets))
    if beside is not None:
        return taught, beside.pick(np.flatnonzero(beside.tokens.targets))
    one, other = split(groups(taught.fingerprints, taught.near), share, seed)
    return taught.pick(one), taught.pick(other)


def _without_rare(
    names: tuple[str, ...], kept: Kept, beside: Kept | None
) -> tuple[tuple[str, ...], tuple[Kept, Kept | None]]:
    """The classes that are left, with the goals counted among them; what has another class is not held out either."""
    used = np.unique(kept.tokens.goals)
    if beside is not None:
        beside = beside.pick(np.flatnonzero(np.isin(beside.tokens.goals, used)))
    sides = [
        replace(one, tokens=one.tokens.with_goals(np.searchsorted(used, one.tokens.goals).astype(np.float64)))
        for one in (kept, beside or kept)
    ]
    return tuple(names[int(at)] for at in used), (sides[0], sides[1] if beside is not None else None)


def _judged(reading: Reading, task: str, names: tuple[str, ...]) -> TokenList:
    """The tokens with what each text is judged as, where texts are judged."""
    if not reading.labels:
        return reading.tokens
    if task == "regression":
        return reading.tokens.with_goals(values(reading.tokens, reading.labels))
    return reading.tokens.with_goals(classes(reading.tokens, reading.labels, names))
