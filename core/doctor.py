"""What this machine has, what works on it, and what is missing and how to get it.

Each check looks at one thing and answers with a `Finding`; none of them changes anything, and none goes to the
network. torch is imported here to be asked itself: versions on paper say little about what an installation can do.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from core import kernels
from core.home import Home
from core.models.catalog import embedded_model, tiny_model

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "datasets", "PySide6-Essentials", "pyqtgraph", "gguf")
LITTLE_ROOM = 5_000_000_000
"""Bytes below which a converted model or a merged one may not fit."""
SYSTEM = Path(__file__).resolve().parents[1] / "packaging" / "system.py"
WITHOUT = "Base weights in 4 and 8 bits work without it, only slower."
SET_UP = "Run the set-up again: make run."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        works: whether it can be used.
        text: what there is, or what is missing.
        hint: how to get it; empty where nothing is to be done.
    """

    name: str
    works: bool
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found."""

    machine: dict[str, str]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON object."""
        return {
            "machine": self.machine,
            "works": [asdict(finding) for finding in self.findings if finding.works],
            "missing": [asdict(finding) for finding in self.findings if not finding.works],
        }


def examine(home: Home) -> Diagnosis:
    """Look at everything."""
    checks: tuple[Callable[[], Finding], ...] = (
        packages, graphics_card, bfloat16, bitsandbytes, window, embedded, lambda: room(home), lambda: disk(home),
    )  # fmt: skip
    return Diagnosis(machine(home), tuple(check() for check in checks))


def machine(home: Home) -> dict[str, str]:
    """The machine in words."""
    memory = psutil.virtual_memory()
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "processors": f"{psutil.cpu_count(logical=False) or '?'} cores, {os.cpu_count() or '?'} threads",
        "memory": f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB free",
        "home": str(home.root),
        "disk": f"{shutil.disk_usage(home.root).free / 1e9:.1f} GB free for the home",
    }


def packages() -> Finding:
    """The libraries that everything stands on."""
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("Python packages", False, f"{', '.join(missing)} not installed.", SET_UP)
    return Finding("Python packages", True, ", ".join(found))


def graphics_card() -> Finding:
    """Whether torch finds something faster than the processor."""
    import torch

    name = "Graphics card"
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding(name, True, f"CUDA {torch.version.cuda}: {', '.join(cards)}")
    if torch.backends.mps.is_available():
        return Finding(name, True, "Apple GPU through Metal")
    if _nvidia_card():
        return Finding(
            name, False, f"There is an NVIDIA card, but torch {torch.__version__} cannot use it.",
            "Install the CUDA build of torch, and a driver that is new enough for it.",
        )  # fmt: skip
    return Finding(name, False, "None: training runs on the processor.", "Small models train well there.")


def _nvidia_card() -> bool:
    """Whether the driver knows a card, whatever torch says."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount()) > 0
    except pynvml.NVMLError:
        return False


def bfloat16() -> Finding:
    """Which precision training takes here, and why."""
    from core.train.precision import choose

    chosen = choose(device="auto", compute="auto", stored="bfloat16")
    where = {"cpu": "the processor", "cuda": "the graphics card", "mps": "the Apple GPU"}[chosen.device.type]
    if chosen.name == "bfloat16":
        return Finding("bfloat16", True, f"Done by {where} itself.")
    return Finding("bfloat16", False, f"Only emulated by {where}: training takes {chosen.name}.")


def bitsandbytes() -> Finding:
    """Whether there are fast kernels for base weights in 4 bits, and optimizers with small state."""
    import torch

    name = "8-bit and paged optimizers, 4-bit kernels"
    if not kernels.installed():
        return Finding(name, False, "bitsandbytes is not installed.", f"{SET_UP} {WITHOUT}")
    library = kernels.bitsandbytes()
    if library is None:
        return Finding(name, False, "bitsandbytes is installed but cannot be loaded.", f"{SET_UP} {WITHOUT}")
    try:
        weight, state = library.functional.quantize_4bit(torch.ones(64, 64), quant_type="nf4")
        library.functional.dequantize_4bit(weight, state)
    except (RuntimeError, ValueError, NotImplementedError, AttributeError) as error:
        said = str(error).strip().splitlines()
        return Finding(name, False, f"bitsandbytes does not work here: {said[0] if said else type(error).__name__}")
    return Finding(name, True, f"bitsandbytes {version('bitsandbytes')}")


def window() -> Finding:
    """Whether Qt can open a window."""
    lacking = _missing_packages()
    if lacking:
        hint = f"sudo apt-get install {' '.join(lacking)} (or what your system calls them)"
        return Finding("Window", False, f"Qt needs system packages that are missing: {', '.join(lacking)}.", hint)
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return Finding("Window", False, "Qt is complete, but there is no display here.", "The command line needs none.")
    return Finding("Window", True, "Qt has everything that it needs.")


def _missing_packages() -> list[str]:
    """The system packages that a window needs and that are not here; the list is the set-up's own."""
    spec = importlib.util.spec_from_file_location("rankloom_system", SYSTEM)
    if spec is None or spec.loader is None or not SYSTEM.is_file():
        return []
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing: list[str] = module.missing(window_only=True)
    return missing


def embedded() -> Finding:
    """Whether there is a model to begin with."""
    name = "Embedded model"
    found = embedded_model()
    if found != tiny_model():
        return Finding(name, True, "SmolLM2-135M-Instruct, de-quantised from a 4-bit GGUF file.")
    if found.is_dir():
        return Finding(
            name, True, "Only the tiny one.", f"SmolLM2 comes with the set-up where it can be fetched. {SET_UP}"
        )
    return Finding(name, False, "There is none.", SET_UP)


def room(home: Home) -> Finding:
    """Whether there is room for models and checkpoints."""
    if not os.access(home.root, os.W_OK):
        hint = "Choose another home with --home or RANKLOOM_HOME."
        return Finding("Room on the disk", False, f"{home.root} may not be written to.", hint)
    free = shutil.disk_usage(home.root).free
    if free < LITTLE_ROOM:
        hint = "Make room, or choose another home with --home or RANKLOOM_HOME."
        return Finding("Room on the disk", False, f"Only {free / 1e9:.1f} GB are free in {home.root}.", hint)
    return Finding("Room on the disk", True, f"{free / 1e9:.1f} GB free.")


def disk(home: Home) -> Finding:
    """Whether the database lies where several processes can share it well."""
    from core.store.schema import on_network

    if on_network(home.database):
        text = f"{home.root} is on a network file system: the database works there, but slower."
        return Finding("Home on a local disk", False, text, "Choose a local folder with --home or RANKLOOM_HOME.")
    return Finding("Home on a local disk", True, str(home.root))
