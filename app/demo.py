"""The whole journey in the real window, by itself: `make demo`.

It does what a newcomer does, with mouse and keyboard, from an empty home: takes the model and the data that came along,
paints layers, starts, watches, closes the window and comes back, kills the training and goes on with it, exports and
verifies. Every stop leaves a picture. Anything that does not hold ends it with a sentence and a non-zero exit.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.guided import Broken, Guided
from app.pages.export import ExportPage
from app.pages.insight import InsightPage
from app.pages.layers import LayersPage
from app.pages.method import MethodPage
from app.pages.model import ModelPage
from app.start import make_application
from app.starting_point import starting_point
from core.atomic import write_text
from core.errors import UserError
from core.launch import kill
from core.models.catalog import tiny_model
from core.state import Status
from core.store.rows import RunRow

REPORT = "report.json"
AGREEMENT = 0.99
"""Share of tokens on which an exported model must agree with the trained one."""

BRIEF = {"train.steps": 36, "train.batch": 4, "train.evaluate_every": 12, "train.checkpoint_every": 6}
"""The training of the tiny model in the quick form: enough for its loss to fall and its answers to change."""


class Journey(Guided):
    """One walk through the window."""

    def walk(self) -> None:
        """All of it, in order."""
        with self.stop("first launch"):
            self.picture("first-launch", all_sizes=True)
            self.choose_all()
        with self.stop("data"):
            self.look_at_data()
        with self.stop("layers"):
            self.paint_layers()
        with self.stop("method"):
            self.choose_method()
        with self.stop("run"):
            run = self.start()
        with self.stop("window closed and opened again"):
            self.come_back(run)
        with self.stop("killed and resumed"):
            self.kill_and_resume()
        with self.stop("finished"):
            self.finish(run)
        with self.stop("insight"):
            self.look_inside(run)
        with self.stop("export"):
            self.export()
        with self.stop("failed"):
            self.fail()
        with self.stop("history"):
            self.look_back()

    def choose_all(self) -> None:
        """One click fills everything; in the quick form the tiny model takes the place of the embedded one."""
        page = self.page(ModelPage)
        self.click(page.try_it)
        if self.quick:
            self.window.document.update({**starting_point(tiny_model()), **BRIEF}, "Starting point")
        self.go("model")
        self.expect(lambda: self.window.document.model is not None, "the model's layers are read from its file")
        self.picture("model")

    def look_at_data(self) -> None:
        """The examples are counted and shown before anything is trained."""
        self.go("data")
        page: Any = self.window.page("data")
        self.wait(lambda: page.inspection.state in ("known", "failed"), "the data is looked at")
        self.expect(lambda: page.complete, "the data can be trained on")
        self.pause()
        self.picture("data", all_sizes=True)

    def paint_layers(self) -> None:
        """A stroke of the mouse, undone with the keyboard, then the preset."""
        self.go("layers")
        page = self.page(LayersPage)
        document = self.window.document
        every = len(document.plans)
        self.click(page.presets.chips["qv"])
        self.expect(lambda: 0 < len(document.plans) < every, "a preset chooses fewer layers")
        before = len(document.plans)
        self.stroke(page, (0, 3), (1, 3))
        self.expect(lambda: len(document.plans) != before, "a stroke on the map changes what is chosen")
        self.pause()
        self.picture("layers", all_sizes=True)
        QTest.keyClick(self.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        self.wait(lambda: len(document.plans) == before, "the stroke is undone")
        self.click(page.presets.chips["all"])
        self.expect(lambda: len(document.plans) == every, "all linear layers are chosen again")

    def choose_method(self) -> None:
        """DoRA is looked at, LoRA is taken."""
        self.go("method")
        page = self.page(MethodPage)
        self.click(page.method.chips["dora"])
        self.expect(lambda: self.window.document.config.method_label == "DoRA", "a name fills the axes")
        self.picture("method-dora")
        self.click(page.method.chips["lora"])
        self.expect(lambda: page.start.isEnabled(), "the run can start")
        self.picture("method", all_sizes=True)

    def start(self) -> RunRow:
        """Start with the keyboard and wait until the curves move."""
        QTest.keyClick(self.window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        self.wait(lambda: self.window.context.feed.row is not None, "the run is there")
        row = self.row()
        self.picture("starting")
        self.wait(lambda: self.row().state.step >= max(3, row.config.train.steps // 4), "the loss moves")
        self.click(self.button("Pause"))
        self.wait(lambda: self.status() is Status.PAUSED, "the run pauses")
        self.pause()
        self.picture("paused")
        self.click(self.button("Go on"))
        self.wait(lambda: self.status() is Status.RUNNING, "the run goes on")
        self.picture("running", all_sizes=True)
        return row

    def come_back(self, run: RunRow) -> None:
        """The training outlives the window, and a new window shows it at once."""
        step = self.row().state.step
        self.shut()
        began = time.monotonic()
        self.window = self.open()
        self.wait(lambda: self.window.context.feed.row is not None, "the run is shown again")
        self.expect(lambda: self.row().id == run.id, "it is the run that was left")
        self.report["reattached_seconds"] = round(time.monotonic() - began, 2)
        self.expect(lambda: self.row().state.step >= step, "it went on meanwhile")
        self.picture("reattached")

    def kill_and_resume(self) -> None:
        """A worker that is killed is seen as lost, and goes on from its checkpoint."""
        self.wait(lambda: self.row().state.checkpoint is not None, "a checkpoint is saved")
        kill(self.home.run(self.row().id))
        self.wait(lambda: self.status() in (Status.LOST, Status.FINISHED), "the loss of the worker is seen")
        self.expect(lambda: self.status() is Status.LOST, "it is called lost")
        self.pause()
        self.picture("lost")
        self.click(self.button("Resume"))
        self.wait(lambda: self.status() is not Status.LOST, "it is taken up again")

    def finish(self, run: RunRow) -> None:
        """From there to the last step; the loss has fallen, and the answers have changed."""
        self.wait(lambda: self.status() not in (Status.RUNNING, Status.STARTING), "the run ends")
        self.expect(lambda: self.status() is Status.FINISHED, f"it finishes ({self.row().state.message})")
        steps, losses = self.window.context.store.curve(run.id, "held_out")
        samples = self.window.context.store.samples(run.id)
        self.report["held_out"] = [[float(step), float(loss)] for step, loss in zip(steps, losses, strict=True)]
        self.report["samples"] = [[sample.step, sample.prompt, sample.text] for sample in samples]
        self.expect(lambda: losses[-1] < losses[0], f"the held-out loss falls ({losses[0]:.3f} to {losses[-1]:.3f})")
        answers = {sample.step: sample.text for sample in samples if sample.prompt == samples[0].prompt}
        self.expect(lambda: answers[min(answers)] != answers[max(answers)], "the answer has changed")
        self.pause()
        self.picture("finished", all_sizes=True)

    def look_inside(self, run: RunRow) -> None:
        """Which layers mattered; a third of them is taken for the next run, and given back."""
        self.go("insight")
        page, every = self.page(InsightPage), len(self.window.document.plans)
        page.ask.source.setCurrentIndex(page.ask.source.findData(run.id))
        self.click(page.ask.measure)
        self.wait(lambda: page.measured is not None or page.trouble.isVisible(), "the layers are measured")
        self.expect(lambda: page.measured is not None, f"they are measured without trouble ({page.trouble.text})")
        self.picture("insight", all_sizes=True)
        self.click(page.act.use)
        self.expect(lambda: 0 < len(self.window.document.plans) <= every // 3, "a third of the layers is chosen")
        QTest.keyClick(self.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        self.wait(lambda: len(self.window.document.plans) == every, "all layers are chosen again")

    def export(self) -> None:
        """A merged model that plain transformers opens, compared with the trained one."""
        self.go("export")
        page = self.page(ExportPage)
        for form in ("merged", "adapter"):
            page.choice.forms[form].setChecked(True)
            page.out.clear()
            QTest.keyClicks(page.out, str(self.out / "exported" / form))
            self.click(page.export)
            self.wait(lambda: bool(self.window.context.jobs.under_way), "the export begins")
            job = self.window.context.jobs.under_way[0].id
            self.wait(lambda: not self.window.context.jobs.under_way, "the export ends")
            done = self.window.context.store.job(job)
            if done.result is None:
                raise Broken(f"The {form} was not written: {done.error_text} {done.error_hint}")
            self.report[f"verified_{form}"] = verified = done.result["verified"]
            if verified["token_agreement"] < AGREEMENT:
                raise Broken(f"The exported {form} agrees on {verified['token_agreement']:.2%} of the tokens only.")
        self.pause()
        self.picture("exported", all_sizes=True)

    def fail(self) -> None:
        """A run whose data has gone says so."""
        gone = self.out / "gone.jsonl"
        gone.write_text('{"text": "Here for a moment."}\n' * 8, encoding="utf-8")
        self.window.document.update({"data.path": str(gone), "data.held_out_path": ""}, "Data that goes away")
        gone.unlink()
        self.go("method")
        self.click(self.page(MethodPage).start)
        self.wait(lambda: self.status() is Status.FAILED, "the failure is seen")
        self.pause()
        self.picture("failed")

    def look_back(self) -> None:
        """Both runs are in the history."""
        self.go("runs")
        self.pause()
        count = len(self.window.context.store.runs())
        self.expect(lambda: count == 2, f"both runs are in the history (there are {count})")
        self.picture("runs", all_sizes=True)


def main(*, quick: bool = False, out: str = "build/demo") -> int:
    """Walk the journey; returns 0 where all of it held."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    quick = quick or os.environ.get("QUICK", "") not in ("", "0")
    folder = fresh(Path(out).resolve())
    app = make_application()
    assert isinstance(app, QApplication)
    journey = Journey(folder, quick=quick)
    try:
        journey.walk()
        journey.report["passed"] = True
    except UserError as error:
        journey.report |= {"passed": False, "error": str(error)}
        print(f"The demo broke: {error}", file=sys.stderr)
    finally:
        journey.close()
        write_text(folder / REPORT, json.dumps(journey.report, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(journey.report['pictures'])} pictures and report.json are in {folder}.", file=sys.stderr)
    return 0 if journey.report["passed"] else 1


def fresh(folder: Path) -> Path:
    """The folder, emptied of an earlier demo.

    Raises:
        UserError: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / REPORT).is_file():
        raise UserError(f"{folder} holds something that is no demo's.", hint="Choose an empty or a new folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_text(folder / REPORT, "{}\n")  # From now on it is known as a demo's, wherever that may end.
    return folder
