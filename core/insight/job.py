"""The job that looks into runs: figures as JSON (`core.figures.wire.decode` reads them), for the window and reports.

Body: `what` (a key of `WHATS`), `runs` (ids), and `checkpoint`: "best", "last", a step, or "all" for one frame for each
checkpoint of the first run, so that a slider can move through them. Further keys are options of the figure:

    spectra     layers: names of those to draw as curves
    amplified   rank: how many directions
    subspaces   two runs; layer: which to draw in full; of: "reads", "writes", "a" or "moved"
    agreement   two runs
    movement    any number of runs, each over all its checkpoints up to the moment

Whatever else the body holds says what the answer was asked for (the newest steps of the runs): see `Store.answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from core.errors import UserError
from core.figures.wire import encode
from core.home import Home
from core.insight import anatomy, comparing
from core.insight.anatomy import Tick
from core.insight.matrices import need_matrices
from core.insight.opened import BaseWeights, Opened
from core.models.catalog import describe
from core.models.load import resolve
from core.saying import Say
from core.store.rows import CheckpointRow, RunRow
from core.store.store import Store


class Look:
    """What a job works with.

    Args:
        home, body, progress: the job's.

    Raises:
        UserError: a run or a checkpoint does not exist, or there are too few runs.
    """

    def __init__(self, home: Home, body: dict[str, Any], progress: Say) -> None:
        self.home, self.body, self.progress = home, body, progress
        with closing(Store(home)) as store:
            self.rows: list[RunRow] = [store.run(run) for run in body["runs"]]
            self.checkpoints = [store.checkpoints(row.id) for row in self.rows]
            which = body.get("checkpoint", "best")
            self.chosen = [store.checkpoint(row.id, "last" if which == "all" else which) for row in self.rows]
        self._weights: dict[str, BaseWeights] = {}

    def frames(self) -> list[list[Opened]]:
        """The runs at one moment each; several moments where all checkpoints are asked for."""
        if self.body.get("checkpoint") != "all":
            return [[Opened.at(row, at) for row, at in zip(self.rows, self.chosen, strict=True)]]
        return [
            [Opened.at(row, _nearest(rows, moment.step)) for row, rows in zip(self.rows, self.checkpoints, strict=True)]
            for moment in self.checkpoints[0]
        ]

    def weights(self, opened: Opened) -> BaseWeights:
        """The base weights beneath a run's layers."""
        if opened.run not in self._weights:
            info = describe(resolve(self.home, opened.config.model.path, self.progress))
            self._weights[opened.run] = BaseWeights(info, opened.adapters)
        return self._weights[opened.run]

    def pair(self, frame: Sequence[Opened]) -> tuple[Opened, Opened]:
        """The two runs to compare."""
        if len(frame) != 2:
            raise UserError("Two runs are needed to compare.", hint="Choose exactly two.")
        return frame[0], frame[1]


def _nearest(rows: Sequence[CheckpointRow], step: int) -> CheckpointRow:
    """The checkpoint that is nearest to a step."""
    return min(rows, key=lambda row: (abs(row.step - step), row.step))


def _spectra(look: Look, frame: Sequence[Opened], tick: Tick) -> dict[str, Any]:
    return anatomy.spectra(frame[0], tick, layers=tuple(look.body.get("layers") or ()))


def _amplified(look: Look, frame: Sequence[Opened], tick: Tick) -> dict[str, Any]:
    return anatomy.amplified(frame[0], look.weights(frame[0]), tick, rank=look.body.get("rank"))


def _subspaces(look: Look, frame: Sequence[Opened], tick: Tick) -> dict[str, Any]:
    of = look.body.get("of") or "reads"
    if of not in comparing.SAID:
        raise UserError(f"There is no subspace '{of}'.", hint=f"There are: {', '.join(comparing.SAID)}.")
    return comparing.subspaces(*look.pair(frame), tick, layer=look.body.get("layer") or "", of=of)


def _agreement(look: Look, frame: Sequence[Opened], tick: Tick) -> dict[str, Any]:
    return comparing.agreement(*look.pair(frame), tick)


SPECTRA, MOVEMENT = "spectra", "movement"
WHATS: dict[str, Callable[[Look, Sequence[Opened], Tick], dict[str, Any]]] = {
    SPECTRA: _spectra,
    "amplified": _amplified,
    "subspaces": _subspaces,
    "agreement": _agreement,
}
"""What can be looked at, one moment at a time."""


def insight_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Look; see the module for the body.

    Returns:
        `what`, and `frames`: for each moment its `step`, and `figures` by name, which also hold plain numbers by layer
        (`by_layer`, in the order of `layers`, those of the first run).

    Raises:
        UserError: anything in the world that is not as the body says.
        Cancelled: by `progress`.
    """
    what = body.get("what", "")
    if what != MOVEMENT and what not in WHATS:
        raise UserError(
            f"There is nothing called '{what}' to look at.", hint=f"There are: {', '.join((*WHATS, MOVEMENT))}."
        )
    if not body.get("runs"):
        raise UserError("No run is chosen to look into.")
    look = Look(home, body, progress)
    if what != SPECTRA:
        for row in look.rows:
            need_matrices(row.config)
    frames = _movements(look) if what == MOVEMENT else _moments(look, what)
    return {"what": what, "frames": encode(frames)}


def _moments(look: Look, what: str) -> list[dict[str, Any]]:
    found, frames = [], look.frames()
    for place, frame in enumerate(frames):
        tick = _tick(look, frame[0], place, len(frames))
        figures = {"layers": [layer.to_dict() for layer in frame[0].layers], **WHATS[what](look, frame, tick)}
        found.append({"step": frame[0].step, "figures": figures})
    return found


def _movements(look: Look) -> list[dict[str, Any]]:
    runs = []
    for place, (row, checkpoints) in enumerate(zip(look.rows, look.checkpoints, strict=True)):
        opened = [Opened.at(row, checkpoint) for checkpoint in checkpoints]
        tick = _tick(look, opened[-1], place, len(look.rows))
        runs.append(comparing.moved(opened, look.weights(opened[-1]), tick))
    layers = [layer.to_dict() for layer in runs[0].layers]
    moments = runs[0].steps if look.body.get("checkpoint") == "all" else runs[0].steps[-1:]
    several = len(moments) > 1
    return [
        {
            "step": step,
            "figures": {"layers": layers, **comparing.movements(runs, until=step if several else None)},
        }
        for step in moments
    ]


def _tick(look: Look, opened: Opened, place: int, places: int) -> Tick:
    text = f"Looking into {opened.name}, step {opened.step}"
    return lambda share: look.progress(text, (place + share) / places)
