"""Runs that were queued to be compared with another: told when they have ended, also those that ended unseen."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal

from core.errors import UserError
from core.state import Phase
from core.store.store import Store

_SETTING = "queue/awaited"
_ENDED = (Phase.FINISHED, Phase.STOPPED, Phase.FAILED)


class Awaited(QObject):
    """Remembers, over restarts of the window, which runs somebody waits for."""

    ended = Signal(object)
    """The `RunRow` of a run that has ended; each is told once."""

    def __init__(self, store: Store, settings: QSettings) -> None:
        super().__init__()
        self._store = store
        self._settings = settings

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that are waited for."""
        return [run for run in str(self._settings.value(_SETTING, "")).split(",") if run]

    def add(self, run: str) -> None:
        """Wait for one more."""
        self._keep([*self.runs, run])

    def look(self) -> None:
        """Tell which of them have ended."""
        for run in self.runs:
            try:
                row = self._store.run(run)
            except UserError:
                self._forget(run)
                continue
            if row.deleted is not None:
                self._forget(run)
            elif row.phase in _ENDED:
                self._forget(run)
                self.ended.emit(row)

    def _forget(self, run: str) -> None:
        self._keep([other for other in self.runs if other != run])

    def _keep(self, runs: list[str]) -> None:
        self._settings.setValue(_SETTING, ",".join(runs))
