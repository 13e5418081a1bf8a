"""From the words of the command line to an exit status.

    0  it worked
    1  a bug: the traceback is on stderr
    2  the user's mistake: one sentence on stderr, no traceback

With `--json`, stdout holds exactly one JSON document in every one of these cases; a failure is
`{"error": {"text", "hint", "path"}}`. While a sub-command works, everything that is printed, by whichever library,
goes to stderr.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from argparse import PARSER, SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, NoReturn, TextIO

from core import VERSION
from core.commandline.check import Check
from core.commandline.command import BUG, USERS_MISTAKE, Answer, Subcommand, say
from core.commandline.demo import Demo
from core.commandline.doctor import Doctor
from core.commandline.document import to_json
from core.commandline.export import Export
from core.commandline.import_adapter import Import
from core.commandline.importance import Importance
from core.commandline.layers import Layers
from core.commandline.methods import Methods
from core.commandline.queue import Queue
from core.commandline.report import Report
from core.commandline.resume import Resume
from core.commandline.runs import Runs
from core.commandline.service import Service
from core.commandline.show import Show
from core.commandline.train import Train
from core.commandline.worker import Worker
from core.errors import UserError

SUBCOMMANDS: tuple[type[Subcommand], ...] = (
    Layers, Methods, Check, Train, Resume, Runs, Show, Export, Import, Importance, Report, Doctor, Demo, Worker,
    Service, Queue,
)  # fmt: skip
INTERRUPTED = 130
NOBODY_READS = (errno.EPIPE, errno.EINVAL)
"""What systems say of a pipe whose other end is closed; the second is Windows'."""


class Parser(ArgumentParser):
    """An argument parser whose complaints are `UserError`s like everybody's; options are written out in full."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def _check_value(self, action: Action, value: object) -> None:
        """A word that is none of several: what was meant, and for sub-commands only those that are for people."""
        if action.choices is None or value in action.choices:
            return
        from core.component import did_you_mean

        if action.nargs == PARSER:
            people = [kind.name for kind in SUBCOMMANDS if not kind.internal]
            raise UserError(f"There is no sub-command '{value}'.", hint=did_you_mean(str(value), people))
        raise UserError(
            f"{'/'.join(action.option_strings)} has no '{value}'.", hint=did_you_mean(str(value), action.choices)
        )

    def error(self, message: str) -> NoReturn:
        """Report a mistake in the arguments."""
        raise UserError(f"{message[:1].upper()}{message[1:]}.", hint=f"See {self.prog} --help.")


def main(words: Sequence[str]) -> int:
    """Do what the command line says; returns the exit status."""
    try:
        arguments = parser().parse_args(words, Namespace(home=None, json=False))
        with stdout_kept_clean():
            answer = run(arguments)
    except UserError as error:
        say(str(error))
        answer = failure(error.text, error.hint, error.path, USERS_MISTAKE)
    except KeyboardInterrupt:
        say("Interrupted.")
        answer = failure("Interrupted.", "", "", INTERRUPTED)
    except Exception as error:
        traceback.print_exc()
        answer = failure(f"{type(error).__name__}: {error}", "This is a bug in Rankloom.", "", BUG)
    return write(to_json(answer.document) if "--json" in words else answer.text) or answer.code


def run(arguments: Namespace) -> Answer:
    """Run the sub-command, or open the window where there is none; what has a loop of its own ends by itself."""
    subcommand: Subcommand | None = arguments.subcommand
    if subcommand is None:
        return open_window(arguments)
    if subcommand.internal or isinstance(subcommand, Demo):
        return subcommand.run(arguments)
    with ended_as_by_ctrl_c():
        return subcommand.run(arguments)


def parser() -> Parser:
    """The parser of the whole command line."""
    shared = Parser(add_help=False, argument_default=SUPPRESS)
    shared.add_argument("--home", metavar="DIR", help="where runs and converted models live, instead of RANKLOOM_HOME")
    shared.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    whole = Parser(
        prog="rankloom", parents=[shared], description="Fine-tunes local language models with the LoRA family.",
        epilog="Without a sub-command the window opens.",
    )  # fmt: skip
    whole.set_defaults(subcommand=None)
    whole.add_argument("--version", action="version", version=f"Rankloom {VERSION}")
    listed = [kind.name for kind in SUBCOMMANDS if not kind.internal]
    children = whole.add_subparsers(title="sub-commands", metavar="{" + ",".join(listed) + "}")
    for kind in SUBCOMMANDS:
        text = " ".join((kind.__doc__ or "").split())
        if kind.internal:
            child = children.add_parser(kind.name, parents=[shared], description=text)
        else:
            child = children.add_parser(kind.name, parents=[shared], description=text, help=text)
        subcommand = kind()
        subcommand.arguments(child)
        child.set_defaults(subcommand=subcommand)
    return whole


def open_window(arguments: Namespace) -> Answer:
    """Open the window and stay until it is closed."""
    start = importlib.import_module("app.start")
    code = int(start.main(arguments.home))
    return Answer({"closed": True}, "", code)


def failure(text: str, hint: str, path: str, code: int) -> Answer:
    """The answer of a command that failed; the sentence itself has gone to stderr already."""
    return Answer({"error": {"text": text, "hint": hint, "path": path}}, "", code)


def write(text: str) -> int:
    """Print the answer; returns a status of its own only where that fails, or nobody reads any more (`| head`)."""
    if not text:
        return 0
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in NOBODY_READS:
            return BUG
        say(f"The answer cannot be written: {error.strerror}.")
        return USERS_MISTAKE
    return 0


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Have the system's request to end (SIGTERM) unwind what goes on, as Ctrl-C does: nothing half-written stays."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send whatever is printed meanwhile to stderr: by Python code, and by libraries that write below it."""
    kept = None
    if _is_descriptor(sys.stdout, 1) and _is_descriptor(sys.stderr, 2):
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def _is_descriptor(stream: TextIO | None, wanted: int) -> bool:
    """Whether the stream is the process's own (a test's or an IDE's stand-in is left alone)."""
    try:
        return stream is not None and stream.fileno() == wanted
    except (OSError, ValueError):
        return False
