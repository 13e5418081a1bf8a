"""What can be wrong with a run's data, each with a count, the first rows it concerns, and what would mend it.

A fine-tune fails most often in silence: on a mask that trains on nothing, an end that is never learned, answers cut
off. Each check is a small function of what was read; the worst come first. What blocks may be overruled by the user
with a reason (`data.overrides`), except where nothing could be learned at all; examples that a check names may be left
out of the run (`data.leave_out`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.config.run import DataConfig
from core.data.check_names import LEAVABLE
from core.data.label_checks import label_problems
from core.data.leaving import SILENT, WRITTEN, told
from core.data.oddities import BAD, DOUBLED, EMPTY, MARKS, OUT_OF_ORDER, SILENCED, UNANSWERED, UNSAID, WEIGHED
from core.data.problem import Parts, Problem, about, counted, everything, listed, rows_of
from core.data.scripts import broken_scripts
from core.data.tokens import TokenList

__all__ = ["Parts", "Problem", "blocking", "problems"]


def problems(data: DataConfig, parts: Parts) -> list[Problem]:
    """What is wrong, the worst first; what the user has overruled blocks no more, and what is settled comes last."""
    if not parts.reading.examples:
        return [Problem("data.path", "There is no example in the data.", blocking=True, check="no-examples")]
    if parts.encoder is None:
        return []
    hopeless = _nothing_to_learn(data, parts) or _unknown_tokens(parts)
    if hopeless:
        return [hopeless, *told(data, parts)]
    found = [problem for check in _CHECKS for problem in check(data, parts)]
    settled = [_overruled(problem, data.overrides.get(problem.check, "")) for problem in found]
    return sorted(settled, key=lambda problem: (not problem.blocking, problem.settled))


def _overruled(problem: Problem, reason: str) -> Problem:
    return replace(problem, blocking=False, overruled=reason) if problem.blocking and reason else problem


def _without(data: DataConfig, check: str) -> dict[str, Any]:
    """The remedy that leaves out the examples of a check."""
    assert check in LEAVABLE
    return {"remedy": {"data.leave_out": (*data.leave_out, check)}, "does": "Leave them out"}


def _nothing_to_learn(data: DataConfig, parts: Parts) -> Problem | None:
    """Without a single trained token a run would change nothing."""
    if len(parts.train):
        return None
    tokens = parts.reading.tokens
    known: dict[str, Any] = {"blocking": True, "check": "nothing-trained"}
    known |= {"count": len(tokens), "rows": rows_of(tokens, everything(tokens))}
    if data.leave_out and tokens.targets.any():
        text = "There is nothing to learn: all examples that have a trained token are left out."
        known |= {"remedy": {"data.leave_out": ()}, "does": "Take all in again"}
        return Problem("data.leave_out", text, "Take some of them in again.", **known)
    text = f"There is nothing to learn: none of the {counted(len(tokens), 'example')} has a trained token."
    if tokens.cut[:, 1].any():
        longest = _longest(tokens)
        hint = (
            f"The answers begin behind the cut: set data.max_tokens above {data.max_tokens} ({longest} cuts nothing)."
        )
        return Problem("data.max_tokens", text, hint, remedy={"data.max_tokens": longest}, **known)
    hint = "No row has an answer (a turn of the assistant). Set data.train_on to everything, or choose another shape."
    if parts.reading.oddities.get(SILENCED):
        hint = "Every answer says that it is not learned (weight 0, or train: false). Give one a weight above 0."
    elif any(turn.trained for example in parts.reading.first if example.style == "chat" for turn in example.turns):
        hint = "The rows have answers, and the chat template writes none of them: choose another (data.template)."
        return Problem("data.template", text, hint, **known, **_other_template(parts))
    return Problem("data.train_on", text, hint, remedy={"data.train_on": "everything"}, **known)


def _unknown_tokens(parts: Parts) -> Problem | None:
    """Token ids that the model has no embedding for: no overruling makes it read them."""
    for tokens in (parts.tokens, parts.held_out):
        if not 0 < parts.vocabulary <= tokens.highest:
            continue
        outside = np.flatnonzero([int(one.ids.max(initial=-1)) >= parts.vocabulary for one in tokens])
        if not len(outside):
            continue
        first = tokens[int(outside[0])]
        text = (
            f"The tokenizer writes token {first.ids.max():,}, but the model knows only {parts.vocabulary:,}: it cannot "
            f"read {counted(len(outside), 'example')} (first: {first.place})."
        )
        hint = "Model and tokenizer do not belong together, or special words were added that the model never got."
        return about(tokens, outside, "model.path", text, hint, check="unknown-tokens", blocking=True)
    return None


def _end_not_trained(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """A model that never learns to stop does not."""
    tokens, endless = parts.tokens, parts.marked("end-not-trained")
    if parts.encoder is None or not len(endless):
        return
    everywhere = len(endless) == len(tokens)
    place = tokens[int(endless[0])].place
    text = f"The end is not learned in {len(endless):,} of {len(tokens):,} examples (first: {place})."
    hint = "The model would not learn to stop there: let the template or the labels mark the end of each answer."
    mend: dict[str, Any] = {} if everywhere else _without(data, "end-not-trained")
    if parts.reading.guess.format.kind == "pretokenised":
        mend = {"remedy": {"data.learn_end": True}, "does": "Learn the ends"}
        if parts.encoder.pads_with_end:
            hint = (
                "Padding and the end of a text are one token here: whoever made the labels masked the end with the "
                "padding. The model would not learn to stop."
            )
    yield about(
        tokens, endless, "data.template", text, hint, check="end-not-trained", blocking=everywhere, **mend
    )  # fmt: skip


def _template_marks(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """A chosen template whose special words the tokenizer spells out in pieces."""
    if parts.encoder is None or not parts.encoder.chosen_template or not parts.reading.chats:
        return
    spelled = parts.encoder.spelled_marks()
    if spelled:
        text = f"The tokenizer has no token for {listed(spelled)}, which the chosen template writes."
        hint = "The model would see them in pieces: take the template that the model was made with, or a plain one."
        yield about(
            parts.tokens, everything(parts.tokens), "data.template", text, hint, check="template-marks", blocking=True,
            **_other_template(parts),
        )  # fmt: skip


def _other_template(parts: Parts) -> dict[str, Any]:
    """The remedy that writes chats another way: the model's own, or plain headings where it is that one or has none."""
    if parts.encoder is not None and parts.encoder.chosen_template and parts.encoder.has_own:
        return {"remedy": {"data.template": ""}, "does": "Take the model's own"}
    return {"remedy": {"data.template": "plain"}, "does": "Take plain headings"}


