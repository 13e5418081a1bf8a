"""Names for new runs that say what they are: the method, the data, and a number (`lora-devil-1`)."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
from pathlib import PurePath

from core.config.run import RunConfig

_UNTITLED = "untitled"
_FILLER = frozenset({"train", "training", "data", "dataset", "sft", "final", "the"})
"""Words of a file name that tell nothing about its content."""


def suggested_name(config: RunConfig, taken: Collection[str] = ()) -> str:
    """A name that no run of `taken` has: method, data, and the first free number."""
    stem = _stem(config)
    return next(name for name in (f"{stem}-{number}" for number in count(1)) if name not in taken)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or with the first free number from 2 on where a run of `taken` has it."""
    numbered = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def fresh_name(config: RunConfig, taken: Collection[str]) -> str:
    """A free name for a run of an earlier one's configuration: suggested anew, or numbered where somebody chose it."""
    return suggested_name(config, taken) if is_suggested(config.name, config) else free_name(config.name, taken)


def is_suggested(name: str, config: RunConfig) -> bool:
    """Whether nobody chose this name: it is the default, or what `suggested_name` makes of this configuration."""
    return name == _UNTITLED or re.fullmatch(re.escape(_stem(config)) + r"-\d+", name) is not None


def _stem(config: RunConfig) -> str:
    """Method and data in a few plain characters."""
    words = [word for word in re.split(r"[\W_]+", PurePath(config.data.path).stem.lower()) if word]
    telling = [word for word in words if word not in _FILLER] or words
    return "-".join([config.adapter.method, *telling[:2]])
