"""What this machine trains on and how much memory it has for that, found out without torch.

The window and the checks ask this while the user edits; the worker, which has torch, decides (`core.train.precision`)
and may differ where the installed torch was built for less than the machine has. So this is the judgement of a
forecast and never the order.
"""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

Device = Literal["cpu", "cuda", "mps"]


def likely_device(asked: str) -> Device:
    """The device that a run with this `train.device` will most likely take."""
    if asked in ("cpu", "cuda", "mps"):
        return asked  # type: ignore[return-value]
    if _torch_for_cuda() and _cards():
        return "cuda"
    return "mps" if sys.platform == "darwin" and platform.machine() == "arm64" else "cpu"


def compute_bytes(compute: str, device: Device) -> Literal[2, 4]:
    """Bytes of a number in the arithmetic of a run with this `model.compute`; where in doubt, the larger."""
    if device == "cuda":
        return 4 if compute == "float32" else 2
    if device == "mps":
        return 2 if compute == "bfloat16" else 4
    return 2 if compute == "bfloat16" and _processor_has_bfloat16() else 4


def free_memory(device: Device) -> int | None:
    """Bytes that a run could take now: of the freest card, else of the system; None where there is no card."""
    if device == "cuda":
        return max(_cards(), default=None)
    return int(psutil.virtual_memory().available)


def _cards() -> list[int]:
    """Free bytes of each NVIDIA card."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [int(pynvml.nvmlDeviceGetMemoryInfo(handle).free) for handle in handles]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


@cache
def _torch_for_cuda() -> bool:
    """Whether the installed torch may be built for NVIDIA cards, by its version (`2.13.0+cpu` is not)."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return False
    return sys.platform != "darwin" and "+cpu" not in version


@cache
def _processor_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself, where the system tells."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags.read_text(encoding="utf-8").split()))
