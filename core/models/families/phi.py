"""Phi 1 and 2: separate q, k and v, an output matrix called `dense`, a plain MLP of two matrices."""

from types import MappingProxyType

from core.models.families.family import Family

PHI = Family(
    name="Phi",
    model_types=frozenset({"phi"}),
    blocks=("model.layers",),
    roles=MappingProxyType({
        "self_attn.q_proj": "q",
        "self_attn.k_proj": "k",
        "self_attn.v_proj": "v",
        "self_attn.dense": "o",
        "mlp.fc1": "fc1",
        "mlp.fc2": "fc2",
    }),
)  # fmt: skip
