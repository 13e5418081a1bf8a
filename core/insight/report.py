"""The job that writes a report of a run, or of several beside one another, into a folder:

    report.html   one file that needs nothing else
    report.md     the same as text
    figures/      every figure as SVG and as CSV

Body: `runs` (ids), `out` (a folder that is not there, or empty), `checkpoint` ("best", "last" or a step).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from core import VERSION
from core.atomic import new_folder, refuse_filled
from core.config.combine import ranked
from core.config.files import dumps
from core.errors import UserError
from core.events import RunStarted
from core.figures import compare
from core.figures import run as figures
from core.figures.compare import Course
from core.figures.figure import Table, Words
from core.figures.live.of_run import own_figures
from core.figures.live.of_task import LOSS_UNITS
from core.figures.run import finite
from core.figures.smooth import Smoothed
from core.figures.svg import draw
from core.figures.trace import Trace
from core.home import Home
from core.insight import anatomy, comparing
from core.insight.job import Look
from core.insight.matrices import need_matrices
from core.insight.opened import Opened
from core.insight.paper import Paper, Section, Shown, html, markdown
from core.launch import observe
from core.paths import typed
from core.room import room_for
from core.saying import Say
from core.state import Status
from core.store.rows import RunRow
from core.store.store import Store

FIGURES = "figures"
BYTES = 5_000_000
"""Room that a report takes, at most, but for one of very many runs."""
SMOOTHING = 0.9
_LOSSES: dict[compare.By, tuple[str, ...]] = {"step": ("loss", "held_out"), "seconds": ("held_out",)}
"""The curves in which runs are compared, by what they are aligned."""


def report_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Write the report; see the module for the body.

    Returns:
        `folder`, `html` and `files` (paths).

    Raises:
        UserError: a run does not exist, or the folder has something in it; nothing has been written then.
        Cancelled: by `progress`; nothing of it is left.
    """
    out = typed(body["out"]).absolute()
    refuse_filled(out)
    if not body.get("runs"):
        raise UserError("No run is chosen to report on.")
    with closing(Store(home)) as store:
        seen = [observe(store, store.run(run)) for run in body["runs"]]
        rows = [row for row, _ in seen]
        sections = [_overview(rows, [status for _, status in seen])]
        if len(rows) > 1:
            sections += [_differences(rows), *_compared(store, rows), *_layers_compared(store, rows)]
        for place, (name, row) in enumerate(zip(_names(rows), rows, strict=True)):
            progress(f"Reading {name}", place / len(rows))
            sections += _of_run(home, store, row, body, progress, ahead=f"{name}: " if len(rows) > 1 else "")
    title = " and ".join(_names(rows)) if len(rows) < 3 else f"{len(rows)} runs"
    made = time.strftime("%Y-%m-%d %H:%M")
    return _write(Paper(title, f"Rankloom {VERSION}, {made}", tuple(sections)), out)


def _write(paper: Paper, out: Path) -> dict[str, Any]:
    with room_for(out, BYTES, what="the report"), new_folder(out) as folder:
        (folder / FIGURES).mkdir()
        (folder / "report.html").write_text(html(paper), encoding="utf-8")
        (folder / "report.md").write_text(markdown(paper, folder=FIGURES), encoding="utf-8")
        for name, figure in paper.figures().items():
            (folder / FIGURES / f"{name}.csv").write_text(figure.csv(), encoding="utf-8")
            if not isinstance(figure, Table | Words):
                (folder / FIGURES / f"{name}.svg").write_text(draw(figure), encoding="utf-8")
    files = sorted(str(path) for path in out.rglob("*") if path.is_file())
    return {"folder": str(out), "html": str(out / "report.html"), "files": files}


def _overview(rows: Sequence[RunRow], statuses: Sequence[Status]) -> Section:
    """What each run was and came to: a list of one, a table of several."""
    facts = [_facts(row, status) for row, status in zip(rows, statuses, strict=True)]
    if len(rows) == 1:
        return Section("At a glance", facts=tuple(facts[0].items()))
    labels = tuple(dict.fromkeys(label for one in facts for label in one))
    cells = tuple(tuple(one.get(label, "") for one in facts) for label in labels)
    return Section("At a glance", figures=(Words("The runs", labels, _names(rows), cells),))


