"""How the layers to train are found among the chosen ones."""

from core.adapters.axis import Selection
from core.adapters.selection.listed import Listed
from core.adapters.selection.loradrop import LoraDrop
from core.component import Axis

SELECTIONS: Axis[Selection] = Axis("selection", "Selection", Listed, LoraDrop)
