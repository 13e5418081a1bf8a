"""What can be wrong with a run's data, each with a count, the first rows it concerns, and what would mend it.

A fine-tune fails most often in silence: on a mask that trains on nothing, an end that is never learned, answers cut
off. Each check is a small function of what was read; the worst come first. What blocks may be overruled by the user
with a reason (`data.overrides`), except where nothing could be learned at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.oddities import EMPTY, OUT_OF_ORDER, UNANSWERED
from core.data.reading import NAMED, Reading
from core.data.scripts import broken_scripts
from core.data.template import Encoder
from core.data.tokens import TokenList

DOMINATES = 0.2
"""Share of all trained tokens from which one example is said to dominate."""
TIMES_MEDIAN = 20
"""Times the median's trained tokens that it must have as well."""
LOPSIDED = 0.8
"""Share of the examples in one class from which a model may get by without looking."""
RARE = 5
"""Examples of a class below which it is hardly learned."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the data that the user should know.

    Attributes:
        path: the field of the run that it concerns, dotted.
        text: what it is, with a count and the first place.
        hint: what to do about it.
        blocking: whether a run cannot start with it.
        check: the name of the check, for `data.overrides` and the window.
        count: how many examples it concerns; 0 where it is not about examples.
        rows: the first places.
        remedy: fields of the run to the values that would mend it, for one click; empty where only the user can.
        overruled: the user's reason for starting all the same.
    """

    path: str
    text: str
    hint: str = ""
    blocking: bool = False
    check: str = ""
    count: int = 0
    rows: tuple[str, ...] = ()
    remedy: dict[str, Any] = field(default_factory=dict)
    overruled: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the checks and the report look at.

    Attributes:
        reading: the data's path.
        encoder: what made the tokens; None where no model was chosen.
        train: examples to train on.
        held_out: examples held out.
        repeated: which examples of `reading` repeat an earlier one.
        shared: which examples of `held_out` are in `train` too.
        labels: the classes of labelled texts.
        task: what the run learns.
        vocabulary: tokens that the model knows; 0 where nobody can tell.
    """

    reading: Reading
    encoder: Encoder | None
    train: TokenList
    held_out: TokenList
    repeated: NDArray[np.int64]
    shared: NDArray[np.int64]
    labels: tuple[str, ...] = ()
    task: str = "causal-lm"
    vocabulary: int = 0


def problems(data: DataConfig, parts: Parts) -> list[Problem]:
    """What is wrong, the worst first; what the user has overruled blocks no more."""
    if not parts.reading.examples:
        return [Problem("data.path", "There is no example in the data.", blocking=True, check="no-examples")]
    if parts.encoder is None:
        return []
    hopeless = _nothing_to_learn(data, parts) or _unknown_tokens(parts)
    if hopeless:
        return [hopeless]
    found = [problem for check in _CHECKS for problem in check(data, parts)]
    settled = [_overruled(problem, data.overrides.get(problem.check, "")) for problem in found]
    return sorted(settled, key=lambda problem: not problem.blocking)


def _overruled(problem: Problem, reason: str) -> Problem:
    return replace(problem, blocking=False, overruled=reason) if problem.blocking and reason else problem


def _nothing_to_learn(data: DataConfig, parts: Parts) -> Problem | None:
    """Without a single trained token a run would change nothing."""
    if len(parts.train):
        return None
    tokens = parts.reading.tokens
    text = f"There is nothing to learn: none of the {_count(len(tokens), 'example')} has a trained token."
    about: dict[str, Any] = {"blocking": True, "check": "nothing-trained"}
    about |= {"count": len(tokens), "rows": _rows(tokens, None)}
    if tokens.cut[:, 1].any():
        longest = _longest(tokens)
        hint = (
            f"The answers begin behind the cut: set data.max_tokens above {data.max_tokens} ({longest} cuts nothing)."
        )
        return Problem("data.max_tokens", text, hint, remedy={"data.max_tokens": longest}, **about)
    hint = "No row has an answer (a turn of the assistant). Set data.train_on to everything, or choose another shape."
    return Problem("data.train_on", text, hint, remedy={"data.train_on": "everything"}, **about)


def _unknown_tokens(parts: Parts) -> Problem | None:
    """Token ids that the model has no embedding for: no overruling makes it read them."""
    for tokens in (parts.reading.tokens, parts.held_out):
        if not 0 < parts.vocabulary <= tokens.highest:
            continue
        outside = np.flatnonzero([int(one.ids.max(initial=-1)) >= parts.vocabulary for one in tokens])
        if not len(outside):
            continue
        first = tokens[int(outside[0])]
        text = (
            f"The tokenizer writes token {first.ids.max():,}, but the model knows only {parts.vocabulary:,}: it cannot "
            f"read {_count(len(outside), 'example')} (first: {first.place})."
        )
        hint = "Model and tokenizer do not belong together, or special words were added that the model never got."
        return _about(tokens, outside, "model.path", text, hint, check="unknown-tokens", blocking=True)
    return None


def _end_not_trained(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """A model that never learns to stop does not."""
    tokens = parts.reading.tokens
    if parts.encoder is None or parts.encoder.end is None or not len(tokens) or parts.task not in _WRITTEN:
        return
    endless = np.flatnonzero(~tokens.stops & (tokens.targets > 0) & (tokens.cut[:, 0] == 0))
    if not len(endless):
        return
    everywhere = len(endless) == len(tokens)
    place = tokens[int(endless[0])].place
    text = f"The end is not learned in {len(endless):,} of {len(tokens):,} examples (first: {place})"
    hint = "The model would not learn to stop there: let the template or the labels mark the end of each answer."
    yield _about(tokens, endless, "data.template", f"{text}.", hint, check="end-not-trained", blocking=everywhere)


def _template_marks(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """A chosen template whose special words the tokenizer spells out in pieces."""
    if parts.encoder is None or not parts.encoder.chosen_template or not parts.reading.chats:
        return
    spelled = parts.encoder.spelled_marks()
    if spelled:
        text = f"The tokenizer has no token for {' and '.join(spelled)}, which the chosen template writes."
        hint = "The model would see them in pieces: take the template that the model was made with, or a plain one."
        remedy = {"data.template": ""} if parts.encoder.has_own else {"data.template": "plain"}
        yield Problem("data.template", text, hint, blocking=True, check="template-marks", remedy=remedy)


def _double_begin(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    if parts.encoder is not None and parts.encoder.doubled:
        count = parts.encoder.doubled
        text = (
            f"The begin-of-text token stood there twice in {_count(count, 'example')}; one of the two was taken away."
        )
        yield Problem("data.path", text, "The template or the data writes it, and so does the tokenizer.",
                      check="double-begin", count=count)  # fmt: skip


def _partly_empty(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    tokens = parts.reading.tokens
    nothing = np.flatnonzero(tokens.targets == 0)
    if len(nothing):
        place = tokens[int(nothing[0])].place
        text = f"Nothing to learn in {len(nothing):,} of {len(tokens):,} examples, which are left out (first: {place})."
        yield _about(tokens, nothing, "data.path", text, "Look at these rows.", check="partly-nothing-trained")


def _truncated(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    tokens = parts.reading.tokens
    cut = tokens.cut
    long = np.flatnonzero(cut[:, 0])
    if not len(long):
        return
    place = tokens[int(long[0])].place
    lost = int(cut[:, 1].sum())
    text = f"Cut at {data.max_tokens:,} tokens: {len(long):,} of {len(tokens):,} examples (first: {place})"
    spared = "." if parts.reading.labels else "; only prompts lose by it."
    text += f", with a loss of {_count(lost, 'trained token')}." if lost else spared
    longest = _longest(tokens)
    hint = f"With data.max_tokens at {longest} nothing is cut."
    yield _about(
        tokens, long, "data.max_tokens", text, hint, check="truncated", remedy={"data.max_tokens": longest}
    )  # fmt: skip


def _held_out(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    if len(parts.shared):
        text = f"Trained on as well: {len(parts.shared):,} of {len(parts.held_out):,} held-out examples."
        hint = "The held-out loss will be too good; take them out of one file."
        remedy = {"data.held_out_path": "", "data.held_out": 0.1}
        yield _about(
            parts.held_out, parts.shared, "data.held_out_path", text, hint, check="held-out-trained", remedy=remedy
        )
    elif (data.held_out or data.held_out_path) and not len(parts.held_out):
        text = "Nothing is held out: there is no second example that differs from the first."
        if data.held_out_path:
            text = "Nothing is held out: no example of the held-out file has a trained token."
        yield Problem("data.held_out", text, "There will be no held-out loss.", check="nothing-held-out")


def _repeated(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    if len(parts.repeated):
        tokens = parts.reading.tokens
        text = f"Equal to an earlier one: {len(parts.repeated):,} of {len(tokens):,} examples, which count more for it."
        hint = "They never stand on both sides of the held-out split."
        yield _about(tokens, parts.repeated, "data.path", text, hint, check="duplicates")


def _odd(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """What was seen on the way, before there were tokens."""
    for name, (said, hint) in _ODDITIES.items():
        places = parts.reading.oddities.get(name)
        if places:
            text = said.format(count=f"{places.count:,}", first=places.first[0])
            yield Problem("data.path", text, hint, check=name, count=places.count, rows=tuple(places.first))


def _dominating(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """One example with so many tokens that the run learns it above all."""
    targets = parts.train.targets
    if parts.task not in _WRITTEN or len(targets) < 10:
        return
    large = np.flatnonzero((targets > DOMINATES * targets.sum()) & (targets > TIMES_MEDIAN * np.median(targets)))
    if len(large):
        share = targets[large[0]] / targets.sum()
        text = f"One example has {share:.0%} of all trained tokens ({parts.train[int(large[0])].place})."
        hint = "It weighs that much in the loss: split it, or shorten it with data.max_tokens."
        yield _about(parts.train, large, "data.path", text, hint, check="dominates")


def _classes(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Classes of which one has nearly all examples, or some have hardly any."""
    if parts.task != "sequence-classification":
        return
    counts = np.bincount(parts.train.goals.astype(np.int64), minlength=len(parts.labels))
    if len(parts.labels) < 2:
        text = f"All examples have the label '{parts.labels[0]}': there is nothing to tell apart."
        yield Problem("data.path", text, "Look at the label column.", blocking=True, check="one-label")
        return
    largest = int(counts.argmax())
    share = counts[largest] / counts.sum()
    if share >= LOPSIDED:
        text = f"The label '{parts.labels[largest]}' has {share:.0%} of the training examples."
        hint = f"Always saying so is right {share:.0%} of the time: look at F1 and Matthews rather than accuracy."
        yield Problem("data.path", text, hint, check="label-imbalance", count=int(counts[largest]))
    rare = [f"{name} ({count})" for name, count in zip(parts.labels, counts, strict=True) if count < RARE]
    if rare:
        text = f"Hardly any training example has {_listed(rare)}."
        yield Problem("data.path", text, "Such classes are hardly learned.", check="rare-labels", count=len(rare))