def _facts(row: RunRow, status: Status) -> dict[str, str]:
    adapter, said, unit = row.config.adapter, row.state, LOSS_UNITS[row.config.task]
    facts = {
        "Run": row.id,
        "State": f"{status.value}, step {said.step} of {row.config.train.steps}",
        "Method": f"{row.method}, rank {adapter.rank}, alpha {adapter.alpha:g}" if ranked(adapter) else row.method,
        "Model and data": f"{row.model}; {row.data}",
        "Trained numbers": f"{said.trainable_parameters:,} of {said.total_parameters:,}",
        f"Loss of the first and the last batch ({unit})": f"{_loss(row.first_loss)}, {_loss(row.last_loss)}",
        f"Lowest held-out loss ({unit})": _loss(row.best_loss),
        "Time": f"{row.seconds:,.0f} s of training",
    }
    data = row.config.data
    if data.leave_out:
        facts["Rows left out"] = ", ".join(data.leave_out)
    facts |= {f"Overruled: {check}": reason for check, reason in data.overrides.items()}
    return {**facts, "Notes": row.notes} if row.notes else facts


def _names(rows: Sequence[RunRow]) -> tuple[str, ...]:
    """What the runs are called, each differently."""
    called = [row.name for row in rows]
    return tuple(row.name if called.count(row.name) == 1 else f"{row.name} {row.id[-4:]}" for row in rows)


def _differences(rows: Sequence[RunRow]) -> Section:
    """What the configurations do not have in common."""
    found = compare.settings(_names(rows), [row.config for row in rows])
    return Section("What differs", figures=(found,)) if found.rows else Section("What differs", ("Nothing differs.",))


def _compared(store: Store, rows: Sequence[RunRow]) -> list[Section]:
    """Their losses by step and by second, with seeds as one where there are several."""
    traces = [_traced(store, row) for row in rows]
    groups = [compare.group_of(row.config_text) for row in rows]
    found = []
    for by, keys in _LOSSES.items():
        drawn: list[Shown] = []
        for key in keys:
            courses = [
                Course(
                    name, group, trace.curve(key), trace.curve("trained_tokens"), trace.curve("seconds"),
                    row.config.task,
                )
                for name, group, row, trace in zip(_names(rows), groups, rows, traces, strict=True)
            ]  # fmt: skip
            if any(len(course.values) for course in courses):
                together = len(set(groups)) < len(groups)
                drawn.append(compare.curves(courses, key, by, keep=SMOOTHING, grouped=together))
        if drawn:
            found.append(Section(f"Losses by {compare.AXES[by][0].within}", figures=tuple(drawn)))
    return found


def _traced(store: Store, row: RunRow) -> Trace:
    trace = Trace(store, row.id)
    trace.update()
    return trace


def _layers_compared(store: Store, rows: Sequence[RunRow]) -> list[Section]:
    """Which layers each further run moved more than the first, and what all answer to the same prompts."""
    names, traces = _names(rows), [_traced(store, row) for row in rows]
    norms = [trace.vector("relative_norm").at(np.inf) for trace in traces]
    maps = tuple(
        compare.layer_difference(
            (names[0], names[at]), (traces[0].layers, traces[at].layers),
            (finite(norms[0]).astype(np.float64), finite(norms[at]).astype(np.float64)),
        )
        for at in range(1, len(rows))
        if norms[0] is not None and norms[at] is not None
    )  # fmt: skip
    samples = [{one.prompt: (one.step, one.text) for one in store.samples(row.id)} for row in rows]
    answers = compare.answers(names, samples)
    found = [Section("Which layers moved more", figures=maps)] if maps else []
    return [*found, Section("Answers beside one another", figures=(answers,))] if answers.rows else found


