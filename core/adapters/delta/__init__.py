"""How the change of a weight is parameterised. One member a file; the order is the form's."""

from core.adapters.axis import Delta
from core.adapters.delta.lora import Lora
from core.component import Axis

DELTAS: Axis[Delta] = Axis("delta", "Delta", Lora)
