"""Chat templates rendered so that none can run for ever or fill the memory, whoever wrote it.

`transformers` renders in jinja2's sandbox, which keeps a template from files and programs, but lets it loop over loops
and double texts without end. Here every turn of a loop, every call and every character that is written is paid for out
of a budget that no honest template comes near. It is counted and not timed, so that a conversation is refused always or
never, on every machine and every system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, wraps
from math import prod
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

if TYPE_CHECKING:
    from jinja2 import Template
    from transformers import PreTrainedTokenizerBase

TURNS = 1_000_000
"""Turns of loops, and calls, in one rendering; real templates take a few for each message."""
CALL = 8
"""Turns that a call takes as long as."""
LETTERS = 2**26
"""Characters that one rendering may write, whether they are kept or not."""
LARGEST_NUMBER = 1_000_000
"""Numbers above this are no widths, counts or places that a template needs."""
REFUSALS = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError, RecursionError,
)  # fmt: skip
"""What rendering raises where a template and a conversation do not go together, or the sandbox says no."""
_BITS = 4096
"""Binary digits of the largest whole number that a template may work out."""
_STRETCH = frozenset({"join", "replace", "format", "format_map", "expandtabs", "indent", "wordwrap"})
"""Filters and methods whose result may be as long as one text times another."""
_WIDE = re.compile(r"\d{7,}")
"""A width in a format that no text needs."""
_COUNTED, _JOINED = "counted turns", "joined texts"
"""Filters that are put into every template; the blanks keep templates from naming them."""


def render(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    prompt: bool = False,
) -> str:
    """The text that a template makes of a conversation: that of `tokenizer.apply_chat_template`, within the budget.

    Args:
        tokenizer: for the names of its special tokens.
        template: the template's text.
        messages: of the conversation, in plain values; nulls beside their texts are left out.
        tools: the functions that may be called.
        prompt: whether the answer's beginning is written behind them.

    Raises:
        jinja2.TemplateError: the template has a mistake, refuses the conversation or wants too much.
    """
    compiled = compiled_in(BudgetedEnvironment, template)
    environment = compiled.environment
    assert isinstance(environment, BudgetedEnvironment)
    environment.begin()
    return compiled.render(
        **special_names(tokenizer),
        messages=[_message(each) for each in messages],
        tools=list(tools) or None,
        documents=None,
        add_generation_prompt=prompt,
    )


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls but for a text that is none; what was thought stands under both names that templates read it by."""
    said = {key: value for key, value in message.items() if value is not None or key == "content"}
    thought = said.get("reasoning_content")
    return said if thought is None else {"thinking": thought, **said}


