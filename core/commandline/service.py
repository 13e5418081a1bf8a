"""`rankloom service`: the warm worker of the window's short jobs, started by `core.launch`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand, home


class Service(Subcommand):
    """Take jobs from the store, one by one, until the window that started it has gone."""

    name = "service"
    internal = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--parent", type=int, required=True)

    def run(self, arguments: Namespace) -> Answer:
        from core.service import main

        code = main(home(arguments), parent=arguments.parent)
        return Answer({}, "", int(code or 0))
