"""The Data page: choosing, asking the warm worker, and showing what it says; the test stands in for the worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from app.dropped import kind_of
from app.forms.choice import ChoiceEdit
from app.models.mapping import likely, needed
from app.models.packs import PACKS
from app.pages.data import DataPage
from app.widgets.data_checks import ReasonDialog
from app.widgets.mapping_dialog import MappingDialog
from app.widgets.template_dialog import EDITED, OWN, TemplateDialog
from app.window import Window
from core.config.run import DataConfig
from core.data.formats import FORMATS
from core.data.guess import guess
from core.data.row import Row
from core.errors import UserError
from core.models.catalog import tiny_model
from core.store.store import Store
from tests.serving import do_jobs

DEVIL, TOPICS, AUSTEN = PACKS


def report(**changes: Any) -> dict[str, Any]:
    """What the worker says of sound data."""
    turns = [
        {"role": "user", "content": "Define the noun “peace”.", "trained": False},
        {"role": "assistant", "content": "A period of cheating.", "trained": True},
    ]
    first = [
        {"file": "own.jsonl", "row": row, "style": "chat", "turns": turns, "tokens": 30, "trained": 9, "truncated": 0}
        for row in (1, 2, 3)
    ]
    lengths = {"quantiles": {"0.5": 31.0, "1.0": 60.0}, "edges": [0.0, 20.0, 40.0, 61.0], "counts": [1, 30, 9]}
    sound = {
        "format": "instruction", "format_label": "instruction / response", "chosen": False,
        "reason": "All of the first 40 rows have 'instruction' and 'response'.", "template": "own", "tokenised": True,
        "rows": 40, "share": 1.0, "examples": 40, "train_examples": 36, "held_out_examples": 4, "tokens": 1240,
        "trained_tokens": 300, "held_out_tokens": 10, "truncated": 0, "cut_trained_tokens": 0, "without_targets": 0,
        "duplicates": 0, "shared": 0, "empty": 0, "lengths": lengths, "targets": lengths, "first": first,
        "problems": [], "notes": [], "columns": {}, "labels": {},
    }  # fmt: skip
    return sound | changes


def problem(path: str, text: str, *, blocking: bool, **more: Any) -> dict[str, Any]:
    about = {
        "path": path,
        "text": text,
        "hint": "Do something about it.",
        "blocking": blocking,
        "check": "",
        "count": 0,
    }
    return {**about, "rows": [], "remedy": {}, "overruled": "", **more}


def pick(box: ChoiceEdit, value: str) -> None:
    """Choose a value as a user would."""
    box.set_value(value)
    box.edited.emit(value)


class Desk:
    """A window with its Data page in front, and the test in the place of the warm worker."""

    def __init__(self, window: Window, store: Store, folder: Path) -> None:
        self.window, self.document = window, window.document
        window.context.jobs._ensure = lambda home: None
        window.context.jobs._timer.setInterval(1_000_000)
        self._worker = store.jobs
        self.own = folder / "own.jsonl"
        self.own.write_text('{"instruction": "a", "response": "b"}\n', encoding="utf-8")
        window.go("data")
        page = window.page("data")
        assert isinstance(page, DataPage)
        self.page = page

    def asked(self) -> dict[str, Any] | None:
        """Let the page's wait pass; the body of the job that it asked for, now running."""
        if self.page.inspection._wait.isActive():
            self.page.inspection._wait.stop()
            self.page.inspection._wait.timeout.emit()
        self.taken = self._worker.take()
        return self.taken.body if self.taken else None

    def say(self, **changes: Any) -> None:
        """Answer the job that was taken."""
        assert self.taken is not None
        self._worker.done(self.taken.id, report(**changes))
        self.window.context.jobs._look()

    def fail(self, text: str, hint: str = "") -> None:
        assert self.taken is not None
        self._worker.failed(self.taken.id, text, hint=hint)
        self.window.context.jobs._look()

    def known(self, **changes: Any) -> DataPage:
        """Own data is chosen and the worker has answered."""
        self.page.choose(str(self.own))
        assert self.asked() is not None
        self.say(**changes)
        QApplication.processEvents()
        return self.page


@pytest.fixture
def desk(window: Callable[[], Window], store: Store, folder: Path) -> Desk:
    return Desk(window(), store, folder)


def test_without_data_the_page_offers_packs_and_a_file(desk: Desk) -> None:
    assert desk.page.empty.isVisible()
    assert [row.source.name for row in desk.page.sources.rows] == [pack.name for pack in PACKS]
    assert not desk.page.complete and not desk.page.next.isVisible()
    assert desk.asked() is None


