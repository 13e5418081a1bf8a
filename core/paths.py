"""Paths as people type them: into a form, a run file, the command line or the environment."""

from __future__ import annotations

from pathlib import Path

from core.errors import UserError


def typed(path: str | Path) -> Path:
    """The path that somebody means; `~` is their own folder. Whether there is anything is the caller's question.

    Raises:
        UserError: nothing can be there: no such user, a name that is too long, or a folder that may not be looked into.
    """
    try:
        meant = Path(path).expanduser()
        meant.exists()
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "there is no such user"
        shown = str(path) if len(str(path)) < 200 else f"{str(path)[:200]}..."
        raise UserError(f"{shown} cannot be a path here: {why}.", hint="Check the path.") from None
    return meant
