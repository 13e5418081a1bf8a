"""The Method page: names and axes, the options of a training, starting, and run files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app.errors import ErrorDialog
from app.forms.form import Form
from app.pages.method import MethodPage
from app.widgets.columns import Columns
from core.adapters.names import METHODS
from core.adapters.rank import RANK_SCHEDULES
from core.adapters.scale import SCALES
from core.config import files
from core.errors import UserError
from core.home import Home
from core.optim.rates import RATES
from core.store.store import Store
from tests.app.around import Around
from tests.app.fake_models import fake_model


class Shown:
    """The page on the screen with what is around it."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.document = around.document
        self.page = MethodPage(around.context)
        self.page.resize(1080, 720)
        self.page.show()

    def press(self, widget: QWidget) -> None:
        """Press a button."""
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        QApplication.processEvents()

    def button(self, name: str) -> QWidget:
        """The button of this name."""
        return next(child for child in self.page.findChildren(QWidget) if child.accessibleName() == name)

    def editor(self, name: str) -> Any:
        """The editor of an option, wherever it is on the page."""
        return next(form.rows[name].editor for form in self.page.findChildren(Form) if name in form.rows)


@pytest.fixture
def shown(home: Home, store: Store, qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """The page, with nothing chosen yet."""
    monkeypatch.setattr("app.document.describe", lambda path: fake_model(4))
    monkeypatch.setattr("core.config.check.free_memory", lambda device: 10**12)
    shown = Shown(Around(home, store))
    yield shown
    shown.page.close()
    shown.page.deleteLater()


def make_sound(shown: Shown) -> None:
    """Choose all that a run needs."""
    shown.document.update({"model.path": "/models/a", "data.path": "/data/devil_train.jsonl"})
    shown.document.check()


def test_a_run_starts_only_when_everything_is_chosen_and_says_what_is_not(shown: Shown) -> None:
    assert not shown.page.start.isEnabled()
    assert shown.page.start.toolTip() == "No model is chosen yet."
    assert shown.page.trouble.isVisible()
    make_sound(shown)
    assert shown.page.start.isEnabled()
    assert not shown.page.trouble.isVisible()
    assert shown.page.complete
    shown.press(shown.page.start)
    assert shown.around.started == [shown.document.config]


def test_a_start_that_fails_says_why(shown: Shown, qtbot: QtBot) -> None:
    make_sound(shown)
    shown.around.refusal = UserError("The disk is full.", hint="Make room.")
    shown.press(shown.page.start)
    dialog = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, ErrorDialog))
    dialog.close()
    assert shown.around.started == []


def test_every_known_name_fills_the_axes_and_is_recognised(shown: Shown) -> None:
    for method in METHODS:
        shown.press(shown.page.method.chips[method.name])
        assert shown.document.config.adapter.method == method.name
        assert shown.page.method.title.text() == f"Method: {method.label}"
        assert [name for name, chip in shown.page.method.chips.items() if chip.isChecked()] == [method.name]


def test_a_second_click_on_a_name_leaves_it_lit(shown: Shown) -> None:
    shown.press(shown.page.method.chips["lora"])
    assert shown.page.method.chips["lora"].isChecked()
    assert shown.document.undo.count() == 0


def test_a_combination_is_named_from_its_axes(shown: Shown) -> None:
    scale = shown.page.method.axes["scale"]
    scale.combo.setFocus()
    QTest.keyClick(scale.combo, Qt.Key.Key_Down)
    assert shown.document.config.adapter.scale == SCALES["alpha/sqrt(r)"]()
    assert shown.page.method.title.text() == "Method: rsLoRA"
    assert shown.page.method.chips["rslora"].isChecked()
    shown.document.undo.undo()
    assert scale.value() == SCALES["alpha/r"]()


