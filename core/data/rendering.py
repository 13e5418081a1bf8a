"""From an example to one text and the stretches of it that are answers.

Chat templates say nothing about which part of their output is an answer (`{% generation %}` marks are missing in the
stock templates of Llama, Qwen, Gemma ...). So it is found from outside: the same conversation is rendered again with an
unlikely mark in place of each answer. Where the rest of the text is the same, the answer is what stands where the mark
stood; where a template treats an answer by what it says (Qwen3 moves its thoughts), each answer is compared on its own.

What the template does is the truth about the model: a default system prompt that it adds is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError

from core.data.calling import MANNERS, NAME, Manner, renamed, silent, silent_text
from core.data.example import Example, Turn
from core.data.sandbox import REFUSALS, render
from core.data.templates import PLAIN, text_of
from core.data.tracing import Tracer
from core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Span:
    """An answer in a text.

    Attributes:
        turn: which turn of the example it is.
        start: its first character.
        end: the character behind its last one.
        tail: up to where its end-of-turn marker may stand: the end of what the template writes behind every answer.
    """

    turn: int
    start: int
    end: int
    tail: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """An example as one text.

    Attributes:
        text: all of it.
        spans: the answers, in order.
        specials: whether the tokenizer adds its own begin-of-text; a chat template has written it already.
        closes: whether an answer ends the text, so that an end-of-text token belongs there if nothing else marks it.
    """

    text: str
    spans: tuple[Span, ...]
    specials: bool
    closes: bool


class Renderer:
    """Renders examples for one tokenizer.

    Args:
        tokenizer: the model's.
        template: a name of `core.data.templates` or a template's text; empty takes the model's own.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str = "") -> None:
        self._tokenizer = tokenizer
        self.chosen = text_of(template)
        self.own_template = bool(tokenizer.chat_template) and not self.chosen
        self._tracer = Tracer(tokenizer)
        self._manner: Manner | None = None

    def render(self, example: Example) -> Rendered:
        """The text of an example and its answers.

        Raises:
            UserError: the template refuses the conversation; with its place and the template's words.
        """
        if example.style != "chat":
            return _plain(example)
        if self._manner is None and any(turn.calls for turn in example.turns):
            self._manner = self._fitting(example)
        text = self._text(example, example.turns)
        spans = tuple(
            Span(turn, self._start(example, turn, text, start), end, self._tail(example, turn, text, end))
            for turn, (start, end) in self._answers(example, text).items()
        )
        calls = [self._call(example, turn, text) for turn, said in enumerate(example.turns) if said.calls]
        spans = tuple(sorted((*spans, *(span for span in calls if span)), key=lambda span: span.start))
        return Rendered(text, spans, specials=not self.own_template, closes=example.turns[-1].trained)

    def question(self, said: str) -> str:
        """What the model is given to answer a question.

        Raises:
            UserError: the template refuses it.
        """
        asked = Turn("user", said)
        return self._text(Example((asked,), "the prompt", 1), (asked,), prompt=True)

    def prompt_end(self, example: Example, rendered: Rendered, turn: int) -> int | None:
        """Where the prompt ends that the model is given to write this turn; None where no prefix of the text is it."""
        if example.style != "chat":
            return next(span.start for span in rendered.spans if span.turn == turn)
        prompt = self._prompt(example, turn)
        return len(prompt) if rendered.text.startswith(prompt) else None

    def _fitting(self, example: Example) -> Manner:
        """How the template wants calls handed over; the usual way where it writes them in none."""
        for self._manner in MANNERS:
            try:
                if NAME in self._text(example, renamed(example.turns)):
                    return self._manner
            except UserError:  # it refuses this way of handing them over
                continue
        return MANNERS[0]

    def _answers(self, example: Example, text: str) -> dict[int, tuple[int, int]]:
        """Turn to (start, end) of every answer that is found in the text."""
        turns = {turn: said.content for turn, said in enumerate(example.turns) if said.trained and not said.calls}
        marks = dict(zip(turns, _marks(len(turns), text), strict=True))
        if not turns:
            return {}
        marked = self._text(example, _replaced(example.turns, marks))
        found = _aligned(text, marked, list(marks.values()), list(turns.values()))
        if found is not None:
            return dict(zip(turns, found, strict=True))
        alone = {turn: self._alone(example, turn, mark, text) for turn, mark in marks.items()}
        return {turn: place for turn, place in alone.items() if place is not None}

    def _call(self, example: Example, turn: int, text: str) -> Span | None:
        """A turn that calls tools: all of what the template writes for it, up to what it writes behind any answer.

        Raises:
            UserError: the template writes nothing for it, and the model would learn to say nothing.
        """
        limit = self._next(example, turn, text)
        start, end, tail = self._in_place(example, turn, text) or self._by_parts(example, turn, text)
        if end > limit:  # some templates write what the tool has answered into the turn that has called it
            start, end, tail = self._by_parts(example, turn, text)
        end, tail = min(end, limit), min(tail, limit)
        absent = next((call["name"] for call in example.turns[turn].calls if call["name"] not in text[start:end]), "")
        if absent:
            raise self._unwritten(example, turn, absent)
        return Span(turn, start, end, tail) if example.turns[turn].trained else None

    def _unwritten(self, example: Example, turn: int, name: str) -> UserError:
        """The complaint about a call that the template leaves out."""
        talks = self._manner in (silent, silent_text) and example.turns[turn].content
        beside, words = ("beside words ", "Take the words out of that message, t") if talks else ("", "T")
        return UserError(
            f"{example.place}: the chat template does not write calls of tools {beside}({name}).",
            hint=f"{words}ake a model made for tools, or choose a template that writes them (data.template).",
            path="data.template",
        )

    def _next(self, example: Example, turn: int, text: str) -> int:
        """Where the text of the turn behind this one begins; the end of all where nobody can tell."""
        if turn + 1 == len(example.turns) or not example.turns[turn + 1].content.strip():
            return len(text)
        (mark,) = _marks(1, text)
        try:
            return _common(text, self._text(example, _replaced(example.turns, {turn + 1: mark})))
        except UserError:
            return len(text)

    def _in_place(self, example: Example, turn: int, text: str) -> tuple[int, int, int] | None:
        """Start, end and tail of a call, by the text with a plain answer in its place; None where that differs more."""
        (mark,) = _marks(1, text)
        plain = [*example.turns[:turn], Turn("assistant", mark), *example.turns[turn + 1 :]]
        try:
            before, found, after = self._text(example, plain).partition(mark)
        except UserError:  # a template may want a call before what a tool has answered
            return None
        end = len(text) - len(after)
        if not found or not text.startswith(before) or not text.endswith(after) or end < len(before):
            return None
        return len(before), end, self._tail(example, turn, text, end)

    def _by_parts(self, example: Example, turn: int, text: str) -> tuple[int, int, int]:
        """The same by the text up to the call and the one behind it."""
        upto = _common(text, self._text(example, example.turns[: turn + 1]))
        (mark,) = _marks(1, text)
        before, _, rest = self._text(example, [*example.turns[:turn], Turn("assistant", mark)]).partition(mark)
        end = upto - len(rest) if text[:upto].endswith(rest) else upto
        start = len(before) if text.startswith(before) else _common(text, self._prompt(example, turn))
        return start, end, upto

    def _alone(self, example: Example, turn: int, mark: str, text: str) -> tuple[int, int] | None:
        """Where one answer stands, by the texts with and without it, in a template that treats answers by content."""
        marked = self._text(example, _replaced(example.turns, {turn: mark}))
        before, found, after = marked.partition(mark)
        if not found:
            return None
        start = len(before)
        if not text.startswith(before):
            prompt = self._prompt(example, turn)
            start = len(prompt) if text.startswith(prompt) else _common(text, before)
        end = len(text) - (len(after) if text.endswith(after) else _common(text[::-1], after[::-1]))
        return (start, end) if start <= end else None

    def _start(self, example: Example, turn: int, text: str, start: int) -> int:
        """Where the model begins to write: before a blank that the template puts there and the prompt does not have."""
        if text[:start].endswith(" "):
            prompt = self._prompt(example, turn)
            if text.startswith(prompt) and text[len(prompt) : start].isspace():
                return len(prompt)
        return start

    def _tail(self, example: Example, turn: int, text: str, end: int) -> int:
        """Where the template's own text behind an answer ends: what follows it both here and at the end of a chat."""
        if turn == len(example.turns) - 1:
            return len(text)
        (mark,) = _marks(1, text)
        marked = self._text(example, [*example.turns[:turn], Turn(example.turns[turn].role, mark)])
        rest = marked.partition(mark)[2]
        return end + _common(text[end : end + len(rest)], rest)

    def _prompt(self, example: Example, turn: int) -> str:
        return self._text(example, example.turns[:turn], prompt=True) if turn else ""

    def _text(self, example: Example, turns: Sequence[Turn], *, prompt: bool = False) -> str:
        try:
            template = self.chosen or (
                self._tokenizer.get_chat_template(tools=list(example.tools) or None) if self.own_template else PLAIN
            )
            if not example.tools and not any([turn.fields for turn in turns]):
                return self._tracer.render(template, turns, prompt=prompt)
            written = self._manner or MANNERS[0]
            messages = [written(turn.message) for turn in turns]
            return render(self._tokenizer, template, messages, tools=example.tools, prompt=prompt)
        except TemplateSyntaxError as error:
            raise UserError(
                f"The chat template has a mistake in line {error.lineno}: {str(error.message).rstrip('.')}.",
                hint="Mend data.template, or leave it empty for the model's own.",
                path="data.template",
            ) from None
        except REFUSALS as error:
            whose = "chosen" if self.chosen else "model's"
            why = str(error).rstrip(".") or type(error).__name__
            raise UserError(
                f"{example.place}: the {whose} chat template refuses this conversation: {why}.",
                hint="Change the row, or take a template that allows it.",
                path="data.template" if self.chosen else "data.path",
            ) from None


