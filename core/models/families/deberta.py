"""DeBERTa, all three versions: encoders that attend to contents and distances by matrices of their own."""

from types import MappingProxyType

from core.models.families.family import Family

DEBERTA = Family(
    name="DeBERTa",
    model_types=frozenset({"deberta", "deberta-v2"}),
    blocks=("deberta.encoder.layer",),
    roles=MappingProxyType({
        "attention.self.in_proj": "qkv",
        "attention.self.query_proj": "q", "attention.self.key_proj": "k", "attention.self.value_proj": "v",
        "attention.output.dense": "o", "intermediate.dense": "fc1", "output.dense": "fc2",
    }),
    embedding=("deberta.embeddings.word_embeddings",),
    positions=(
        "deberta.embeddings.position_embeddings", "deberta.embeddings.token_type_embeddings",
        "deberta.encoder.rel_embeddings",
    ),
    head=("cls.predictions.decoder",),
    base=("deberta",),
    writes_text=False,
)  # fmt: skip
