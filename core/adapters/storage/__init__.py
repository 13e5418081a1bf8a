"""How the frozen weights of the base model are held."""

from core.adapters.axis import Storage
from core.adapters.storage.dense import Dense
from core.adapters.storage.int8 import Int8
from core.adapters.storage.nf4 import Nf4
from core.adapters.storage.nf4_double import Nf4Double
from core.component import Axis

STORAGES: Axis[Storage] = Axis("storage", "Base precision", Dense, Nf4Double, Nf4, Int8)
