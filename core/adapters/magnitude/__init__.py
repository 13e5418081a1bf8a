"""What is done to the rows of W0 + dW."""

from core.adapters.axis import Magnitude
from core.adapters.magnitude.none import Unchanged
from core.adapters.magnitude.row import Row
from core.component import Axis

MAGNITUDES: Axis[Magnitude] = Axis("magnitude", "Magnitude", Unchanged, Row)
