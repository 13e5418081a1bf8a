"""How the frozen weights of the base model are held."""

from core.adapters.axis import Storage
from core.adapters.storage.dense import Dense
from core.component import Axis

STORAGES: Axis[Storage] = Axis("storage", "Base precision", Dense)
