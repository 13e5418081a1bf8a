"""`rankloom runs`."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from contextlib import closing
from typing import TYPE_CHECKING, Any

from core.commandline.command import Answer, Subcommand, home
from core.commandline.document import duration, number, table

if TYPE_CHECKING:
    from core.store.rows import RunRow
    from core.store.store import Store


class Runs(Subcommand):
    """List the runs, the newest first."""

    name = "runs"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--search", default="", metavar="WORDS", help="only runs with these words somewhere")
        parser.add_argument("--deleted", action="store_true", help="list the bin instead")

    def run(self, arguments: Namespace) -> Answer:
        from core.store.store import Store

        with closing(Store(home(arguments))) as store:
            rows = [describe(store, row) for row in store.runs(search=arguments.search, deleted=arguments.deleted)]
        head = ("run", "name", "status", "method", "model", "data", "step", "best held-out", "time")
        cells = [
            (row["run"], row["name"], row["status"], row["method"], row["model"], row["data"], row["step"],
             number(row["best_loss"]), duration(row["seconds"]))
            for row in rows
        ]  # fmt: skip
        return Answer(rows, table(head, cells, right=("step", "best held-out", "time")) if rows else "No runs yet.")


def describe(store: Store, row: RunRow) -> dict[str, Any]:
    """One run of the list."""
    from core.launch import observe

    row, status = observe(store, row)
    return {
        "run": row.id,
        "name": row.name,
        "status": str(status),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created)),
        "method": row.method,
        "model": row.model,
        "data": row.data,
        "step": row.state.step,
        "steps": row.state.steps,
        "first_loss": row.first_loss,
        "last_loss": row.last_loss,
        "best_loss": row.best_loss,
        "seconds": row.seconds,
        "tags": list(row.tags),
        "notes": row.notes,
        "folder": str(row.folder),
    }
