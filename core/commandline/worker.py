"""`rankloom worker RUN`: the detached process that `core.launch` starts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand, home


class Worker(Subcommand):
    """Train a run that is in the store already, and say everything to the store."""

    name = "worker"
    internal = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="RUN")
        parser.add_argument("--resume", action="store_true")

    def run(self, arguments: Namespace) -> Answer:
        from core.worker import main

        code = main(home(arguments), arguments.id, resume=arguments.resume)
        return Answer({"run": arguments.id}, "", int(code or 0))
