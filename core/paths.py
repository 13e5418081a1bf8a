"""Paths as people type them: into a form, a run file, the command line or the environment."""

from __future__ import annotations

from pathlib import Path

from core.errors import UserError


def typed(path: str | Path) -> Path:
    """The path that somebody means; `~` is their own folder. Whether there is anything is the caller's question.

    Raises:
        UserError: nothing can be there: no such user, a name that is too long, or a folder that may not be looked into;
            or the name is no text, which neither the database nor the libraries that read models would take.
    """
    try:
        str(path).encode()
        meant = Path(path).expanduser()
        meant.exists()
    except (OSError, RuntimeError, UnicodeEncodeError) as error:
        known = {RuntimeError: "there is no such user", UnicodeEncodeError: "the name is not UTF-8"}
        why = getattr(error, "strerror", None) or known.get(type(error), str(error))
        shown = str(path).encode(errors="backslashreplace").decode()
        shown = shown if len(shown) < 200 else f"{shown[:200]}..."
        raise UserError(f"{shown} cannot be a path here: {why}.", hint="Check the path.") from None
    return meant
