"""One learning rate for all."""

from core.adapters.axis import ParamRole, Rates


class OneRate(Rates):
    """Every trained tensor takes the learning rate as given."""

    kind = "one"
    label = "One rate"

    def ratio(self, role: ParamRole) -> float:
        return 1.0
