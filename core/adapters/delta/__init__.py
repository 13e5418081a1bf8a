"""How the change of a weight is parameterised. One member a file; the order is the form's."""

from core.adapters.axis import Delta
from core.adapters.delta.full import Full
from core.adapters.delta.loha import Loha
from core.adapters.delta.lokr import Lokr
from core.adapters.delta.lora import Lora
from core.adapters.delta.lora_fa import LoraFrozenA
from core.adapters.delta.svd import Svd
from core.adapters.delta.svd_fa import SvdFrozenQ
from core.adapters.delta.vera import Vera
from core.component import Axis

DELTAS: Axis[Delta] = Axis("delta", "Delta", Lora, LoraFrozenA, Svd, SvdFrozenQ, Vera, Loha, Lokr, Full)
