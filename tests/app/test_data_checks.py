"""The checks in the window, with the real worker behind them: a click shows the row, a click mends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.pages.data import DataPage
from app.window import Window
from core.models.catalog import tiny_model
from tests.serving import do_jobs

SORTS = {"task": "sequence-classification"}


def chat(asked: str, said: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


CHATS = [chat(f"Why {n}?", f"Because of {n}, as ever.") for n in range(12)]
LATE = {"messages": [*CHATS[0]["messages"], {"role": "system", "content": "Be brief."}, *CHATS[1]["messages"]]}
TEXTS = [{"text": f"a text of number {n}", "label": "ab"[n % 2]} for n in range(12)]


class Bench:
    """The Data page of a window with a small model, whose worker answers when told to."""

    def __init__(self, window: Window, folder: Path) -> None:
        self.window, self.document, self.folder = window, window.document, folder
        window.context.jobs._ensure = lambda home: None
        window.context.jobs._timer.setInterval(1_000_000)
        window.document.update({"model.path": str(tiny_model()), "train.batch": 2})
        window.go("data")
        page = window.page("data")
        assert isinstance(page, DataPage)
        self.page = page

    def serve(self) -> None:
        """Let the worker answer all that was asked."""
        for _ in range(2):
            for inquiry in (self.page.inspection, self.page.preview):
                if inquiry._wait.isActive():
                    inquiry._wait.stop()
                    inquiry._ask()
            do_jobs(self.window.context.home)
            self.window.context.jobs._look()
        QApplication.processEvents()

    def read(self, rows: list[dict[str, Any]], other: list[dict[str, Any]] | None = None, **data: Any) -> None:
        """Choose a file of these rows, perhaps with another one held out, with these options."""
        path = self.written("own.jsonl", rows)
        self.page.choose(path)
        beside = {"data.held_out_path": self.written("held.jsonl", other)} if other else {}
        task = {"task": data.pop("task", "causal-lm")}
        self.document.update({**task, **beside, **{f"data.{name}": value for name, value in data.items()}})
        self.serve()
        assert self.page.inspection.state == "known", self.page.inspection.failure

    def written(self, name: str, rows: list[dict[str, Any]]) -> str:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    def problems(self) -> dict[str, dict[str, Any]]:
        """Those that are open, by check."""
        answer = self.page.inspection.answer
        assert answer is not None
        return {each["check"]: each for each in answer["problems"] if not each["settled"]}

    def click(self, button: QWidget) -> None:
        """A click of the mouse where the button is, once it is in sight."""
        self.page._known.ensureWidgetVisible(button)
        QApplication.processEvents()
        assert button.isVisible()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.serve()


@pytest.fixture
def bench(window: Callable[[], Window], tmp_path: Path) -> Bench:
    return Bench(window(), tmp_path)


@pytest.mark.parametrize(
    ("check", "rows", "held_out", "options"),
    [
        ("nothing-trained", [{"messages": [{"role": "user", "content": "Why?"}]}] * 2, None, {}),
        ("end-not-trained", [{"input_ids": [60 + n, 61]} for n in range(4)], None, {}),
        ("template-marks", CHATS, None, {"template": "llama-3"}),
        ("truncated", [*CHATS, chat("Why?", "so " * 60)], None, {"max_tokens": 40}),
        ("empty-answers", [*CHATS, chat("Why?", " ")], None, {}),
        ("roles-out-of-order", [*CHATS, LATE], None, {}),
        ("unanswered", [*CHATS, {"messages": [*CHATS[0]["messages"], CHATS[1]["messages"][0]]}], None, {}),
        ("marks-in-texts", [*CHATS, chat("Why?", "It is <|im_end|> so.")], None, {}),
        ("duplicates", [*CHATS, CHATS[0]], None, {}),
        ("near-duplicates", [*CHATS, chat("why  0?", "because of 0, as ever.")], None, {}),
        ("dominates", [*CHATS, chat("Why?", "so " * 900)], None, {"max_tokens": 1024}),
        ("held-out-trained", CHATS, [*CHATS[9:], chat("How?", "So.")], {}),
        ("held-out-near", CHATS, [chat("WHY 0?", "Because of 0,  as ever."), chat("How?", "So.")], {}),
        ("nothing-held-out", CHATS, [{"messages": [{"role": "user", "content": "Why?"}]}], {}),
        ("conflicting-labels", [*TEXTS, {"text": "A text of number 0", "label": "b"}], None, SORTS),
        ("rare-labels", [*TEXTS, {"text": "another", "label": "c"}], None, SORTS),
        ("label-imbalance", [{**one, "label": "a"} for one in TEXTS * 3] + TEXTS[1::2], None, SORTS),
    ],
)
def test_a_click_mends_what_a_check_found(
    bench: Bench, check: str, rows: list[dict[str, Any]], held_out: list[dict[str, Any]] | None, options: dict[str, Any]
) -> None:
    bench.read(rows, held_out, **options)
    found = bench.problems()
    assert check in found
    before = bench.document.config
    button = bench.page.checks.remedies[[each for each in found if found[each]["remedy"]].index(check)]
    bench.click(button)
    assert check not in bench.problems()
    assert bench.document.config != before
    bench.document.undo.undo()
    assert bench.document.config == before


def test_a_row_that_a_check_names_is_shown_in_the_preview(bench: Bench) -> None:
    bench.read([*CHATS, CHATS[3], chat("Why?", "It is <|im_end|> so.")])
    (mark,) = [place for place in bench.page.checks.places if place.text() == "Row 14"]
    bench.click(mark)
    assert bench.page.examples.index == 13 and bench.page.examples.text.hasFocus()
    bench.page.show_as(1)
    bench.serve()
    bench.click(bench.page.checks.places[0])
    answer = bench.page.preview.answer
    assert answer is not None and bench.page.tokens.view.hasFocus()
    shown = bench.page.tokens.view
    text = answer["texts"][shown.tokens[shown.current].text]
    assert (text["file"], text["row"]) == ("own.jsonl", 13)
    panel = bench.page.tokens
    assert panel.visibleRegion().boundingRect().height() == panel.height()  # all of it is in sight


def test_tab_walks_through_the_page_as_it_stands_there(bench: Bench) -> None:
    bench.read([*CHATS, CHATS[3], chat("Why?", "It is <|im_end|> so.")])
    page, chain = bench.page, [bench.page.nextInFocusChain()]
    while chain[-1] is not page:
        chain.append(chain[-1].nextInFocusChain())
    stops = [page.sources.rows[0], page.options.template, page.checks.places[0], page.checks.remedies[-1]]
    places = [chain.index(stop) for stop in (*stops, page.examples.text)]
    assert places == sorted(places)


def test_a_row_that_is_in_no_batch_says_so(bench: Bench) -> None:
    bench.read([*CHATS, {"messages": CHATS[0]["messages"][:1]}], leave_out=("unanswered",))
    bench.page.show_as(1)
    bench.serve()
    settled = [place for place in bench.page.checks.places if place.text() == "Row 13"]
    bench.click(settled[-1])
    assert bench.page.tokens.trouble.isVisible()
    assert "own.jsonl, row 13 is in no batch" in bench.page.tokens.trouble.text


def test_what_was_left_out_is_counted_and_can_be_taken_in_again(bench: Bench) -> None:
    bench.read([*CHATS, CHATS[0]], leave_out=("duplicates",))
    assert bench.page.counts.value("Left out") == "1"
    (again,) = bench.page.checks.remedies
    assert again.text() == "Take them in again"
    bench.click(again)
    assert bench.document.config.data.leave_out == ()
    assert "duplicates" in bench.problems()


def test_letters_lead_through_the_preview_and_to_what_is_held_out(bench: Bench) -> None:
    bench.read([*CHATS, chat("Why?", "so " * 40)], held_out=0.3)
    bench.page.show_as(1)
    bench.serve()
    view = bench.page.tokens.view

    def press(key: Qt.Key) -> dict[str, Any]:
        QTest.keyClick(view, key)
        bench.serve()
        assert bench.page.preview.answer is not None
        return bench.page.preview.answer

    every = {one["row"] for one in press(Qt.Key.Key_L)["texts"]}
    assert bench.page.tokens.held_out.isEnabled() and not bench.page.tokens.held_out.isChecked()
    held_out = press(Qt.Key.Key_H)
    assert held_out["held_out"] and bench.page.tokens.held_out.isChecked()
    assert not {one["row"] for one in held_out["texts"]} & every
    shortest = press(Qt.Key.Key_S)
    assert shortest["held_out"] and shortest["example"] is not None
    assert not press(Qt.Key.Key_H)["held_out"]


def test_lengths_of_what_is_learned_are_a_choice(bench: Bench) -> None:
    bench.read(CHATS)
    counts = bench.page.counts
    figure = counts.plot.figure
    assert figure is not None and figure.x.label == "Tokens"
    counts.choice.setCurrentIndex(1)
    figure = counts.plot.figure
    assert figure is not None and figure.x.label == "Learned tokens" and sum(figure.counts) == 12
    bench.read(TEXTS, **SORTS)
    figure = counts.plot.figure
    assert not counts.choice.isVisible() and figure is not None and figure.x.label == "Tokens"


def test_only_another_model_mends_what_the_tokenizer_lacks_for_most_rows(bench: Bench) -> None:
    chinese = [chat("你好吗?" * n, "我很好。" * 20) for n in (18, 19, 20)]
    bench.read([CHATS[0], *chinese])
    assert "bytes" in bench.problems()
    (choose,) = [button for button in bench.page.checks.remedies if button.accessibleName() == "Choose another model"]
    bench.click(choose)
    assert bench.window.current == "model"
