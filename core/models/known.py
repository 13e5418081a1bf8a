"""What the installed transformers knows of an architecture, read from its source: importing it would load torch."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

from core.errors import UserError

_PAIR = re.compile(r'\(?"([\w.-]+)",\s*"(\w+)"')


@cache
def known_model_types() -> frozenset[str]:
    """Every `model_type` that it can build."""
    names = _pairs("auto_mappings.py") + _pairs("configuration_auto.py")
    return frozenset(name for name, value in names if value.endswith("Config"))


def writes_text(model_type: str) -> bool:
    """Whether it has a model of this type that predicts the next token."""
    return model_type in _writing()


@cache
def bases(model_type: str) -> tuple[str, ...]:
    """What stands in front of every name inside the model but outside its heads (`transformer`); empty if unknown."""
    place = dict(_pairs("auto_mappings.py", "SPECIAL_MODEL_TYPE_TO_MODULE_NAME")).get(model_type)
    place = place or model_type.replace("-", "_")
    try:
        source = (_models() / place / f"modeling_{place}.py").read_text(encoding="utf-8")
    except OSError:
        return ()
    return tuple(dict.fromkeys(re.findall(r'^    base_model_prefix = "(\w+)"', source, re.MULTILINE)))


@cache
def _writing() -> frozenset[str]:
    return frozenset(name for name, _ in _pairs("modeling_auto.py", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"))


def _pairs(file: str, table: str = "") -> list[tuple[str, str]]:
    """The pairs of names in a table of the module that chooses classes; in all of its tables where none is named."""
    text = (_models() / "auto" / file).read_text(encoding="utf-8")
    if table:
        text = text.partition(f"\n{table} = ")[2].partition("\n)")[0]
    return _PAIR.findall(text)


def _models() -> Path:
    found = importlib.util.find_spec("transformers")
    places = found.submodule_search_locations if found else None
    if not places:
        raise UserError("transformers is not installed.", hint="Run the set-up again: make run.")
    return Path(places[0]) / "models"
