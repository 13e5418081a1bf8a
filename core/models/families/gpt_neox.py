"""GPT-NeoX and Pythia: q, k and v fused and interleaved head by head, a plain MLP."""

from types import MappingProxyType

from core.models.families.family import Family

GPT_NEOX = Family(
    name="GPT-NeoX",
    model_types=frozenset({"gpt_neox"}),
    blocks=("gpt_neox.layers",),
    roles=MappingProxyType({
        "attention.query_key_value": "qkv",
        "attention.dense": "o",
        "mlp.dense_h_to_4h": "fc1",
        "mlp.dense_4h_to_h": "fc2",
    }),
    embedding=("gpt_neox.embed_in",),
    base=("gpt_neox",),
    renames=MappingProxyType({"embed_out": "lm_head"}),
)  # fmt: skip
