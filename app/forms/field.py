"""What a form knows of one option: read from its pydantic declaration, nothing written twice."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from core.component import Axis, Component
from core.config.edit import title
from core.config.run import AXES
from core.optim.optimizers import OPTIMIZERS
from core.optim.schedules import SCHEDULES

_ALL_AXES: tuple[Axis[Any], ...] = (*AXES.values(), OPTIMIZERS, SCHEDULES)


@dataclass(frozen=True)
class Field:
    """One option of a part, as the form shows it.

    Attributes:
        name: its name in the part.
        annotation: its type, without `None`.
        label: what the form calls it.
        help: one or two sentences for the tooltip.
        unit: shown behind the value.
        default: its value where nobody says anything.
        low, high: bounds, where there are any; `open_low` and `open_high` say that the bound itself is not allowed.
        advanced: whether the form folds it away.
        is_path: whether the text names a file or a folder.
        required: whether it has no default.
    """

    name: str
    annotation: Any
    label: str
    help: str = ""
    unit: str = ""
    default: Any = None
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    advanced: bool = False
    is_path: bool = False
    required: bool = False

    @property
    def literals(self) -> tuple[Any, ...]:
        """The values of a `Literal`; empty for any other type."""
        return get_args(self.annotation) if get_origin(self.annotation) is Literal else ()

    @property
    def axis(self) -> Axis[Any] | None:
        """The axis that the field takes a member of; None for any other type."""
        if not (isinstance(self.annotation, type) and issubclass(self.annotation, Component)):
            return None
        return next((axis for axis in _ALL_AXES if issubclass(axis.members[0], self.annotation)), None)


def fields_of(part: type[BaseModel]) -> tuple[Field, ...]:
    """The options of a part, in the order in which they are declared."""
    return tuple(field_of(part, name) for name in part.model_fields)


def field_of(part: type[BaseModel], name: str) -> Field:
    """One option of a part."""
    info = part.model_fields[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    low = next((m for m in info.metadata if isinstance(m, Ge | Gt)), None)
    high = next((m for m in info.metadata if isinstance(m, Le | Lt)), None)
    return Field(
        name=name,
        annotation=_without_none(info.annotation),
        label=title(part, name),
        help=info.description or "",
        unit=str(extra.get("unit", "")),
        default=info.get_default(call_default_factory=False),
        low=_bound(low),
        high=_bound(high),
        open_low=isinstance(low, Gt),
        open_high=isinstance(high, Lt),
        advanced=bool(extra.get("advanced", False)),
        is_path=bool(extra.get("is_path", False)),
        required=info.is_required(),
    )


def _bound(mark: Any) -> float | None:
    """The number of a bound's mark."""
    if mark is None:
        return None
    return next(float(getattr(mark, name)) for name in ("ge", "gt", "le", "lt") if hasattr(mark, name))


def _without_none(annotation: Any) -> Any:
    """`X` of `X | None`; other types as they are."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kept = [choice for choice in get_args(annotation) if choice is not NoneType]
    return kept[0] if len(kept) == 1 else annotation
