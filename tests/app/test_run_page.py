"""The Run page in every state that a run can be in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.pages.run import RunPage
from app.plots.axes import NumberAxis
from app.plots.saving import save
from app.widgets import ProgressLine
from app.window import Window
from core.commands import Command
from core.config.run import ModelConfig
from core.events import Launched, Queued, StageChanged
from core.figures.figure import Axis, Heatmap, Histogram
from core.home import Home
from core.launch import LOG
from core.models.catalog import tiny_model
from core.store.store import Store
from core.store.writer import Writer
from tests.app import seed
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


def opened(window: Open) -> RunPage:
    shown = window()
    shown.go("run")
    return cast(RunPage, shown.page("run"))


def look(page: RunPage) -> None:
    """Let it read what is new, and show all of it at once."""
    page.feed.look()
    page.shown()


def buttons(page: RunPage) -> list[str]:
    return [button.text() for button in page.buttons if button.isVisible()]


def test_without_a_run_the_page_says_what_to_do_first(window: Open) -> None:
    page = opened(window)
    assert page.empty.isVisible() and buttons(page) == []
    assert page.empty.button is not None
    page.empty.button.click()
    assert cast(Window, page.window()).current == "model"


def test_a_run_that_starts_shows_what_it_is_busy_with(window: Open, seeded: Make) -> None:
    config = seed.config()
    run = seeded(alive=True, config=config.model_copy(update={"model": ModelConfig(path=str(tiny_model()))}))
    run.writer.event(Launched())
    run.writer.event(StageChanged("Loading the model", 0.4))
    run.writer.flush()
    page = opened(window)
    assert page.badge.text() == "Starting" and page.starting.isVisible()
    assert page.starting._stage.text() == "Loading the model"
    assert page.tiles.memory.accessibleName() == "Memory: nothing yet"  # what it takes is known once the data is
    assert buttons(page) == ["Stop"]


def test_a_running_run_is_followed_live(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(40)
    page = opened(window)
    assert page.badge.text() == "Running"
    assert buttons(page) == ["Checkpoint", "Pause", "Stop"]
    assert page.tiles.step.value == "40"
    run.advance(60)
    look(page)
    assert page.tiles.step.value == "60"
    run.writer.event(StageChanged("Measuring the held-out loss", 0.4))
    run.writer.flush()
    look(page)
    assert page.tiles.held_out.accessibleName().endswith("measured 40 %")
    assert len(page.loss.plot.figure.series[0].x) == 61  # type: ignore[union-attr]
    assert page.norms.plot.figure.values.shape == (61, 21)  # type: ignore[union-attr]
    assert page.changed.plot.figure is not None and len(page.changed.plot.figure.names) == 21


def test_what_is_new_comes_by_itself_figure_by_figure(window: Open, seeded: Make, qtbot: QtBot) -> None:
    run = seeded(alive=True).begin().advance(10)
    page = opened(window)
    run.advance(30)
    page.feed.look()
    assert page.tiles.step.value == "30"
    assert page.norms.plot.figure.values.shape == (11, 21)  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: page.norms.plot.figure.values.shape == (31, 21))  # type: ignore[union-attr]
    assert len(page.loss.plot.figure.series[0].x) == 31  # type: ignore[union-attr]


def test_the_marker_shows_the_values_of_its_step_everywhere(window: Open, seeded: Make, store: Store) -> None:
    run = seeded(alive=True).begin().advance(60)
    page = opened(window)
    page.loss.plot._mark_by_hand(20)
    loss = store.curve(run.run, "loss")[1][20]
    assert (page.tiles.step.value, page.tiles.loss.value) == ("20", f"{loss:.3f}")
    assert "step 20" in page.changed.note.text()
    assert page.norms.plot.mark == 20
    run.advance(70)
    look(page)
    assert page.tiles.step.value == "20"
    page.loss.plot._mark_by_hand(None)
    assert page.tiles.step.value == "70"


def test_a_hidden_page_paints_nothing_and_catches_up_when_shown(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(10)
    page = opened(window)
    shown = cast(Window, page.window())
    shown.page("runs")
    shown.go("runs")
    run.advance(30)
    page.feed.look()
    assert page.tiles.step.value == "10"
    shown.go("run")
    assert page.tiles.step.value == "30"


@pytest.mark.parametrize(
    ("text", "command"), [("Checkpoint", Command.CHECKPOINT), ("Pause", Command.PAUSE), ("Stop", Command.STOP)]
)
def test_buttons_ask_the_worker(window: Open, seeded: Make, text: str, command: Command) -> None:
    run = seeded(alive=True).begin().advance(10)
    page = opened(window)
    next(button for button in page.buttons if button.text() == text).click()
    assert run.writer.commands() == [command]


def test_a_button_says_that_it_has_been_asked_until_the_worker_obeys(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(10)
    page = opened(window)
    page.pause.click()
    assert (page.pause.text(), page.pause.isEnabled(), page.stop.isEnabled()) == ("Pausing", False, True)
    run.pause()
    look(page)
    assert (page.pause.text(), page.pause.isEnabled()) == ("Go on", True)
    page.pause.click()
    run.advance(12)
    look(page)
    page.stop.click()
    assert (page.stop.text(), page.stop.isEnabled(), page.pause.isEnabled()) == ("Stopping", False, False)
    run.stop()
    look(page)
    assert not page.stop.isVisible() and page.stop.text() == "Stop"


def test_a_paused_run_offers_to_go_on(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(10).pause()
    page = opened(window)
    assert page.badge.text() == "Paused"
    page.pause.click()
    assert run.writer.commands() == [Command.RESUME]


def test_a_finished_run_offers_what_comes_next(window: Open, seeded: Make) -> None:
    seeded().begin().advance(200).samples().finish()
    page = opened(window)
    assert (page.badge.text(), buttons(page)) == ("Finished", ["Duplicate", "Export"])
    assert page.notice.isVisible() and page.complete
    page.duplicate.click()
    config = page.context.document.config
    assert (config.data.path, config.name) == ("data/devil_train.jsonl", "devil-first-try-2")


def test_a_failed_run_says_why_and_keeps_the_details_one_click_away(window: Open, seeded: Make, home: Home) -> None:
    run = seeded().begin().advance(10)
    (home.run(run.run) / LOG).write_text("the last lines of the log", encoding="utf-8")
    run.fail("The loss is not a number.", "Lower the learning rate.", "Traceback: line 7")
    page = opened(window)
    assert page.badge.text() == "Failed"
    assert page.notice.text == "The loss is not a number."
    assert page.notice.accessibleName().endswith("Lower the learning rate.")
    assert not page.notice._details.isVisible()
    page.notice._show.click()
    assert page.notice._details.isVisible()
    assert "line 7" in page.notice._details.toPlainText() and "last lines" in page.notice._details.toPlainText()


def test_a_run_that_ended_shows_only_what_was_measured(window: Open, seeded: Make) -> None:
    """Nothing at all, one way on, where it failed before its first step; of an imported adapter only its layers."""
    seeded().fail("There is no data at gone.jsonl.", "Check the path.")
    page = opened(window)
    assert page.nothing.isVisible() and not page.tiles.isVisible() and not page.loss.isVisible()
    assert (page.resume.property("kind"), page.notice.text) == ("plain", "There is no data at gone.jsonl.")
    imported = seeded("imported")
    imported.writer.layers(imported.layers)
    imported._vectors(0, 1.0)
    imported.finish()
    page.feed.watch(imported.run)
    panels = (page.loss, page.curve, page.norms, page.changed)
    assert [panel.isVisible() for panel in panels] == [False, False, True, True]
    assert page.norms.geometry().top() == page.changed.geometry().top() and not page.nothing.isVisible()
    page.feed.watch(seeded("whole").begin().advance(30).stop().run)
    assert all(panel.isVisible() for panel in panels) and page.tiles.isVisible()


def test_plots_are_never_squeezed_to_nothing(window: Open, seeded: Make) -> None:
    seeded().begin().advance(30).fail("It broke.", "Mend it.", "Traceback\n" * 40)
    page = opened(window)
    for _ in range(4):
        QApplication.processEvents()
    assert page.loss.height() > page.norms.height()  # where all is low, the loss comes first
    page.notice._show.click()
    for _ in range(4):
        QApplication.processEvents()
    assert page.verticalScrollBar().maximum() > 0
    assert page.loss.plot.height() > 80 and page.loss.geometry().bottom() < page.norms.geometry().top()


def test_a_lost_run_offers_to_resume_from_its_checkpoint(
    window: Open, seeded: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = seeded().begin().advance(120).close()
    launched: list[tuple[str, bool]] = []
    monkeypatch.setattr("app.actions.launch", lambda home, id, *, resume: launched.append((id, resume)))
    page = opened(window)
    assert page.badge.text() == "Lost" and "step 100" in page.notice.accessibleName()
    page.resume.click()
    assert launched == [(run.run, True)]


def test_a_stopped_run_can_be_resumed(window: Open, seeded: Make) -> None:
    seeded().begin().advance(30).stop()
    page = opened(window)
    assert page.badge.text() == "Stopped" and "Resume" in buttons(page)


def test_samples_are_shown_before_and_after_as_soon_as_there_are_some(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(30)
    page = opened(window)
    assert page.curve.choice.findData("samples") < 0
    run.samples()
    look(page)
    assert page.curve.chosen == "samples"
    texts = [child.text() for child in page.curve.samples.widget().children() if hasattr(child, "text")]
    assert "Before training" in texts and "A minor form of despair, disguised as a virtue." in texts


def test_notices_stay_until_they_are_dismissed(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(5).notice("Training in float32.")
    run.writer.flush()
    page = opened(window)
    assert page.news.isVisible() and page.news.text == "Training in float32."
    page._dismiss()
    run.advance(6)
    look(page)
    assert not page.news.isVisible()
    for shown in (None, run.run):
        page.feed.watch(shown)
    assert not page.news.isVisible()
    run.notice("The disk was full.")
    run.writer.flush()
    look(page)
    assert page.news.isVisible()


def test_a_queued_run_says_its_place_and_shows_no_progress(window: Open, seeded: Make) -> None:
    page = opened(window)  # first: it sees to it that what waits is started
    waiting = [seeded() for _ in range(3)]
    for run in waiting:
        run.writer.event(Queued())
        run.writer.flush()
    page.feed.watch(waiting[1].run)
    assert page.starting.accessibleName() == f"Queued, 2nd of 3. It starts when {waiting[0].config.name} has ended."
    assert page.starting.isVisible() and not page.starting.findChild(ProgressLine).isVisible()


def test_a_resumed_run_shows_only_what_was_measured_last(window: Open, seeded: Make, home: Home) -> None:
    run = seeded(alive=True).begin().advance(50)
    page = opened(window)
    writer: Writer = run.writer
    writer.rewind(30)
    run.step = 31
    run.advance(33)
    look(page)
    assert page.tiles.step.value == "33"
    assert page.loss.plot.figure.series[0].x[-1] == 33  # type: ignore[union-attr]
    assert len(page.loss.plot.figure.series[1].y) == 34  # type: ignore[union-attr]


def test_the_methods_own_figure_comes_first_and_follows_the_run(window: Open, seeded: Make) -> None:
    run = seeded(alive=True, config=seed.config(method="adalora")).begin().advance(10)
    run.writer.vector(10, "rank", np.full(21, 6.0, dtype=np.float32))
    run.writer.flush()
    page = opened(window)
    assert page.curve.chosen == "adalora-ranks"
    assert page.curve.own.plot is page.curve.own.map
    assert page.curve.own.map.accessibleDescription().endswith("is 6 in 0.q_proj.")
    assert "2303.10512" in page.curve.own.help.text()
    run.writer.vector(11, "rank", np.full(21, 4.0, dtype=np.float32))
    run.writer.flush()
    look(page)
    figure = page.curve.own.figure
    assert isinstance(figure, Heatmap) and figure.values[-1].max() == 4.0


def test_the_slider_over_steps_stays_while_another_run_comes_on_show(window: Open, seeded: Make) -> None:
    first, second = seeded("one").begin().advance(10).stop(), seeded("two").begin().advance(20).stop()
    page = opened(window)
    page.feed.watch(first.run)
    page.context.go("model")
    hidden: list[bool] = []
    page.feed.watched.connect(lambda: hidden.append(page.moments.isHidden()))

    page.feed.watch(second.run)
    page.context.go("run")

    assert hidden == [False]  # every plot would be laid out for its room, and again once it is back
    assert page.moments.newest and page.moments.slider.maximum() == 20


def test_a_map_of_the_method_can_stand_in_the_wide_panel(window: Open, seeded: Make) -> None:
    run = seeded(alive=True, config=seed.config(method="adalora")).begin().advance(10)
    run.writer.vector(10, "rank", np.full(21, 6.0, dtype=np.float32))
    run.writer.flush()
    page = opened(window)
    choice = page.norms.choice
    choice.setCurrentIndex(choice.findData("adalora-ranks"))
    assert page.norms.accessibleName() == "Rank by layer and step"
    assert page.norms.plot.figure.values.max() == 6.0  # type: ignore[union-attr]
    choice.setCurrentIndex(choice.findData("delta_norm"))
    assert page.norms.accessibleName() == "Norm of dW by layer and step"


def test_what_was_chosen_for_a_method_stays_chosen_for_it_alone(window: Open, seeded: Make) -> None:
    first = seeded("first", config=seed.config("first", method="dylora")).begin().advance(10).finish()
    second = seeded("second", config=seed.config("second", method="adalora")).begin().advance(10).finish()
    page = opened(window)
    page.feed.watch(first.run)
    assert page.curve.chosen == "dylora-loss"
    page.curve.choice.setCurrentIndex(page.curve.choice.findData("dylora-ranks"))
    page.feed.watch(second.run)
    assert page.curve.chosen == "adalora-ranks"
    page.feed.watch(first.run)
    assert page.curve.chosen == "dylora-ranks"


def test_the_marker_moves_what_is_no_curve_as_well(window: Open, seeded: Make) -> None:
    run = seeded(alive=True, config=seed.config(method="dylora")).begin().advance(10)
    for step in range(1, 11):
        run.writer.points(step, {"active_rank": float(1 + step % 2)})
    run.writer.flush()
    page = opened(window)
    page.curve.choice.setCurrentIndex(page.curve.choice.findData("dylora-ranks"))
    assert page.curve.own.figure == Histogram(
        "Ranks drawn", Axis("Rank"), Axis("Steps"), (1.0, 2.0, 3.0), (5, 5), None, page.curve.own.help.text()
    )  # fmt: skip
    page.loss.plot._mark_by_hand(3)
    assert isinstance(page.curve.own.figure, Histogram) and page.curve.own.figure.counts == (1, 2)


def test_long_words_below_a_figure_leave_the_rest_of_the_page_its_room(window: Open, seeded: Make) -> None:
    seeded(alive=True, config=seed.config(method="dora")).begin().advance(10)
    page = opened(window)
    assert page.curve.own.help.text()
    assert abs(page.curve.height() - page.loss.height()) < 0.25 * page.loss.height()


def test_every_kind_of_own_figure_is_saved_as_picture_and_table(window: Open, seeded: Make, folder: Path) -> None:
    run = seeded(config=seed.config(method="dora")).begin().advance(10)
    for key in ("direction_change", "length_change", "magnitude_change"):
        run.writer.vector(10, key, np.linspace(0.1, 0.2, 21, dtype=np.float32))
    run.finish()
    page = opened(window)
    for key in ("dora-movement", "dora-magnitudes"):
        page.curve.choice.setCurrentIndex(page.curve.choice.findData(key))
        figure = page.curve.own.figure
        assert figure is not None
        for kind in ("png", "svg", "csv"):
            save(page.curve.own.plot, figure, folder / f"{key}.{kind}")
            assert (folder / f"{key}.{kind}").stat().st_size > 100


def test_many_powers_of_ten_are_marked_alone_and_few_with_the_numbers_between(qapp: QApplication) -> None:
    axis = NumberAxis("left")
    axis.setLogMode(False, True)
    many = [values for _, values in axis.tickValues(-6.0, 0.0, 200)]
    few = [values for _, values in axis.tickValues(0.0, 1.0, 200)]
    assert all(float(value).is_integer() for values in many for value in values)
    assert any(not float(value).is_integer() for values in few for value in values)


def test_what_one_chooser_shows_cannot_be_chosen_in_the_other(window: Open, seeded: Make) -> None:
    seeded("vera", config=seed.config("vera", method="vera")).begin().advance(5).finish()
    page = opened(window)
    norms, own = page.norms.choice, page.curve.choice
    assert own.currentData() == "vera-b"
    assert not norms.model().item(norms.findData("vera-b")).isEnabled()
    norms.setCurrentIndex(norms.findData("vera-d"))
    assert own.currentData() == "vera-b"
    assert not own.model().item(own.findData("vera-d")).isEnabled()
    assert norms.model().item(norms.findData("delta_norm")).isEnabled()


def test_a_run_that_failed_without_a_checkpoint_can_only_start_again(window: Open, seeded: Make) -> None:
    seeded().begin().advance(3).fail("There is not enough memory.", "Make the batch smaller.")
    page = opened(window)
    assert {"Start again", "Duplicate"} <= set(buttons(page)) and "Resume" not in buttons(page)


def test_plots_of_a_young_run_go_over_its_first_steps_only(window: Open, seeded: Make) -> None:
    run = seeded(alive=True).begin().advance(2)
    page = opened(window)
    assert page.loss.plot.figure.span == (0.0, 13.0) == page.norms.plot.figure.span
    run.advance(60)
    look(page)
    assert page.loss.plot.figure.span == (0.0, 200.0)


def test_a_word_at_the_lower_edge_covers_nothing_of_the_page(window: Open, seeded: Make) -> None:
    seeded().begin().advance(20).finish()
    page = opened(window)
    shown = cast(Window, page.window())
    shown._toast.say("Something happened.")
    QApplication.processEvents()
    low = page.moments.mapTo(shown, page.moments.rect().bottomLeft()).y()
    assert low < shown._toast.mapTo(shown, shown._toast.rect().topLeft()).y()
    shown.page("model")
    shown.go("model")
    pages = shown._toast.parentWidget()
    assert pages.childAt(shown._toast.geometry().topLeft() + QPoint(8, 1)) is shown._toast  # nor does a page cover it
    shown._toast.hide()
    assert shown._toast.parentWidget().contentsMargins().bottom() == 0
