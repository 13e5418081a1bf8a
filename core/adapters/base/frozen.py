"""A base that stays as it is."""

from core.adapters.axis import BaseUpdate


class Frozen(BaseUpdate):
    """No number of the base model changes; switching the adapter off gives the base back, bit for bit."""

    kind = "frozen"
    label = "Frozen"
