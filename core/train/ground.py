"""What a training stands on, whichever layers it trains: the model, the data, and where it all takes place.

Separate from `Training` because there may be two trainings on one ground, one after the other: a probe of all layers,
then the run itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config.run import RunConfig
from core.data.batches import Batches
from core.data.padding import padding
from core.data.prepare import Prepared
from core.data.tokens import TokenList
from core.layers import LayerPlan
from core.models.info import ModelInfo
from core.models.load import Loaded
from core.sink import Sink
from core.train.interrupt import Interrupt
from core.train.precision import Precision


@dataclass(frozen=True)
class Ground:
    """Loaded and read, with no adapters on it.

    Attributes:
        folder: the run's.
        sink: who is told.
        interrupt: the system's request to end.
        info: what the model's files say.
        precision: device and compute dtype.
        loaded: model and tokenizer.
        data: examples to train on and to measure with.
        candidates: the layers that the configuration names.
        packing: whether examples share rows.
    """

    folder: Path
    sink: Sink
    interrupt: Interrupt
    info: ModelInfo
    precision: Precision
    loaded: Loaded
    data: Prepared
    candidates: Sequence[LayerPlan]
    packing: bool

    def batches(self, config: RunConfig, examples: TokenList, *, packing: bool = True) -> Batches:
        """The batches of some examples; without `packing` each has a row of its own."""
        return Batches(
            examples,
            batch=config.train.batch,
            accumulate=config.train.accumulate,
            max_tokens=config.data.max_tokens,
            seed=config.seed,
            packing=packing and self.packing,
            pad_id=padding(self.loaded.tokenizer),
        )
