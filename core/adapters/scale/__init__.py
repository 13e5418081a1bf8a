"""The factor in front of B A."""

from core.adapters.axis import Scale
from core.adapters.scale.alpha_over_rank import AlphaOverRank
from core.adapters.scale.alpha_over_root import AlphaOverRoot
from core.adapters.scale.one import One
from core.component import Axis

SCALES: Axis[Scale] = Axis("scale", "Scale", AlphaOverRank, AlphaOverRoot, One)
