"""What every page is given: one value instead of globals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings

if TYPE_CHECKING:
    from app.actions import Actions
    from app.document import Document
    from app.feed import Feed
    from app.jobs import Jobs
    from app.style.theme import Theme
    from core.home import Home
    from core.store.store import Store


@dataclass(frozen=True)
class Context:
    """The window's parts that pages work with.

    Attributes:
        home: where database, runs and models are.
        store: the window's own connection; reads and small writes.
        feed: says when the database has changed, and follows the run on show.
        jobs: asks the warm worker for things that need torch or a tokenizer.
        actions: everything one can do with a run.
        document: the configuration being made.
        theme: colours, sizes and fonts.
        settings: remembered choices of the window, kept in the home folder.
        go: shows the page with this key.
    """

    home: Home
    store: Store
    feed: Feed
    jobs: Jobs
    actions: Actions
    document: Document
    theme: Theme
    settings: QSettings
    go: Callable[[str], None]
