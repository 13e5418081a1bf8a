"""The Insight page: what is asked of the worker, what is shown of its answer, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.models.importance import shades
from app.pages.insight import InsightPage
from app.plots.figure_panel import FigurePanel
from app.style.theme import Theme
from app.widgets.numbers_table import NumbersTable
from core.config.run import RunConfig
from core.errors import UserError
from core.figures.anatomy import (
    amplification,
    amplified,
    effective_ranks,
    every_rank,
    movement,
    singular_values,
    trends,
)
from core.figures.wire import encode
from core.home import Home
from core.insight.agreement import spearman_table
from core.insight.importance import SCORES
from core.insight.keeping import shares
from core.layers import LayerInfo
from core.models.info import ModelInfo
from core.store.store import Store
from tests.app import seed
from tests.app.around import Around, AskedJob
from tests.app.fake_models import fake_model
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
MODEL = fake_model(3)
LAYERS = [layer for layer in MODEL.layers if layer.adaptable]


class Shown:
    """The page on the screen, beside what stands around it."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.document = around.document
        self.page = InsightPage(around.context)
        self.page.resize(1080, 680)
        self.page.show()
        self.page.shown()
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            QApplication.processEvents()

    def press(self, widget: QWidget) -> None:
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.settle()

    @property
    def job(self) -> AskedJob:
        return self.around.jobs[-1]

    def measure(self, **changes: Any) -> None:
        """Ask, and let the worker answer."""
        self.press(self.page.ask.measure)
        self.job.finish(answer(**changes))
        self.settle()


@pytest.fixture
def opened(
    home: Home, store: Store, qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Shown]]:
    """Opens the page; with a model and data unless told otherwise."""

    def describe(path: str | Path) -> ModelInfo:
        return MODEL

    monkeypatch.setattr("app.document.describe", describe)
    monkeypatch.setattr("app.models.importance.describe", describe)
    pages: list[InsightPage] = []

    def make(*, configured: bool = True) -> Shown:
        around = Around(home, store)
        if configured:
            layers = {"adapter.layers": ("q_proj",), "adapter.rank": 8}
            around.document.update({"model.path": "/llama", "data.path": "data.jsonl", **layers})
        shown = Shown(around)
        pages.append(shown.page)
        return shown

    yield make
    for page in pages:
        page.close()
        page.deleteLater()


def answer(
    kinds: tuple[str, ...] = ("output", "gradient"), *, source: str = "probe", blocks: dict[str, float] | None = None
) -> dict[str, Any]:
    """As the worker answers: the later a layer, the more it matters to the first score; to the second, the less."""
    names = [layer.name for layer in LAYERS]
    values = [
        [float(at + 1) for at in range(len(names))][:: 1 if place % 2 == 0 else -1] for place in range(len(kinds))
    ]
    rows = []
    for kind, one in zip(kinds, values, strict=True):
        member = SCORES[kind]
        parts = shares(dict(zip(names, one, strict=True)))
        rows.append(
            {
                "kind": kind, "label": member.label, "unit": member().unit("causal-lm"), "paper": member.paper,
                "tells": member.help(), "values": one, "shares": list(parts.values()),
            }
        )  # fmt: skip
    return {
        "layers": [layer.to_dict() for layer in LAYERS], "scores": rows, "blocks": blocks or {},
        "agreement": spearman_table(values).tolist(), "source": source, "step": 200, "examples": 12, "seconds": 7.0,
    }  # fmt: skip


def test_without_model_and_runs_there_is_nothing_to_look_into(opened: Callable[..., Shown]) -> None:
    shown = opened(configured=False)
    assert shown.page.empty.isVisible() and not shown.page.parts["layers"].isVisible()
    assert shown.page.empty.button is not None
    shown.press(shown.page.empty.button)
    assert shown.around.visited == ["model"]


def test_every_score_is_offered_with_what_it_can_and_cannot_tell(opened: Callable[..., Shown]) -> None:
    shown = opened()
    assert list(shown.page.scores.boxes) == [member.kind for member in SCORES.members]
    for member in SCORES.members:
        box = shown.page.scores.boxes[member.kind]
        assert box.text() == member.label and box.accessibleDescription() == member.help()


def test_the_present_configuration_is_measured_on_every_linear_layer(opened: Callable[..., Shown]) -> None:
    shown = opened()
    shown.press(shown.page.ask.measure)
    body = shown.job.body
    assert shown.job.kind == "importance" and body["scores"] == ["output", "gradient"]
    assert RunConfig.from_dict(body["config"]).adapter.layers == "all-linear"
    assert (body["sample_ratio"], body["probe_steps"]) == (0.1, 50)
    assert shown.document.config.adapter.layers == ("q_proj",)