def _of_run(home: Home, store: Store, row: RunRow, body: dict[str, Any], progress: Say, *, ahead: str) -> list[Section]:
    """The chapters of one run, each title with what tells it from those of other runs ahead."""
    trace = _traced(store, row)
    curves: list[Shown] = [figures.loss(trace, Smoothed(SMOOTHING), unit=LOSS_UNITS[row.config.task])]
    if len(trace.vector("relative_norm")):
        curves += [figures.norms(trace, "relative_norm"), figures.most_changed(trace)]
    sections = [Section(f"{ahead}The training", figures=tuple(curves))]
    own = tuple(_own(trace, row))
    if own:
        sections.append(Section(f"{ahead}What its task and its method show", figures=own))
    sections.append(_inside(home, row, body, progress, ahead))
    samples = store.samples(row.id)
    if samples:
        facts = tuple((f"step {sample.step}: {sample.prompt}", sample.text) for sample in samples[-8:])
        sections.append(Section(f"{ahead}Samples", facts=facts))
    started = [(time, event) for time, event in trace.events if isinstance(event, RunStarted)]
    environment = tuple(started[-1][1].environment.items()) if started else ()
    facts = (*_data(row, started[0] if started else None), *environment)
    sections.append(Section(f"{ahead}Data and environment", facts=facts))
    return [*sections, Section(f"{ahead}Configuration", code=dumps(row.config))]


def _own(trace: Trace, row: RunRow) -> Iterator[Shown]:
    """The figures of the run's task and of its method for which something was measured."""
    for live in own_figures(row.config):
        trace.want(curves=live.curves, vectors=live.vectors)
        figure = live.draw(trace)
        if figure.csv().count("\n") > 1:  # more than the head
            yield figure


def _inside(home: Home, row: RunRow, body: dict[str, Any], progress: Say, ahead: str) -> Section:
    """Spectra and movement; what cannot be had (no checkpoint, no model any more) is said instead."""
    title = f"{ahead}Inside the adapter"
    asked = {"runs": [row.id], "checkpoint": body.get("checkpoint", "best")}
    try:
        look = Look(home, asked, progress)
        opened = look.frames()[0][0]
        found = anatomy.spectra(opened, lambda share: progress(f"Looking into {row.name}", share))
    except UserError as error:
        return Section(title, (error.text,))
    shown: list[Shown] = [found["spectrum"], found["effective_rank"]]
    if np.unique(found["rank_map"].values[np.isfinite(found["rank_map"].values)]).size > 1:
        shown.append(found["rank_map"])
    text: tuple[str, ...] = (f"At step {opened.step}.",)
    try:
        need_matrices(row.config)
        moments = [Opened.at(row, checkpoint) for checkpoint in look.checkpoints[0]]
        found = comparing.movements(
            [
                comparing.moved(
                    moments, look.weights(opened), lambda share: progress(f"Measuring rows of {row.name}", share)
                )
            ]
        )
        shown += [found["movement"], found["trend"]]
    except UserError as error:
        text = (*text, error.text)
    return Section(title, text, figures=tuple(shown))


def _data(row: RunRow, started: tuple[float, RunStarted] | None) -> Iterator[tuple[str, str]]:
    """How many examples there were, and the files' fingerprints; `started` is when and how the run first began."""
    data = row.config.data
    if not data.path:
        yield "Data", "unknown: the adapter was imported"
        return
    if started is not None:
        yield "Examples", f"{started[1].examples:,} to train on, {started[1].held_out_examples:,} held out"
    yield from _fingerprint("Data", data.path, started)
    if data.held_out_path:
        yield from _fingerprint("Held-out data", data.held_out_path, started)


def _fingerprint(what: str, given: str, started: tuple[float, RunStarted] | None) -> Iterator[tuple[str, str]]:
    """Size and SHA-256 of a file or folder, so that a reader can tell whether theirs is the same."""
    path = Path(given)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        digests = [_digest(file) for file in files]
        about = [file.stat() for file in files]
    except OSError:
        yield what, f"{path.name} is not there any more"
        return
    size = f"{sum(one.st_size for one in about):,} bytes in {len(files)} file{'' if len(files) == 1 else 's'}"
    late = started is not None and any(one.st_mtime > started[0] for one in about)
    yield what, f"{path.name}, {size}{', changed since the run began' if late else ''}"
    whole = digests[0] if len(files) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    yield f"SHA-256 of the {what.lower()}", whole


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
