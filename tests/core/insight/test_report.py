"""Reports: whole without any other file, sound as HTML and SVG, honest about what cannot be had."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from core import worker
from core.commandline.entry import main
from core.config.run import RunConfig
from core.errors import UserError
from core.figures.figure import Axis, Bars, Figure, Heatmap, Histogram, Lines, Scatter, Series
from core.figures.svg import color, draw
from core.figures.ticks import ticks
from core.home import Home
from core.insight.report import report_job
from core.store.store import Store
from tests.whole.small_runs import create


def quiet(_text: str, _share: float | None) -> None:
    """Nobody watches."""


class Whole(HTMLParser):
    """Sees that every element is closed, and that nothing is fetched from anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "path", "circle", "image"):
            self.open.append(tag)
        links = [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.links += [link for link in links if not link.startswith("data:image/png;base64,")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "circle", "image"):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed already."""


def test_a_report_of_two_runs_has_all_chapters(home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = Store(home)
    train = {"prompts": ["Define <fox> & dog"], "sample_tokens": 2}
    runs = [create(store, tmp_path, train=train), create(store, tmp_path, adapter={"method": "dora", "rank": 2})]
    store.close()
    for run in runs:
        assert worker.main(home, run) == 0
    out = tmp_path / "report"

    assert main(["report", *runs, "--out", str(out), "--json", "--home", str(home.root)]) == 0

    answer = json.loads(capfd.readouterr().out)
    page, text = (out / "report.html").read_text(encoding="utf-8"), (out / "report.md").read_text(encoding="utf-8")
    assert set(answer["files"]) == {str(path) for path in out.rglob("*") if path.is_file()}
    parser = Whole()
    parser.feed(page)
    assert parser.open == [] and parser.links == []
    words = ("At a glance", "What differs", "Rank (r)", "Losses by step", "Loss, smoothed", "Magnitudes by layer")
    for word in (*words, "Inside the adapter", "19 to train on", "SHA-256", "torch", "max_tokens"):
        assert word in page and word in text, word
    chapters = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(set(chapters)) == len(chapters), "runs of one name are told apart"
    assert text.count("Roy and Vetterli") == 1, "how to read a figure is said once"
    assert "Define &lt;fox&gt; &amp; dog" in page
    pictures = sorted(path.name for path in (out / "figures").glob("*.svg"))
    assert len(pictures) >= 10 and all(f"figures/{name}" in text for name in pictures)
    for path in (out / "figures").glob("*.svg"):
        ElementTree.fromstring(path.read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="already there"):
        report_job(home, {"runs": runs, "out": str(out)}, quiet)


def test_what_a_report_says_is_what_the_store_knows(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = create(store, tmp_path)
    store.close()
    assert worker.main(home, run) == 0
    data = tmp_path / "data.jsonl"
    os.utime(data, (2e9, 2e9))

    report_job(home, {"runs": [run], "out": str(tmp_path / "out")}, quiet)

    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    with closing(Store(home)) as store:
        row = store.run(run)
    assert f"(nats per token) | {row.first_loss:.4f}, {row.last_loss:.4f} |" in text
    assert f"| Lowest held-out loss (nats per token) | {row.best_loss:.4f} |" in text
    assert "1 file, changed since the run began" in text
    assert hashlib.sha256(data.read_bytes()).hexdigest() in text


def test_a_report_of_a_run_that_never_began_says_what_is_missing(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    overruled = {"overrides": {"end-not-trained": "Parts of longer texts."}, "leave_out": ["duplicates"]}
    run = create(store, tmp_path, data=overruled)
    assert "end-not-trained: Parts of longer texts." in (home.run(run) / "run.yaml").read_text(encoding="utf-8")
    store.close()
    shutil.rmtree(tmp_path / "model")
    (tmp_path / "data.jsonl").unlink()

    answer = report_job(home, {"runs": [run], "out": str(tmp_path / "report")}, quiet)

    page = Path(answer["html"]).read_text(encoding="utf-8")
    assert "has no checkpoint" in page and "is not there any more" in page and "Nothing measured yet." in page
    assert "Overruled: end-not-trained" in page and "Rows left out" in page and page.count("Parts of longer texts.") > 1


SHOWN: list[Figure] = [
    Lines("Loss", Axis("Step"), Axis("Loss"), (Series("a & b", np.arange(3.0), np.array([1, np.nan, 2])),)),
    Lines("Flat", Axis("Step"), Axis("Loss"), (Series("one", np.ones(1), np.ones(1), "points", "series:9"),)),
    Lines("None", Axis("Step"), Axis("Loss")),
    Heatmap(
        "Map", Axis("Step"), Axis("Block"), Axis("norm"), ("r0", "r1"), np.arange(500),
        np.arange(1000, dtype=np.float32).reshape(500, 2),
    ),
    Bars("Bars", Axis("score"), ("x", "y"), np.array([2.0, -1.0])),
    Scatter("Points", Axis("x"), Axis("y"), ("p", "q"), np.array([1.0, 2]), np.array([3.0, 4]), trend=(0.0, 1.0)),
    Histogram("Counts", Axis("tokens"), Axis("Examples"), (0.0, 1.0, 2.0), (3, 4)),
]  # fmt: skip


def test_a_report_where_nothing_can_be_written_says_so(home: Home, tmp_path: Path) -> None:
    with closing(Store(home)) as store:
        run = create(store, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        report_job(home, {"runs": [run], "out": str(tmp_path / "file" / "out")}, quiet)


def test_data_that_nobody_knows_is_not_looked_for(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = store.create_run(RunConfig(name="imported"))
    store.close()

    report_job(home, {"runs": [run], "out": str(tmp_path / "out")}, quiet)

    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "unknown: the adapter was imported" in text and "SHA-256 of the data" not in text


@pytest.mark.parametrize("figure", SHOWN, ids=lambda figure: figure.title)
def test_a_drawing_is_sound_small_and_speaks_for_itself(figure: Figure) -> None:
    text = draw(figure)

    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == figure.summary()
    assert "nan" not in re.sub('(aria-label|href)="[^"]*"', "", text) and len(text) < 60_000


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 10) == pytest.approx([0, 2, 4, 6, 8, 10])
    assert ticks(0.013, 0.041) == pytest.approx([0.015, 0.02, 0.025, 0.03, 0.035, 0.04])
    assert ticks(1, 1) == []


def test_colours_run_from_dark_to_bright() -> None:
    assert (color(0), color(1), color(-3)) == ("#440154", "#fde725", "#440154")
