"""The draft on disk: what the form held when the window was last open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core import atomic
from core.config.edit import rebuilt
from core.config.run import RunConfig, problems


@dataclass(frozen=True)
class Kept:
    """What a draft file holds: the configuration, and recent paths by kind."""

    config: RunConfig
    recent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Draft:
    """A small YAML file, written whole and atomically. It is a convenience: a broken one is left behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, config: RunConfig, recent: Mapping[str, tuple[str, ...]]) -> bool:
        """Save; False where the disk refuses (the form still holds everything, and the next change tries again)."""
        body = {"config": config.to_dict(), "recent": {kind: list(paths) for kind, paths in recent.items()}}
        try:
            atomic.write_text(self.path, yaml.safe_dump(body, allow_unicode=True, sort_keys=False))
        except OSError:
            return False
        return True

    def read(self) -> Kept | None:
        """The draft, as far as it is still valid; None where there is none."""
        try:
            body = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None
        if not isinstance(body, dict) or not isinstance(body.get("config"), dict):
            return None
        recent = body.get("recent")
        kept = {str(k): tuple(map(str, v)) for k, v in recent.items()} if isinstance(recent, dict) else {}
        return Kept(_mended(body["config"]), kept)


def _mended(value: dict[str, Any]) -> RunConfig:
    """The configuration of a draft: what is no longer valid falls back to its default, no layers stay no layers."""
    adapter = value.get("adapter")
    nothing_chosen = isinstance(adapter, dict) and adapter.get("layers") == []
    if nothing_chosen and isinstance(adapter, dict):
        del adapter["layers"]
    for path in problems(value):
        _drop(value, path.split("."))
    config = RunConfig() if problems(value) else RunConfig.model_validate(value)
    return rebuilt(config, {"adapter": rebuilt(config.adapter, {"layers": ()})}) if nothing_chosen else config


def _drop(value: dict[str, Any], keys: list[str]) -> None:
    """Remove the deepest existing key on the way to a place."""
    here: Any = value
    for key, below in zip(keys, [*keys[1:], ""], strict=True):
        if not isinstance(here, dict) or key not in here:
            return
        if not below or not isinstance(here[key], dict) or below not in here[key]:
            del here[key]
            return
        here = here[key]
