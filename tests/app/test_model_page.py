"""The Model page: what is found, what the chosen one is, conversion, and the offer of a first run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from app.errors import ErrorDialog
from app.pages.model import ModelPage
from core.errors import UserError
from core.home import Home
from core.models.catalog import Found
from core.models.info import ModelInfo
from core.store.store import Store
from tests.app.around import Around
from tests.app.fake_models import GPT2, fake_model

MODELS = {
    "/m/llama": fake_model(4, path=Path("/m/llama"), name="Llama small"),
    "/m/gpt2": fake_model(
        2, GPT2, path=Path("/m/gpt2"), name="GPT-2 with a name that is far too long for its row", context=0,
        has_chat_template=False, notes=("Something to know.",),
    ),
    "/m/file.gguf": fake_model(3, path=Path("/m/file.gguf"), name="A file", kind="gguf", dtype="Q4_1"),
}  # fmt: skip
FOUND = [
    Found(Path(path), Path(path).name, "gguf" if path.endswith("gguf") else "folder", "Folder")
    for path in (*MODELS, "/m/broken")
]


class Shown:
    """The page on the screen with what is around it."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self.document = around.document
        self.page = ModelPage(around.context)
        self.page.resize(1080, 720)
        self.page.show()
        self.page.activateWindow()
        assert QTest.qWaitForWindowActive(self.page, 30_000)
        self.page.shown()
        self.settle()

    def settle(self) -> None:
        """Let the list be described."""
        for _ in range(20):
            QApplication.processEvents()

    def press(self, widget: QWidget) -> None:
        """Press a button."""
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.settle()

    def pick(self, row: int) -> None:
        """Click a row of the list."""
        view = self.page.list
        place = view.visualRect(self.page.models.index(row)).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        self.settle()

    def button(self, name: str) -> QWidget:
        """The button of this name."""
        return next(child for child in self.page.findChildren(QWidget) if child.accessibleName() == name)


@pytest.fixture
def shown(home: Home, store: Store, qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """The page with four models on the machine, one of them broken."""

    def describe(path: Path) -> ModelInfo:
        if Path(path).as_posix() not in MODELS:
            raise UserError("config.json is missing.", hint="Choose a whole folder.")
        return MODELS[Path(path).as_posix()]

    monkeypatch.setattr("app.document.describe", describe)
    monkeypatch.setattr("app.models.models.describe", describe)
    monkeypatch.setattr("app.pages.model.find_models", lambda home, extra: FOUND)
    monkeypatch.setattr("app.pages.model.converted", lambda home, path: None)
    shown = Shown(Around(home, store))
    yield shown
    shown.page.close()
    shown.page.deleteLater()


def test_a_first_window_offers_a_run_in_one_click(shown: Shown) -> None:
    assert shown.page.offer.isVisible()
    shown.press(shown.page.try_it)
    config = shown.document.config
    assert config.model.path
    assert config.data.path.endswith("devil_train.jsonl")
    assert config.name == "lora-devil-1"
    assert shown.around.visited == ["method"]
    assert not shown.page.offer.isVisible()
    shown.document.undo.undo()
    assert not shown.document.config.model.path


def test_the_list_says_what_each_model_is_and_what_is_wrong_with_it(shown: Shown) -> None:
    entries = shown.page.models.entries
    assert [entry.line.split("   ")[0] for entry in entries] == ["Llama", "Llama", "Llama", "config.json is missing."]
    assert "bfloat16" in entries[0].line


def test_a_click_chooses_a_model_and_shows_its_figures(shown: Shown) -> None:
    shown.pick(1)
    assert shown.document.config.model.path == str(Path("/m/gpt2"))
    facts = {name: row.value for name, row in shown.page.facts.items()}
    assert facts["Blocks"] == "2"
    assert facts["Context"] == "not said"
    assert facts["Chat template"] == "none: a plain one is used"
    assert shown.page.notes.text() == "Something to know."
    assert shown.page.complete
    assert not shown.page.convert.isVisible()


def test_a_click_counts_though_another_window_has_the_keys(shown: Shown) -> None:
    other = QWidget()
    other.show()
    other.activateWindow()
    assert QTest.qWaitForWindowActive(other, 30_000)
    shown.pick(1)
    assert shown.document.config.model.path == str(Path("/m/gpt2"))
    other.deleteLater()


def test_the_arrow_keys_choose_as_well_and_coming_by_does_not(shown: Shown) -> None:
    shown.page.list.setFocus(Qt.FocusReason.TabFocusReason)
    shown.settle()
    assert shown.page.list.hasFocus() and shown.document.config.model.path == ""
    shown.pick(0)
    QTest.keyClick(shown.page.list, Qt.Key.Key_Down)
    assert shown.document.config.model.path == str(Path("/m/gpt2"))


def test_a_broken_model_says_why_in_place(shown: Shown) -> None:
    shown.pick(3)
    assert shown.page.trouble.isVisible()
    assert shown.page.trouble.accessibleName() == "config.json is missing. Choose a whole folder."
    assert not shown.page.next.isEnabled()


def test_a_folder_that_is_opened_is_chosen_and_remembered(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(Path("/m/llama"))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: path)
    shown.press(shown.button("Open folder"))
    assert shown.document.config.model.path == path
    assert shown.document.recent["model"] == (path,)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(Path("/m/broken")))
    shown.press(shown.button("Open folder"))
    assert shown.page.trouble.isVisible() and shown.document.recent["model"] == (path,)


def test_a_gguf_file_is_converted_with_progress_and_can_be_cancelled(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.pick(2)
    shown.press(shown.page.convert)
    (job,) = shown.around.jobs
    assert (job.kind, job.body) == ("convert", {"path": str(Path("/m/file.gguf"))})
    assert shown.page.stage.text() == "Waiting for the background worker"
    job.progress("Reading the GGUF file", 0.5)
    assert shown.page.stage.text() == "Reading the GGUF file"
    assert shown.page.progress.accessibleName().endswith("50%")
    shown.press(shown.page.cancel)
    assert job.cancelled
    monkeypatch.setattr("app.pages.model.converted", lambda home, path: Path("/home/models/file"))
    job.finish({"path": "/home/models/file"})
    assert not shown.page.convert.isVisible()
    assert not shown.page.progress.isVisible()
    assert shown.page.stage.text() == "Converted: runs start at once."


def test_a_conversion_that_fails_says_why_and_can_be_tried_again(shown: Shown) -> None:
    shown.pick(2)
    shown.press(shown.page.convert)
    shown.around.jobs[0].progress("Reading the GGUF file", 0.5)
    shown.around.jobs[0].fail("There is no room.", "Make 300 MB free.")
    next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, ErrorDialog)).close()
    assert shown.page.convert.isEnabled() and shown.page.stage.text() == ""
    assert not shown.page.progress.isVisible()
