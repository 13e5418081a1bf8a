"""What an export is asked for, and what it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from core.config.run import RunConfig
from core.errors import UserError
from core.export.card import is_dead_path
from core.export.merged import Onto
from core.models.info import ModelInfo
from core.paths import typed
from core.store.rows import RunRow

KINDS = ("adapter", "lora", "merged", "gguf")
LOOSE = ("adapter", "lora")
"""Exports that are loaded on top of the base model."""
ONTO = get_args(Onto)


@dataclass(frozen=True)
class Request:
    """What is to be exported.

    Attributes:
        run: its id.
        to: one of `KINDS`.
        out: the folder to make.
        verify: whether to compare what was written with the live model.
        checkpoint: "best", "last", or a step.
        rank: of a plain LoRA; else cut the adapter to this rank. None takes its own.
        base: name of the base model for whoever opens the export; empty takes the model's own.
        precision: what a GGUF file holds its matrices in.
        onto: the base that is merged into where it was quantised: "trained", or the "original" one of the files.
    """

    run: str
    to: str
    out: Path
    verify: bool = False
    checkpoint: str = "best"
    rank: int | None = None
    base: str = ""
    precision: str = "F16"
    onto: Onto = "trained"

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Request:
        """Read a job's body.

        Raises:
            UserError: it asks for a form that does not exist, or gives a path as the base model's name.
        """
        given = {key: body[key] for key in cls.__dataclass_fields__ if body.get(key) is not None}
        out = typed(given["out"]).absolute()
        request = cls(**{**given, "out": out, "checkpoint": str(given.get("checkpoint", "best"))})
        if request.to not in KINDS:
            raise UserError(f"There is no export to '{request.to}'.", hint=f"There are: {', '.join(KINDS)}.")
        if request.onto not in ONTO:
            raise UserError(f"Nothing can be merged onto '{request.onto}'.", hint=f"There are: {', '.join(ONTO)}.")
        if request.rank is not None and (not isinstance(request.rank, int) or request.rank < 1):
            raise UserError(f"The rank must be a whole number of 1 or more (got {request.rank!r}).")
        if is_dead_path(request.base):
            raise UserError(
                f"'{request.base}' is a path, which means nothing on another machine.",
                hint="Give the base model's name, such as owner/name.",
            )
        return request


@dataclass(frozen=True)
class Source:
    """Everything that an export is made from."""

    row: RunRow
    config: RunConfig
    step: int
    folder: Path
    info: ModelInfo
    base: str
    notes: tuple[str, ...]
