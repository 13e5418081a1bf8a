"""Chat templates rendered once for each kind of conversation, and filled in for all others of that kind.

A template is a small program, and running it twice for each of a million rows takes longer than tokenising them. But
what most templates do with what was said is to write it down, perhaps trimmed. So a conversation is rendered with
stand-ins for its texts (`Held`), which can be joined, trimmed, written and asked a few questions ("does `</think>`
stand in you?"), and every step is noted: a `Trace`. Another conversation with the same roles, whose texts answer these
questions alike, must come out as the same steps with its own texts. A template that does anything else with a text
(splits it, counts it, makes JSON of it) has looked at it: it is rendered as ever, row by row.

It is a matter of speed alone: a trace that does not give the very text of the conversation that it was made with is
thrown away, and what the sandbox's budget might refuse is left to the sandbox.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.runtime import Context

from core.data import sandbox
from core.data.example import Turn
from core.data.sandbox import REFUSALS, BudgetedEnvironment, compiled_in, render, special_names

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = 512
"""Kinds of conversation that are remembered: templates, and the roles in their order."""
TRIES = 6
"""Traces that are made for a kind: of texts that answer a template's questions differently."""
IN_VAIN = 24
"""Renderings of a template that gave no trace, after which no more are tried."""
_SIGN = "\ue0f0"
"""Stands around the number of what was written, in the text of a rendering with stand-ins."""
_CAPTURING = (nodes.AssignBlock, nodes.FilterBlock, nodes.CallBlock, nodes.Block, nodes.EvalContextModifier)
"""What takes written text for a value again, or writes it differently."""

_Question = Callable[[str], object]


class _LookedAt(TemplateError):
    """A template does something with a text that cannot be noted as a step."""


@dataclass(frozen=True, slots=True)
class _Said:
    """The text of a turn, trimmed in these ways one after the other."""

    turn: int
    trims: tuple[tuple[str, str | None], ...] = ()

    def of(self, texts: Sequence[str]) -> str:
        """It, in a conversation."""
        text = texts[self.turn]
        for name, signs in self.trims:
            text = getattr(text, name)(signs)
        return text


@dataclass(frozen=True, slots=True)
class Trace:
    """What a template does with a kind of conversation.

    Attributes:
        parts: what it writes: text, or the number of a turn whose text it writes as it is, or trimmed.
        answers: what it asks of the texts, and the answer that these steps hold for.
        letters: characters that its own text takes of the sandbox's budget.
        uses: how often texts are joined or written.
    """

    parts: tuple[str | int | _Said, ...]
    answers: tuple[tuple[_Said, _Question, object], ...]
    letters: int
    uses: int

    def fits(self, texts: Sequence[str]) -> bool:
        """Whether these steps are those of a conversation with these texts."""
        if any(question(said.of(texts)) != answer for said, question, answer in self.answers):
            return False
        return self.letters + self.uses * max(map(len, texts)) <= sandbox.LETTERS

    def text(self, texts: Sequence[str]) -> str:
        """What the template writes with these texts."""
        return "".join([part if isinstance(part, str) else self._said(part, texts) for part in self.parts])

    @staticmethod
    def _said(part: int | _Said, texts: Sequence[str]) -> str:
        return texts[part] if isinstance(part, int) else part.of(texts)


