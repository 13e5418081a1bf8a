"""Finding the checkpoint of a run that somebody wants to look into."""

from __future__ import annotations

from core.errors import UserError
from core.store.rows import CheckpointRow
from core.store.store import Store


def chosen_checkpoint(store: Store, run: str, which: object) -> CheckpointRow:
    """One checkpoint of a run.

    Args:
        store: where the run is.
        run: its id.
        which: "best" (the lowest held-out loss; where nothing was held out, the last), "last", or a step.

    Raises:
        UserError: there is none, or none of that step.
    """
    rows = store.checkpoints(run)
    if not rows:
        raise UserError(f"The run {run} has no checkpoint to look into.", hint="Let it reach one first.")
    if which == "best":
        return next((row for row in rows if row.best), rows[-1])
    found = rows[-1] if which == "last" else next((row for row in rows if str(row.step) == str(which)), None)
    if found is None:
        steps = ", ".join(str(row.step) for row in rows)
        raise UserError(f"The run {run} has no checkpoint '{which}'.", hint=f"There are: best, last, {steps}.")
    return found
