"""How the layers to train are found among the chosen ones."""

from core.adapters.axis import Selection
from core.adapters.selection.biases import Biases
from core.adapters.selection.listed import Listed
from core.adapters.selection.loradrop import LoraDrop
from core.adapters.selection.norms import Norms
from core.component import Axis

SELECTIONS: Axis[Selection] = Axis("selection", "Selection", Listed, LoraDrop, Biases, Norms)
