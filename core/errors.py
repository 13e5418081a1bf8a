"""The two kinds of failure: the world's (`UserError`) and ours (anything else).

    Exception
      UserError            a sentence and a hint that a user can act on; never shown with a traceback
        Cancelled          the user asked for the end of a job; nothing is wrong
      (anything else)      a bug: the traceback is saved with the run and is one click away in the window

A `UserError` is raised where the fact is known. Broad `except` stands at three borders only: the worker's
entry, the border of a job, and the window's excepthook.
"""

from __future__ import annotations


class UserError(Exception):
    """Something in the world is not as it must be, and the user can change it.

    Args:
        text: one sentence: what is wrong, and where.
        hint: what to do about it; empty where the text says it all.
        path: the place in the run file that it concerns, dotted (`adapter.rank`); empty where there is none.
    """

    def __init__(self, text: str, *, hint: str = "", path: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.path = path

    def __str__(self) -> str:
        return f"{self.text} {self.hint}".strip()


class Cancelled(UserError):
    """A job was ended by the user before it was done; whatever it had written is gone again."""