def test_a_pack_brings_its_held_out_file_in_one_step_that_can_be_undone(desk: Desk) -> None:
    QTest.mouseClick(desk.page.sources.rows[0], Qt.MouseButton.LeftButton)
    data = desk.document.config.data
    assert (Path(data.path).name, Path(data.held_out_path).name) == ("devil_train.jsonl", "devil_val.jsonl")
    assert desk.page.sources.rows[0].isChecked()
    assert not desk.page.options.form.rows["held_out"].isVisible()
    desk.document.undo.undo()
    assert desk.document.config.data.path == "" and desk.page.empty.isVisible()
    assert not any(row.isChecked() for row in desk.page.sources.rows)


def test_another_file_drops_the_held_out_file_and_shape_of_the_pack(desk: Desk) -> None:
    desk.page.choose(AUSTEN.path)
    assert desk.document.config.data.format == "text"
    desk.page.choose(DEVIL.path)
    desk.window.use(desk.own)
    data = desk.document.config.data
    assert (data.path, data.held_out_path, data.format) == (str(desk.own), "", "auto")
    assert [row.source.name for row in desk.page.sources.rows if row.isChecked()] == ["own.jsonl"]


def test_a_file_from_the_dialog_is_taken_and_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(desk.own), ""))
    desk.page.choose_file()
    assert desk.document.config.data.path == str(desk.own)
    assert desk.document.recent["data"] == (str(desk.own),)


def test_every_shipped_pack_is_there() -> None:
    assert all(Path(pack.path).is_file() for pack in PACKS)
    assert all(Path(path).is_file() for pack in PACKS if (path := pack.chosen()["data.held_out_path"]))


def test_the_worker_is_asked_once_after_many_changes(desk: Desk) -> None:
    desk.page.choose(str(desk.own))
    for tokens in (12, 128, 1280):
        desk.document.set("data.max_tokens", tokens)
    body = desk.asked()
    assert body is not None and body["config"]["data"]["max_tokens"] == 1280
    assert desk._worker.take() is None


def test_a_change_that_does_not_concern_data_asks_nothing(desk: Desk) -> None:
    desk.known()
    desk.document.set("adapter.rank", 16)
    desk.document.set("data.max_tokens", 512)
    assert desk.asked() is None


def test_a_job_out_of_date_is_cancelled_and_its_answer_is_not_shown(desk: Desk) -> None:
    desk.page.choose(str(desk.own))
    assert desk.asked() is not None
    old = desk.taken
    assert old is not None
    desk.document.set("data.max_tokens", 64)
    assert desk._worker.progress(old.id, "Reading", 0.1)  # the worker hears of its end here
    desk._worker.done(old.id, report(examples=7))
    desk.window.context.jobs._look()
    assert desk.page.inspection.state == "reading"
    assert desk.asked() is not None
    desk.say(examples=40)
    assert desk.page.counts.value("Examples") == "40"


def test_undo_shows_the_earlier_answer_at_once(desk: Desk) -> None:
    desk.known()
    desk.document.set("data.train_on", "everything")
    assert desk.asked() is not None
    desk.say(trained_tokens=1240)
    desk.document.undo.undo()
    assert desk.page.inspection.state == "known"
    assert desk.page.counts.value("Learned tokens").startswith("310")
    assert desk.asked() is None


def test_nothing_is_asked_while_another_page_is_in_front(desk: Desk) -> None:
    desk.window.page("layers")
    desk.window.go("layers")
    desk.document.update({"data.path": str(desk.own)})
    assert desk.asked() is None
    desk.window.go("data")
    assert desk.asked() is not None


def test_a_file_that_has_changed_on_disk_is_read_again(desk: Desk) -> None:
    desk.known()
    desk.own.write_text('{"instruction": "another", "response": "one"}\n', encoding="utf-8")
    desk.window.page("layers")
    desk.window.go("layers")
    desk.window.go("data")
    assert desk.asked() is not None


def test_sound_data_is_counted_and_the_step_is_done(desk: Desk) -> None:
    page = desk.known()
    assert page.complete and page.next.isEnabled()
    assert "own.jsonl" in page.subtitle_label.text() and "40 examples" in page.subtitle_label.text()
    assert "'instruction' and 'response'" in page.options.reason.text()
    assert page.counts.value("To train on") == "36" and page.counts.value("Cut") == "none"
    assert page.counts.plot.figure is not None and sum(page.counts.plot.figure.counts) == 40
    page.next.click()
    assert desk.window.current == "layers"


