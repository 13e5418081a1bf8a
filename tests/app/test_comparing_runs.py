"""Runs beside one another, from the queue to the report: what the window says, shows and asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.awaited import Awaited
from app.pages.run import RunPage
from app.pages.runs import RunsPage
from app.window import Window
from core.config.edit import replaced
from core.events import RunFinished, Sampled
from core.home import Home
from core.state import Phase
from core.store.store import Store
from tests.app import seed
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> list[Home]:
    """No process is started for what waits; the homes that one was asked for."""
    asked: list[Home] = []
    monkeypatch.setattr("core.queue.ensure_queue", asked.append)
    monkeypatch.setattr("app.actions.ensure_queue", asked.append)
    return asked


def made(seeded: Make, name: str, **changes: object) -> str:
    """A finished run of this name."""
    config = replaced(seed.config(name, steps=40), {key.replace("__", "."): value for key, value in changes.items()})
    return seeded(config=config).begin().advance(40).finish().run


def page_of(window: Window, *runs: str) -> RunsPage:
    """The page with these runs beside one another."""
    window.context.actions.compare(list(runs))
    QApplication.processEvents()
    page = window.page("runs")
    assert isinstance(page, RunsPage) and window.current == "runs"
    return page


def test_a_queued_run_waits_is_told_of_when_it_has_ended_and_is_compared(
    window: Open, seeded: Make, store: Store, queues: list[Home]
) -> None:
    first = made(seeded, "first")
    shown = window()
    run = shown.context.actions.queue(seed.config("second"), against=first)
    assert len(queues) == 1 and "second" in shown._toast._text.text()
    shown.news.watch(run)
    page = cast(RunPage, shown.page("run"))
    assert page.badge.text() == "Queued" and page.stop.isVisible()
    store.note(run, RunFinished(5))
    shown.news.awaited.look()
    assert "second has ended" in shown._toast._text.text()
    QTest.mouseClick(shown._toast._button, Qt.MouseButton.LeftButton)
    runs = cast(RunsPage, shown.page("runs"))
    assert [row.id for row in runs.beside.runs] == [first, run] and runs.beside.isVisible()
    shown.context.feed.poke()
    shown.go("run")
    assert page.compare.isVisible(), "the comparison can be opened from the run itself, whenever"


def test_a_queued_run_that_is_stopped_leaves_the_queue(window: Open, store: Store, queues: list[Home]) -> None:
    shown = window()
    run = shown.context.actions.queue(seed.config("second"))
    shown.news.watch(run)
    QTest.mouseClick(cast(RunPage, shown.page("run")).stop, Qt.MouseButton.LeftButton)
    assert store.run(run).phase is Phase.STOPPED and not store.run(run).state.waiting


def test_a_window_that_opens_goes_on_with_the_queue(window: Open, store: Store, queues: list[Home]) -> None:
    window().context.actions.queue(seed.config("waits"))
    window()
    assert len(queues) == 2


def test_a_run_that_ended_unseen_is_told_of_once(home: Home, store: Store, seeded: Make, window: Open) -> None:
    settings = window().settings
    run = made(seeded, "ended")
    Awaited(store, settings).add(run)
    Awaited(store, settings).add("20260101-000000-gone")
    told: list[object] = []
    again = Awaited(store, settings)
    again.ended.connect(told.append)
    again.look()
    again.look()
    assert [row.id for row in told] == [run] and again.runs == []  # type: ignore[attr-defined]


def test_curves_are_aligned_and_seeds_are_one(window: Open, seeded: Make) -> None:
    runs = [made(seeded, "a"), made(seeded, "b", seed=1), made(seeded, "c", adapter__rank=4)]
    curves = page_of(window(), *runs).beside.curves
    curves.by.setCurrentIndex(curves.by.findData("tokens"))
    assert curves.plot.figure is not None and curves.plot.figure.x.label == "Trained tokens"  # type: ignore[union-attr]
    curves.grouped.setChecked(True)
    figure = curves.plot.figure
    assert [series.name for series in figure.series] == ["a and 1 more", "c"]  # type: ignore[union-attr]
    curves.choice.setCurrentIndex(curves.choice.findData("held_out"))
    assert curves.plot.figure.title == "Held-out loss"  # type: ignore[union-attr]


def test_many_runs_are_drawn_little_by_little(window: Open, seeded: Make) -> None:
    runs = [made(seeded, f"run {at}", adapter__rank=at + 1) for at in range(13)]
    curves = page_of(window(), *runs).beside.curves
    for _ in range(5):
        QApplication.processEvents()
    figure = curves.plot.figure
    assert [series.name for series in figure.series] == [f"run {at}" for at in range(13)]  # type: ignore[union-attr]
    assert len({series.color for series in figure.series}) == 13  # type: ignore[union-attr]


def test_what_differs_layers_and_answers_stand_beside_one_another(window: Open, seeded: Make, store: Store) -> None:
    one, other = made(seeded, "a"), made(seeded, "b", adapter__rank=4)
    beside = page_of(window(), one, other).beside
    beside.views["settings"].click()
    QApplication.processEvents()
    assert beside.settings.height() < 0.5 * beside.height()  # one row
    assert beside.settings.isVisible() and beside.settings.item(0, 0).text() == "Adapter: Rank (r)"
    assert [beside.settings.item(0, column).text() for column in (1, 2)] == ["8", "4"]
    beside.settings.copy()
    assert QApplication.clipboard().text().split("\n")[1] == "Adapter: Rank (r)\t8\t4"
    beside.views["layers"].click()
    assert beside.map is not None and beside.map.isVisible() and beside.map.figure.middle == 0.0  # type: ignore[union-attr]
    assert "b less a" in beside.map.title.text()
    beside.first.setCurrentIndex(1)
    beside.second.setCurrentIndex(0)
    assert "a less b" in beside.map.title.text()
    beside.views["answers"].click()
    assert beside.nothing.isVisible()
    store.note(one, Sampled(3, "why", "so"))
    beside.views["answers"].click()
    assert beside.answers.isVisible() and beside.answers.item(0, 2).text() == "–"


def test_beside_a_run_that_measured_no_layers_another_can_be_chosen(window: Open, seeded: Make) -> None:
    one, other = made(seeded, "a"), made(seeded, "b")
    broken = seeded("broken").fail("It broke.").run
    beside = page_of(window(), one, broken, other).beside
    beside.views["layers"].click()
    assert beside.silent.isVisible() and "broken" in beside.silent.sentence.text()
    beside.second.setCurrentIndex(2)
    assert beside.silent.isHidden() and beside.map is not None and beside.map.isVisible()
    assert [chip.focusPolicy() == Qt.FocusPolicy.TabFocus for chip in beside.views.values()].index(True) == 2


def test_runs_that_are_alike_differ_in_nothing(window: Open, seeded: Make) -> None:
    beside = page_of(window(), made(seeded, "a"), made(seeded, "b")).beside
    beside.views["settings"].click()
    assert beside.nothing.isVisible() and "Nothing differs" in beside.nothing.sentence.text()


def test_the_chosen_runs_are_compared_the_oldest_first_and_one_comes_back(window: Open, seeded: Make) -> None:
    one, other = made(seeded, "a"), made(seeded, "b")
    shown = window()
    shown.go("runs")
    page = cast(RunsPage, shown.page("runs"))
    assert not page.compare_button.isEnabled()
    page.table.selectAll()
    QTest.mouseClick(page.compare_button, Qt.MouseButton.LeftButton)
    assert {row.id for row in page.beside.runs} == {one, other} and not page.delete.isVisible()
    QTest.mouseClick(page.back, Qt.MouseButton.LeftButton)
    assert page.table.isVisible() and page.delete.isVisible() and len(page.chosen) == 2


def test_a_report_is_written_with_one_click_and_opened_with_another(
    window: Open, seeded: Make, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(seeded, "My run!")
    shown = window()
    shown.go("runs")
    QTest.mouseClick(cast(RunsPage, shown.page("runs")).report, Qt.MouseButton.LeftButton)
    (job,) = shown.context.jobs.under_way
    body = store.job(job.id).body
    assert body["runs"] == [run] and Path(body["out"]).parent == home.root / "reports"
    assert Path(body["out"]).name.startswith("my-run-") and "Writing" in shown._toast._text.text()
    opened: list[Path] = []
    monkeypatch.setattr(shown.context.actions, "open_file", opened.append)
    store.jobs.done(job.id, {"html": "/reports/report.html", "folder": "", "files": []})
    shown.context.jobs._look()
    QTest.mouseClick(shown._toast._button, Qt.MouseButton.LeftButton)
    assert opened == [Path("/reports/report.html")]


def test_a_slider_moves_every_figure_of_the_run(window: Open, seeded: Make) -> None:
    run = made(seeded, "a")
    shown = window()
    shown.news.watch(run)
    page = cast(RunPage, shown.page("run"))
    QApplication.processEvents()
    assert page.moments.isVisible() and page.moments.newest and page.loss.plot.mark is None
    page.moments.slider.setValue(20)
    assert (page.loss.plot.mark, page.norms.plot.mark, page.moments.said.text()) == (20.0, 20.0, "step 20")
    assert "step 20" in page.changed.note.text()
    page.loss.plot._mark_by_hand(30.0)
    assert page.moments.slider.value() == 30
    page.moments.play.click()
    assert page.moments.playing and page.loss.plot.mark == 0.0
    page.moments.play.click()
    page.moments.slider.setValue(page.moments.slider.maximum())
    assert page.loss.plot.mark is None and not page.moments.playing
