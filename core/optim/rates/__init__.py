"""How parameter roles map to learning rates: the optimizer's axis of a method."""

from core.adapters.axis import Rates
from core.component import Axis
from core.optim.rates.lora_fa import LoraFaCorrection
from core.optim.rates.loraplus import LoraPlus
from core.optim.rates.one import OneRate

RATES: Axis[Rates] = Axis("rates", "Learning rates", OneRate, LoraPlus, LoraFaCorrection)