def own_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The text of the template that is used where none is chosen: the model's, or headings over plain texts."""
    return str(tokenizer.get_chat_template()) if tokenizer.chat_template else PLAIN


def _plain(example: Example) -> Rendered:
    """Turns one after the other, as they are."""
    spans, text = [], ""
    for index, turn in enumerate(example.turns):
        start, text = len(text), text + turn.content
        if turn.trained:
            spans.append(Span(index, start, len(text), len(text)))
    return Rendered(text, tuple(spans), specials=True, closes=example.ends)


def _marks(count: int, text: str) -> list[str]:
    """Texts that stand for answers: of characters that no language uses, and that this text does not hold."""
    sign = "\ue000"
    while sign in text:
        sign += "\ue001"
    return [f"{sign}{number}{sign}" for number in range(count)]


def _replaced(turns: Sequence[Turn], contents: dict[int, str]) -> list[Turn]:
    return [
        replace(turn, content=contents[index]) if index in contents else turn for index, turn in enumerate(turns)
    ]  # fmt: skip


def _common(one: str, other: str) -> int:
    """Characters with which both begin."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _aligned(text: str, marked: str, marks: Sequence[str], answers: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where the answers stand, if the marked text is the text in all else; a template may trim them.

    Returns:
        (start, end) of each, or None where the two texts differ in more than that.
    """
    literals, rest = [], marked
    for mark in marks:
        literal, found, rest = rest.partition(mark)
        if not found or mark in rest:
            return None
        literals.append(literal)
    if not text.startswith(literals[0]):
        return None
    places, at = [], len(literals[0])
    for answer, literal in zip(answers, [*literals[1:], rest], strict=True):
        forms = (answer, answer.strip(), answer.lstrip(), answer.rstrip())
        form = next((f for f in forms if text.startswith(f, at) and text.startswith(literal, at + len(f))), None)
        if form is None:
            return None
        places.append((at, at + len(form)))
        at += len(form) + len(literal)
    return places if at == len(text) else None
