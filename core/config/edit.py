"""Changing a frozen `RunConfig` by dotted paths, and saying in words what a change was.

The window edits one value at a time (`adapter.rank`), undoes it, and tells the fields that show it. Only the value that
changes is validated: a draft may be unsound elsewhere (no layer chosen yet) and is still edited, saved and undone like
any other; `core.config.run.problems` says what it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.component import Component, sentences
from core.config.run import AXES, RunConfig
from core.errors import UserError

M = TypeVar("M", bound=BaseModel)

MAY_BE_EMPTY = frozenset({"adapter.layers"})
"""What a draft may leave empty though a run may not: one erases the last layer before choosing another."""


def value_at(config: BaseModel, path: str) -> Any:
    """The value at a dotted path (`train.schedule`)."""
    value: Any = config
    for part in path.split("."):
        value = getattr(value, part)
    return value


def replaced(config: M, values: Mapping[str, Any]) -> M:
    """A copy with the values at these dotted paths; only these values are validated.

    Raises:
        UserError: a value is not allowed there; `path` is the place. The configuration given is as it was.
    """
    for path, value in values.items():
        config = _with(config, path.split("."), value, path)
    return config


def _with(part: M, keys: list[str], value: Any, path: str) -> M:
    """One level of `replaced`: the part with its own field, or the field of a part below, changed."""
    key, *rest = keys
    if key not in type(part).model_fields:
        raise UserError(f"There is no option '{path}'.", path=path)
    new = _with(getattr(part, key), rest, value, path) if rest else _validated(part, key, value, path)
    return rebuilt(part, {key: new})


def rebuilt(part: M, fields: Mapping[str, Any]) -> M:
    """The part with these field values as they are. Not `model_copy`: that would carry stale cached properties."""
    values = {name: getattr(part, name) for name in type(part).model_fields}
    return type(part).model_construct(**{**values, **fields})


def _validated(part: BaseModel, key: str, value: Any, path: str) -> Any:
    """What the field makes of the value, its bounds and validators applied."""
    if path in MAY_BE_EMPTY and not value:
        return ()
    required = {n: getattr(part, n) for n, field in type(part).model_fields.items() if field.is_required()}
    try:
        return getattr(type(part).model_validate({**required, key: value}), key)
    except ValidationError as error:
        text = next(iter(sentences(error).values()))
        raise UserError(text[:1].upper() + text[1:], path=path) from None


def difference(before: BaseModel, after: BaseModel, prefix: str = "") -> frozenset[str]:
    """The dotted paths whose values differ. A member of an axis counts as one value (`train.schedule`)."""
    found: set[str] = set()
    for name in type(before).model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new and type(old) is type(new):
            continue
        path = f"{prefix}{name}"
        if isinstance(old, BaseModel) and type(old) is type(new) and not isinstance(old, Component):
            found |= difference(old, new, f"{path}.")
        else:
            found.add(path)
    return frozenset(found)


def title(part: type[BaseModel], name: str) -> str:
    """What the form calls a field: its own title, or that of the axis of this name."""
    own = part.model_fields[name].title
    return own or (AXES[name].label if name in AXES else name.replace("_", " ").capitalize())


def sentence(before: RunConfig, after: RunConfig) -> str:
    """What changed, for the undo menu: "Rank (r) 8 to 16"; where several did, the first and how many more."""
    paths = sorted(difference(before, after), key=lambda path: (path == "name", path))
    if not paths:
        return "Nothing"
    first = _said(before, after, paths[0])
    more = len([path for path in paths if path != "name"]) - 1
    return f"{first} and {more} more" if more > 0 else first


def _said(before: RunConfig, after: RunConfig, path: str) -> str:
    """One changed path in words, down to the option of a member where its kind stayed."""
    parent, _, name = path.rpartition(".")
    owner = value_at(after, parent) if parent else after
    old, new = value_at(before, path), value_at(after, path)
    label = title(type(owner), name)
    if isinstance(old, Component) and type(old) is type(new):
        name = min(difference(old, new))
        label, old, new = title(type(new), name), getattr(old, name), getattr(new, name)
    words = [_shown(old), _shown(new)]
    return label if None in words else f"{label} {words[0]} to {words[1]}"


def _shown(value: Any) -> str | None:
    """A value short enough for a menu; None where it is not."""
    if isinstance(value, Component):
        return value.label
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, str) and 0 < len(value) <= 24:
        return value
    return None
