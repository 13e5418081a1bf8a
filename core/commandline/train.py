"""`rankloom train RUN.yaml`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing
from pathlib import Path

from core.commandline.command import Answer, Subcommand, home, say, settle_libraries


class Train(Subcommand):
    """Train what a run file says, and follow it to its end."""

    name = "train"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="RUN.yaml", type=Path, help="the run file")

    def run(self, arguments: Namespace) -> Answer:
        from core.commandline import examination, following
        from core.config.files import read
        from core.store.store import Store

        settle_libraries()
        config = read(arguments.file)
        workspace = home(arguments)
        found = examination.examine(workspace, config)
        for said in (*found.notes, *map(examination.sentence, found.warnings)):
            say(said)
        found.refuse_blocking()
        with closing(Store(workspace)) as store:
            return following.train(workspace, store, store.create_run(config))
