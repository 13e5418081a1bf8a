"""A training that begins with what another run has learned: its adapter's values are this one's first ones.

Unlike a resumed run this is a run of its own, with its own data, steps and optimizer, and so it may begin from an
adapter that was imported.
"""

from __future__ import annotations

from contextlib import closing

from core.adapters import state
from core.adapters.attach import Adapters
from core.adapters.state import SavedAdapter
from core.config.beginning import PATH, refuse_other_making
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.store.store import Store


def earlier(home: Home, config: RunConfig) -> SavedAdapter | None:
    """The adapter that a run begins from: the best of the run it names; None where it names none.

    Raises:
        UserError: there is no such run, it has no checkpoint, or its adapter is made of something else.
    """
    begin = config.adapter.begin
    if not begin:
        return None
    try:
        with closing(Store(home)) as store:
            saved = state.read(store.checkpoint(store.run(begin).id).adapter)
    except UserError as error:
        raise UserError(error.text, hint=error.hint, path=PATH) from None
    refuse_other_making(saved.config, config)
    return saved


def take(adapters: Adapters, saved: SavedAdapter) -> None:
    """Give the adapters the saved values.

    Raises:
        UserError: a head that judges tells other classes apart.
    """
    if saved.labels != adapters.labels:
        there, here = ", ".join(saved.labels) or "one number", ", ".join(adapters.labels) or "one number"
        raise UserError(
            f"The run cannot begin from that one: its head tells {there} apart, this one {here}.",
            hint="Name the classes in data.labels in the same order, or begin anew.",
            path=PATH,
        )
    state.restore(adapters, saved)
