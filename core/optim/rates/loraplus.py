"""LoRA+: a faster rate for the out-side factor."""

from core.adapters.axis import ParamRole, Rates
from core.component import option


class LoraPlus(Rates):
    """B learns `ratio` times faster than A (LoRA+, arXiv:2402.12354); the learning rate is A's.

    Start about half as high as for LoRA. Vectors, magnitudes and heads keep the rate as given. Wide models gain most.
    """

    kind = "lora+"
    label = "B faster than A (LoRA+)"
    paper = "2402.12354"
    needs = frozenset({"both_factors"})

    ratio_b: float = option(16.0, "Ratio B : A", "How many times faster B learns; the authors use 8 to 32.", gt=0)

    def ratio(self, role: ParamRole) -> float:
        return self.ratio_b if role == "b" else 1.0
