"""Run files: a `RunConfig` as YAML that people write, read and keep under version control.

Written short: what a run is mostly described by always stands there, anything else only where it is not the default.
Read strictly: a key that is doubled or unknown is a mistake, since a misspelt option must not be silently ignored.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode

from core.atomic import write_text
from core.component import Part
from core.config.run import Mistakes, RunConfig
from core.errors import UserError
from core.paths import typed

ALWAYS: dict[str, tuple[str, ...]] = {
    "": ("name", "seed", "task"),
    "model": ("path", "storage", "compute"),
    "data": ("path", "format", "max_tokens", "held_out", "train_on", "packing"),
    "adapter": ("method", "rank", "alpha", "dropout", "layers"),
    "train": (
        "steps", "batch", "accumulate", "learning_rate", "schedule", "warmup", "clip", "evaluate_every",
        "checkpoint_every",
    ),
}  # fmt: skip
"""Part of the run file to the keys that are written even where they are the defaults."""

PATHS = (("model", "path"), ("data", "path"), ("data", "held_out_path"))
"""The options that name a file or folder."""


def read(path: Path) -> RunConfig:
    """The run of a file; relative paths in it are looked for beside the file first, then in the current folder.

    Raises:
        UserError: the file cannot be read, is no YAML mapping, or has mistakes, all of which are named.
    """
    value = _load(path)
    for part, key in PATHS:
        options = value.get(part)
        if isinstance(options, dict) and isinstance(options.get(key), str):
            options[key] = _resolved(options[key], path)
    try:
        return RunConfig.from_dict(value)
    except Mistakes as error:
        raise Mistakes(error.found, str(path)) from None


def write(config: RunConfig, path: Path) -> None:
    """Put the run into a YAML file, whole or not at all; `read` gives an equal run back."""
    write_text(path, dumps(config))


def dumps(config: RunConfig) -> str:
    """The text of a run file."""
    value = short(config)
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def short(config: RunConfig) -> dict[str, Any]:
    """The run file's mapping without what is the default and not in `ALWAYS`."""
    found: dict[str, Any] = _short(config, RunConfig(), "")
    return found


def _short(part: Part, default: Part, name: str) -> dict[str, Any]:
    dumped = part.model_dump(mode="json", exclude_none=True)
    found: dict[str, Any] = {}
    for key in dumped:
        value, usual = getattr(part, key), getattr(default, key)
        if not name and isinstance(value, Part):
            found[key] = _short(value, usual, key)
        elif key in ALWAYS[name] or value != usual or type(value) is not type(usual):
            found[key] = dumped[key]
    return found


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file.", hint="A run file is YAML in UTF-8.") from None
    except OSError as error:
        text = f"The run file {path} cannot be read: {error.strerror}."
        raise UserError(text, hint="Give the path of a run file in YAML.") from None
    try:
        value = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the day 2026-02-30; a list of lists of lists ...
        raise UserError(
            f"{path} is not sound YAML: {_words(error)}.", hint="Mind the spaces before the keys."
        ) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(
            f"{path} is not a run file.", hint="It starts with keys such as name:, model:, data:, adapter: and train:."
        )
    return value


def _words(error: Exception) -> str:
    """What the parser says, with the line where it knows it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).replace("\n", " ")
    said = error.problem or error.context or "it cannot be understood"
    mark = error.problem_mark or error.context_mark
    return f"{said} in line {mark.line + 1}, column {mark.column + 1}" if mark else said


def _resolved(value: str, path: Path) -> str:
    """An absolute path where there is such a file or folder; otherwise the words as they stand."""
    if not value:
        return value
    wanted = typed(value)
    for folder in (path.parent, Path.cwd()):
        found = (folder / wanted).absolute()
        if found.exists():
            return str(found)
    return value


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping; YAML itself would quietly take the second."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, ScalarNode) and key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key_node.value}' is there twice", key_node.start_mark
                )
            seen.add(str(key_node.value))
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Mappings over lines, lists in one line: `layers: [q_proj, v_proj]`."""

    def represent_str(self, data: str) -> Any:
        # The line breaks of Unicode would be folded into spaces; between double quotes they are escaped.
        style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=True)


_Dumper.add_representer(str, _Dumper.represent_str)
