"""AdamW with its state in 8 bits."""

from core.optim.optimizers.small_state import SmallState


class AdamW8bit(SmallState):
    """AdamW whose two running means are kept in 8 bits by blocks: a quarter of the memory (arXiv:2110.02861).

    Worth it for large adapters and many layers; it ends close to where 32 bits do. Needs bitsandbytes.
    """

    kind = "adamw-8bit"
    label = "AdamW, 8 bits"
    paper = "2110.02861"
    bits = 8
    paged = False
