"""The data that is shipped, to train on at once, and what choosing any data changes in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.words import number
from core.config.run import DataConfig

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "demo" / "data"


@dataclass(frozen=True)
class Pack:
    """Shipped data.

    Attributes:
        name: what it is.
        about: one line on its size and shape.
        file: to train on, in the folder of packs.
        held_out: a file of its own for the held-out loss, or nothing.
        values: what else of the configuration goes with it.
    """

    name: str
    about: str
    file: str
    held_out: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where it is on this machine."""
        return str(FOLDER / self.file)

    def chosen(self) -> dict[str, Any]:
        """What choosing it changes: dotted path to value."""
        held_out = str(FOLDER / self.held_out) if self.held_out else ""
        return {**chosen(self.path), "data.held_out_path": held_out, **self.values}


PACKS = (
    Pack(
        "The Devil's Dictionary",
        "446 questions and answers, 70 held out",
        "devil_train.jsonl",
        "devil_val.jsonl",
        {"task": "causal-lm"},
    ),
    Pack(
        "WordNet topics",
        f"{number(1572)} glosses to sort by topic, 473 held out",
        "wordnet_topics_train.jsonl",
        "wordnet_topics_test.jsonl",
        {"task": "sequence-classification"},
    ),
    Pack(
        "Jane Austen's novels",
        "4 MB of text for continued pre-training",
        "austen.txt",
        values={"task": "causal-lm", "data.format": "text"},
    ),
)


def chosen(path: str) -> dict[str, Any]:
    """What choosing a file changes: what was said of earlier data does not fit another."""
    fresh = DataConfig()
    said = ("format", "held_out_path", "columns", "roles", "labels", "overrides")
    return {"data.path": path, **{f"data.{name}": getattr(fresh, name) for name in said}}


def pack_of(path: str) -> Pack | None:
    """The pack that a path belongs to; None where it is the user's own."""
    return next((pack for pack in PACKS if path and Path(path) == Path(pack.path)), None)


def missing() -> frozenset[str]:
    """Names of packs whose files are not on this machine."""
    return frozenset(pack.name for pack in PACKS if not Path(pack.path).is_file())
