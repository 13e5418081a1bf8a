"""The demo: the whole journey in the real window, by itself, with the tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MAIN = Path(__file__).resolve().parents[2] / "main.py"


def demo(out: Path) -> subprocess.CompletedProcess[str]:
    """Run the quick demo in a process of its own."""
    words = [sys.executable, str(MAIN), "demo", "--quick", "--out", str(out)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "2"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def test_the_quick_demo_walks_the_whole_journey(tmp_path: Path) -> None:
    ended = demo(tmp_path / "demo")
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["passed"] and len(report["stops"]) == 12
    pictures = {name: (tmp_path / "demo" / name).read_bytes() for name in report["pictures"]}
    assert len(set(pictures.values())) == len(pictures) >= 14
    assert report["held_out"][-1][1] < report["held_out"][0][1]
    assert (tmp_path / "demo" / "exported" / "merged" / "model.safetensors").is_file()


def test_the_demo_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("kept", encoding="utf-8")
    ended = demo(tmp_path)
    assert ended.returncode == 2 and "no demo's" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
