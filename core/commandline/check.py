"""`rankloom check RUN.yaml`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from core.commandline.command import SUCCESS, USERS_MISTAKE, Answer, Subcommand, home, say, settle_libraries
from core.commandline.document import amount, pairs
from core.errors import UserError

if TYPE_CHECKING:
    from core.commandline.examination import Examination


class Check(Subcommand):
    """Check a run file without starting it: mistakes, size, memory, and on how many tokens it learns."""

    name = "check"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="RUN.yaml", type=Path, help="the run file")

    def run(self, arguments: Namespace) -> Answer:
        from core.commandline.examination import Examination, examine, problem_of, sentence
        from core.config.files import read
        from core.config.run import Mistakes
        from core.problem import Problem

        settle_libraries()
        try:
            found = examine(home(arguments), read(arguments.file))
        except Mistakes as error:
            found = Examination(tuple(Problem(path, text) for path, text in error.found.items()), ())
        except UserError as error:
            found = Examination((problem_of(error),), ())
        for problem in found.problems:
            say(sentence(problem))
        return Answer(found.to_dict(), text(found), USERS_MISTAKE if found.problems else SUCCESS)


def text(found: Examination) -> str:
    """The answer for people; the problems themselves have gone to stderr."""
    from core.commandline.examination import sentence

    lines: dict[str, str | None] = {}
    if found.trainable_parameters is not None:
        lines["trained numbers"] = f"{found.trainable_parameters:,}"
    if found.memory is not None:
        parts = found.memory.to_dict()
        total = parts.pop("total")
        lines["memory"] = f"{amount(total)} ({', '.join(f'{name} {amount(size)}' for name, size in parts.items())})"
    if found.examples is not None:
        lines["examples"] = f"{found.examples:,} to train on, {found.held_out_examples:,} held out"
        lines["trained tokens"] = f"{found.trained_tokens:,} an epoch"
    warnings = [f"Note: {said}" for said in (*found.notes, *map(sentence, found.warnings))]
    end = [] if found.problems else ["Ready to train."]
    return "\n".join([*([pairs(lines)] if lines else []), *warnings, *end])