def test_a_blocking_problem_keeps_the_step_from_being_done(desk: Desk) -> None:
    nothing = problem("data.train_on", "There is nothing to learn.", blocking=True)
    page = desk.known(problems=[problem("data.path", "Some rows repeat.", blocking=False), nothing])
    assert not page.complete and not page.next.isEnabled()
    assert page.checks.texts[0] == "There is nothing to learn."


def test_a_remedy_changes_the_configuration_in_one_click(desk: Desk) -> None:
    page = desk.known(problems=[problem("data.max_tokens", "Cut.", blocking=False, remedy={"data.max_tokens": 60})])
    page.checks.remedies[0].click()
    assert desk.document.config.data.max_tokens == 60
    assert desk.document.undo.undoText() == "Longest example 512 to 60"


def test_a_check_is_overruled_with_a_reason_that_the_run_keeps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    end = problem("data.template", "The end is not learned.", blocking=True, check="end-not-trained")
    page = desk.known(problems=[end])
    monkeypatch.setattr(ReasonDialog, "exec", lambda dialog: dialog.line.setText("It ends at a full stop.") or 1)
    page.checks.overrules[0].click()
    assert desk.document.config.data.overrides == {"end-not-trained": "It ends at a full stop."}
    assert desk.asked() is not None
    desk.say(problems=[end | {"blocking": False, "overruled": "It ends at a full stop."}])
    assert page.complete
    page.checks.overrules[0].click()
    assert desk.document.config.data.overrides == {}


def test_a_check_that_leaves_nothing_to_learn_cannot_be_overruled(desk: Desk) -> None:
    page = desk.known(problems=[problem("data.train_on", "Nothing.", blocking=True, check="nothing-trained")])
    assert page.checks.overrules == []


def test_a_failed_job_says_why_and_can_be_tried_again(desk: Desk) -> None:
    desk.page.choose(str(desk.own))
    assert desk.asked() is not None
    desk.fail("own.jsonl, row 3: not JSON.", "Correct the row.")
    assert desk.page.failed.isVisible()
    assert desk.page.failed.sentence.text() == "own.jsonl, row 3: not JSON."
    assert desk.page.failed.hint.text() == "Correct the row."
    assert not desk.page.complete
    assert desk.page.failed.button is not None
    desk.page.failed.button.click()
    assert desk.asked() is not None
    desk.say()
    assert desk.page.complete


def test_without_a_model_token_counts_say_what_they_wait_for(desk: Desk) -> None:
    empty = {"quantiles": {}, "edges": [], "counts": []}
    page = desk.known(tokenised=False, tokens=0, lengths=empty, targets=empty)
    assert page.counts.value("Examples") == "40"
    assert page.counts.value("Tokens") == "after choosing a model"
    assert not page.counts.plot.isVisible()


def test_progress_of_the_reading_is_shown(desk: Desk) -> None:
    desk.page.choose(str(desk.own))
    assert desk.asked() is not None and desk.taken is not None
    desk._worker.progress(desk.taken.id, "Unpacking the model", 0.5)
    desk.window.context.jobs._look()
    assert desk.page.reading.isVisible() and desk.page.inspection.stage == "Unpacking the model"


def test_examples_are_stepped_through_with_the_arrow_keys(desk: Desk) -> None:
    examples = desk.known().examples
    assert not examples.previous.isEnabled()
    QTest.keyClick(examples.text, Qt.Key.Key_Right)
    QTest.keyClick(examples.text, Qt.Key.Key_Right)
    assert examples.index == 2 and not examples.next.isEnabled()
    QTest.keyClick(examples.text, Qt.Key.Key_Right)
    QTest.keyClick(examples.text, Qt.Key.Key_Left)
    assert examples.index == 1


def test_learned_text_is_coloured_and_underlined_and_prompts_are_not(desk: Desk) -> None:
    text = desk.known().examples.text
    cursor = text.document().find("cheating")
    learned = cursor.charFormat()
    assert learned.fontUnderline() and learned.foreground().color() == desk.window.context.theme.color("accent_text")
    assert not text.document().find("Define").charFormat().fontUnderline()


def test_training_on_everything_underlines_prompts_too(desk: Desk) -> None:
    desk.document.set("data.train_on", "everything")
    text = desk.known().examples.text
    assert text.document().find("Define").charFormat().fontUnderline()


def test_pairs_and_labels_are_shown_with_the_text(desk: Desk) -> None:
    turns = [{"role": "text", "content": "a stiff hat made of straw", "trained": False}]
    worse = [*turns, {"role": "assistant", "content": "No idea.", "trained": True}]
    one = {"file": "own.jsonl", "row": 1, "style": "labelled", "turns": turns, "rejected": worse, "label": "artifact"}
    shown = desk.known(first=[one]).examples.text.toPlainText()
    assert "Rejected answer" in shown and "No idea." in shown and "artifact" in shown


