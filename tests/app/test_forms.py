"""Forms made from declarations: every kind of option, round trips, problems, newcomers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from app.document import Document
from app.forms.choice import Choice, ChoiceEdit
from app.forms.field import Field, field_of, fields_of
from app.forms.form import Form, bind
from app.forms.makers import MAKERS, Editor
from app.forms.member import MemberEdit
from app.forms.number import NumberEdit, written
from app.forms.switch import Switch
from app.forms.text import LinesEdit, PathEdit, TextEdit
from core.adapters.axis import Delta
from core.adapters.delta import DELTAS
from core.adapters.scale import SCALES
from core.component import Axis, Component, Part, option
from core.config.edit import replaced
from core.config.run import AdapterConfig, DataConfig, ModelConfig, RunConfig, TrainConfig
from core.optim.optimizers import OPTIMIZERS
from core.optim.schedules.cosine import Cosine
from core.optim.schedules.linear import Linear


def shown(form: Form[Any], qtbot: QtBot) -> Form[Any]:
    """The form, on the screen."""
    qtbot.addWidget(form)
    form.show()
    return form


def editor(form: Form[Any], name: str) -> Any:
    """The editor of an option."""
    return cast(Editor, form.rows[name].editor)


def type_into(widget: QWidget, text: str) -> None:
    """Replace what a line holds by typing."""
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(widget, text)


PARTS: list[Part] = [
    ModelConfig(path="a/b", compute="bfloat16"),
    DataConfig(path="x.jsonl", max_tokens=99, held_out=0.123456789, train_on="everything", packing=False),
    AdapterConfig(method="rslora", rank=7, alpha=0.3, dropout=0.05, layers=("a", "b"), ranks={"a": 3}),
    TrainConfig(
        learning_rate=1.2345e-7, schedule=Linear(floor=0.25), warmup=100, prompts=("one\ntwo", "three"),
        gradient_checkpointing=True, device="cpu",
    ),
    RunConfig(name="Ünïcode – name", seed=2**63),
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_a_part_comes_back_equal(part: Part, qtbot: QtBot) -> None:
    form = shown(Form(type(part)), qtbot)
    form.set_value(part)
    assert form.value() == part


def test_a_form_without_a_value_gives_the_defaults(qtbot: QtBot) -> None:
    assert shown(Form(TrainConfig), qtbot).value() == TrainConfig()


@settings(max_examples=60, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_written_so_that_it_means_exactly_itself(value: float) -> None:
    assert float(written(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(8, "8"), (16.0, "16"), (0.03, "0.03"), (2e-4, "2e-4"), (1.5e-08, "1.5e-8"), (-2e-5, "-2e-5"), (0.0, "0")],
)
def test_numbers_are_written_short(value: float, text: str) -> None:
    assert written(value) == text


def test_each_kind_of_option_has_its_editor(qtbot: QtBot) -> None:
    train, data = shown(Form(TrainConfig), qtbot), shown(Form(DataConfig), qtbot)
    kinds = {name: type(editor(form, name)) for form in (train, data) for name in form.rows}
    assert kinds["steps"] is NumberEdit
    assert kinds["gradient_checkpointing"] is Switch
    assert kinds["train_on"] is ChoiceEdit
    assert kinds["schedule"] is MemberEdit
    assert kinds["prompts"] is LinesEdit
    assert kinds["path"] is PathEdit
    assert type(editor(shown(Form(RunConfig), qtbot), "name")) is TextEdit


def test_every_editor_has_a_name_and_says_its_help(qtbot: QtBot) -> None:
    for part in (ModelConfig, DataConfig, AdapterConfig, TrainConfig):
        form = shown(Form(part), qtbot)
        for name, row in form.rows.items():
            field = field_of(part, name)
            assert row.editor.accessibleName().startswith(field.label)
            assert row.editor.accessibleDescription() == field.help
            found = QAccessible.queryAccessibleInterface(row.editor)
            assert found is not None


def test_typing_a_number_tells_it_and_its_unit_is_shown(qtbot: QtBot) -> None:
    form = shown(Form(TrainConfig, only=["steps"]), qtbot)
    heard: list[tuple[str, object]] = []
    form.edited.connect(lambda name, value: heard.append((name, value)))
    type_into(editor(form, "steps"), "32")
    assert heard[-1] == ("steps", 32)
    assert form.value() == TrainConfig(steps=32)
    assert editor(form, "steps").accessibleName() == "Steps, steps"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Rank (r) must be a whole number."),
        ("1.5", "Rank (r) must be a whole number."),
        ("0", "Rank (r) must be at least 1."),
        ("5000", "Rank (r) must be at most 4096."),
    ],
)
def test_a_text_that_is_no_value_is_said_under_its_field(text: str, why: str, qtbot: QtBot) -> None:
    form = shown(Form(AdapterConfig, only=["rank"]), qtbot)
    rank = editor(form, "rank")
    type_into(rank, "9")
    QTest.keyClick(rank, Qt.Key.Key_Backspace)
    QTest.keyClicks(rank, text)
    assert form.rows["rank"].problem.isVisible()
    assert form.rows["rank"].problem.text() == why
    QTest.keyClick(rank, Qt.Key.Key_Escape)
    assert rank.text() == str(form.value().rank)
    assert not form.rows["rank"].problem.isVisible()


def test_bounds_that_are_not_allowed_themselves_say_so(qtbot: QtBot) -> None:
    form = shown(Form(AdapterConfig, only=["alpha", "dropout"]), qtbot)
    type_into(editor(form, "alpha"), "0")
    type_into(editor(form, "dropout"), "1")
    assert form.rows["alpha"].problem.text() == "Alpha must be more than 0."
    assert form.rows["dropout"].problem.text() == "Dropout must be less than 1."


def test_a_decimal_comma_is_understood(qtbot: QtBot) -> None:
    form = shown(Form(AdapterConfig, only=["dropout"]), qtbot)
    type_into(editor(form, "dropout"), "0,25")
    assert form.value().dropout == 0.25


def test_arrows_step_by_what_suits_the_number(qtbot: QtBot) -> None:
    form = shown(Form(TrainConfig, only=["steps", "learning_rate", "warmup"]), qtbot)
    rate, steps = editor(form, "learning_rate"), editor(form, "steps")
    for key, text in ((Qt.Key.Key_Up, "5e-4"), (Qt.Key.Key_Up, "0.001"), (Qt.Key.Key_Down, "5e-4")):
        QTest.keyClick(rate, key)
        assert rate.text() == text
    QTest.keyClick(steps, Qt.Key.Key_Up)
    QTest.keyClick(steps, Qt.Key.Key_PageUp)
    assert form.value().steps == 402
    data = shown(Form(DataConfig, only=["held_out"]), qtbot)
    QTest.keyClick(editor(data, "held_out"), Qt.Key.Key_Up)
    assert data.value().held_out == 0.15


def test_a_step_never_leaves_the_bounds(qtbot: QtBot) -> None:
    form = shown(Form(AdapterConfig, only=["rank"]), qtbot)
    form.set_value(AdapterConfig(rank=1))
    QTest.keyClick(editor(form, "rank"), Qt.Key.Key_Down)
    assert form.value().rank == 1


def test_several_values_are_shown_as_mixed_until_one_is_typed(qtbot: QtBot) -> None:
    line = NumberEdit(field_of(AdapterConfig, "rank"))
    qtbot.addWidget(line)
    line.set_value(8)
    line.set_mixed()
    assert (line.text(), line.placeholderText()) == ("", "mixed")
    heard: list[object] = []
    line.edited.connect(heard.append)
    QTest.keyClicks(line, "4")
    assert heard == [4]


def test_a_member_brings_its_own_options(qtbot: QtBot) -> None:
    form = shown(Form(TrainConfig, only=["schedule"]), qtbot)
    schedule = editor(form, "schedule")
    inner = schedule.form
    type_into(editor(inner, "floor"), "0.1")
    assert form.value().schedule == Cosine(floor=0.1)
    schedule.combo.setFocus()
    QTest.keyClick(schedule.combo, Qt.Key.Key_Down)
    assert form.value().schedule == Linear()
    QTest.keyClick(schedule.combo, Qt.Key.Key_Down)
    assert schedule.form is None
    QTest.keyClick(schedule.combo, Qt.Key.Key_Up)
    QTest.keyClick(schedule.combo, Qt.Key.Key_Up)
    assert form.value().schedule == Cosine(floor=0.1), "what was set up is kept while one looks at others"


def test_a_member_may_be_left_to_the_method(qtbot: QtBot) -> None:
    form = shown(Form(AdapterConfig, only=["scale"]), qtbot)
    scale = editor(form, "scale")
    assert (scale.combo.currentText(), form.value().scale) == ("As the method says", None)
    scale.combo.setFocus()
    QTest.keyClick(scale.combo, Qt.Key.Key_Down)
    assert form.value().scale == SCALES.default()
    QTest.keyClick(scale.combo, Qt.Key.Key_Up)
    assert form.value() == AdapterConfig()


def test_a_switch_is_turned_with_mouse_and_space(qtbot: QtBot) -> None:
    form = shown(Form(DataConfig, only=["packing"]), qtbot)
    heard: list[object] = []
    form.edited.connect(lambda name, value: heard.append(value))
    QTest.mouseClick(editor(form, "packing"), Qt.MouseButton.LeftButton)
    QTest.keyClick(editor(form, "packing"), Qt.Key.Key_Space)
    assert heard == [False, True]
    assert not editor(form, "packing").grab().isNull()


def test_advanced_options_are_folded_and_still_have_their_value(qtbot: QtBot) -> None:
    form = shown(Form(OPTIMIZERS["adamw"]), qtbot)
    assert not form.unfolded
    assert not form.rows["beta1"].isVisible()
    assert form.value() == OPTIMIZERS["adamw"]()
    fold = next(button for button in form.findChildren(QWidget) if button.accessibleName() == "Advanced")
    QTest.mouseClick(fold, Qt.MouseButton.LeftButton)
    assert form.unfolded
    assert form.rows["beta1"].isVisible()


class Twist(Delta):
    """A made-up change of a weight, to see that a newcomer needs no line in the window."""

    kind = "twist"
    label = "Twist"
    turns: int = option(3, "Turns", "How often it is twisted.", unit="turns", ge=1, le=9)
    smooth: bool = option(True, "Smooth", "Whether it is smoothed.")


@pytest.fixture
def newcomer(monkeypatch: pytest.MonkeyPatch) -> type[Twist]:
    """One registry line."""
    members = (*DELTAS.members, Twist)
    monkeypatch.setattr(DELTAS, "members", members)
    monkeypatch.setattr(DELTAS, "_by_kind", {member.kind: member for member in members})
    return Twist


def test_a_newcomer_appears_with_its_options_by_itself(newcomer: type[Twist], qtbot: QtBot) -> None:
    edit = MemberEdit(DELTAS)
    qtbot.addWidget(edit)
    assert edit.combo.itemText(edit.combo.count() - 1) == "Twist"
    edit.set_value(newcomer(turns=5))
    assert edit.form is not None
    assert list(edit.form.rows) == ["turns", "smooth"]
    type_into(editor(edit.form, "turns"), "7")
    QTest.mouseClick(editor(edit.form, "smooth"), Qt.MouseButton.LeftButton)
    assert edit.value() == newcomer(turns=7, smooth=False)
    assert replaced(RunConfig(), {"adapter.delta": edit.value()}).adapter.axis("delta") == edit.value()


def test_lines_keep_a_break_within_a_text(qtbot: QtBot) -> None:
    lines = LinesEdit()
    qtbot.addWidget(lines)
    heard: list[object] = []
    lines.edited.connect(heard.append)
    lines.set_value(("first\nsecond", "other"))
    assert lines.toPlainText() == "first⏎second\nother"
    assert heard == []
    QTest.keyClick(lines, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(lines, Qt.Key.Key_Return)
    assert heard == [], "an empty line is no text"
    QTest.keyClicks(lines, "x")
    assert heard == [("first\nsecond", "other", "x")]


def test_a_path_is_typed_or_looked_for(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    edit = PathEdit(field_of(DataConfig, "held_out_path"))
    qtbot.addWidget(edit)
    heard: list[object] = []
    edit.edited.connect(heard.append)
    QTest.keyClicks(edit.line, "a")
    answers: list[Callable[..., tuple[str, str]]] = [lambda *_: ("/data/b.jsonl", ""), lambda *_: ("", "")]
    for answer in answers:
        monkeypatch.setattr(QFileDialog, "getOpenFileName", answer)
        QTest.mouseClick(edit.browse, Qt.MouseButton.LeftButton)
    assert heard == ["a", "/data/b.jsonl"]
    assert edit.value() == "/data/b.jsonl"


def test_a_value_that_is_not_on_the_list_is_shown_all_the_same(qtbot: QtBot) -> None:
    combo = ChoiceEdit([Choice("auto", "Automatic"), Choice("text", "Text")])
    qtbot.addWidget(combo)
    combo.set_value("brought-by-a-file")
    assert combo.value() == "brought-by-a-file"
    assert combo.count() == 3


def test_a_bound_form_edits_the_document_and_follows_it(qtbot: QtBot) -> None:
    document = Document()
    form = shown(Form(AdapterConfig, only=["rank", "alpha"]), qtbot)
    bind(form, document, "adapter")
    type_into(editor(form, "rank"), "32")
    assert document.config.adapter.rank == 32
    document.undo.undo()
    assert editor(form, "rank").text() == "8"
    document.set("adapter.alpha", 64)
    assert editor(form, "alpha").text() == "64"


def test_undo_keys_are_left_to_the_window(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    document = Document()
    form: Form[Any] = Form(AdapterConfig, only=["rank"])
    form.setParent(window)
    action = document.undo.createUndoAction(window)
    action.setShortcut("Ctrl+Z")
    window.addAction(action)
    bind(form, document, "adapter")
    window.show()
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 30_000)
    type_into(editor(form, "rank"), "32")
    QTest.keyClick(editor(form, "rank"), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert document.config.adapter.rank == 8
    assert editor(form, "rank").text() == "8"


def test_a_bound_form_tells_the_document_of_texts_that_are_no_values(qtbot: QtBot) -> None:
    document = Document()
    form = shown(Form(AdapterConfig, only=["rank"]), qtbot)
    bind(form, document, "adapter")
    type_into(editor(form, "rank"), "0")
    assert document.problems()["adapter.rank"] == "Rank (r) must be at least 1."
    type_into(editor(form, "rank"), "2")
    assert "adapter.rank" not in document.problems()


def test_problems_are_painted_on_the_field_that_their_path_names(qtbot: QtBot) -> None:
    form = shown(Form(TrainConfig, only=["steps", "schedule"]), qtbot)
    form.show_problems({"schedule.floor": "Too high.", "batch": "Not here."})
    assert form.rows["schedule"].problem.text() == "Too high."
    assert not form.rows["steps"].problem.isVisible()
    form.show_problems({})
    assert not form.rows["schedule"].problem.isVisible()


def test_all_options_of_a_run_are_known_to_forms_or_have_a_page_of_their_own() -> None:
    elsewhere = {"layers", "version", "model", "data", "adapter", "train"}
    fields = [f for part in (RunConfig, ModelConfig, DataConfig, AdapterConfig, TrainConfig) for f in fields_of(part)]
    unknown = [field.name for field in fields if field.name not in elsewhere and not _editable(field)]
    assert unknown == []


def _editable(field: Field) -> bool:
    return get_origin(field.annotation) is dict or any(fits(field) for fits, _ in MAKERS)


def test_an_axis_is_found_by_the_type_of_its_members() -> None:
    assert isinstance(field_of(TrainConfig, "schedule").axis, Axis)
    assert field_of(AdapterConfig, "delta").axis is DELTAS
    assert field_of(AdapterConfig, "rank").axis is None
    assert issubclass(DELTAS.members[0], Component)
