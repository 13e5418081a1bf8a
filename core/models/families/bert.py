"""BERT, RoBERTa and ELECTRA: encoders with separate query, key and value. They read text and do not write it."""

from types import MappingProxyType

from core.layers import Role
from core.models.families.family import Family

_ROLES: MappingProxyType[str, Role] = MappingProxyType({
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "o",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
})  # fmt: skip


def _encoder(name: str, base: str, head: str, model_types: frozenset[str]) -> Family:
    return Family(
        name=name,
        model_types=model_types,
        blocks=(f"{base}.encoder.layer",),
        roles=_ROLES,
        embedding=(f"{base}.embeddings.word_embeddings",),
        positions=(f"{base}.embeddings.position_embeddings", f"{base}.embeddings.token_type_embeddings"),
        head=(head,),
        base=(base,),
        writes_text=False,
    )


BERT = _encoder("BERT", "bert", "cls.predictions.decoder", frozenset({"bert"}))
ROBERTA = _encoder("RoBERTa", "roberta", "lm_head.decoder", frozenset({"roberta", "xlm-roberta", "camembert"}))
ELECTRA = _encoder("ELECTRA", "electra", "generator_lm_head", frozenset({"electra"}))