def test_the_shape_can_be_overruled_and_the_form_follows_undo(desk: Desk) -> None:
    page = desk.known()
    desk.document.set("data.format", "text")
    assert page.options.form.rows["format"].editor.value() == "text"  # type: ignore[attr-defined]
    assert desk.asked() is not None
    desk.say(format="text", format_label="text", chosen=True)
    assert page.options.reason.text() == "Read as text, as you chose."
    desk.document.undo.undo()
    assert page.options.form.rows["format"].editor.value() == "auto"  # type: ignore[attr-defined]


def test_the_histogram_says_where_examples_are_cut(desk: Desk) -> None:
    desk.document.set("data.max_tokens", 40)
    plot = desk.known(truncated=9).counts.plot
    assert plot.figure is not None and plot.figure.mark is not None and plot.figure.mark.x == 40
    assert plot.figure.csv().splitlines()[1:] == ["0,20,1", "20,40,30", "40,61,9"]
    QTest.keyClick(plot, Qt.Key.Key_Right)
    assert plot.current == 0


def test_everything_on_the_page_can_be_reached_with_tab_and_has_a_name(desk: Desk) -> None:
    page = desk.known(problems=[problem("data.max_tokens", "Cut.", blocking=False, remedy={"data.max_tokens": 9})])
    reached = set()
    widget = page.nextInFocusChain()
    while widget is not page:
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and page.isAncestorOf(widget):
            reached.add(widget)
            assert widget.accessibleName(), widget
        widget = widget.nextInFocusChain()
    wanted = {*page.sources.rows, page.examples.next, page.examples.text, page.counts.plot, *page.checks.remedies}
    assert wanted <= reached


def test_the_topics_are_sorted_and_the_dictionary_is_written(desk: Desk) -> None:
    desk.page.choose(TOPICS.path)
    assert desk.document.config.task == "sequence-classification"
    desk.page.choose(DEVIL.path)
    assert desk.document.config.task == "causal-lm"


def test_columns_of_an_unknown_shape_are_mapped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"who": "agent", "what": "Hello"}, {"who": "customer", "what": "Hi"}]
    desk.own.write_text(json.dumps({"id": 1, "talk": said}) + "\n", encoding="utf-8")
    desk.page.choose(str(desk.own))
    assert desk.asked() is not None
    desk.fail("own.jsonl, row 1: no known shape has 'id', 'talk'.", "Say which column is which (data.columns).")
    assert desk.page.unknown.isVisible() and desk.page.unknown.button is not None
    assert "another task" in desk.page.unknown.hint.text()

    def fill_in(dialog: MappingDialog) -> int:
        assert dialog.parent() is desk.window  # a page would make its fields see-through, as it does its panels' room
        pick(dialog.shape, "messages")
        pick(dialog.columns["messages"], "talk")
        pick(dialog.columns["messages.role"], "who")
        pick(dialog.columns["messages.content"], "what")
        pick(dialog.roles["agent"], "assistant")
        pick(dialog.roles["customer"], "user")
        return 1

    monkeypatch.setattr(MappingDialog, "exec", fill_in)
    desk.page.unknown.button.click()
    do_jobs(desk.window.context.home)
    desk.window.context.jobs._look()
    QApplication.processEvents()
    data = desk.document.config.data
    assert data.columns == {"messages": "talk", "messages.role": "who", "messages.content": "what"}
    assert data.roles == {"agent": "assistant", "customer": "user"}
    assert desk.document.undo.undoText() == "Map columns and roles"
    desk.page.inspection._wait.timeout.emit()
    do_jobs(desk.window.context.home)
    desk.window.context.jobs._look()
    answer = desk.page.inspection.answer
    assert answer is not None and [turn["role"] for turn in answer["first"][0]["turns"]] == ["assistant", "user"]


def test_data_for_another_task_names_the_task(desk: Desk) -> None:
    row = Row(desk.own.name, 1, {"prompt": "Say it.", "chosen": "It.", "rejected": "No."})
    with pytest.raises(UserError) as told:
        guess([row])
    desk.page.choose(str(desk.own))
    assert desk.asked() is not None
    desk.fail(told.value.text, told.value.hint)
    assert desk.page.unknown.isVisible()
    assert "the Task 'Write text' cannot learn from" in desk.page.unknown.sentence.text()
    assert "Set 'Task' to 'Prefer answers'" in desk.page.unknown.hint.text()


