"""GPT-2 and the first GPT: `Conv1D` modules that store their weight as (in, out), with q, k and v fused."""

from dataclasses import replace
from types import MappingProxyType

from core.models.families.family import Family

GPT2 = Family(
    name="GPT-2",
    model_types=frozenset({"gpt2"}),
    blocks=("transformer.h",),
    roles=MappingProxyType({
        "attn.c_attn": "qkv",
        "attn.c_proj": "o",
        "mlp.c_fc": "fc1",
        "mlp.c_proj": "fc2",
    }),
    embedding=("transformer.wte",),
    positions=("transformer.wpe",),
    base=("transformer",),
    kind="conv1d",
)  # fmt: skip
GPT = replace(
    GPT2,
    name="GPT",
    model_types=frozenset({"openai-gpt"}),
    embedding=("transformer.tokens_embed",),
    positions=("transformer.positions_embed",),
)