def special_names(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The special tokens by the names that templates know them by."""
    return {name: str(token) for name, token in tokenizer.special_tokens_map.items() if not isinstance(token, list)}


@lru_cache(maxsize=32)
def compiled_in(kind: type[BudgetedEnvironment], template: str) -> Template:
    """A template, in an environment of its own."""
    return kind(_given()).from_string(template)


@cache
def _given() -> ImmutableSandboxedEnvironment:
    """The environment that `transformers` renders in, with all that it offers to templates."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment = _compile_jinja_template("").environment
    assert isinstance(environment, ImmutableSandboxedEnvironment)
    return environment


class BudgetedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox with a budget, which `begin` fills up again.

    Args:
        given: the environment whose filters, globals and extensions it offers.
    """

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, given: ImmutableSandboxedEnvironment) -> None:
        super().__init__(
            trim_blocks=given.trim_blocks,
            lstrip_blocks=given.lstrip_blocks,
            extensions=[type(extension) for extension in given.extensions.values()],
            finalize=self._written,
        )
        self.globals.update(given.globals)
        self.globals.pop("lipsum", None)
        self.filters.update({name: self._careful(name, filter) for name, filter in given.filters.items()})
        self.filters[_COUNTED], self.filters[_JOINED] = self._counted, self._joined
        self._turns, self._letters, self._size = TURNS, LETTERS, 0

    def begin(self) -> None:
        """A new rendering begins, with a full budget."""
        self._turns, self._letters = TURNS, LETTERS

    def _generate(self, source: nodes.Template, *rest: Any, **more: Any) -> str:
        """jinja2's hook between reading a template and compiling it: the counting is put in."""
        self._size = sum(len(text.data) for text in source.find_all(nodes.TemplateData))
        return super()._generate(_Counting().visit(source), *rest, **more)

    # Paying

    def _turn(self, letters: int = 0, *, turns: int = 1) -> None:
        self._turns -= turns
        if self._turns < 0:
            raise SecurityError(f"it does not end: it was stopped after {TURNS:,} turns of its loops")
        self._write(letters)

    def _write(self, letters: int) -> None:
        self._letters -= letters
        if self._letters < 0:
            raise SecurityError(f"it writes more than {LETTERS:,} characters")

    def _counted(self, turns: Iterable[Any], letters: int) -> Any:
        """What a loop runs over, each turn of which is paid for; as long as before, where its length is known."""
        return _Counted(self, turns, letters) if hasattr(turns, "__len__") else self._pay(turns, letters)

    def _pay(self, turns: Iterable[Any], letters: int) -> Iterator[Any]:
        for turn in turns:
            self._turn(letters)
            yield turn

    def _joined(self, parts: Sequence[Any]) -> str:
        """`~`, whose result is paid for before it is made."""
        texts = [str(part) for part in parts]
        self._write(sum(map(len, texts)))
        return "".join(texts)

    def _written(self, value: Any) -> Any:
        """Of every `{{ ... }}` what it writes."""
        self._write(len(value) if isinstance(value, str) else 16)
        return value

    # Refusing what one operation alone would be too much

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call something: counted, and with no number or text that would make too much of it."""
        self = __self
        self._turn(self._size if isinstance(__obj, Macro) else 0, turns=CALL)
        method = getattr(__obj, "__wrapped__", __obj)  # jinja2 wraps `format`
        if isinstance(__obj, LoopContext) and args:
            args = (self._counted(args[0], self._size), *args[1:])
        elif isinstance(said := getattr(method, "__self__", None), str):
            self._weigh(method.__name__, (said, *args, *kwargs.values()))
        elif not isinstance(__obj, Macro):
            self._weigh("", (*args, *kwargs.values()))
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Work out `*`, `**`, `+` or `%`, where that stays small."""
        if operator == "+":
            found = left + right  # at most as long as both, which have been paid for
            self._write(_length(found))
            return found
        whole = isinstance(left, int) and isinstance(right, int)
        if operator == "**":
            if whole and right > 0 and left.bit_length() * right > _BITS:
                raise SecurityError("it works out too large a number")
        elif operator == "*":
            if whole and left.bit_length() + right.bit_length() > _BITS:
                raise SecurityError("it works out too large a number")
            if not whole:
                self._write(_size(left) * max(_size(right), 0))
        elif operator == "%" and isinstance(left, str):
            self._weigh("format", (left, *(right if isinstance(right, tuple) else (right,))))
        return super().call_binop(context, operator, left, right)

    def _careful(self, name: str, filter: Any) -> Any:
        """A filter that is refused what it would make too much of."""

        @wraps(filter)
        def weighed(*args: Any, **kwargs: Any) -> Any:
            self._turn(turns=CALL)
            self._weigh(name, (*args, *kwargs.values()))
            return filter(*args, **kwargs)

        return weighed

    def _weigh(self, name: str, values: Sequence[Any]) -> None:
        if any(isinstance(value, int) and abs(value) > LARGEST_NUMBER for value in values):
            raise SecurityError(f"it uses a number above {LARGEST_NUMBER:,} as a size")
        if name in _STRETCH:
            if name.startswith("format") and any(
                isinstance(value, str) and _WIDE.search(value) for value in values[:1]
            ):
                raise SecurityError("it writes a text of too great a width")
            self._write(prod(sorted((_size(value) for value in values), reverse=True)[:2]))


class _Counted:
    """A sequence whose turns are paid for: `loop.length` and `loop.last` work as before."""

    def __init__(self, environment: BudgetedEnvironment, turns: Any, letters: int) -> None:
        self._environment, self._turns, self._letters = environment, turns, letters

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Any]:
        return self._environment._pay(self._turns, self._letters)


class _Counting(NodeTransformer):
    """Puts the counting into a template's tree."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        """What it runs over is counted, at the price of the text that stands in it."""
        self.generic_visit(node)
        letters = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        price = nodes.Const(letters, lineno=node.lineno)
        node.iter = nodes.Filter(node.iter, _COUNTED, [price], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        """`a ~ b` is measured before it is made."""
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, _JOINED, [], [], None, None, lineno=node.lineno)


def _length(value: Any) -> int:
    """Of a text or a list its length; of all else nothing."""
    return len(value) if isinstance(value, str | list | tuple | range) else 0


def _size(value: Any) -> int:
    """How much of something there is: a text's length, a number itself."""
    return value if isinstance(value, int) else _length(value)
