"""Where the adapter starts."""

from core.adapters.axis import Init
from core.adapters.init.default import Default
from core.adapters.init.eva import Eva
from core.adapters.init.lora_ga import LoraGa
from core.adapters.init.olora import Olora
from core.adapters.init.pissa import Pissa
from core.adapters.init.zero_a import ZeroA
from core.component import Axis

INITS: Axis[Init] = Axis("init", "Start", Default, ZeroA, Pissa, Olora, Eva, LoraGa)