def _double_begin(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    places = parts.reading.oddities.get(DOUBLED)
    if places:
        said = counted(places.count, "example")
        text = f"The begin-of-text token stood there twice in {said}; one of the two was taken away."
        yield Problem(
            "data.path", text, "The template or the data writes it, and so does the tokenizer.", check="double-begin",
            count=places.count, rows=tuple(places.first), settled=True,
        )  # fmt: skip


def _thoughts(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Thoughts in the data that the template does not write."""
    places = parts.reading.oddities.get(UNSAID)
    if places:
        said = counted(places.count, "chat")
        text = f"The chat template does not write what is thought before the last answer in {said} (reasoning_content)."
        hint = "Nothing of it is learned. A model that thinks has a template for it, or you choose one (data.template)."
        yield Problem("model.path", text, hint, check=UNSAID, count=places.count, rows=tuple(places.first))


def _partly_empty(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    tokens, nothing = parts.tokens, parts.marked(SILENT)
    if len(nothing):
        place = tokens[int(nothing[0])].place
        text = f"Nothing to learn in {len(nothing):,} of {len(tokens):,} examples (first: {place})."
        hint = "No step is made of them. Look whether their answers are missing, or lie behind the cut."
        yield about(tokens, nothing, "data.path", text, hint, check=SILENT, **_without(data, SILENT))


def _truncated(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    tokens, long = parts.tokens, parts.marked("truncated")
    if not len(long):
        return
    place = tokens[int(long[0])].place
    lost = int(tokens.cut[:, 1].sum())
    text = f"Cut at {data.max_tokens:,} tokens: {len(long):,} of {len(tokens):,} examples (first: {place})"
    spared = "." if parts.reading.labels else "; only prompts lose by it."
    text += f", with a loss of {counted(lost, 'trained token')}." if lost else spared
    longest = _longest(tokens)
    hint, mend = f"With data.max_tokens at {longest} nothing is cut.", {"remedy": {"data.max_tokens": longest}}
    if 0 < parts.context < longest:
        hint = f"The model reads {parts.context:,} tokens at most, and the longest example has {longest:,}."
        mend = _without(data, "truncated")
    yield about(tokens, long, "data.max_tokens", text, hint, check="truncated", **mend)


def _held_out(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    for check, but in (("held-out-trained", ""), ("held-out-near", ", but for spaces and capitals")):
        some = parts.shared.get(check, ())
        if len(some):
            text = f"Trained on as well{but}: {len(some):,} of {len(parts.held_out):,} held-out examples."
            hint = "The held-out loss will be too good: it should come from examples that were never learned."
            yield about(
                parts.held_out, np.asarray(some), "data.held_out_path", text, hint, check=check,
                remedy=_without(data, check)["remedy"], does="Do not train on them",
            )  # fmt: skip
    if (data.held_out or data.held_out_path) and not len(parts.held_out):
        text = "Nothing is held out: there is no second example that differs from the first."
        remedy: dict[str, Any] = {"data.held_out": 0.0}
        does = "Do without"
        if data.held_out_path:
            text = "Nothing is held out: no example of the held-out file has a trained token."
            remedy, does = {"data.held_out_path": "", "data.held_out": 0.1}, "Hold out a tenth of the data"
        yield Problem(
            "data.held_out", text, "There will be no held-out loss.", check="nothing-held-out", remedy=remedy, does=does
        )


def _repeated(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    for check, but in (("duplicates", ""), ("near-duplicates", " but for spaces and capitals")):
        some = parts.marked(check)
        if len(some):
            count = f"{len(some):,} of {len(parts.tokens):,} examples"
            text = f"Equal to an earlier one{but}: {count}, which count more for it."
            hint = "They never stand on both sides of the held-out split."
            yield about(parts.tokens, some, "data.path", text, hint, check=check, **_without(data, check))


def _odd(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """What was seen on the way, before there were tokens."""
    for name, (noun, said, hint) in _ODDITIES.items():
        places, some = parts.reading.oddities.get(name), parts.marked(name)
        if places and name not in parts.reading.odd:  # parts of documents, which cannot be left out
            text = said.format(count=counted(places.count, noun), first=places.first[0])
            yield Problem("data.path", text, hint, check=name, count=places.count, rows=tuple(places.first))
        elif len(some):
            text = said.format(count=counted(len(some), noun), first=parts.tokens[int(some[0])].place)
            yield about(parts.tokens, some, "data.path", text, hint, check=name, **_without(data, name))


def _dominating(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """One example with so many tokens that the run learns it above all."""
    large, counted_as = parts.marked("dominates"), parts.tokens.counted
    if len(large):
        share = counted_as[large[0]] / counted_as.sum()
        whole = "the weight of all trained tokens" if parts.tokens.weighted else "all trained tokens"
        text = f"One example has {share:.0%} of {whole} ({parts.tokens[int(large[0])].place})."
        hint = "It weighs that much in the loss: split it, shorten it with data.max_tokens, or do without it."
        yield about(
            parts.tokens, large, "data.path", text, hint, check="dominates", **_without(data, "dominates")
        )  # fmt: skip


def _weights_unused(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Weights of messages where nobody goes by them."""
    everything, pairs = data.train_on == "everything", parts.task == "preference"
    some = parts.marked(WEIGHED)
    if everything:
        some = np.union1d(some, parts.marked(SILENCED))
    if not len(some) or not (everything or pairs):
        return
    why = "everything is learned alike" if everything else "an answer is better or worse as a whole"
    text = f"The weights of messages do not count in {counted(len(some), 'example')}: {why}."
    hint = "Set data.train_on to completions to go by them." if everything else "Weight 0 still leaves a message out."
    mend: dict[str, Any] = {"remedy": {"data.train_on": "completions"}, "does": "Go by them"} if everything else {}
    yield about(parts.tokens, some, "data.train_on" if everything else "data.path", text, hint, check="weights", **mend)


def _scripts(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """Languages that the tokenizer spells byte by byte."""
    if parts.encoder is None:
        return
    for script in broken_scripts(parts.tokens, parts.encoder.tokenizer):
        some = script.where
        text = f"The tokenizer breaks {script.name} letters into bytes in {counted(len(some), 'example')}"
        text += f" (first: {parts.tokens[int(some[0])].place}): {script.tokens_per_letter:.1f} tokens for each."
        hint = "The model has hardly seen them; examples get long. A model made for this language learns far better."
        mend = _without(data, "bytes") if 2 * len(some) < len(parts.tokens) else {}
        yield about(parts.tokens, some, "model.path", text, hint, check="bytes", **mend)


def _no_end(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    if parts.encoder is not None and parts.encoder.end is None and parts.task in WRITTEN:
        text = "The tokenizer has no end-of-text token, so the model may not learn where an answer ends."
        yield Problem("model.path", text, check="no-end-token")


def _no_template(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    encoder = parts.encoder
    if encoder is not None and parts.reading.chats and not encoder.own_template and not encoder.chosen_template:
        text = "The model has no chat template: turns stand under plain headings (### User:, ### Assistant:)."
        hint = "Ask the trained model in the same form, or choose one (data.template)."
        yield about(
            parts.tokens, everything(parts.tokens), "data.template", text, hint, check="no-template",
            remedy={"data.template": "plain"}, does="Keep the headings",
        )  # fmt: skip


_ODDITIES = {
    EMPTY: (
        "example",
        "Nothing is said in the answers or texts of {count} (first: {first}): a model learns to stop at once.",
        "Where an answer is missing by mistake, mend the file; otherwise leave them out.",
    ),
    BAD: (
        "example",
        "The data calls the answers of {count} bad (label false; first: {first}), and they are learned like good ones.",
        "Leave them out, or bring a good and a bad answer to one prompt together (prompt, chosen, rejected).",
    ),
    OUT_OF_ORDER: (
        "chat",
        "Roles are out of order in {count} (first: {first}): a late system text, an answer first, or one speaker "
        "twice running.",
        "Templates may refuse or misread them: look at these rows, or map the roles (data.roles).",
    ),
    MARKS: (
        "example",
        "Special words of the tokenizer stand in the texts of {count} (first: {first}).",
        "The model takes them for real marks: a turn may end, or begin, in the middle of a text.",
    ),
    UNANSWERED: (
        "chat",
        "No answer ends {count} (first: {first}).",
        "Turns behind the last answer teach nothing; look whether the answers are missing.",
    ),
}

_CHECKS: tuple[Callable[[DataConfig, Parts], Iterator[Problem]], ...] = (
    _end_not_trained, _template_marks, label_problems, _double_begin, _thoughts, _partly_empty, _truncated, _held_out,
    _repeated, _odd, _dominating, _weights_unused, _scripts, _no_end, _no_template, told,
)  # fmt: skip


def _longest(tokens: TokenList) -> int:
    """The length at which nothing would be cut; of two answers each has it for itself."""
    return int((tokens.lengths + tokens.cut[:, 0]).max())


def blocking(found: Sequence[Problem]) -> Problem | None:
    """The first problem that a run cannot start with."""
    return next((problem for problem in found if problem.blocking), None)
