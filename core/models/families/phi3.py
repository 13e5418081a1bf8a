"""Phi 3 and 4: q, k and v fused in one matrix, gate and up in another."""

from types import MappingProxyType

from core.models.families.family import Family

PHI3 = Family(
    name="Phi 3",
    model_types=frozenset({"phi3"}),
    blocks=("model.layers",),
    roles=MappingProxyType({
        "self_attn.qkv_proj": "qkv",
        "self_attn.o_proj": "o",
        "mlp.gate_up_proj": "gate_up",
        "mlp.down_proj": "down",
    }),
)  # fmt: skip
