"""The command line's contract: one JSON document on stdout whatever happens, and the exit status."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from core import doctor
from core.atomic import new_folder
from core.commandline import document, entry
from core.commandline.command import Answer, Subcommand
from core.commandline.following import counted_presses
from core.config import files
from core.home import Home
from core.store.store import Store
from tests.core.export.saved_run import save_run
from tests.tiny import tiny_model
from tests.whole.small_runs import create, small_config

MAIN = Path(__file__).resolve().parents[2] / "main.py"
Captured = pytest.CaptureFixture[str]


def ask(capfd: Captured, *words: str | Path) -> tuple[int, Any, str]:
    """Run a command in this process with `--json`: its exit status, its document, and what went to stderr."""
    capfd.readouterr()
    code = entry.main([*map(str, words), "--json"])
    out, err = capfd.readouterr()
    return code, json.loads(out), err


def run_file(folder: Path, **parts: dict[str, Any]) -> Path:
    """A run file for a small run."""
    path = folder / "run.yaml"
    files.write(small_config(folder, **parts), path)
    return path


def test_starting_up_imports_nothing_heavy() -> None:
    code = "import sys, main; print([m for m in ('torch', 'transformers', 'PySide6', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=MAIN.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_layers_lists_every_matrix_with_its_role(tmp_path: Path, capfd: Captured) -> None:
    code, layers, _ = ask(capfd, "layers", tiny_model("llama", tmp_path / "model"))
    assert code == 0
    assert {"name", "role", "block", "out_features", "in_features"} <= layers[0].keys()
    assert {layer["role"] for layer in layers} == {"embed", "q", "k", "v", "o", "gate", "up", "down", "head"}


def test_methods_says_nine_axes_a_formula_and_a_paper_for_each(capfd: Captured) -> None:
    code, methods, _ = ask(capfd, "methods")
    found = {method["name"]: method for method in methods}
    assert code == 0
    assert all(len(method["axes"]) == 9 for method in methods)
    assert [method["name"] for method in methods if not method["paper"]] == ["full"]  # the yardstick is nobody's paper
    assert (found["lora"]["rate"], found["pissa"]["rate"], found["vera"]["rate"]) == (1.0, 0.1, 10.0)
    assert found["lora"]["trainable_formula"] == "r·in + out·r"
    assert found["dora"]["trainable_formula"] == "r·in + out·r + out"


def test_check_counts_what_is_trained_and_says_that_it_is_ready(home: Home, tmp_path: Path, capfd: Captured) -> None:
    code, found, _ = ask(capfd, "check", run_file(tmp_path))
    assert code == 0 and found["problems"] == []
    assert found["trainable_parameters"] == 4096
    assert found["memory"]["total"] == sum(size for part, size in found["memory"].items() if part != "total")
    assert found["examples"] + found["held_out_examples"] == 24
    assert found["trained_tokens"] > 24
    assert found["notes"][0].startswith("The data is read as ")


@pytest.mark.parametrize(
    ("parts", "path", "words"),
    [
        ({"model": {"path": "/nowhere"}}, "model.path", "no model"),
        ({"data": {"path": "/nowhere.jsonl"}}, "data.path", "nowhere.jsonl"),
        ({"adapter": {"layers": ["q_porj"]}}, "adapter.layers", "q_porj"),
    ],
)
def test_check_places_a_problem_on_its_option(
    home: Home, tmp_path: Path, capfd: Captured, parts: dict[str, Any], path: str, words: str
) -> None:
    code, found, err = ask(capfd, "check", run_file(tmp_path, **parts))
    assert code == 2
    assert found["problems"][0]["path"] == path and words in found["problems"][0]["text"]
    assert "Traceback" not in err and words in err


def test_check_says_what_else_is_wrong_beside_a_model_that_is_not_there(
    home: Home, tmp_path: Path, capfd: Captured
) -> None:
    wrong = {"model": {"path": "/nowhere"}, "data": {"path": ""}, "adapter": {"method": "lora-fa", "delta": "lora"}}
    code, found, _ = ask(capfd, "check", run_file(tmp_path, **wrong))
    assert code == 2 and [problem["path"] for problem in found["problems"]] == [
        "model.path", "data.path", "adapter.rates",
    ]  # fmt: skip


def test_check_of_a_file_that_is_no_run_file_answers_in_the_same_shape(
    home: Home, tmp_path: Path, capfd: Captured
) -> None:
    (tmp_path / "run.yaml").write_text("train: {steps: -1}\n", encoding="utf-8")
    code, found, _ = ask(capfd, "check", tmp_path / "run.yaml")
    assert code == 2 and found["problems"][0]["path"] == "train.steps" and found["trainable_parameters"] is None


def test_check_names_each_mistake_of_a_run_file_as_a_problem_of_its_own(
    home: Home, tmp_path: Path, capfd: Captured
) -> None:
    text = "name: 3\nseed: 123456789012345678901234567890\ntrian: {}\nadapter: {layers: {q: 1}}\ntrain: {steps: many}\n"
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    code, found, err = ask(capfd, "check", tmp_path / "run.yaml")
    said = {problem["path"]: problem["text"] for problem in found["problems"]}
    assert code == 2 and set(said) == {"name", "seed", "trian", "adapter.layers", "train.steps"}
    assert said["train.steps"] == "train.steps should be a whole number (got 'many')."
    assert said["adapter.layers"] == "adapter.layers should be a text or a list (got {'q': 1})."
    assert "Did you mean 'train'?" in said["trian"]
    assert err.count("train.steps") == 1


def test_a_run_file_that_swells_when_it_is_quoted_is_answered_at_once(
    home: Home, tmp_path: Path, capfd: Captured
) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 20)]
    (tmp_path / "run.yaml").write_text("\n".join([*lines, "name: *a19"]), encoding="utf-8")
    code, found, _ = ask(capfd, "check", tmp_path / "run.yaml")
    assert code == 2 and all(len(problem["text"]) < 400 for problem in found["problems"])


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "--js"),
        ("layers", "/nowhere"),
        ("train", "/nowhere.yaml"),
        ("show", "nothing"),
        ("resume", "nothing"),
        ("export", "nothing", "--to", "merged", "--out", "out"),
        ("export", "nothing", "--to", "onnx", "--out", "out"),
        ("export", "nothing", "--to", "adapter", "--out", "out", "--rank", "0"),
        ("layers",),
        ("nonsense",),
    ],
)
def test_a_users_mistake_is_one_sentence_and_status_2(home: Home, capfd: Captured, words: tuple[str, ...]) -> None:
    code, found, err = ask(capfd, *words)
    assert code == 2
    assert found["error"]["text"] and set(found["error"]) == {"text", "hint", "path"}
    assert err.strip().splitlines()[-1].startswith(found["error"]["text"]) and "Traceback" not in err


def test_a_mistyped_sub_command_is_answered_with_those_for_people(capfd: Captured) -> None:
    code, found, _ = ask(capfd, "shwo")
    assert code == 2 and found["error"]["text"] == "There is no sub-command 'shwo'."
    assert "'show'" in found["error"]["hint"] and "worker" not in found["error"]["hint"]


def test_training_a_broken_run_file_makes_no_run(home: Home, tmp_path: Path, capfd: Captured) -> None:
    code, found, _ = ask(capfd, "train", run_file(tmp_path, adapter={"layers": ["nothing_like_it"]}))
    assert code == 2 and "nothing_like_it" in found["error"]["text"]
    assert ask(capfd, "runs")[1] == []


class Broken(Subcommand):
    """Fails as only a bug does."""

    name = "broken"

    def run(self, arguments: Namespace) -> Answer:
        print("a library that talks")
        raise RuntimeError("our mistake")


class Talking(Subcommand):
    """Prints while it works."""

    name = "talking"

    def run(self, arguments: Namespace) -> Answer:
        print("a library that talks")
        subprocess.run([sys.executable, "-c", "print('a process that talks')"], check=True)
        return Answer({"number": float("nan")}, "words")


def test_a_bug_has_its_traceback_on_stderr_and_status_1(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "SUBCOMMANDS", (Broken,))
    code, found, err = ask(capfd, "broken")
    assert code == 1 and found["error"]["text"] == "RuntimeError: our mistake"
    assert "Traceback" in err and "a library that talks" in err


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL])
def test_a_pipe_that_nobody_reads_any_more_ends_the_command_quietly(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError(number, "closed")

    monkeypatch.setattr(entry, "print", closed, raising=False)
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert entry.write("[]") == 1


def test_an_answer_that_there_is_no_room_for_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(entry, "print", full, raising=False)
        assert entry.write("[]") == 2
    assert capfd.readouterr().err == "The answer cannot be written: No space left on device.\n"


def test_a_request_to_end_takes_away_what_is_half_written(
    tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Writing(Subcommand):
        """Is asked to end in the middle of a folder."""

        name = "writing"

        def run(self, arguments: Namespace) -> Answer:
            with new_folder(tmp_path / "out") as folder:
                (folder / "half").write_text("x", encoding="utf-8")
                signal.raise_signal(signal.SIGTERM)
            raise AssertionError

    monkeypatch.setattr(entry, "SUBCOMMANDS", (Writing,))
    before = signal.getsignal(signal.SIGTERM)
    code, found, _ = ask(capfd, "writing")
    assert (code, found["error"]["text"]) == (130, "Interrupted.")
    assert not list(tmp_path.iterdir()) and signal.getsignal(signal.SIGTERM) == before


def test_a_request_to_end_leaves_a_run_as_ctrl_c_twice_does() -> None:
    with counted_presses() as presses:
        signal.raise_signal(signal.SIGINT)
        assert presses.count == 1
        signal.raise_signal(signal.SIGTERM)
        assert presses.count > 2


def test_nothing_but_the_document_reaches_stdout() -> None:
    code = (
        "import sys; from core.commandline import entry; from tests.whole.test_commandline import Talking; "
        "entry.SUBCOMMANDS = (Talking,); sys.exit(entry.main(['talking', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=MAIN.parent, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"number": None}
    assert "a library that talks" in done.stderr and "a process that talks" in done.stderr


def test_the_options_of_all_commands_stand_before_or_behind_the_command(home: Home, capfd: Captured) -> None:
    for words in (["--json", "--home", str(home.root), "runs"], ["runs", "--home", str(home.root), "--json"]):
        assert entry.main(words) == 0
        assert json.loads(capfd.readouterr().out) == []


def test_without_json_people_read_text(tmp_path: Path, capfd: Captured) -> None:
    assert entry.main(["layers", str(tiny_model("llama", tmp_path / "model"))]) == 0
    out = capfd.readouterr().out
    assert "model.layers.1.self_attn.q_proj" in out and "14 layers can be trained" in out


def test_runs_and_show_tell_what_is_in_the_store(home: Home, tmp_path: Path, capfd: Captured) -> None:
    store = Store(home)
    run = create(store, tmp_path)
    store.close()
    _, listed, _ = ask(capfd, "runs")
    assert [(row["run"], row["status"], row["method"]) for row in listed] == [(run, "queued", "LoRA")]
    assert ask(capfd, "runs", "--search", "nothing-like-it")[1] == []
    code, shown, _ = ask(capfd, "show", run)
    assert code == 0 and shown["config"]["train"]["steps"] == 6 and shown["status"] == "queued"
    assert shown["curves"] == {} and shown["layers"] == [] and shown["vectors"] == {}


def test_a_finished_run_is_not_trained_again(home: Home, tmp_path: Path, capfd: Captured) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    code, found, err = ask(capfd, "resume", run)
    assert (code, found["status"]) == (0, "finished") and "all its steps are done" in err


def test_export_writes_and_compares(home: Home, tmp_path: Path, capfd: Captured) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    out = tmp_path / "out"
    code, found, _ = ask(capfd, "export", run, "--to", "merged", "--out", out, "--verify")
    assert code == 0 and found["verified"]["max_logit_gap"] < 1e-5
    assert all(Path(file).is_file() for file in found["files"])
    assert ask(capfd, "export", run, "--to", "merged", "--out", out)[0] == 2


def test_doctor_says_what_works_and_what_is_missing(home: Home, capfd: Captured) -> None:
    code, found, _ = ask(capfd, "doctor")
    assert code == 0 and found["machine"]["python"]
    named = [finding["name"] for finding in found["works"] + found["missing"]]
    assert {"Python packages", "Graphics card", "bfloat16", "Window", "Room on the disk"} <= set(named)
    assert all(finding["text"] for finding in found["works"] + found["missing"])


def test_a_home_that_may_not_be_written_to_is_missing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_ROOM", 0)
    assert doctor.room(home).works
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert not doctor.room(home).works


@pytest.mark.parametrize(
    ("size", "words"), [(None, "-"), (999, "999 B"), (19_848, "20 kB"), (1_500_000, "1.5 MB"), (3e12, "3.0 TB")]
)
def test_sizes_are_said_in_words(size: float | None, words: str) -> None:
    assert document.amount(size) == words


@pytest.mark.parametrize(("seconds", "words"), [(None, "-"), (59, "59 s"), (750, "12 min 30 s"), (11_100, "3 h 5 min")])
def test_durations_are_said_in_words(seconds: float | None, words: str) -> None:
    assert document.duration(seconds) == words


def test_documents_hold_only_what_json_has() -> None:
    value = {"path": Path("a"), "nan": float("nan"), "inside": [float("inf"), {1: (2, None)}], "text": "é"}
    assert json.loads(document.to_json(value)) == {
        "path": "a", "nan": None, "inside": [None, {"1": [2, None]}], "text": "é",
    }  # fmt: skip
    assert document.to_json("é").isascii()


def test_an_adapter_goes_out_as_plain_lora_and_comes_back_as_a_run(home: Home, tmp_path: Path, capfd: Captured) -> None:
    run, _ = save_run(home, tmp_path, method="dora", rank=4)
    out = tmp_path / "lora"
    code, answer, _ = ask(capfd, "export", run, "--to", "lora", "--rank", "2", "--out", out, "--verify")
    assert code == 0
    assert 0 < answer["kept"]["share"] < 1 and len(answer["kept"]["layers"]) == 6
    assert answer["verified"]["max_logit_gap"] > 0
    code, answer, _ = ask(capfd, "import", out, "--model", tmp_path / "model", "--name", "back")
    assert code == 0 and (answer["name"], answer["method"], answer["layers"]) == ("back", "LoRA", 6)
    code, rows, _ = ask(capfd, "runs", "--search", "imported")
    assert code == 0 and [row["run"] for row in rows] == [answer["run"]]
    code, answer, _ = ask(capfd, "import", tmp_path / "nothing", "--model", tmp_path / "model")
    assert code == 2 and "no PEFT adapter" in answer["error"]["text"]
