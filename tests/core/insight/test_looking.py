"""The job that looks into runs gives figures that go through JSON and say what dense matrices say."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import worker
from core.config.edit import replaced
from core.config.run import RunConfig
from core.errors import Cancelled, UserError
from core.figures.figure import Axis, Bars, Heatmap, Lines, Scatter, Series, Table
from core.figures.wire import decode, encode
from core.home import Home, find_home
from core.insight.job import WHATS, insight_job
from core.insight.opened import BaseWeights, Opened
from core.models.catalog import describe
from core.store.store import Store
from tests.core.insight.dense import dense_movement
from tests.whole.small_runs import create


def quiet(_text: str, _share: float | None) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, str]]:
    """Runs on one tiny model: LoRA at two ranks, DoRA, and LoRA-drop, with two checkpoints each."""
    folder = tmp_path_factory.mktemp("looking")
    home = find_home(str(folder / "home"))
    store = Store(home)
    drop = {"kind": "lora-drop", "probe_steps": 2, "threshold": 0.5}
    runs = {
        "four": create(store, folder),
        "two": create(store, folder, adapter={"rank": 2}),
        "dora": create(store, folder, adapter={"method": "dora"}),
        "full": create(store, folder, adapter={"method": "full"}),
        "drop": create(store, folder, adapter={"method": "lora-drop", "selection": drop}),
    }
    store.close()
    for run in runs.values():
        assert worker.main(home, run) == 0
    return home, runs


def looked(made: tuple[Home, dict[str, str]], what: str, *names: str, **options: Any) -> list[dict[str, Any]]:
    """The frames of a job, through JSON and back."""
    home, runs = made
    body = {"what": what, "runs": [runs[name] for name in names], "checkpoint": "last", **options}
    answer = json.loads(json.dumps(insight_job(home, body, quiet), allow_nan=False))
    frames: list[dict[str, Any]] = list(decode(answer["frames"]))
    return frames


def opened(made: tuple[Home, dict[str, str]], name: str) -> Opened:
    home, runs = made
    store = Store(home)
    try:
        return Opened.at(store.run(runs[name]), store.checkpoint(runs[name], "last"))
    finally:
        store.close()


def test_spectra_are_those_of_the_dense_change(made: tuple[Home, dict[str, str]]) -> None:
    (frame,) = looked(made, "spectra", "four")
    figures, run = frame["figures"], opened(made, "four")
    name = run.layers[3].name
    dense = torch.linalg.svdvals(run.adapters.layers[name].delta_weight().double())[:4].numpy()

    np.testing.assert_allclose(10 ** figures["spectrum"].values[:, 3], dense, rtol=1e-5)
    assert figures["by_layer"]["norm"][3] == pytest.approx(float(np.linalg.norm(dense)), rel=1e-5)
    assert len(figures["singular_values"].series) == 8
    assert figures["ranks"].values.shape == (2, 7) and np.nanmax(figures["ranks"].values) == 4
    assert 1 <= min(figures["effective_rank"].values) <= max(figures["effective_rank"].values) <= 4


def test_all_checkpoints_are_frames_for_a_slider(made: tuple[Home, dict[str, str]]) -> None:
    frames = looked(made, "spectra", "four", checkpoint="all", layers=["model.layers.0.mlp.up_proj"])

    assert [frame["step"] for frame in frames] == [3, 6]
    assert [series.name for series in frames[0]["figures"]["singular_values"].series] == ["0.up_proj"]


@pytest.mark.parametrize("of", ["reads", "writes", "a", "moved"])
def test_two_runs_of_one_seed_share_their_subspace(made: tuple[Home, dict[str, str]], of: str) -> None:
    (frame,) = looked(made, "subspaces", "four", "four", of=of)
    (other,) = looked(made, "subspaces", "four", "two", of=of)

    np.testing.assert_allclose(np.diagonal(frame["figures"]["phi"].values), 1, atol=1e-5)
    assert other["figures"]["phi"].values.shape == (2, 4)
    assert other["figures"]["random"] == pytest.approx(4 / 32, rel=2)
    assert len(other["figures"]["shared"].names) == 14


def test_amplification_is_a_row_for_each_layer(made: tuple[Home, dict[str, str]]) -> None:
    (frame,) = looked(made, "amplified", "dora", rank=2)
    table = frame["figures"]["amplification"]

    assert table.values.shape == (14, 7)
    assert (table.values[:, 0] == 2).all() and (table.values[:, 1] <= table.values[:, 2]).all()
    run = opened(made, "dora")
    lengths = [float(torch.linalg.svdvals(b @ a)[:2].norm()) for b, a in map(run.factors, run.adapters.layers)]
    np.testing.assert_allclose(table.values[:, 5], lengths, rtol=1e-6)


@pytest.mark.parametrize("name", ["four", "dora", "drop", "full"])
def test_movement_is_that_of_the_merged_weights(made: tuple[Home, dict[str, str]], name: str) -> None:
    frames = looked(made, "movement", name)
    figures, run = frames[0]["figures"], opened(made, name)
    weights = BaseWeights(describe(run.config.model.path), run.adapters)

    for place in (0, 9):
        layer = run.adapters.layers[run.layers[place].name]
        weight = weights.weight(layer.plan.name)
        layer.base.register_parameter("weight", torch.nn.Parameter(weight.float(), requires_grad=False))
        layer.constants.clear()
        dense = dense_movement(weight, layer.merged_weight(weight))
        assert figures["by_layer"]["direction"][place] == pytest.approx(dense.direction, rel=1e-3, abs=1e-9)
        assert figures["by_layer"]["magnitude"][place] == pytest.approx(dense.magnitude, rel=1e-3, abs=1e-9)
    assert len(figures["movement"].names) == 28
    assert figures["trend"].values[0, -1] == 28


def test_movement_puts_several_runs_beside_one_another(made: tuple[Home, dict[str, str]]) -> None:
    (frame,) = looked(made, "movement", "four", "dora")
    one, other = frame["figures"]["movement"], frame["figures"]["movement_2"]

    assert one.spans == other.spans and one.spans is not None
    for span, values in zip(one.spans, ((one.xs, other.xs), (one.ys, other.ys)), strict=True):
        assert span == (min(each.min() for each in values), max(each.max() for each in values))
    assert len(frame["figures"]["trend"].rows) == 2 and len(frame["figures"]["by_layer_trend"].rows) == 14


def test_movement_can_be_followed_through_the_checkpoints(made: tuple[Home, dict[str, str]]) -> None:
    first, last = looked(made, "movement", "full", "dora", checkpoint="all")

    assert (first["step"], last["step"]) == (3, 6)
    assert [len(frame["figures"]["movement_2"].names) for frame in (first, last)] == [14, 28]
    assert first["figures"]["movement"].spans == last["figures"]["movement"].spans
    assert [set(frame["figures"]["by_layer_trend"].values[:, -1]) for frame in (first, last)] == [{1}, {2}]
    assert first["figures"]["movement"].shares.max() == 0.5 and last["figures"]["movement"].shares.max() == 1


def test_agreement_and_ranks_are_shown_on_the_map(made: tuple[Home, dict[str, str]]) -> None:
    (frame,) = looked(made, "agreement", "four", "two")
    found, cosines = frame["figures"]["agreement_map"], frame["figures"]["by_layer"]["cosine"]
    assert found.middle == 0 and found.values.shape == (7, 2)
    assert sorted(found.values.ravel().tolist()) == pytest.approx(sorted(cosines), rel=1e-5)
    (frame,) = looked(made, "spectra", "two")
    assert (frame["figures"]["rank_map"].values == 2).all() and frame["figures"]["used_map"].values.max() <= 2


def test_a_run_agrees_with_itself_entirely(made: tuple[Home, dict[str, str]]) -> None:
    (same,) = looked(made, "agreement", "four", "four")
    (other,) = looked(made, "agreement", "four", "two")

    assert same["figures"]["by_layer"]["cosine"] == pytest.approx([1.0] * 14)
    assert all(-1 <= value <= 1 for value in other["figures"]["by_layer"]["cosine"])


def test_every_figure_explains_itself(made: tuple[Home, dict[str, str]]) -> None:
    found = [
        figure
        for what, runs in [*((what, ("four", "two")[: 1 + (what in ("subspaces", "agreement"))]) for what in WHATS)]
        for figure in looked(made, what, *runs)[0]["figures"].values()
        if isinstance(figure, Lines | Bars | Heatmap | Scatter | Table)
    ]

    assert len(found) >= 9
    for figure in found:
        assert figure.title and figure.help.endswith((".", ")"))
        assert figure.title in figure.summary() and figure.csv().count("\n") > 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"what": "spectre"}, "nothing called 'spectre'"),
        ({"what": "subspaces"}, "Two runs are needed"),
        ({"what": "spectra", "checkpoint": 5}, "no checkpoint '5'"),
        ({"what": "spectra", "runs": []}, "No run is chosen"),
    ],
)
def test_what_cannot_be_looked_at_is_said(made: tuple[Home, dict[str, str]], body: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        insight_job(made[0], {"runs": [made[1]["four"]], **body}, quiet)


def test_what_nobody_knows_or_nothing_moved_is_not_compared(made: tuple[Home, dict[str, str]]) -> None:
    home, runs = made
    fine = opened(made, "four")
    again = RunConfig.from_dict({**fine.config.to_dict(), "adapter": {"method": "lora-fa", "rank": 4, "alpha": 8}})
    later = replace(fine, config=replaced(fine.config, {"adapter.begin": runs["two"]}))
    store = Store(home)
    frozen = store.create_run(again)
    store.close()
    assert worker.main(home, frozen) == 0

    with pytest.raises(UserError, match="first values are not known"):
        later.moved(fine.layers[0].name)
    with pytest.raises(UserError, match="No layer has moved"):
        insight_job(home, {"what": "subspaces", "runs": [frozen, frozen], "of": "moved"}, quiet)


def test_looking_ends_when_it_is_cancelled(made: tuple[Home, dict[str, str]]) -> None:
    def impatient(_text: str, _share: float | None) -> None:
        raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        insight_job(made[0], {"what": "spectra", "runs": [made[1]["four"]]}, impatient)


def test_figures_come_back_from_json_as_they_were(tmp_path: Path) -> None:
    lines = Lines(
        "T", Axis("x", "u"), Axis("y"), (Series("s", np.arange(3.0), np.array([1, np.nan, np.inf])),), help="h."
    )
    table = Table("T", ("a",), (Axis("n"),), np.array([[np.nan]]))

    for figure in (lines, table):
        again = decode(json.loads(json.dumps(encode(figure), allow_nan=False)))
        assert type(again) is type(figure)
        for field in fields(figure):
            if field.name not in ("series", "values"):
                assert getattr(again, field.name) == getattr(figure, field.name)
    again = decode(json.loads(json.dumps(encode(lines))))
    np.testing.assert_array_equal(again.series[0].y, lines.series[0].y)