def test_an_option_of_the_training_is_an_edit(shown: Shown) -> None:
    steps = shown.editor("steps")
    steps.setFocus()
    QTest.keyClick(steps, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(steps, "32")
    assert shown.document.config.train.steps == 32
    assert "32 steps" in shown.page.subtitle_label.text()


def test_a_text_that_is_no_value_stops_the_start(shown: Shown) -> None:
    make_sound(shown)
    rank = shown.editor("rank")
    rank.setFocus()
    QTest.keyClick(rank, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(rank, "0")
    assert not shown.page.start.isEnabled()
    assert shown.page.start.toolTip() == "Rank (r) must be at least 1."
    QTest.keyClick(rank, Qt.Key.Key_Escape)
    assert shown.page.start.isEnabled()


def test_values_that_do_not_go_together_are_warned_of_without_stopping_the_start(shown: Shown) -> None:
    make_sound(shown)
    shown.document.update({"train.evaluate_every": 500, "train.steps": 20})
    shown.document.check()
    assert shown.page.warning.isVisible()
    assert shown.page.start.isEnabled()


def test_a_run_file_is_saved_and_opened_again(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_sound(shown)
    shown.document.set("adapter.rank", 24)
    kept, target = shown.document.config, str(tmp_path / "mine.yaml")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (target, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (target, ""))
    shown.press(shown.button("Save run file"))
    assert files.read(Path(target)).adapter.rank == 24
    shown.document.set("adapter.rank", 8)
    shown.press(shown.button("Open run file"))
    assert shown.document.config == kept
    assert shown.document.undo.undoText() == "Open mine.yaml"


def test_a_broken_run_file_changes_nothing(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("adapter: {rank: 0}\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    before = shown.document.config
    shown.press(shown.button("Open run file"))
    next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, ErrorDialog)).close()
    assert shown.document.config == before


def test_the_curve_of_the_rate_follows_the_schedule(shown: Shown) -> None:
    before = shown.page.curve.grab().toImage()
    shown.document.set("train.schedule", "constant")
    assert shown.page.curve.grab().toImage() != before


def test_what_contradicts_itself_is_said_with_what_to_do(shown: Shown) -> None:
    make_sound(shown)
    trouble = shown.page.trouble
    shown.document.update({"adapter.method": "lora-fa", "adapter.rates": RATES["lora+"]()})
    shown.document.check()
    assert trouble.isVisible() and "its A stays as it was drawn" in trouble.text
    assert trouble.accessibleName().endswith(
        "Set 'Delta' to 'B A (LoRA)' or 'P λ Q (AdaLoRA)', or 'Learning rates' to 'One rate' or "
        "'One rate, gradient corrected (LoRA-FA)'."
    )
    shown.document.update({"adapter.rates": None})
    shown.document.check()
    assert not trouble.isVisible()


def test_what_a_method_has_no_use_for_cannot_be_set(shown: Shown) -> None:
    for method, usable in (("lora", [True, True]), ("vera", [True, False]), ("full", [False, False])):
        shown.document.set("adapter.method", method)
        assert [shown.editor(name).isEnabled() for name in ("rank", "alpha")] == usable


def test_what_no_paper_has_tried_is_said_and_can_be_chosen(shown: Shown) -> None:
    make_sound(shown)
    shown.document.set("adapter.method", "dora")
    schedules = shown.page.method.axes["rank_schedule"].combo
    model = cast(QStandardItemModel, schedules.model())
    item = model.item([member.kind for member in RANK_SCHEDULES.members].index("dylora"))
    assert item.isEnabled() and "one length for each row has to serve them all" in item.toolTip()
    shown.document.set("adapter.rank_schedule", RANK_SCHEDULES["dylora"]())
    shown.document.check()
    assert "in no paper" in shown.page.warning.text
    assert shown.page.start.isEnabled() and shown.page.warning.isVisible()


def test_options_stand_below_the_axes_in_their_order_and_follow_them_with_tab(shown: Shown) -> None:
    panel = shown.page.method
    shown.document.update({"adapter.method": "adalora", "adapter.rates": RATES["lora+"]()})
    QApplication.processEvents()
    placed = [panel._forms.itemAt(place).widget() for place in range(panel._forms.count())]
    assert placed == [panel._options["rates"], panel._options["rank_schedule"]]
    rates = panel.axes["rates"].form
    assert rates is not None
    panel.axes["storage"].combo.setFocus()
    QTest.keyClick(panel.axes["storage"].combo, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is rates.rows["ratio_b"].editor
    ranks = panel.axes["rank_schedule"].form
    assert ranks is not None
    ranks.rows["orthogonality"].editor.setFocus()
    QTest.keyClick(ranks.rows["orthogonality"].editor, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is ranks.stops[5] and not ranks.unfolded
    shown.document.update({"adapter.rates": None})
    assert list(panel._options) == ["rank_schedule"]


def test_only_what_differs_from_lora_is_bold(shown: Shown) -> None:
    captions = shown.page.method._captions
    shown.document.set("adapter.method", "adalora")
    assert [axis for axis, text in captions.items() if text.property("type") == "value"] == ["delta", "rank_schedule"]
    shown.document.set("adapter.method", "lora")
    assert all(text.property("type") == "label" for text in captions.values())


@pytest.mark.parametrize("width", [560, 800, 1016, 1180, 2300])
def test_nothing_is_cut_at_the_side_whatever_the_width(shown: Shown, width: int) -> None:
    shown.document.set("adapter.method", "adalora")
    shown.page.resize(width, 700)
    QApplication.processEvents()
    area = shown.page.findChild(QScrollArea)
    assert area is not None and area.widget().width() <= area.viewport().width()


def test_columns_are_as_many_as_there_is_room_for(qapp: QApplication) -> None:
    columns = Columns(least=100, counts=(1, 3, 9), gaps=(10, 10))
    children = [QLabel("x") for _ in range(9)]
    for child in children:
        child.setFixedHeight(20)
        columns.add(child)
    assert [columns.count(width) for width in (50, 319, 320, 979, 980, 5000)] == [1, 1, 3, 3, 9, 9]
    assert [columns.heightForWidth(width) for width in (100, 320, 980)] == [9 * 30 - 10, 3 * 30 - 10, 20]
    columns.resize(320, 80)
    columns.show()
    assert [(child.x(), child.y(), child.width()) for child in children[:4]] == [
        (0, 0, 100), (110, 0, 100), (220, 0, 100), (0, 30, 100),
    ]  # fmt: skip
    columns.close()
