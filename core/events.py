"""What a worker says: the protocol between the training and everybody who watches.

Every event is a small frozen value that goes through JSON unchanged. The window, the command line and the tests fold
the same events, so a live run, a re-attached one and one of last year are one picture and one code path. Scalars and
per-layer vectors are not events but tables of their own (`Writer.points`, `Writer.vector`): there are many of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """The base: anything that happened in a run."""

    kinds: ClassVar[dict[str, type[Event]]] = {}

    def encode(self) -> dict[str, Any]:
        """The JSON body; the kind travels beside it."""
        return asdict(self)

    @property
    def kind(self) -> str:
        """How the table names it."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class Queued(Event):
    """The run waits until nothing else is trained; `against` is the run to compare it with once it has ended."""

    against: str = ""


@dataclass(frozen=True, slots=True)
class Launched(Event):
    """A worker process was started for the run; nothing has been heard from it yet."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The worker has loaded model and data and begins (again, where `step` is above 0); `forecast` is the peak of
    memory in bytes that it expects."""

    step: int
    steps: int
    device: str
    compute: str
    trainable_parameters: int
    total_parameters: int
    examples: int
    held_out_examples: int
    environment: dict[str, str]
    forecast: int = 0


@dataclass(frozen=True, slots=True)
class StageChanged(Event):
    """What the worker is busy with, in words for the user: "Loading the model"; `share` is 0 to 1 where it is known."""

    text: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class LayersChosen(Event):
    """A probe has found which layers to keep: `importance` of every candidate by name (they add to 1), and `kept`."""

    importance: dict[str, float]
    kept: list[str]


@dataclass(frozen=True, slots=True)
class Evaluated(Event):
    """A held-out loss was measured; `best` says that none was lower."""

    step: int
    loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class Sampled(Event):
    """The model answered a prompt."""

    step: int
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckpointSaved(Event):
    """A checkpoint is complete on disk; `folder` is relative to the run's."""

    step: int
    folder: str
    best: bool


@dataclass(frozen=True, slots=True)
class Rewound(Event):
    """A resumed run goes on from `step`: whatever was measured after it is superseded and has been removed.

    `best` is the lowest held-out loss up to that step, filled in by the writer; None where there is none.
    """

    step: int
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """The worker waits for `Resume`, after the step named."""

    step: int


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """The worker goes on after a pause."""

    step: int


@dataclass(frozen=True, slots=True)
class Noticed(Event):
    """Something the user should know that does not end the run ("bfloat16 is slow here: training in float32")."""

    text: str


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """All steps are done."""

    step: int


@dataclass(frozen=True, slots=True)
class RunStopped(Event):
    """The user ended it; a checkpoint holds everything up to `step`."""

    step: int


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """An error ended it: `text` and `hint` for the user; `traceback` is empty where the world failed, not we."""

    step: int
    text: str
    hint: str = ""
    traceback: str = ""


for _kind in Event.__subclasses__():
    Event.kinds[_kind.__name__] = _kind


def decode(kind: str, body: dict[str, Any]) -> Event:
    """The event of a table row."""
    return Event.kinds[kind](**body)
