"""AdamW whose state can leave the graphics card."""

from core.optim.optimizers.small_state import SmallState


class PagedAdamW32bit(SmallState):
    """AdamW whose state the graphics card lends to the main memory when short of its own (arXiv:2305.14314).

    It takes the peaks of long examples off; what the state takes on average stays the same. Needs bitsandbytes.
    """

    kind = "paged-adamw-32bit"
    label = "Paged AdamW, 32 bits"
    paper = "2305.14314"
    bits = 32
    paged = True
