"""ModernBERT: an encoder with fused query, key and value, and a gated MLP whose two first matrices are one."""

from types import MappingProxyType

from core.models.families.family import Family

MODERNBERT = Family(
    name="ModernBERT",
    model_types=frozenset({"modernbert"}),
    blocks=("model.layers",),
    roles=MappingProxyType({"attn.Wqkv": "qkv", "attn.Wo": "o", "mlp.Wi": "gate_up", "mlp.Wo": "down"}),
    embedding=("model.embeddings.tok_embeddings",),
    head=("decoder",),
    writes_text=False,
)
