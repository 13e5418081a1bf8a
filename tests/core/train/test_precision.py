"""Device and precision: what the machine does well, and a sentence where that is not what was asked for."""

from __future__ import annotations

import pytest
import torch

from core.errors import UserError
from core.train import precision
from core.train.precision import Machine, choose

PLAIN = Machine()
MODERN_CPU = Machine(cpu_bfloat16=True)
GPU = Machine(cuda=True, cuda_bfloat16=True)
OLD_GPU = Machine(cuda=True)
APPLE = Machine(mps=True)


@pytest.mark.parametrize(
    ("machine", "device", "compute", "expected"),
    [
        (PLAIN, "auto", "auto", ("cpu", "float32")),
        (MODERN_CPU, "auto", "auto", ("cpu", "float32")),
        (MODERN_CPU, "auto", "bfloat16", ("cpu", "bfloat16")),
        (MODERN_CPU, "auto", "float32", ("cpu", "float32")),
        (GPU, "auto", "auto", ("cuda", "bfloat16")),
        (GPU, "cpu", "auto", ("cpu", "float32")),
        (GPU, "auto", "float16", ("cuda", "float16")),
        (GPU, "auto", "float32", ("cuda", "float32")),
        (OLD_GPU, "auto", "auto", ("cuda", "float16")),
        (APPLE, "auto", "auto", ("mps", "float32")),
        (APPLE, "auto", "bfloat16", ("mps", "bfloat16")),
    ],
)
def test_the_choice_needs_no_words_where_nothing_was_overruled(
    machine: Machine, device: str, compute: str, expected: tuple[str, str]
) -> None:
    chosen = choose(device=device, compute=compute, machine=machine)

    assert (chosen.device.type, chosen.name) == expected
    assert not chosen.notices
    assert chosen.scaled == (expected[1] == "float16")


@pytest.mark.parametrize(
    ("machine", "compute", "stored", "taken", "words"),
    [
        (PLAIN, "bfloat16", "float32", "float32", "asked for"),
        (PLAIN, "auto", "bfloat16", "float32", "stored in bfloat16"),
        (PLAIN, "float16", "float16", "float32", "float16"),
        (OLD_GPU, "bfloat16", "bfloat16", "float16", "scaled loss"),
        (APPLE, "float16", "float16", "float32", "Apple"),
    ],
)
def test_an_overruled_choice_is_explained(machine: Machine, compute: str, stored: str, taken: str, words: str) -> None:
    chosen = choose(device="auto", compute=compute, stored=stored, machine=machine)

    assert chosen.name == taken
    assert words in chosen.notices[0]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(UserError, match=f"asks for {device}") as caught:
        choose(device=device, compute="auto", machine=PLAIN)

    assert caught.value.path == "train.device"


def test_this_machine_can_be_looked_at() -> None:
    assert Machine.here().cuda == torch.cuda.is_available()


def test_a_number_of_threads_that_was_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()

    precision.use_physical_cores()

    assert torch.get_num_threads() == before
