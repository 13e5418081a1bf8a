"""The tokens of a micro-batch: laid out, painted, walked through, and asked for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.models.packs import PACKS
from app.pages.data import DataPage
from app.widgets.token_layout import PADDING, headings_of, lay_out, tokens_of
from app.widgets.token_view import TokenView
from app.window import Window
from core.models.catalog import tiny_model
from tests.serving import do_jobs

CTRL = Qt.KeyboardModifier.ControlModifier


def row(pieces: list[str], texts: list[int], trained: list[bool], special: list[bool]) -> dict[str, list[Any]]:
    positions: list[int] = []
    for at, text in enumerate(texts):
        positions.append(positions[-1] + 1 if at and text == texts[at - 1] else 0)
    ids = list(range(100, 100 + len(pieces)))
    columns = {"pieces": pieces, "ids": ids, "positions": positions, "trained": trained}
    return {**columns, "special": special, "texts": texts}


def batch(**more: Any) -> dict[str, Any]:
    """Two texts packed in one row, one text and padding in the other."""
    first = row(
        ["<s>", "ask", "\n", "answer", "</s>", "<s>", "more", "</s>"], [0] * 5 + [1] * 3,
        [False, False, False, True, True, False, True, True],
        [True, False, False, False, True, True, False, True],
    )  # fmt: skip
    second = row(["word", "pad", "pad"], [2, PADDING, PADDING], [True, False, False], [False, True, True])
    about = {"part": "", "file": "own.jsonl", "tokens": 5, "trained": 2, "cut": 0, "cut_trained": 0}
    texts = [{"example": number, "row": number + 1, **about} for number in range(3)]
    place = {"index": 0, "step": 0, "micro_batch": 0, "micro_batches": 4, "example": None, "complete": True}
    place |= {"held_out": False, "held_out_examples": 1, "own_template": "{{ messages }}"}
    counts = {"packing": True, "tokens": 9, "trained": 5, "left_out": 0}
    return {**place, **counts, "rows": [first, second], "texts": texts, **more}


@pytest.fixture
def view(qapp: object, qtbot: Any) -> TokenView:
    made = TokenView()
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    made.show_batch(batch())
    return made


def test_padding_is_no_token_and_each_text_has_a_heading() -> None:
    assert [token.piece for token in tokens_of(batch())][-1] == "word"
    told = [(heading.row, heading.text, heading.first) for heading in headings_of(batch())]
    assert told == [(0, 0, True), (0, 1, False), (1, 2, True), (1, PADDING, False)]


def test_lines_break_behind_a_line_break_and_where_there_is_no_room() -> None:
    tokens = tokens_of(batch())
    lines = lay_out(batch(), tokens, width=25, measure=lambda _: 10, line_height=20, heading_height=30)
    placed = [[index for index, _, _ in line.tokens] for line in lines if line.tokens]
    assert placed == [[0, 1], [2], [3, 4], [5, 6], [7], [8]]
    tops = [line.top for line in lines]
    assert tops == sorted(tops)


def test_the_arrow_keys_walk_over_every_token_and_tell_of_it(view: TokenView) -> None:
    said: list[str] = []
    view.told.connect(said.append)
    QTest.keyClick(view, Qt.Key.Key_End, CTRL)
    assert view.current == 8
    QTest.keyClick(view, Qt.Key.Key_Home, CTRL)
    for _ in range(3):
        QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.current == 3
    assert said[-1] == view.accessibleDescription() == "“answer”   id 103   position 3   learned"
    QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.tokens[view.current].text == 1
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert view.tokens[view.current].text == 0


def test_the_pointer_tells_of_the_token_under_it_and_leaves_the_current_one(view: TokenView) -> None:
    said: list[str] = []
    view.told.connect(said.append)
    line = next(line for line in view.lines if line.tokens)
    _, x, wide = line.tokens[1]
    here, none = QPointF(x + wide / 2, line.top + 10), Qt.MouseButton.NoButton
    # Sent to the view itself: the pointer of the screen moves over whatever window another test has left on top.
    moved = QMouseEvent(
        QEvent.Type.MouseMove, here, view.viewport().mapToGlobal(here), none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(view.viewport(), moved)
    assert "“ask”" in said[-1] and "not learned" in said[-1]
    assert view.current == 0


def test_a_line_break_is_shown_and_marks_are_named(view: TokenView) -> None:
    assert view.told_of(2).startswith("“⏎”")
    assert view.told_of(0).endswith("a mark")


def test_what_is_learned_can_be_seen(view: TokenView) -> None:
    pictures = []
    for learned in (True, False):
        shown = batch()
        for one in shown["rows"]:
            one["trained"] = [learned] * len(one["ids"])
        view.show_batch(shown)
        pictures.append(view.viewport().grab().toImage())
    assert pictures[0] != pictures[1]


def test_weights_are_told_and_shaded(view: TokenView) -> None:
    pictures = []
    for weight in (0.25, 1.0, 4.0):
        shown = batch()
        for one in shown["rows"]:
            one["weights"] = [weight] * len(one["ids"])
        view.show_batch(shown)
        assert view.told_of(3).endswith(f"learned, weight {weight:g}") and view.told_of(1).endswith("not learned")
        pictures.append(view.viewport().grab().toImage())
    assert all(one != other for one, other in pairwise([*pictures, pictures[0]]))
    view.show_batch(batch())
    assert view.told_of(3).endswith("   learned")


def test_many_tokens_are_laid_out_and_the_last_is_reached(view: TokenView) -> None:
    many = row([f"word{n}" for n in range(9000)], [0] * 9000, [True] * 9000, [False] * 9000)
    view.show_batch(batch(rows=[many]))
    QTest.keyClick(view, Qt.Key.Key_End, CTRL)
    assert view.current == 8999
    assert view.verticalScrollBar().value() > view.verticalScrollBar().maximum() - 60


def test_the_preview_shows_the_micro_batches_of_the_real_worker(window: Callable[[], Window]) -> None:
    opened = window()
    jobs = opened.context.jobs
    jobs._ensure = lambda home: None
    jobs._timer.setInterval(1_000_000)
    opened.document.update({"model.path": str(tiny_model()), "train.batch": 2, "data.max_tokens": 64})
    opened.go("data")
    page = opened.page("data")
    assert isinstance(page, DataPage)

    def serve() -> None:
        for inquiry in (page.inspection, page.preview):
            if inquiry._wait.isActive():
                inquiry._wait.stop()
                inquiry._ask()
        do_jobs(opened.context.home)
        jobs._look()

    page.choose(PACKS[0].path)
    serve()
    page.show_as(1)
    serve()
    shown = page.tokens.view
    assert shown.hasFocus() and page.preview.answer is not None, page.preview.failure
    learned = "".join(token.piece for token in shown.tokens if token.trained and not token.special)
    source = Path(PACKS[0].path).read_text(encoding="utf-8")
    assert learned and learned[:20] in source
    QTest.keyClick(shown, Qt.Key.Key_Right, CTRL)
    serve()
    assert page.preview.answer["index"] == 1
    page.tokens.jumps["truncated"].click()
    serve()
    cut = {text["example"]: text["cut"] for text in page.preview.answer["texts"]}
    assert cut[page.preview.answer["example"]] > 0
    opened.document.set("data.max_tokens", 400)
    serve()
    serve()
    assert page.preview.state == "known" and not page.tokens.jumps["truncated"].isEnabled()
