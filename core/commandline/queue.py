"""`rankloom queue`: the process that starts waiting runs one after the other, started by `core.queue`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand, home


class Queue(Subcommand):
    """Start the runs that wait, each when nothing else is trained any more, until none waits."""

    name = "queue"
    internal = True

    def arguments(self, parser: ArgumentParser) -> None:
        pass

    def run(self, arguments: Namespace) -> Answer:
        from core.queue import main

        return Answer({}, "", main(home(arguments)))
