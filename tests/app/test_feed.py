"""The feed: what is new, once, and whose worker has gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from PySide6.QtWidgets import QApplication

from app.feed import Feed
from core.home import Home
from core.lock import FileLock
from core.state import Status
from core.store.store import LOCK, Store
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Follow = Callable[[], Feed]


@pytest.fixture
def follow(home: Home) -> Iterator[Follow]:
    """Makes feeds, each with a connection of its own."""
    with ExitStack() as opened:
        yield lambda: Feed(opened.enter_context(closing(Store(home))))


def heard(feed: Feed) -> list[set[str]]:
    found: list[set[str]] = []
    feed.run_changed.connect(found.append)
    return found


def test_only_what_is_new_is_told_and_only_once(follow: Follow, qapp: QApplication, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(3)
    feed = follow()
    feed.watch(run.run)
    told = heard(feed)
    feed.look()
    feed.look()
    assert told == []
    run.advance(4)
    feed.look()
    assert {"loss", "delta_norm", "row"} <= told[0] and "held_out" not in told[0]
    feed.look()
    assert len(told) == 1


def test_a_long_run_comes_in_portions_without_being_asked_again(
    follow: Follow, qapp: QApplication, seeded: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.feed.PORTION", 10)
    run = seeded().begin().advance(60)
    feed = follow()
    told = heard(feed)
    feed.watch(run.run)
    assert feed.trace is not None and len(feed.trace.curve("loss")) == 10
    while feed.trace.behind:
        qapp.processEvents()
    assert len(feed.trace.curve("loss")) == len(feed.trace.vector("delta_norm")) == 61
    assert sum("loss" in keys for keys in told) == 6


def test_a_run_whose_worker_holds_its_lock_is_running_and_one_whose_worker_is_gone_is_lost(
    home: Home, follow: Follow, qapp: QApplication, seeded: Make
) -> None:
    run = seeded().begin().advance(3)
    lock = FileLock(home.run(run.run) / LOCK)
    assert lock.acquire()
    feed = follow()
    feed.watch(run.run)
    assert feed.status is Status.RUNNING
    told = heard(feed)
    lock.release()
    run.close()
    for _ in range(11):
        feed.look()
    assert feed.status is Status.LOST
    assert any("status" in keys for keys in told)


def test_a_run_found_again_after_a_restart_shows_all_that_it_has_measured(
    follow: Follow, qapp: QApplication, seeded: Make
) -> None:
    run = seeded(alive=True).begin().advance(42)
    feed = follow()
    feed.watch(run.run)
    assert feed.trace is not None
    assert len(feed.trace.curve("loss")) == 43 and len(feed.trace.vector("delta_norm")) == 43


def test_the_list_is_told_of_at_most_once_in_ten_looks(follow: Follow, qapp: QApplication, seeded: Make) -> None:
    run = seeded(alive=True).begin()
    feed = follow()
    told: list[int] = []
    feed.runs_changed.connect(lambda: told.append(1))
    for step in range(20):
        run.advance(step)
        feed.look()
    assert len(told) == 2


def test_a_database_that_cannot_be_read_is_said_once_and_taken_back(
    store: Store, qapp: QApplication, seeded: Make
) -> None:
    from core.errors import UserError

    run = seeded(alive=True).begin()
    feed = Feed(store)
    feed.watch(run.run)
    told: list[str] = []
    feed.trouble.connect(told.append)
    changed = store.changed

    def broken() -> bool:
        raise UserError("The database is locked.")

    store.changed = broken  # type: ignore[method-assign]
    feed.look()
    feed.look()
    store.changed = changed  # type: ignore[method-assign]
    feed.look()
    assert told == ["The database is locked.", ""]
