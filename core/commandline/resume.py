"""`rankloom resume RUN`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing

from core.commandline.command import Answer, Subcommand, home, say


class Resume(Subcommand):
    """Go on with a run from its newest checkpoint, and follow it to its end."""

    name = "resume"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="RUN", help="the run's id, as `runs` lists it")

    def run(self, arguments: Namespace) -> Answer:
        from core.commandline import following
        from core.state import Phase, Status
        from core.store.store import Store

        workspace = home(arguments)
        with closing(Store(workspace)) as store:
            row = store.run(arguments.id)
            if row.phase is Phase.FINISHED:
                say(f"The run {row.id} is finished: all its steps are done.")
                return following.report(store, row.id, Status.FINISHED)
            return following.train(workspace, store, row.id, resume=True)
