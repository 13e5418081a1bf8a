"""A run file says what the run is, and nothing in it is silently ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.files import dumps, read, write
from core.config.run import RunConfig
from core.errors import UserError
from core.models.catalog import locate

CONTRACT = """
name: dora-first-try
seed: 0
task: causal-lm                # or sequence-classification
model: {path: models/SmolLM2-135M-Instruct, storage: dense, compute: float32}
data: {path: data.jsonl, format: auto, max_tokens: 512, held_out: 0.1, train_on: completions, packing: true}
adapter: {method: lora, rank: 8, alpha: 16, dropout: 0.0, layers: [q_proj, v_proj]}
train: {steps: 200, batch: 8, accumulate: 1, learning_rate: 2.0e-4, schedule: cosine, warmup: 0.03, clip: 1.0,
        evaluate_every: 50, checkpoint_every: 100}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_documented_run_file_is_read_and_written_back_with_the_same_keys(tmp_path: Path) -> None:
    config = read(written(tmp_path, CONTRACT))

    assert config.train.learning_rate == 2e-4
    assert config.adapter.layers == ("q_proj", "v_proj")
    assert yaml.safe_load(dumps(config)) == yaml.safe_load(CONTRACT)


def test_what_is_not_the_default_is_written_beyond_the_usual_keys(tmp_path: Path) -> None:
    config = RunConfig.from_dict(
        {
            "adapter": {"scale": "alpha/sqrt(r)", "ranks": {"q_proj": 4}},
            "train": {"schedule": {"kind": "linear", "floor": 0.1}, "keep": 1, "prompts": ["Define: peace"]},
        }
    )
    write(config, tmp_path / "run.yaml")

    found = yaml.safe_load((tmp_path / "run.yaml").read_text(encoding="utf-8"))

    assert found["adapter"]["scale"] == "alpha/sqrt(r)"
    assert found["adapter"]["ranks"] == {"q_proj": 4}
    assert found["train"]["schedule"] == {"kind": "linear", "floor": 0.1}
    assert found["train"]["keep"] == 1
    assert "optimizer" not in found["train"]
    assert read(tmp_path / "run.yaml") == config


@settings(deadline=None, max_examples=40)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    learning_rate=st.floats(1e-12, 1e3),
    layers=st.sampled_from(["all-linear", ("q_proj",), ("layers.1.*", "off")]),
    prompts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=3),
    evaluate_every=st.integers(0, 10**6),
)
def test_what_is_written_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    learning_rate: float,
    layers: str | tuple[str, ...],
    prompts: list[str],
    evaluate_every: int,
) -> None:
    config = RunConfig.from_dict(
        {
            "name": name,
            "adapter": {"layers": layers},
            "train": {"learning_rate": learning_rate, "prompts": prompts, "evaluate_every": evaluate_every},
        }
    )
    path = tmp_path_factory.mktemp("run") / "run.yaml"
    write(config, path)

    assert read(path) == config


def test_a_number_without_a_dot_before_its_exponent_is_a_number(tmp_path: Path) -> None:
    assert read(written(tmp_path, "train: {learning_rate: 2e-4}")).train.learning_rate == 2e-4


def test_relative_paths_are_found_beside_the_file_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
        (folder / "data.jsonl").touch()
    (elsewhere / "model").mkdir()
    monkeypatch.chdir(elsewhere)

    config = read(written(beside, "model: {path: model}\ndata: {path: data.jsonl, held_out_path: none.jsonl}"))

    assert config.data.path == str(beside / "data.jsonl")
    assert config.model.path == str(elsewhere / "model")
    assert config.data.held_out_path == "none.jsonl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "line 1"),
        ("- a\n- b", "is not a run file"),
        ("", "is not a run file"),
        ("1: 2", "is not a run file"),
        ("train: {steps: 5}\ntrain: {steps: 6}", "'train' is there twice in line 2"),
        ("train: {steps: 5, steps: 6}", "'steps' is there twice"),
        ("trian: {steps: 5}", "there is no option 'trian'"),
        ("train: {steps: 0}", "train.steps"),
        ("train: 5", "train"),
        ("model: {path: 5}", "model.path"),
        ("adapter: {method: lroa}", "Did you mean 'lora'"),
        ("name: !!python/object/apply:os.getcwd []", "not sound YAML"),
        ("? [a, b]\n: c", "not sound YAML"),
        ("name: 2026-02-30", "not sound YAML: day is out of range"),
        ("seed: " + 5000 * "9", "not sound YAML"),
        ("name: " + 5000 * "[", "nested too deeply"),
        ("train: {warmup: .inf}", "train.warmup should be a finite number"),
        ("adapter: {rates: {kind: lora+, ratio_b: .inf}}", "ratio_b should be a finite number"),
        ("adapter: {alphas: {q_proj: -3}}", "adapter.alphas must be above 0"),
        ("adapter: {ranks: {q_proj: 5000}}", "adapter.ranks must be from 1 to 4096"),
        ("adapter: {delta: {kind: [lora]}}", "adapter.delta"),
        ("adapter: {delta: {kind: vera, d_initial: 1.0e300}}", "d_initial"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, text))

    assert said in str(caught.value)
    assert "run.yaml" in str(caught.value)


@pytest.mark.parametrize("path", ["~nobody-is-called-so/data.jsonl", "a" * 300])
def test_a_path_at_which_nothing_can_be_is_a_mistake_and_no_crash(tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match="cannot be a path here"):
        read(written(tmp_path, f"data: {{path: {path}}}"))
    with pytest.raises(UserError, match="cannot be a path here"):
        locate(path)


def test_a_path_that_is_no_text_is_named_in_letters() -> None:
    with pytest.raises(UserError, match="the name is not UTF-8") as caught:
        locate("m\udcff")

    assert "m\\udcff" in caught.value.text


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, "train: {steps: 0, batch: -1}\nadapter: {rank: 0}"))

    assert all(path in str(caught.value) for path in ("train.steps", "train.batch", "adapter.rank"))


def test_a_missing_file_a_folder_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x80")

    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "bytes.yaml"):
        with pytest.raises(UserError, match=path.name):
            read(path)


def test_a_file_from_an_editor_that_marks_utf8_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: ü", encoding="utf-8-sig")

    assert read(tmp_path / "run.yaml").name == "ü"