def test_a_mapping_that_stands_is_shown_again_and_can_be_taken_back(desk: Desk) -> None:
    data = DataConfig(format="instruction", columns={"instruction": "q"}, roles={})
    columns = [{"name": name, "sample": "", "keys": [], "speakers": {}} for name in ("q", "output")]
    dialog = MappingDialog(columns, data, "", desk.page)
    assert dialog.columns["instruction"].value() == "q"
    pick(dialog.columns["instruction"], "")
    assert dialog.values() == {"data.format": "instruction", "data.columns": {}, "data.roles": {}}


def test_a_mapping_begins_with_the_words_that_people_use(desk: Desk) -> None:
    columns = [{"name": name, "sample": "", "keys": [], "speakers": {}} for name in ("instruction", "Response")]
    dialog = MappingDialog(columns, DataConfig(), "instruction", desk.page)
    assert dialog.values()["data.columns"] == {"output": "Response"}


def test_every_shape_of_columns_says_which_it_needs() -> None:
    assert needed("messages") == ("messages", "messages.role", "messages.content")
    assert needed("prompt-completion") == ("prompt", "completion")
    assert needed("paragraphs") == ()
    assert all(needed(member.kind) for member in FORMATS.members if member.kind != "paragraphs")


def test_a_mapping_begins_with_a_shape_that_the_columns_could_fill() -> None:
    table = [{"name": name, "keys": []} for name in ("question", "answer", "ticket")]
    talk = [{"name": "talk", "keys": ["who", "what"]}]
    assert [likely("causal-lm", columns) for columns in (table, table[:1], talk)] == [
        "prompt-completion", "text", "messages",
    ]  # fmt: skip
    assert [likely(task, table) for task in ("sequence-classification", "preference")] == [
        "classification", "preference",
    ]  # fmt: skip
    assert likely("preference", talk) == "preference"


def test_a_template_is_rendered_while_it_is_edited_and_only_a_sound_one_is_taken(desk: Desk) -> None:
    desk.document.set("model.path", str(tiny_model()))
    desk.page.choose(DEVIL.path)
    dialog = TemplateDialog(desk.document.config, desk.window.context.jobs, desk.page)
    dialog.show()
    inquiry = dialog.tokens._inquiry

    def serve() -> str:
        inquiry._wait.stop()
        inquiry._ask()
        do_jobs(desk.window.context.home)
        desk.window.context.jobs._look()
        return "".join(token.piece for token in dialog.tokens.view.tokens)

    dialog.choice.setCurrentText("vicuna")
    dialog._take_choice()
    assert "USER:" in serve() and dialog.take.isEnabled()
    dialog.editor.setPlainText("{% for m in messages %}<{{ m.content }}>{% endfor %}")
    assert dialog.template.startswith("{% for") and serve().startswith("<")
    dialog.editor.setPlainText("{% for m in messages %}")
    dialog._take_text()
    serve()
    assert not dialog.take.isEnabled() and "template" in dialog.tokens.trouble.text
    assert desk.document.config.data.template == ""
    dialog.choice.setCurrentText(OWN)
    dialog._take_choice()
    assert dialog.template == ""
    serve()
    own = dialog.editor.toPlainText()
    assert own and inquiry.answer is not None and own == inquiry.answer["own_template"]
    dialog.editor.setPlainText(own + " ")
    assert dialog.template == own + " " and dialog.choice.currentText() == EDITED
    dialog.choice.setCurrentText(OWN)
    dialog._take_choice()
    assert dialog.template == "" and dialog.editor.toPlainText() == own
    inquiry._ask()
    job = desk._worker.take()
    assert job is not None
    dialog.reject()
    assert desk._worker.progress(job.id, "Reading", 0.5)  # it hears here that nobody waits for it
    desk._worker.cancelled(job.id)
    desk.window.context.jobs._look()
    assert desk.window.context.jobs.under_way == []


def test_the_real_worker_reads_a_shipped_pack(desk: Desk) -> None:
    desk.document.set("model.path", str(tiny_model()))
    desk.page.choose(DEVIL.path)
    desk.page.inspection._wait.timeout.emit()
    do_jobs(desk.window.context.home)
    desk.window.context.jobs._look()
    assert desk.page.inspection.state == "known", desk.page.inspection.failure
    assert (desk.page.counts.value("To train on"), desk.page.counts.value("Held out")) == ("446", "70")
    assert desk.page.complete


def test_a_folder_is_data_where_it_holds_examples_and_no_model(desk: Desk, folder: Path) -> None:
    assert kind_of(folder) == "data"
    assert kind_of(tiny_model()) == "model"
    assert kind_of(folder / "talks.csv.gz") == "data" and kind_of(folder / "picture.png") is None
    desk.window.use(folder)
    assert desk.document.config.data.path == str(folder)
