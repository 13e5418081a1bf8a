"""The base of everything a user can choose: a small frozen value whose fields are its options.

An option's default, bounds, unit, label and help are written once, with `option(...)`, and from there come the
form, the validation, the run file, the help page and the README's tables. A `Component` is one member of an axis
(LoRA on the axis "delta", cosine on the axis "schedule"); an `Axis` is the list of its members in the order that
the form shows them. Adding a member is one file and one line in its folder's `__init__.py`: an explicit import
rather than discovery, because a packager, a type checker and a reader all see it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import UserError

if TYPE_CHECKING:
    from core.figures.live.figure import LiveFigure


class Part(BaseModel):
    """A frozen piece of a run's configuration; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)


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
        if not isinstance(fields, dict) or "kind" not in fields:
            raise ValueError(f"{self.label}: expected one of {', '.join(self._by_kind)}, or a mapping with 'kind'.")
        fields = dict(fields)
        try:
            return self[fields.pop("kind")].model_validate(fields)
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError as error:
            raise ValueError("; ".join(sentences(error).values())) from None


def sentences(error: ValidationError) -> dict[str, str]:
    """Every mistake of a validation, as dotted path to sentence."""
    found = {}
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        found[path] = _sentence(problem)
    return found


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"there is no option '{name}'."
    if problem["type"] == "missing":
        return f"'{name}' is missing."
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    prefix = f"{name} " if message.startswith("should") else (f"{name}: " if name else "")
    return f"{prefix}{message} (got {problem['input']!r})." if problem["type"] != "value_error" else message


def did_you_mean(word: str, known: Any) -> str:
    """The hint for a name that does not exist."""
    near = difflib.get_close_matches(word, list(known), n=1)
    listed = ", ".join(known)
    return f"Did you mean '{near[0]}'? There are: {listed}." if near else f"There are: {listed}."
