"""Who moves the ranks during training."""

from core.adapters.axis import RankSchedule
from core.adapters.rank.adalora import Adalora
from core.adapters.rank.dylora import Dylora
from core.adapters.rank.fixed import Fixed
from core.component import Axis

RANK_SCHEDULES: Axis[RankSchedule] = Axis("rank_schedule", "Rank schedule", Fixed, Adalora, Dylora)
