"""Every random number of a run comes from its seed; and a checkpoint remembers where each generator stood.

Dropout is the only thing that draws while training, so a resumed run that puts the generators back where they were
draws what the uninterrupted run would have drawn. Whatever else may draw (held-out losses, samples) does so inside
`undisturbed`, so that looking at a run never changes it.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (all devices). Seeds beyond 32 bits are folded, which numpy asks for."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**63)


def capture() -> dict[str, Any]:
    """Where every generator stands, as a JSON-able mapping that `restore` takes."""
    version, words, gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    assert isinstance(legacy, dict)
    return {
        "python": [version, list(words), gauss],
        "numpy": {
            "key": [int(word) for word in legacy["state"]["key"]],
            "pos": int(legacy["state"]["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        },
        "torch": _encode(torch.get_rng_state()),
        "cuda": [_encode(state) for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
        "mps": _encode(torch.mps.get_rng_state()) if torch.backends.mps.is_available() else None,
    }


def restore(state: dict[str, Any]) -> None:
    """Put every generator back where `capture` found it; devices that this machine lacks are left out."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    legacy = state["numpy"]
    np.random.set_state(
        ("MT19937", np.array(legacy["key"], dtype=np.uint32), legacy["pos"], legacy["has_gauss"], legacy["gauss"])
    )
    torch.set_rng_state(_decode(state["torch"]))
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([_decode(text) for text in state["cuda"]])
    if torch.backends.mps.is_available() and state["mps"] is not None:
        torch.mps.set_rng_state(_decode(state["mps"]))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside the block is not missed afterwards."""
    before = capture()
    try:
        yield
    finally:
        restore(before)


def _encode(state: Tensor) -> str:
    return base64.b64encode(state.cpu().numpy().tobytes()).decode("ascii")


def _decode(text: str) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
