"""Gemma 3 with eyes: the Llama shape below `language_model`, beside a vision tower that is left as it is."""

from types import MappingProxyType

from core.models.families.family import Family
from core.models.families.llama import LLAMA

GEMMA3 = Family(
    name="Gemma 3 with vision",
    model_types=frozenset({"gemma3"}),
    blocks=("model.language_model.layers",),
    roles=LLAMA.roles,
    embedding=("model.language_model.embed_tokens",),
    renames=MappingProxyType({
        "language_model.model": "model.language_model",
        "language_model.lm_head": "lm_head",
        "vision_tower": "model.vision_tower",
        "multi_modal_projector": "model.multi_modal_projector",
    }),
)  # fmt: skip
