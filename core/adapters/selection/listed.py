"""The layers as chosen."""

from core.adapters.axis import Selection


class Listed(Selection):
    """Exactly the layers that were picked on the map, or named in the run file, are trained."""

    kind = "listed"
    label = "As chosen"
    provides = frozenset({"own_layers"})
