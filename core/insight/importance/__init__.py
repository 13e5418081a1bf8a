"""Which layers matter: one score a file. The order is the window's; the first is the default."""

from core.component import Axis
from core.insight.importance.ablation import Ablation
from core.insight.importance.effective_rank import EffectiveRank
from core.insight.importance.fisher import Fisher
from core.insight.importance.gradient import Gradient
from core.insight.importance.output import Output
from core.insight.importance.output_ratio import OutputRatio
from core.insight.importance.relative_update import RelativeUpdate
from core.insight.importance.score import Score
from core.insight.importance.sensitivity import Sensitivity
from core.insight.importance.update import Update

SCORES: Axis[Score] = Axis(
    "score", "Importance", Output, OutputRatio, Sensitivity, Gradient, Fisher, Ablation, Update, RelativeUpdate,
    EffectiveRank,
)  # fmt: skip