class Tracer:
    """Renders conversations for one tokenizer: as `core.data.sandbox.render` does, only faster.

    Args:
        tokenizer: for the names of its special tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._names = special_names(tokenizer)
        self._kinds: dict[tuple[str, bool, tuple[str, ...]], _Kind] = {}
        self._in_vain: dict[str, int] = {}

    def render(self, template: str, turns: Sequence[Turn], *, prompt: bool = False) -> str:
        """The text that a template makes of turns that say nothing but their texts.

        Raises:
            jinja2.TemplateError: as `render` does.
        """
        key = (template, prompt, tuple([turn.role for turn in turns]))
        kind = self._kinds.get(key)
        texts = [turn.content for turn in turns]
        if kind is not None:
            for known in kind.traces:
                if known.fits(texts):
                    return known.text(texts)
        text = render(self._tokenizer, template, [turn.message for turn in turns], prompt=prompt)
        if kind is None and texts and len(self._kinds) < KINDS:
            self._kinds[key] = _Kind()
        elif kind is not None and kind.tries < TRIES and self._in_vain.get(template, 0) < IN_VAIN:
            kind.tries += 1  # at the second meeting: a kind that is met once only is not worth it
            trace = self._traced(template, turns, prompt=prompt)
            if trace is not None and trace.fits(texts) and trace.text(texts) == text:
                kind.traces.append(trace)
            else:
                self._in_vain[template] = self._in_vain.get(template, 0) + 1
        return text

    def _traced(self, template: str, turns: Sequence[Turn], *, prompt: bool) -> Trace | None:
        """The steps of a template with these turns; None where it looks at the texts in a way that is no step."""
        try:
            compiled = compiled_in(_Tracing, template)
            environment = compiled.environment
            assert isinstance(environment, _Tracing)
            environment.begin()
            messages = [
                {"role": turn.role, "content": Held(environment, (_Said(number),), turns)}
                for number, turn in enumerate(turns)
            ]
            return environment.trace(
                compiled.render(
                    **self._names, messages=messages, tools=None, documents=None, add_generation_prompt=prompt
                )
            )
        except REFUSALS:
            return None


class _Kind:
    """The traces of one kind of conversation, and how often one was tried."""

    __slots__ = ("traces", "tries")

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.tries = 0


class Held:
    """Stands for the text of a turn while a template is rendered: may be joined, trimmed, written and asked."""

    __slots__ = ("_environment", "_turns", "parts")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, environment: _Tracing, parts: tuple[str | _Said, ...], turns: Sequence[Turn]) -> None:
        self._environment, self.parts, self._turns = environment, parts, turns

    @property
    def letters(self) -> int:
        """Characters of it that are the template's own."""
        return sum(len(part) for part in self.parts if isinstance(part, str))

    @property
    def uses(self) -> int:
        """Texts in it."""
        return sum(not isinstance(part, str) for part in self.parts)

    def __add__(self, other: object) -> Held:
        return self._joined(self.parts, self._parts_of(other))

    def __radd__(self, other: object) -> Held:
        return self._joined(self._parts_of(other), self.parts)

    def strip(self, signs: str | None = None) -> Held:
        """Without these characters at both ends."""
        return self._trimmed("strip", signs)

    def lstrip(self, signs: str | None = None) -> Held:
        """Without these characters at its beginning."""
        return self._trimmed("lstrip", signs)

    def rstrip(self, signs: str | None = None) -> Held:
        """Without these characters at its end."""
        return self._trimmed("rstrip", signs)

    def startswith(self, start: str) -> bool:
        """Whether it begins so."""
        return bool(self._asked(lambda text: text.startswith(start), start))

    def endswith(self, end: str) -> bool:
        """Whether it ends so."""
        return bool(self._asked(lambda text: text.endswith(end), end))

    def __contains__(self, some: object) -> bool:
        return bool(self._asked(lambda text: some in text, some))  # type: ignore[operator]

    def __bool__(self) -> bool:
        return bool(self._asked(bool, ""))

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        if isinstance(other, Held):
            self._looked_at()
        return isinstance(other, str) and bool(self._asked(lambda text: text == other, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def _parts_of(self, other: object) -> tuple[str | _Said, ...]:
        if type(other) is str:
            return (other,)
        return other.parts if isinstance(other, Held) else self._looked_at()

    def _joined(self, one: tuple[str | _Said, ...], other: tuple[str | _Said, ...]) -> Held:
        return Held(self._environment, (*one, *other), self._turns)

    def _only(self) -> _Said:
        """The one text that it is."""
        (part,) = self.parts if len(self.parts) == 1 else ("",)
        return self._looked_at() if isinstance(part, str) else part

    def _trimmed(self, way: str, signs: object) -> Held:
        said = self._only()
        if signs is not None and type(signs) is not str:
            self._looked_at()
        return Held(self._environment, (_Said(said.turn, (*said.trims, (way, signs))),), self._turns)

    def _asked(self, question: _Question, about: object) -> object:
        said = self._only()
        if type(about) is not str:
            self._looked_at()
        answer = question(said.of([turn.content for turn in self._turns]))
        self._environment.answers.append((said, question, answer))
        return answer

    def _looked_at(self, *_what: object) -> NoReturn:
        self._environment.looked_at = True
        raise _LookedAt

    __str__ = __repr__ = __len__ = __iter__ = __getitem__ = __getattr__ = __format__ = __mod__ = __rmod__ = _looked_at
    __mul__ = __rmul__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = _looked_at


class _Tracing(BudgetedEnvironment):
    """The sandbox in which stand-ins are known, and what is done with them is noted."""

    def __init__(self, given: Any) -> None:
        super().__init__(given)
        self.begin()
        for name, filter in list(self.filters.items()):
            self.filters[name] = self._blind(filter, _FILTERS.get(name))
        for name, test in list(self.tests.items()):
            self.tests[name] = self._blind(test, _TESTS.get(name))

    def begin(self) -> None:
        """A new rendering begins."""
        super().begin()
        self.answers: list[tuple[_Said, _Question, object]] = []
        self.looked_at = False
        self._written_parts: list[Held] = []
        self._inside = self._uses = 0

    def trace(self, text: str) -> Trace | None:
        """What was noted in the rendering that gave this text; None where a text was looked at."""
        if self.looked_at:
            return None
        parts: list[str | int | _Said] = []
        for number, piece in enumerate(text.split(_SIGN)):
            for part in self._written_parts[int(piece)].parts if number % 2 else (piece,):
                if isinstance(part, _Said):
                    parts.append(part if part.trims else part.turn)
                elif parts and isinstance(parts[-1], str):
                    parts[-1] += part
                else:
                    parts.append(part)
        return Trace(tuple(parts), tuple(self.answers), sandbox.LETTERS - self._letters, self._uses)

    def _generate(self, source: nodes.Template, *rest: Any, **more: Any) -> str:
        if next(source.find_all(_CAPTURING), None) is not None:
            raise _LookedAt
        return super()._generate(source, *rest, **more)

    def _blind(self, function: Any, known: Callable[..., Any] | None) -> Any:
        """A filter or test that is told of no stand-in but by what stands for it here."""

        @wraps(function)  # jinja2 marks functions with what they are to be handed
        def careful(*args: Any, **kwargs: Any) -> Any:
            given = [value for value in (*args, *kwargs.values()) if isinstance(value, Held)]
            if not given:
                return function(*args, **kwargs)
            if known is None or not isinstance(args[0], Held):
                given[0]._looked_at()
            return known(*args, **kwargs)

        return careful

    def _note(self, held: Held) -> Held:
        self._write(held.letters)
        self._uses += held.uses
        return held

    def _joined(self, parts: Sequence[Any]) -> Any:
        if not any(isinstance(part, Held) for part in parts):
            return super()._joined(parts)
        whole: Any = ""
        for part in parts:
            whole = whole + (part if isinstance(part, Held) else str(part))
        return self._note(whole)

    def _written(self, value: Any) -> Any:
        if not isinstance(value, Held):
            return super()._written(value)
        if self._inside:  # what a macro writes is a value for whoever calls it
            value._looked_at()
        self._written_parts.append(self._note(value))
        return f"{_SIGN}{len(self._written_parts) - 1}{_SIGN}"

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call something, inside of which nothing held may be written."""
        __self._inside += 1
        try:
            return super().call(__context, __obj, *args, **kwargs)
        finally:
            __self._inside -= 1

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Work out an operation."""
        found = super().call_binop(context, operator, left, right)
        return self._note(found) if isinstance(found, Held) else found


def _same(value: Any) -> Any:
    return value


def _yes(_value: Any) -> bool:
    return True


def _no(_value: Any) -> bool:
    return False


def _trim(value: Held, chars: str | None = None) -> Held:
    return value.strip(chars)


def _default(value: Held, instead: Any = "", boolean: bool = False) -> Any:
    return value if not boolean or value else instead


def _in(value: Held, some: Any) -> bool:
    return value in some


_FILTERS: dict[str, Callable[..., Any]] = {"trim": _trim, "string": _same, "default": _default, "d": _default}
_TESTS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("string", "defined", "iterable", "sequence"), _yes),
    **dict.fromkeys(("undefined", "none", "mapping", "boolean", "number", "integer", "float", "callable"), _no),
    **dict.fromkeys(("true", "false"), _no),
    **dict.fromkeys(("==", "eq", "equalto"), operator.eq),
    **dict.fromkeys(("!=", "ne"), operator.ne),
    "in": _in,
}
"""What is true of every text, or asked of it."""
