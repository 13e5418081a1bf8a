"""Where a run computes and in which precision: what was asked for, against what the machine does well.

Adapters and optimizer are float32 always; this is about the frozen model and the arithmetic around it. A processor
without bfloat16 instructions emulates them: SmolLM2's backward pass took thirteen times as long that way. So such a
machine trains in float32 whatever the folder holds, and the run says so. A processor that has them takes float32 as
well unless asked: its library keeps a program for every shape of a batch, which took a run from 0.5 GB to 1.9 GB within
250 steps without being faster, and float32 gives the same numbers on every machine.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import psutil
import torch

from core.errors import UserError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """What counts for the choice. `Machine.here()` looks; tests make up their own."""

    cuda: bool = False
    cuda_bfloat16: bool = False
    mps: bool = False
    cpu_bfloat16: bool = False

    @classmethod
    def here(cls) -> Machine:
        """This machine."""
        cuda = torch.cuda.is_available()
        return cls(
            cuda=cuda,
            cuda_bfloat16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
            mps=torch.backends.mps.is_available(),
            cpu_bfloat16=_cpu_bfloat16(),
        )


@dataclass(frozen=True)
class Precision:
    """The choice.

    Attributes:
        device: where the model lives.
        compute: dtype of the frozen model and of the matrix products.
        notices: sentences for the user where the choice is not what the folder or the run file says.
    """

    device: torch.device
    compute: torch.dtype
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`float32`, `bfloat16` or `float16`."""
        return str(self.compute).removeprefix("torch.")

    @property
    def scaled(self) -> bool:
        """Whether the loss must be scaled up before the backward pass: float16 gradients vanish otherwise."""
        return self.compute == torch.float16

    def autocast(self) -> AbstractContextManager[object]:
        """The context of a forward pass: float32 adapters take part in the compute precision."""
        if self.compute == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.compute)


def choose(*, device: str, compute: str, stored: str = "", machine: Machine | None = None) -> Precision:
    """Choose device and precision.

    Args:
        device: `train.device`.
        compute: `model.compute`.
        stored: the dtype of the folder's weights, where known.
        machine: what there is; this machine by default.

    Raises:
        UserError: a device was asked for that the machine does not have.
    """
    machine = machine or Machine.here()
    chosen = _device(device, machine)
    if chosen == "cuda":
        name, notices = _on_cuda(compute, machine)
    elif chosen == "mps":
        name, notices = _on_mps(compute)
    else:
        name, notices = _on_cpu(compute, stored, machine)
    return Precision(torch.device(chosen), DTYPES[name], notices)


def _device(asked: str, machine: Machine) -> str:
    if asked == "auto":
        return "cuda" if machine.cuda else "mps" if machine.mps else "cpu"
    if (asked == "cuda" and not machine.cuda) or (asked == "mps" and not machine.mps):
        what = "CUDA device" if asked == "cuda" else "Apple GPU"
        raise UserError(
            f"The run asks for {asked}, but torch finds no {what} here.",
            hint="Set train.device to auto or cpu, or install the build of torch for this device.",
            path="train.device",
        )
    return asked


def _on_cuda(compute: str, machine: Machine) -> tuple[str, tuple[str, ...]]:
    if compute == "auto":
        return ("bfloat16" if machine.cuda_bfloat16 else "float16"), ()
    if compute == "bfloat16" and not machine.cuda_bfloat16:
        return "float16", ("This GPU does not compute in bfloat16: training in float16 with a scaled loss.",)
    return compute, ()


def _on_mps(compute: str) -> tuple[str, tuple[str, ...]]:
    if compute == "float16":
        return "float32", ("float16 does not train reliably on an Apple GPU: training in float32.",)
    return ("float32" if compute == "auto" else compute), ()


def _on_cpu(compute: str, stored: str, machine: Machine) -> tuple[str, tuple[str, ...]]:
    if compute == "float16":
        return "float32", ("Processors do not train in float16: training in float32.",)
    if compute == "bfloat16" and machine.cpu_bfloat16:
        return "bfloat16", ()
    if compute == "bfloat16":
        return "float32", ("bfloat16 was asked for, but this processor only emulates it: training in float32.",)
    if compute == "auto" and stored in ("bfloat16", "float16") and not machine.cpu_bfloat16:
        return "float32", (
            f"The model is stored in {stored}, which this processor only emulates: training in float32.",
        )
    return "float32", ()


def _cpu_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices in hardware (x86 AVX-512 BF16 or AMX, or Arm BF16)."""
    found = torch.cpu.get_capabilities()
    return any(bool(found.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def use_physical_cores() -> None:
    """One thread a physical core that this process may use, unless `OMP_NUM_THREADS` says otherwise."""
    if "OMP_NUM_THREADS" in os.environ:
        return
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(psutil.cpu_count(logical=False) or allowed, allowed)))
