"""AdamW in 8 bits whose state can leave the graphics card."""

from core.optim.optimizers.small_state import SmallState


class PagedAdamW8bit(SmallState):
    """AdamW in 8 bits whose state the graphics card can lend to the main memory as well (arXiv:2305.14314).

    The smallest of them. Needs bitsandbytes.
    """

    kind = "paged-adamw-8bit"
    label = "Paged AdamW, 8 bits"
    paper = "2305.14314"
    bits = 8
    paged = True
