"""Who moves the ranks during training."""

from core.adapters.axis import RankSchedule
from core.adapters.rank.fixed import Fixed
from core.component import Axis

RANK_SCHEDULES: Axis[RankSchedule] = Axis("rank_schedule", "Rank schedule", Fixed)