def _scripts(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Languages that the tokenizer spells byte by byte."""
    if parts.encoder is None:
        return
    for script, tokens in broken_scripts(parts.reading.first, parts.encoder.tokenizer):
        text = f"The tokenizer breaks {script} letters into bytes: {tokens:.1f} tokens for each."
        hint = "The model has hardly seen them; examples get long. A model made for this language learns far better."
        yield Problem("model.path", text, hint, check="bytes")


def _no_end(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    if parts.encoder is not None and parts.encoder.end is None and parts.task in _WRITTEN:
        text = "The tokenizer has no end-of-text token, so the model may not learn where an answer ends."
        yield Problem("model.path", text, check="no-end-token")


def _no_template(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    encoder = parts.encoder
    if encoder is not None and parts.reading.chats and not encoder.own_template and not encoder.chosen_template:
        text = "The model has no chat template: turns stand under plain headings (### User:, ### Assistant:)."
        yield Problem(
            "model.path", text, "Ask the trained model in the same form, or choose one (data.template).",
            check="no-template",
        )  # fmt: skip


_WRITTEN = ("causal-lm", "preference")
"""Tasks in which the model writes."""

_ODDITIES = {
    EMPTY: (
        "Answers or texts without a word: {count} (first: {first}). From such answers a model learns to stop at once.",
        "Leave such rows out.",
    ),
    OUT_OF_ORDER: (
        "Roles are out of order in {count} chats (first: {first}): a late system text, an answer first, or one speaker "
        "twice running.",
        "Templates may refuse or misread them: look at these rows, or map the roles (data.roles).",
    ),
    UNANSWERED: (
        "No answer ends {count} chats (first: {first}).",
        "Turns behind the last answer teach nothing; look whether the answers are missing.",
    ),
}

_CHECKS: tuple[Callable[[DataConfig, Parts], Iterator[Problem]], ...] = (
    _end_not_trained, _template_marks, _classes, _double_begin, _partly_empty, _truncated, _held_out, _repeated, _odd,
    _dominating, _scripts, _no_end, _no_template,
)  # fmt: skip


def _about(
    examples: TokenList, which: NDArray[np.int64], path: str, text: str, hint: str, **more: Any
) -> Problem:  # fmt: skip
    """A problem of some examples."""
    return Problem(path, text, hint, count=len(which), rows=_rows(examples, which), **more)


def _rows(examples: TokenList, which: NDArray[np.int64] | None) -> tuple[str, ...]:
    some = np.arange(len(examples)) if which is None else which
    return tuple(examples[int(at)].place for at in some[:NAMED])


def _longest(tokens: TokenList) -> int:
    """The length at which nothing would be cut; of two answers each has it for itself."""
    return int((tokens.lengths + tokens.cut[:, 0]).max())


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def blocking(found: Sequence[Problem]) -> Problem | None:
    """The first problem that a run cannot start with."""
    return next((problem for problem in found if problem.blocking), None)
