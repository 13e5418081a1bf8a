"""Where everything that a user makes lives: one folder, the home, with the database and the runs in it.

    home/
      rankloom.db      what happened: runs, events, curves, jobs (`core.store`)
      runs/<id>/       one run: run.yaml, checkpoints/, its worker's worker.log, lock and process.json, and events.jsonl
                       where the database failed
      models/          models converted from GGUF files
      prepared/        tokens of data that was read before (`core.data.kept`); may be deleted at any time
      bin/<id>/        deleted runs, until the bin is emptied
      *.lock, *.log    of the processes that serve all of it (`core.launch`, `core.queue`)

The home is handed around as a value; nothing below the command line and the window looks at the environment for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from core.errors import UserError
from core.paths import typed

VARIABLE = "RANKLOOM_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder `root` and the names in it."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file that worker and window share."""
        return self.root / "rankloom.db"

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return self.root / "runs"

    @property
    def models(self) -> Path:
        """The folder of converted models."""
        return self.root / "models"

    @property
    def prepared(self) -> Path:
        """The folder of data that was read before."""
        return self.root / "prepared"

    @property
    def bin(self) -> Path:
        """The folder that deleted runs are moved to."""
        return self.root / "bin"

    def run(self, run_id: str) -> Path:
        """The folder of one run, made by `Store.create_run`."""
        return self.runs / run_id


def find_home(given: str | None = None) -> Home:
    """The home that was asked for, with its folders in place.

    Args:
        given: a folder, say from `--home`; without it the variable RANKLOOM_HOME counts, then the system's place for
            a user's data.

    Raises:
        UserError: the folder cannot be made or is a file.
    """
    chosen = given or os.environ.get(VARIABLE)
    root = typed(chosen) if chosen else Path(platformdirs.user_data_dir("rankloom", appauthor=False))
    home = Home(root.absolute())
    try:
        for folder in (home.runs, home.models, home.bin):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The home folder {home.root} cannot be used: {error.strerror or error}.",
            hint=f"Choose a folder that you may write to, with --home or the variable {VARIABLE}.",
        ) from error
    return home