def test_only_the_chosen_layers_are_measured_where_that_is_wanted(opened: Callable[..., Shown]) -> None:
    shown = opened()
    shown.page.ask.every.setChecked(False)
    shown.press(shown.page.ask.measure)
    assert RunConfig.from_dict(shown.job.body["config"]).adapter.layers == ("q_proj",)


def test_a_run_is_measured_at_its_best_checkpoint(opened: Callable[..., Shown], seeded: Make) -> None:
    run = seeded("mine").begin().advance(200).finish()
    page = (shown := opened()).page
    page.ask.source.setCurrentIndex(page.ask.source.findData(run.run))
    assert page.ask.checkpoint.isVisible() and not page.ask.steps.isVisible()
    shown.press(page.ask.measure)
    assert (shown.job.body["run"], shown.job.body["checkpoint"]) == (run.run, "best")
    assert "config" not in shown.job.body


def test_a_run_without_a_checkpoint_is_not_offered(opened: Callable[..., Shown], seeded: Make) -> None:
    seeded().begin().advance(10).finish()
    shown = opened()
    assert shown.page.ask.source.count() == 1 and not shown.page.parts["anatomy"].isVisible()


def test_a_run_under_way_can_be_looked_into_by_its_checkpoints(opened: Callable[..., Shown], seeded: Make) -> None:
    run = seeded("mine").begin().advance(120)
    page = (shown := opened()).page
    assert page.ask.source.findData(run.run) >= 0
    shown.press(page.parts["anatomy"])
    shown.press(page.anatomy.look)
    assert shown.job.body["as_of"] == [100]
    shown.job.fail("Not now.", "Later.")
    run.advance(200)
    page.shown()
    shown.press(page.anatomy.whats["amplified"])
    shown.press(page.anatomy.look)
    assert shown.job.body["as_of"] == [200], "what was found at step 100 is not taken for what is there now"


def test_without_a_score_or_data_it_says_what_is_missing(opened: Callable[..., Shown]) -> None:
    shown = opened()
    for box in shown.page.scores.boxes.values():
        box.setChecked(False)
    assert not shown.page.ask.measure.isEnabled() and "one score" in shown.page.ask.problem.text()
    shown.page.scores.boxes["fisher"].setChecked(True)
    assert shown.page.ask.measure.isEnabled() and not shown.page.ask.steps.isVisible()
    shown.document.set("data.path", "")
    shown.page.shown()
    assert "no data yet" in shown.page.ask.problem.text() and not shown.page.ask.measure.isEnabled()


