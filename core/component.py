"""The base of everything a user can choose: a small frozen value whose fields are its options.

An option's default, bounds, unit, label and help are written once, with `option(...)`, and from there come the
form, the validation, the run file, the help page and the README's tables. A `Component` is one member of an axis
(LoRA on the axis "delta", cosine on the axis "schedule"); an `Axis` is the list of its members in the order that
the form shows them. Adding a member is one file and one line in its folder's `__init__.py`: an explicit import
rather than discovery, because a packager, a type checker and a reader all see it.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import UserError

if TYPE_CHECKING:
    from core.figures.live.figure import LiveFigure


class Part(BaseModel):
    """A frozen piece of a run's configuration; unknown keys are errors, and so are numbers that JSON cannot hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Component(Part):
    """One member of an axis. The docstring is its help text and names the paper."""

    kind: ClassVar[str]
    """How the run file names it."""
    label: ClassVar[str]
    """How the window names it."""
    paper: ClassVar[str] = ""
    """arXiv id, where there is one."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it asks of the other axes; compared with their `provides`."""
    provides: ClassVar[frozenset[str]] = frozenset()
    """What it offers to the other axes."""
    because: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """To a word that it needs, or does not provide, the reason: the end of a sentence, without its full stop."""
    wary: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """To a word that another one provides, what the user should know of the two together, in a sentence."""
    pace: ClassVar[float] = 1.0
    """Its learning rate in units of plain LoRA's, as its paper has it; see `core.config.pace`."""
    breadth: ClassVar[float] = 1.0
    """Its rank in units of plain LoRA's, likewise."""
    shows: ClassVar[tuple[LiveFigure, ...]] = ()
    """What it shows of itself while a run goes on."""

    @classmethod
    def help(cls) -> str:
        """The docstring, as one text."""
        return " ".join((cls.__doc__ or "").split())

    def to_value(self) -> dict[str, Any]:
        """The run file's mapping: `kind` first, then the options."""
        return {"kind": self.kind, **self.model_dump(mode="json")}


def option(
    default: Any,
    label: str,
    help: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    advanced: bool = False,
    is_path: bool = False,
) -> Any:
    """Declare one option of a `Part` or `Component`.

    Args:
        default: its value where the user says nothing.
        label: what the form calls it.
        help: one or two sentences for a practitioner.
        unit: shown behind the value (`tokens`, `steps`).
        ge, gt, le, lt: bounds, checked on every way in.
        advanced: whether the form folds it away.
        is_path: whether the text names a file or folder, so that the form offers to look for it.
    """
    return Field(
        default, title=label, description=help, ge=ge, gt=gt, le=le, lt=lt,
        json_schema_extra={"unit": unit, "advanced": advanced, "is_path": is_path},
    )  # fmt: skip


C = TypeVar("C", bound=Component)


class Axis(Generic[C]):
    """An axis of the configuration and its members, in the form's order; the first is the default."""

    def __init__(self, name: str, label: str, *members: type[C]) -> None:
        self.name = name
        self.label = label
        self.members = members
        self._by_kind = {member.kind: member for member in members}

    def __getitem__(self, kind: str) -> type[C]:
        if kind not in self._by_kind:
            raise UserError(f"{self.label}: there is no '{kind}'.", hint=did_you_mean(kind, self._by_kind))
        return self._by_kind[kind]

    def default(self) -> C:
        """The first member with its defaults."""
        return self.members[0]()

    def parse(self, value: Any) -> Any:
        """Turn a run file's value into a member: a kind, a mapping with `kind`, or the member itself.

        Raises:
            ValueError: for pydantic to place on the field, with the reason in words.
        """
        if isinstance(value, self.members):
            return value
        fields = {"kind": value} if isinstance(value, str) else value
        if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
            raise ValueError(f"{self.label}: expected one of {', '.join(self._by_kind)}, or a mapping with 'kind'.")
        fields = dict(fields)
        try:
            return self[fields.pop("kind")].model_validate(fields)
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError as error:
            raise ValueError("; ".join(sentences(error).values())) from None


def sentences(error: ValidationError, root: type[BaseModel] | None = None) -> dict[str, str]:
    """Every mistake of a validation, as dotted path to sentence.

    Args:
        error: what pydantic found.
        root: what was validated, where options near a misspelt one are to be named.
    """
    found: dict[str, str] = {}
    for problem in error.errors():
        places = [str(part) for part in problem["loc"] if not _is_type(part)]
        path = ".".join(places)
        if path not in found:
            near = did_you_mean(places[-1], _options(root, places[:-1])) if problem["type"] == "extra_forbidden" else ""
            found[path] = f"{_sentence(problem, path)} {near}".strip()
        elif problem["type"] in _WANTED:
            found[path] = found[path].replace(
                " (got", f" or {_WANTED[problem['type']].removeprefix('should be ')} (got", 1
            )
    return found


_QUOTE = reprlib.Repr()
_QUOTE.maxstring = _QUOTE.maxother = 80
_QUOTE.maxlevel, _QUOTE.maxlist = 2, 4
"""Quotes values: a little of each, since those of a run file can be of any size."""

_WANTED = {
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping of names to values",
    "model_type": "should be a mapping of options",
    "model_attributes_type": "should be a mapping of options",
}
"""pydantic's kinds of mistakes to words without types of Python."""


def _is_type(part: str | int) -> bool:
    """Whether pydantic put a type into the place of a mistake: one of several that a value may have."""
    return isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "bool"))


def _options(root: type[BaseModel] | None, places: Sequence[str]) -> list[str]:
    """The names of the options at a place; none where it is unknown."""
    for place in places:
        field = root.model_fields.get(place) if root else None
        inner = field.annotation if field else None
        root = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return list(root.model_fields) if root else []


def _sentence(problem: Any, name: str) -> str:
    if problem["type"] == "extra_forbidden":
        return f"there is no option '{name}'."
    if problem["type"] in _WANTED:
        return f"{name} {_WANTED[problem['type']]} (got {_QUOTE.repr(problem['input'])})."
    if problem["type"] == "missing":
        return f"'{name}' is missing."
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    prefix = f"{name} " if message.startswith("should") else (f"{name}: " if name else "")
    return f"{prefix}{message} (got {_QUOTE.repr(problem['input'])})." if problem["type"] != "value_error" else message


def did_you_mean(word: str, known: Any) -> str:
    """The hint for a name that does not exist."""
    if not known:
        return ""
    near = difflib.get_close_matches(word, list(known), n=1)
    listed = ", ".join(known)
    return f"Did you mean '{near[0]}'? There are: {listed}." if near else f"There are: {listed}."
