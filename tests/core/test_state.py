"""A run's state is a pure fold: every end is distinct, and what is lost is observed rather than stored."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from core.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    Launched,
    Noticed,
    Paused,
    Resumed,
    Rewound,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
    StageChanged,
    decode,
)
from core.state import Phase, RunState, Status, status

STARTED = RunStarted(
    step=0, steps=10, device="cpu", compute="float32", trainable_parameters=64, total_parameters=1000, examples=8,
    held_out_examples=2, environment={"torch": "2.13.0"},
)  # fmt: skip


def fold(*events: Event) -> RunState:
    """The state after all of these."""
    state = RunState()
    for event in events:
        state = state.after(event)
    return state


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([], Phase.QUEUED),
        ([Launched()], Phase.STARTING),
        ([StageChanged("Loading the model", 0.5)], Phase.STARTING),
        ([Launched(), STARTED], Phase.RUNNING),
        ([STARTED, StageChanged("Evaluating")], Phase.RUNNING),
        ([STARTED, Paused(3)], Phase.PAUSED),
        ([STARTED, Paused(3), Resumed(3)], Phase.RUNNING),
        ([STARTED, RunFinished(10)], Phase.FINISHED),
        ([STARTED, RunStopped(4)], Phase.STOPPED),
        ([STARTED, RunFailed(4, "Out of memory.")], Phase.FAILED),
        ([STARTED, RunStopped(4), Launched()], Phase.STARTING),
    ],
)
def test_the_phase_follows_the_events(events: list[Event], phase: Phase) -> None:
    assert fold(*events).phase is phase


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.RUNNING, Phase.PAUSED])
def test_a_run_under_way_without_a_worker_is_lost(phase: Phase) -> None:
    assert status(RunState(phase=phase), alive=False) is Status.LOST
    assert status(RunState(phase=phase), alive=True) == phase.value


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.FINISHED, Phase.STOPPED, Phase.FAILED])
def test_a_run_at_rest_needs_no_worker(phase: Phase) -> None:
    assert status(RunState(phase=phase), alive=False) == phase.value


def test_a_failure_is_kept_until_the_run_is_launched_again() -> None:
    failed = fold(STARTED, RunFailed(4, "The disk is full.", "Make room.", "Traceback ..."))
    again = failed.after(Launched())

    assert (failed.message, failed.hint, failed.traceback) == ("The disk is full.", "Make room.", "Traceback ...")
    assert (again.message, again.hint, again.traceback) == ("", "", "")


def test_the_best_held_out_loss_follows_the_best_flag() -> None:
    assert fold(STARTED, Evaluated(5, 2.0, True), Evaluated(10, 3.0, False)).best == 2.0


def test_an_evaluation_ends_the_stage_of_which_it_was_told() -> None:
    state = fold(STARTED, StageChanged("Measuring", 0.25), Evaluated(5, 2.0, False))

    assert (state.message, state.share) == ("", None)


def test_rewinding_forgets_the_best_loss_and_the_checkpoints_that_came_later() -> None:
    state = fold(STARTED, CheckpointSaved(5, "a", True), CheckpointSaved(10, "b", True), Evaluated(10, 1.0, True))

    assert state.after(Rewound(5, best=2.0)).best == 2.0
    assert state.after(Rewound(5)).checkpoint == 5
    assert state.after(Rewound(0)).checkpoint is None


def test_points_move_step_losses_and_seconds() -> None:
    state = (
        RunState().measured(1, {"loss": 4.0, "seconds": 0.5}).measured(2, {"loss": 3.0}).measured(2, {"memory": 9.0})
    )

    assert (state.step, state.first_loss, state.last_loss, state.seconds) == (2, 4.0, 3.0, 0.5)


def test_a_notice_changes_nothing_else() -> None:
    assert fold(STARTED, Noticed("Training in float32.")) == replace(fold(STARTED), notice="Training in float32.")


def test_a_state_survives_its_text() -> None:
    state = fold(STARTED, StageChanged("Evaluating", 0.25), CheckpointSaved(5, "checkpoints/step-000005", True))
    broken = state.measured(6, {"loss": math.nan})

    assert RunState.from_json(state.to_json()) == state
    assert math.isnan(RunState.from_json(broken.to_json()).last_loss or 0.0)


def test_every_event_survives_its_row() -> None:
    for event in (STARTED, Launched(), Rewound(3, 1.5), RunFailed(4, "text", "hint", "trace")):
        assert decode(event.kind, event.encode()) == event
