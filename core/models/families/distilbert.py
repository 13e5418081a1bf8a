"""DistilBERT: BERT with half the blocks and names of its own."""

from types import MappingProxyType

from core.models.families.family import Family

DISTILBERT = Family(
    name="DistilBERT",
    model_types=frozenset({"distilbert"}),
    blocks=("distilbert.transformer.layer",),
    roles=MappingProxyType({
        "attention.q_lin": "q", "attention.k_lin": "k", "attention.v_lin": "v", "attention.out_lin": "o",
        "ffn.lin1": "fc1", "ffn.lin2": "fc2",
    }),
    embedding=("distilbert.embeddings.word_embeddings",),
    positions=("distilbert.embeddings.position_embeddings",),
    head=("vocab_projector",),
    base=("distilbert",),
    writes_text=False,
)  # fmt: skip
