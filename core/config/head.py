"""How large the head is that is trained along where texts are judged, without loading anything.

The numbers of a head follow from the width of the model and the number of classes. `core.models.judging` has them
from the model itself, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.config.run import JUDGING, RunConfig

if TYPE_CHECKING:
    from core.models.info import ModelInfo

FEWEST = 2
"""Classes that are reckoned with while nobody knows them."""


def head_parameters(info: ModelInfo, config: RunConfig, report: Mapping[str, Any] | None = None) -> int:
    """Numbers of the head that a run trains; 0 where it writes text.

    Args:
        info: the base model.
        config: the run.
        report: what is known about the data (`core.data.summary`): its classes.
    """
    if config.task not in JUDGING:
        return 0
    named = config.data.labels or (report or {}).get("labels") or ()
    classes = 1 if config.task == "regression" else len(named) or FEWEST
    if info.writes_text:
        return info.hidden * classes
    # An encoder's has a layer of the model's width before it: RoBERTa's own, or BERT's pooler if the folder has none.
    own = info.model_type in ("bert", "albert") and info.pooled
    return (info.hidden + 1) * (classes + (0 if own else info.hidden))
