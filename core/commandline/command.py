"""What a sub-command is: a name, its arguments, and a function from those to an `Answer`.

A sub-command never prints. It hands back one JSON document and the same in words for people, and `entry` writes
whichever was asked for, once, at the end: whatever a library prints meanwhile can't get between the two.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from core.home import Home

SUCCESS = 0
BUG = 1
USERS_MISTAKE = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sub-command found.

    Attributes:
        document: what `--json` prints; plain Python values, see `document.plain`.
        text: the same for people, without a line break at its end.
        code: the process's exit status.
    """

    document: Any
    text: str
    code: int = SUCCESS


class Subcommand:
    """One sub-command. The docstring of the class is its help; heavy imports belong inside `run`."""

    name: ClassVar[str]
    """How it is called."""
    internal: ClassVar[bool] = False
    """Whether only Rankloom itself calls it: left out of the help."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare its arguments; `--home` and `--json` are there already."""

    def run(self, arguments: Namespace) -> Answer:
        """Do it.

        Raises:
            UserError: the user can put it right; exit status 2.
        """
        raise NotImplementedError


def home(arguments: Namespace) -> Home:
    """The workspace that `--home` or RANKLOOM_HOME names."""
    from core.home import find_home

    return find_home(arguments.home)


def say(text: str) -> None:
    """Tell a person who waits, on stderr: stdout is for the answer alone."""
    print(text, file=sys.stderr, flush=True)


def settle_libraries() -> None:
    """Keep what is imported from now on away from the network, and its idle threads from spinning.

    Libraries look at the environment once, when they are imported, so this comes first.
    """
    from core.launch import OFFLINE

    os.environ.update({**OFFLINE, "TOKENIZERS_PARALLELISM": "true"})
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
