"""The Layers page: what one paints, sizes and filters there is what the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.context import Context
from app.pages.layers import LayersPage
from app.widgets.map_grid import Cell
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.models.info import ModelInfo
from core.store.store import Store
from core.store.writer import Writer
from tests.app.around import Around
from tests.app.fake_models import GPT2, LLAMA, NINE, fake_model

LEFT = Qt.MouseButton.LeftButton
MODELS = {
    "/llama": fake_model(4),
    "/gpt2": fake_model(2, GPT2),
    "/large": fake_model(
        120, NINE, name="A model with a name that is much longer than there is room for beside a title"
    ),
    "/80": fake_model(80, LLAMA),
}


class Shown:
    """The page on the screen, beside its document."""

    def __init__(self, context: Context, visited: list[str]) -> None:
        self.context = context
        self.document = context.document
        self.visited = visited
        self.page = LayersPage(context)
        self.page.resize(1080, 720)
        self.page.show()
        self.settle()

    def settle(self) -> None:
        """Let what was put off happen."""
        for _ in range(3):
            QApplication.processEvents()

    def click(self, cell: Cell, button: Qt.MouseButton = LEFT) -> None:
        """Click a cell or head of the map."""
        QTest.mouseClick(self.page.map.viewport(), button, Qt.KeyboardModifier.NoModifier, self.page.map.place_of(cell))
        self.settle()

    def press(self, widget: QWidget) -> None:
        """Press a button."""
        QTest.mouseClick(widget, LEFT)
        self.settle()

    def type_into(self, widget: QWidget, text: str) -> None:
        """Replace what a line holds."""
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(widget, text)
        self.settle()


@pytest.fixture
def open_page(
    home: Home, store: Store, qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Shown]]:
    """Opens the page with one of `MODELS` chosen, or none."""

    def describe(path: Path) -> ModelInfo:
        if path.as_posix() not in MODELS:
            raise UserError("There is no such model.", hint="Choose another one.")
        return MODELS[path.as_posix()]

    monkeypatch.setattr("app.document.describe", describe)
    monkeypatch.setattr("app.pages.layers.free_memory", lambda device: 4_000_000_000)
    pages: list[LayersPage] = []

    def make(model: str = "/llama") -> Shown:
        around = Around(home, store)
        if model:
            around.document.set("model.path", model)
        shown = Shown(around.context, around.visited)
        pages.append(shown.page)
        return shown

    yield make
    for page in pages:
        page.close()
        page.deleteLater()


def test_without_a_model_one_action_leads_to_one(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("")
    assert shown.page.empty.isVisible()
    assert not shown.page.complete
    assert shown.page.empty.button is not None
    shown.press(shown.page.empty.button)
    assert shown.visited == ["model"]


def test_a_model_that_cannot_be_read_says_why_in_place(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/gone")
    assert shown.page.empty.sentence.text() == "There is no such model."
    assert shown.page.empty.hint.text() == "Choose another one."


def test_the_page_says_what_is_chosen(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    assert shown.page.subtitle_label.text() == "SmolLM2-135M-Instruct   4 blocks, 28 adaptable matrices"
    assert shown.page.presets.chips["all"].isChecked()
    assert shown.page.selection.matrices.value == "28 of 28"
    assert shown.page.selection.parameters.value.startswith("325\u202f632")
    assert shown.page.complete


def test_a_click_on_the_map_is_an_edit_with_undo(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.click((0, 2))
    assert len(shown.document.plans) == 27
    assert len(shown.document.config.adapter.layers) == 27
    assert shown.page.selection.matrices.value == "27 of 28"
    shown.document.undo.undo()
    assert shown.document.config.adapter.layers == "all-linear"
    assert all(shown.page.map.ranks)


def test_a_stroke_is_one_step_to_undo(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    view, place = shown.page.map.viewport(), shown.page.map.place_of
    steps = shown.document.undo.count()
    QTest.mousePress(view, LEFT, Qt.KeyboardModifier.NoModifier, place((0, 1)))
    for row in (1, 2, 3):
        QTest.mouseMove(view, place((row, 1)))
        QApplication.processEvents()
    QTest.mouseRelease(view, LEFT, Qt.KeyboardModifier.NoModifier, place((3, 1)))
    assert len(shown.document.plans) == 24
    assert shown.document.undo.count() == steps + 1
    assert "k_proj" not in shown.document.config.adapter.layers
    assert len(shown.document.config.adapter.layers) == 6, "whole columns are written as suffixes"


def test_presets_choose_and_say_what_is_chosen(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    chips = shown.page.presets.chips
    for key, written, count in (
        ("mlp", "mlp", 12), ("attention", "attention", 16), ("qv", ("q_proj", "v_proj"), 8), ("all", "all-linear", 28),
    ):  # fmt: skip
        shown.press(chips[key])
        assert shown.document.config.adapter.layers == written
        assert len(shown.document.plans) == count
        assert [other for other, chip in chips.items() if chip.isChecked()] == [key]


def test_the_last_blocks_follow_their_number(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.type_into(shown.page.presets.count, "2")
    assert len(shown.document.plans) == 28, "a number alone chooses nothing"
    shown.press(shown.page.presets.chips["last"])
    assert {plan.layer.block for plan in shown.document.plans} == {2, 3}
    shown.type_into(shown.page.presets.count, "1")
    assert {plan.layer.block for plan in shown.document.plans} == {3}


def test_nothing_chosen_is_a_state_one_comes_back_from(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.press(shown.page.presets.chips["none"])
    assert shown.document.plans == ()
    assert not shown.page.next.isEnabled()
    assert not shown.page.complete
    shown.click((1, 1))
    assert [plan.name for plan in shown.document.plans] == ["model.layers.2.self_attn.k_proj"]
    assert shown.page.next.isEnabled()


def test_a_layer_gets_a_rank_of_its_own(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.click((0, 2), Qt.MouseButton.RightButton)
    assert shown.page.cell.title.text() == "block 3   v_proj"
    shown.type_into(shown.page.cell.rank, "32")
    assert shown.document.config.adapter.ranks == {"model.layers.3.self_attn.v_proj": 32}
    assert shown.page.selection.rank.placeholderText() == "mixed"
    shown.type_into(shown.page.cell.rank, "8")
    assert shown.document.config.adapter.ranks == {}


def test_several_layers_are_sized_at_once(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.click((-1, 0), Qt.MouseButton.RightButton)
    assert shown.page.cell.title.text() == "q_proj   4 blocks"
    shown.type_into(shown.page.cell.alpha, "64")
    assert set(shown.document.config.adapter.alphas.values()) == {64.0}
    assert len(shown.document.config.adapter.alphas) == 4
    shown.click((-1, 0), Qt.MouseButton.RightButton)
    shown.type_into(shown.page.selection.alpha, "24")
    assert (shown.document.config.adapter.alpha, shown.document.config.adapter.alphas) == (24.0, {})


def test_typing_a_rank_of_two_digits_is_one_step(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.click((0, 2), Qt.MouseButton.RightButton)
    steps = shown.document.undo.count()
    shown.type_into(shown.page.cell.rank, "128")
    assert shown.document.undo.count() == steps + 1
    shown.document.undo.undo()
    assert shown.document.config.adapter.ranks == {}


def test_enter_on_the_map_leads_to_the_rank(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.page.activateWindow()
    assert QTest.qWaitForWindowActive(shown.page, 30_000)
    shown.page.map.setFocus()
    QTest.keyClick(shown.page.map, Qt.Key.Key_Down)
    QTest.keyClick(shown.page.map, Qt.Key.Key_Return)
    assert shown.page.cell.rank.hasFocus()
    QTest.keyClicks(shown.page.cell.rank, "32")
    assert set(shown.document.config.adapter.ranks.values()) == {32}


def test_what_is_found_has_room_though_the_window_is_narrow(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.page.resize(1080, 720)
    page = shown.page
    assert page.colors.isVisible()
    page.filter.line.setText("q_proj")
    shown.settle()
    assert not page.colors.isVisible()
    for chip in page.presets.chips.values():
        assert not chip.isVisible() or chip.width() >= chip.sizeHint().width()
    page.filter.line.clear()
    assert page.colors.isVisible()


def test_the_button_of_the_panel_chooses_what_is_marked(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.click((0, 2), Qt.MouseButton.RightButton)
    assert shown.page.cell.button.text() == "Do not train"
    shown.press(shown.page.cell.button)
    assert len(shown.document.plans) == 27
    assert shown.page.cell.button.text() == "Choose"
    shown.press(shown.page.cell.button)
    assert shown.document.config.adapter.layers == "all-linear"


def test_a_filter_counts_shows_and_applies_what_it_finds(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.press(shown.page.presets.chips["none"])
    line = shown.page.filter.line
    shown.type_into(line, "2.*q_proj")
    assert shown.page.filter.count.text() == "1 found"
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert [plan.name for plan in shown.document.plans] == ["model.layers.2.self_attn.q_proj"]
    shown.type_into(line, "mlp")
    assert shown.page.filter.count.text() == "12 found"
    shown.press(shown.page.filter.add)
    assert len(shown.document.plans) == 13
    shown.press(shown.page.filter.remove)
    assert len(shown.document.plans) == 1
    shown.type_into(line, "nothing-like-it")
    assert shown.page.filter.count.text() == "no match"
    assert not shown.page.filter.add.isEnabled()
    line.clear()
    assert not shown.page.filter.add.isVisible()


def test_layers_of_another_model_are_told_and_mended_in_one_click(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.document.update({"adapter.layers": ("gate_proj",), "adapter.ranks": {"gate_proj": 4}})
    shown.document.set("model.path", "/gpt2")
    shown.settle()
    assert shown.page.trouble.isVisible()
    assert shown.page.map.ranks == [0] * 8
    button = next(b for b in shown.page.trouble.findChildren(QWidget) if b.accessibleName() == "Choose all linear")
    shown.press(button)
    assert len(shown.document.plans) == 8
    assert not shown.page.trouble.isVisible()


def test_a_model_without_separate_query_and_value_offers_what_it_has(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/gpt2")
    assert shown.page.presets.chips["qv"].text() == "Attention qkv"
    shown.press(shown.page.presets.chips["qv"])
    assert {plan.layer.role for plan in shown.document.plans} == {"qkv"}


def test_the_forecast_follows_and_warns_where_it_does_not_fit(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    before = shown.page.memory.note.text()
    assert before.endswith("of 4.00 GB free")
    assert not shown.page.memory.warning.isVisible()
    assert shown.page.memory.basis.text().startswith("Rows of 512 tokens")
    shown.document.take_report(
        {
            "tokenised": True, "problems": (), "targets": {"quantiles": {"1.0": 9.0}},
            "lengths": {"quantiles": {"1.0": 20.0}, "edges": [0.0, 10.0, 21.0], "counts": [3, 40]},
        }
    )  # fmt: skip
    shown.settle()
    assert shown.page.memory.basis.text().startswith("Largest batch of the data")
    assert shown.page.memory.note.text() != before
    before = shown.page.memory.note.text()
    shown.document.take_report(None)
    shown.document.update({"train.batch": 512, "data.max_tokens": 4096})
    shown.settle()
    assert shown.page.memory.note.text() != before
    assert shown.page.memory.warning.text().startswith("This does not fit")


def test_colours_are_those_asked_for(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    page = shown.page
    shown.press(page.presets.chips["mlp"])
    for key, name in (("rank", "rank"), ("weights", "weights in the layer"), ("parameters", "trainable parameters")):
        page.color_by.setCurrentIndex(page.color_by.findData(key))
        page.color_by.activated.emit(page.color_by.currentIndex())
        assert name in page.legend.accessibleName()
    page.color_by.setCurrentIndex(page.color_by.findData("rank"))
    page.color_by.activated.emit(page.color_by.currentIndex())
    assert [share is not None for share in page.map.shares].count(True) == 12


def test_a_finished_run_offers_how_far_it_moved_each_layer(
    open_page: Callable[[str], Shown], home: Home, store: Store
) -> None:
    layers = [layer for layer in MODELS["/llama"].adaptable if layer.role == "v"]
    run = store.create_run(RunConfig(name="devil-1"))
    writer = Writer(home, run)
    writer.layers(layers)
    for step in (1, 2):
        writer.vector(step, "relative_norm", np.array([0.01, 0.02, 0.03, 0.04], dtype=np.float32) * step)
    writer.close()
    shown = open_page("/llama")
    color_by = shown.page.color_by
    index = color_by.findText("Change in devil-1")
    assert index >= 0
    color_by.setCurrentIndex(index)
    color_by.activated.emit(index)
    shares = dict(zip((layer.name for layer in shown.page.map.grid.layers), shown.page.map.shares, strict=True))
    assert shares[layers[3].name] == 1.0
    assert shares[layers[0].name] == pytest.approx(0.25)
    assert sum(share is not None for share in shares.values()) == 4
    assert "8.00%" in shown.page.legend.accessibleName()


@pytest.mark.parametrize("model", ["/large", "/80", "/gpt2"])
@pytest.mark.parametrize("size", [(1080, 720), (1240, 900), (2360, 1440)])
def test_every_model_fits_every_window(model: str, size: tuple[int, int], open_page: Callable[[str], Shown]) -> None:
    shown = open_page(model)
    shown.page.resize(*size)
    shown.settle()
    assert shown.page.minimumSizeHint().width() <= size[0]
    assert shown.page.map.horizontalScrollBar().maximum() == 0
    assert not shown.page.grab().isNull()


def test_the_next_step_is_the_method(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    shown.press(shown.page.next)
    assert shown.visited == ["method"]


def test_every_control_is_named_and_reached_with_the_keyboard(open_page: Callable[[str], Shown]) -> None:
    shown = open_page("/llama")
    page = shown.page
    controls: list[QWidget] = [
        page.next, page.map, page.color_by, page.filter.line, page.selection.rank, page.selection.alpha,
        page.cell.rank, page.cell.alpha, page.cell.button, page.presets.count, *page.presets.chips.values(),
    ]  # fmt: skip
    for control in controls:
        assert control.accessibleName()
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
