"""Examples no longer than a run allows, and two answers as one example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.example import Example
from core.data.tokens import Tokens


def cut(
    ids: NDArray[np.int32],
    trained: NDArray[np.bool_],
    example: Example,
    max_tokens: int,
    *,
    stops: bool = True,
    weights: NDArray[np.float32] | None = None,
) -> Tokens:
    """An example of at most `max_tokens`, with what was lost counted."""
    return Tokens(
        ids[:max_tokens],
        trained[:max_tokens],
        example.file,
        example.row,
        cut=max(0, len(ids) - max_tokens),
        cut_trained=int(trained[max_tokens:].sum()) if len(ids) > max_tokens else 0,
        stops=stops,
        weights=None if weights is None else weights[:max_tokens],
    )


def joined(chosen: Tokens, rejected: Tokens) -> Tokens:
    """Two answers as one example: nothing of it is learned where the cut has left one of them without a token."""
    whole = chosen.targets and rejected.targets
    trained = np.concatenate((chosen.trained, rejected.trained)) & bool(whole)
    trained[:1] = trained[len(chosen) : len(chosen) + 1] = False
    return Tokens(
        np.concatenate((chosen.ids, rejected.ids)),
        trained,
        chosen.file,
        chosen.row,
        cut=chosen.cut + rejected.cut,
        cut_trained=chosen.cut_trained + rejected.cut_trained,
        second=len(chosen),
        stops=chosen.stops and rejected.stops,
    )
