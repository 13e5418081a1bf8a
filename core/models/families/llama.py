"""The Llama shape: separate q, k, v and o, a gated MLP. Most open models of today have it, under many names."""

from types import MappingProxyType

from core.models.families.family import Family

LLAMA = Family(
    name="Llama",
    model_types=frozenset({
        "llama", "mistral", "ministral", "ministral3", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma",
        "gemma2", "gemma3_text", "smollm3", "olmo", "olmo2", "olmo3", "olmoe", "granite", "cohere", "cohere2",
        "stablelm", "helium", "arcee", "seed_oss", "hunyuan_v1_dense", "exaone4", "apertus", "glm", "glm4",
    }),
    blocks=("model.layers",),
    roles=MappingProxyType({
        "self_attn.q_proj": "q",
        "self_attn.k_proj": "k",
        "self_attn.v_proj": "v",
        "self_attn.o_proj": "o",
        "mlp.gate_proj": "gate",
        "mlp.up_proj": "up",
        "mlp.gate_up_proj": "gate_up",
        "mlp.down_proj": "down",
        "mlp.shared_expert.gate_proj": "gate",
        "mlp.shared_expert.up_proj": "up",
        "mlp.shared_expert.down_proj": "down",
    }),
)  # fmt: skip