def test_while_it_measures_progress_is_shown_and_it_can_be_cancelled(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.press(page.ask.measure)
    shown.job.progress("Measuring: Gradient of the weight", 0.5)
    assert page.ask.stage.isVisible() and page.ask.stage.text() == "Measuring: Gradient of the weight"
    assert not page.scores.boxes["output"].isEnabled() and not page.ask.measure.isVisible()
    shown.press(page.ask.cancel)
    assert shown.job.cancelled
    shown.job.handlers["cancelled"]()
    assert page.trouble.text.startswith("The measurement was cancelled") and page.ask.measure.isVisible()


def test_a_failure_is_said_and_it_can_be_tried_again(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.press(page.ask.measure)
    shown.job.fail("There is no memory left.", "Take a smaller batch.")
    assert page.trouble.isVisible() and page.trouble.text == "There is no memory left."
    assert page.ask.measure.isEnabled() and page.scores.boxes["output"].isEnabled()


def test_the_result_colours_the_map_and_ranks_the_layers(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    assert page.view.isVisible() and page.act.isVisible()
    assert page.view.map.shares[-1] == 1.0 and page.view.map.shares[0] == pytest.approx(1 / len(LAYERS))
    table = page.view.table.numbers
    assert table.rows[0].key == LAYERS[-1].name
    assert [head.replace("\n", " ") for head in table.heads[2:]] == [SCORES[k].label for k in ("output", "gradient")]
    page.view.score.setCurrentIndex(1)
    assert page.view.map.shares[0] == 1.0 and table.rows[0].key == LAYERS[0].name
    assert page.view.tells.text() == SCORES["gradient"].help()


def test_the_result_is_told_to_a_screen_reader_and_saved_as_a_table(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    label, last = SCORES["output"].label, LAYERS[-1].name
    assert page.view.accessibleDescription().startswith(f"{label}, highest first: {last} 21, ")
    table = page.view._saved()
    assert table is not None and table.csv().splitlines()[-1] == f"{last},21,1"
    shown.press(page.view.views["agreement"])
    agreement = page.view._saved()
    assert agreement is not None and agreement.csv().splitlines()[1] == f"{label},1,-1"


def test_a_click_on_a_head_of_the_table_sorts_it(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    shown.press(page.view.views["ranking"])
    page.view.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert [row.key for row in page.view.table.numbers.rows] == [layer.name for layer in LAYERS]


def test_the_scores_agreement_is_shown_where_there_are_several(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    page.resize(2300, 1400)
    shown.settle()
    question = page.scores.parentWidget()
    assert page.content.width() < page.width() and page.scores.height() < 0.8 * question.height()
    shown.measure()
    shown.press(page.view.views["agreement"])
    assert page.view.agreement.isVisible()
    assert page.content.width() == page.width() and page.view.height() < 0.5 * page.view.parentWidget().height()
    label = f"{SCORES['gradient'].label} and {SCORES['output'].label}: -1.00"
    assert page.view.agreement.accessibleDescription() == label
    shown.press(page.again)
    shown.measure(kinds=("output",))
    assert not page.view.views["agreement"].isVisible() and page.view.map.isVisible()


def test_blocks_are_shown_where_they_were_switched_off(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure(blocks={"0": 0.01, "1": -0.02, "2": 0.3})
    shown.press(page.view.views["blocks"])
    assert page.view.blocks.figure is not None
    assert page.view.blocks.figure.names == ("block 2", "block 0", "block 1")


def test_a_layer_that_is_clicked_shows_its_scores_on_the_map_and_in_the_table(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    ranks = list(page.view.map.ranks)
    place = page.view.map.place_of((2, 0))
    QTest.mouseClick(page.view.map.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert page.layer.title.text() == "block 0   q_proj"
    assert page.layer.rows["output"].value == "1   21 of 21" and page.layer.rows["gradient"].value == "21   1 of 21"
    assert page.view.table.currentIndex().row() == 20
    assert page.view.map.ranks == ranks
    page.view.table.selectRow(0)
    assert page.layer.title.text() == "block 2   down_proj" and page.view.map.marked[0].name == LAYERS[-1].name


def test_the_map_previews_the_next_run_while_the_amount_changes(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    page.act.by_kind.setChecked(False)
    assert sum(rank > 0 for rank in page.view.map.ranks) == 7 and page.act.matrices.value == "7 of 21"
    page.act.slider.setValue(3)
    assert [rank for rank in page.view.map.ranks if rank] == [8, 8, 8]
    three = sum(8 * (layer.in_features + layer.out_features) for layer in LAYERS[-3:])
    assert page.act.proposal is not None and page.act.proposal.parameters == three
    shown.press(page.act.ways["share"])
    page.act.set_amount(0.5)
    kept = {layer.name for layer in LAYERS[-7:]}
    assert {plan.name for plan in page.act.proposal.plans} == kept
    assert [row.key for row in page.view.table.numbers.rows if row.values[0] == 8] == [
        layer.name for layer in reversed(LAYERS[-7:])
    ]


def test_a_budget_is_spent_as_ranks_and_never_exceeded(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    shown.press(page.act.ways["budget"])
    for place in (300, 700, 1000):
        page.act.slider.setValue(place)
        assert page.act.proposal is not None and page.act.proposal.parameters <= page.act.amount
    assert not page.act.by_kind.isVisible()
    page.act.set_amount(3)
    assert page.act.problem.isVisible() and not page.act.use.isEnabled()


def test_each_kind_of_layer_may_compete_by_itself(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    assert page.act.by_kind.isChecked(), "the score on show finds layers that matter among their kind only"
    page.act.set_amount(1)
    assert page.act.proposal is not None and page.act.told == "top-1-each"
    assert {plan.layer.block for plan in page.act.proposal.plans} == {2}
    page.view.score.setCurrentIndex(page.view.score.findData("gradient"))
    assert not page.act.by_kind.isChecked(), "this one finds them among all"


def test_the_next_run_takes_the_proposal_as_one_step_that_can_be_undone(opened: Callable[..., Shown]) -> None:
    page = (shown := opened()).page
    shown.measure()
    page.act.by_kind.setChecked(False)
    page.act.set_amount(2)
    before = shown.document.config
    shown.press(page.act.use)
    assert {plan.name for plan in shown.document.plans} == {layer.name for layer in LAYERS[-2:]}
    assert shown.around.visited == ["layers"]
    shown.document.undo.undo()
    assert shown.document.config == before


def test_from_a_run_the_next_one_is_like_it_but_for_its_layers(opened: Callable[..., Shown], seeded: Make) -> None:
    run = seeded("mine").begin().advance(200).finish()
    page = (shown := opened(configured=False)).page
    page.ask.source.setCurrentIndex(page.ask.source.findData(run.run))
    shown.measure(source="run")
    assert page.subtitle_label.text().startswith("mine, step 200")
    page.act.by_kind.setChecked(False)
    page.act.set_amount(2)
    shown.press(page.act.use)
    config = shown.document.config
    assert config.train == run.config.train and config.data == run.config.data
    assert config.adapter.layers == tuple(layer.name for layer in LAYERS[-2:])


def test_a_model_that_is_gone_leaves_the_scores_but_nothing_to_act_on(
    opened: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: str) -> ModelInfo:
        raise UserError("There is no model any more.")

    page = (shown := opened()).page
    monkeypatch.setattr("app.models.importance.describe", gone)
    shown.measure()
    assert page.lost.isVisible() and page.view.isVisible() and not page.act.isVisible()


def anatomy(*steps: int) -> dict[str, Any]:
    """Figures of three layers at these steps, as the worker sends them."""
    return {"what": "spectra", "frames": encode([{"step": step, "figures": _figures(step)} for step in steps])}


def _figures(step: int) -> dict[str, Any]:
    values = [np.array([3.0, 1.0, 0.2]) * step, np.array([2.0, 1.0, 0.1]), np.array([0.02, 0.01, 0.0])]
    return {
        "singular_values": singular_values(["0.q_proj", "0.k_proj", "0.v_proj"], values),
        "effective_rank": effective_ranks(LAYERS[:3], np.array([1.9, 1.7, 1.9]), np.array([3.0, 3.0, 3.0])),
        "by_layer": {"norm": [1.0, 2.0, float("nan")]},
    }


def test_the_anatomy_of_a_run_is_asked_for_and_drawn(opened: Callable[..., Shown], seeded: Make) -> None:
    run = seeded("mine").begin().advance(200).finish()
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    view = page.anatomy
    shown.press(view.look)
    assert (shown.job.kind, shown.job.body) == (
        "insight", {"what": "spectra", "runs": [run.run], "checkpoint": "best", "as_of": [200]}
    )  # fmt: skip
    assert view.control.cancel.isVisible() and not view.look.isVisible()
    shown.job.finish(anatomy(200))
    shown.settle()
    assert list(view.panels) == ["singular_values", "effective_rank"]
    assert all(panel.isVisible() and panel.help.text() for panel in view.panels.values())
    page.shown()
    assert view.panels["effective_rank"].isVisible(), "coming back to the page keeps what was drawn"
    shown.press(view.whats["amplified"])
    assert view.waiting.isVisible()


def test_a_slider_moves_every_figure_through_the_checkpoints(opened: Callable[..., Shown], seeded: Make) -> None:
    seeded("mine").begin().advance(200).finish()
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    view = page.anatomy
    view.every.setChecked(True)
    shown.press(view.look)
    assert shown.job.body["checkpoint"] == "all"
    shown.job.finish(anatomy(100, 150, 200))
    shown.settle()

    def largest() -> float:
        return float(view.panels["singular_values"].figure.series[0].y[0])  # type: ignore[union-attr]

    assert view.moments.isVisible() and (view.moments.said.text(), largest()) == ("step 200", 600.0)
    QTest.keyClick(view.moments.slider, Qt.Key.Key_Left)
    assert (view.moments.said.text(), largest()) == ("step 150", 450.0)
    view.moments.play.click()  # and no event is looked at before the first picture is
    assert (view.moments.said.text(), largest()) == ("step 100", 300.0)
    shown.press(view.whats["every_rank"])
    assert not view.moments.isVisible() and not view.every.isVisible()


def test_the_trend_of_the_whole_run_stands_above_that_of_each_layer(opened: Callable[..., Shown], seeded: Make) -> None:
    seeded("mine").begin().advance(200).finish()
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    shown.press(page.anatomy.whats["movement"])
    shown.press(page.anatomy.look)
    one, other = (np.array(values) for values in ([0.01, 0.02], [0.03, 0.01]))
    figures = {
        "movement": movement("mine", ["0.q_proj", "0.k_proj"], one, other, one, (0.05, -2.0)),
        "trend": trends({"mine": [-2.0, -3.0, -1.0, -0.9, -1.0, -0.5, 2]}),
        "by_layer_trend": trends({"0.q_proj": [1.0] * 7, "0.k_proj": [np.nan] * 7}),
    }
    shown.job.finish({"what": "movement", "frames": encode([{"step": 200, "figures": figures}])})
    shown.settle()
    table = page.anatomy.panels["trend"].view
    assert isinstance(table, NumbersTable)
    assert [row.name for row in table.numbers.rows] == ["all layers", "0.q_proj", "0.k_proj"]
    assert table.numbers.rows[0].values[0] == -2.0


def test_several_runs_move_side_by_side(opened: Callable[..., Shown], seeded: Make) -> None:
    runs = [seeded(name).begin().advance(200).finish().run for name in ("lora", "dora")]
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    view = page.anatomy
    shown.press(view.whats["movement"])
    for box, run in zip((view.run, view.other), runs, strict=True):
        box.setCurrentIndex(box.findData(run))
    shown.press(view.look)
    assert shown.job.body["runs"] == runs and shown.job.body["what"] == "movement"
    one = np.array([0.01, 0.02])
    each = movement("lora", ["0.q_proj", "0.k_proj"], one, one, one, (0.05, -2.0), ((0.0, 1.0), (0.0, 1.0)))
    trend = trends({"lora": [1.0] * 7, "dora": [2.0] * 7})
    figures = {"movement": each, "movement_2": each, "trend": trend, "by_layer_trend": trend}
    shown.job.finish({"what": "movement", "frames": encode([{"step": 200, "figures": figures}])})
    shown.settle()
    assert list(view.panels) == ["movement", "movement_2", "trend"]
    left, right = view.panels["movement"], view.panels["movement_2"]
    assert left.y() == right.y() and left.x() < right.x() and view.panels["trend"].y() > left.y()


def test_only_an_adapter_of_every_rank_is_measured_at_each(opened: Callable[..., Shown], seeded: Make) -> None:
    seeded("mine").begin().advance(200).finish()
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    shown.press(page.anatomy.whats["every_rank"])
    assert not page.anatomy.look.isEnabled() and "its own rank" in page.anatomy.waiting.hint.text()
    run = seeded(config=seed.config("cut", method="dylora")).begin().advance(200).finish()
    page.shown()
    page.anatomy.run.setCurrentIndex(page.anatomy.run.findData(run.run))
    shown.press(page.anatomy.look)
    assert (shown.job.kind, shown.job.body["run"]) == ("every_rank", run.run)
    figures = {"every_rank": every_rank(np.array([1.0, 2.0]), np.array([3.0, 2.5]))}
    shown.job.finish({"what": "every_rank", "frames": encode([{"step": 200, "figures": figures}])})
    assert "3 to 2.5" in page.anatomy.panels["every_rank"].accessibleDescription()


def test_an_answer_is_still_there_after_a_restart(opened: Callable[..., Shown], seeded: Make, store: Store) -> None:
    run = seeded("mine").begin().advance(200).finish()
    body = {"what": "spectra", "runs": [run.run], "checkpoint": "best", "as_of": [200]}
    job = store.ask("insight", body)
    store.jobs.done(job, anatomy(200))
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    assert list(page.anatomy.panels) == ["singular_values", "effective_rank"] and shown.around.jobs == []
    assert page.anatomy.look.isEnabled(), "it can be measured anew"
    shown.press(page.anatomy.whats["amplified"])
    assert page.anatomy.waiting.isVisible()


def test_a_measurement_is_still_there_after_a_restart_and_can_be_called_back(
    opened: Callable[..., Shown], store: Store
) -> None:
    page = (shown := opened()).page
    shown.measure()
    store.jobs.done(store.ask("importance", shown.job.body), answer())
    again = opened(configured=False).page
    assert again.measured is not None and again.view.isVisible() and again.act.isVisible()
    shown.press(page.again)
    page.ask.edited.emit()
    assert page.ask.known.isVisible()
    shown.press(page.ask.known)
    assert page.view.isVisible() and len(shown.around.jobs) == 1
    shown.press(page.again)
    page.ask.sample.selectAll()
    QTest.keyClicks(page.ask.sample, "20")
    assert not page.ask.known.isVisible(), "another question has another answer"


def test_the_next_run_is_queued_with_one_click_to_be_compared(opened: Callable[..., Shown], seeded: Make) -> None:
    run = seeded("mine").begin().advance(200).finish()
    page = (shown := opened(configured=False)).page
    page.ask.source.setCurrentIndex(page.ask.source.findData(run.run))
    shown.measure(source="run")
    page.act.by_kind.setChecked(False)
    page.act.set_amount(2)
    shown.press(page.act.queue)
    ((config, against),) = shown.around.queued
    assert against == run.run and config.name == "mine-top-2"
    assert config.adapter.layers == tuple(layer.name for layer in LAYERS[-2:])
    assert config.train == run.config.train and config.data == run.config.data


def test_two_runs_are_needed_to_compare(opened: Callable[..., Shown], seeded: Make) -> None:
    one = seeded("one").begin().advance(200).finish()
    page = (shown := opened()).page
    shown.press(page.parts["anatomy"])
    shown.press(page.anatomy.whats["subspaces"])
    assert not page.anatomy.look.isEnabled() and page.anatomy.waiting.hint.isVisible()
    two = seeded("two").begin().advance(200).finish()
    page.shown()
    assert page.anatomy.look.isEnabled()
    shown.press(page.anatomy.look)
    assert sorted(shown.job.body["runs"]) == sorted([one.run, two.run])
    shown.job.fail("one and two have no layer in common.", "Compare runs of the same base model.")
    assert page.anatomy.control.trouble.isVisible() and page.anatomy.look.isEnabled()


@pytest.fixture
def panel(qapp: QApplication) -> Iterator[Callable[[Any], FigurePanel]]:
    made: list[FigurePanel] = []

    def make(figure: Any) -> FigurePanel:
        made.append(FigurePanel(figure))
        return made[-1]

    yield make
    for one in made:
        one.deleteLater()


def test_a_table_of_figures_is_sorted_and_copied(panel: Callable[[Any], FigurePanel]) -> None:
    layers: list[LayerInfo] = LAYERS[:2]
    rows = np.array([[8, 1.0, 2.0, 0.5, 10.0, 1.0, 3.0], [8, 2.0, 2.0, 0.5, 10.0, 1.0, np.nan]])
    shown = panel(amplification(layers, rows))
    assert isinstance(shown.view, NumbersTable)
    shown.view.order_by(2)
    assert [row.name for row in shown.view.numbers.rows] == ["0.k_proj", "0.q_proj"]
    shown.view.copy()
    first, second, _ = QApplication.clipboard().text().split("\n")
    assert first.startswith("\tr\tOn dW's directions") and second.endswith("\t1\tnan")


def test_bars_are_as_tall_as_all_their_rows(panel: Callable[[Any], FigurePanel]) -> None:
    shown = panel(amplified(LAYERS, np.linspace(1.0, 2.0, len(LAYERS))))
    assert shown.view.minimumHeight() >= len(LAYERS) * Theme.current().px(19)


def test_one_outstanding_layer_does_not_darken_all_others() -> None:
    even = shades({"a": 0.2, "b": 0.3, "c": 0.5})
    assert not even.logarithmic and even.bottom == 0 and even.places["b"] == pytest.approx(0.6)
    tail = {f"layer{i}": 0.17 * 0.8**i * 0.2 for i in range(20)}
    uneven = shades({"loud": 0.83, **tail})
    assert uneven.logarithmic and uneven.places["loud"] == pytest.approx(1)
    assert uneven.places["layer0"] - uneven.places["layer10"] > 0.2
    assert min(uneven.places.values()) == 0 and 0 < uneven.bottom < uneven.top
    assert shades({"silent": 0.0}).places == {"silent": 0.0} and shades({}).places == {}


def test_a_run_that_trains_vectors_alone_says_why_it_has_no_directions(
    opened: Callable[..., Shown], seeded: Make
) -> None:
    run = seeded("norms", config=seed.config("norms", method="norm-tuning")).begin().advance(200).finish()
    page = (shown := opened(configured=False)).page
    page.ask.source.setCurrentIndex(page.ask.source.findData(run.run))
    assert "trains vectors" in page.ask.problem.text() and not page.ask.measure.isEnabled()
    shown.press(page.parts["anatomy"])
    shown.press(page.anatomy.whats["amplified"])
    assert not page.anatomy.look.isEnabled() and "trains vectors" in page.anatomy._problem(1)
    shown.press(page.anatomy.whats["spectra"])
    assert page.anatomy.look.isEnabled()
