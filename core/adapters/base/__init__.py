"""What happens to the base weights while the adapter trains."""

from core.adapters.axis import BaseUpdate
from core.adapters.base.delta import DeltaUpdate
from core.adapters.base.frozen import Frozen
from core.adapters.base.in_place import DeltaInPlace
from core.component import Axis

BASE_UPDATES: Axis[BaseUpdate] = Axis("base_update", "Base update", Frozen, DeltaUpdate, DeltaInPlace)
