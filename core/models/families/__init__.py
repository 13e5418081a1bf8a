"""The families of architectures: one file each, one line here. See `family.py`."""

from functools import cache

from core.models.families.bert import BERT, ELECTRA, ROBERTA
from core.models.families.deberta import DEBERTA
from core.models.families.distilbert import DISTILBERT
from core.models.families.family import Family
from core.models.families.gemma3 import GEMMA3
from core.models.families.generic import generic
from core.models.families.gpt2 import GPT, GPT2
from core.models.families.gpt_neox import GPT_NEOX
from core.models.families.llama import LLAMA
from core.models.families.modernbert import MODERNBERT
from core.models.families.phi import PHI
from core.models.families.phi3 import PHI3

FAMILIES: tuple[Family, ...] = (
    LLAMA, GEMMA3, PHI, PHI3, GPT, GPT2, GPT_NEOX, BERT, ROBERTA, ELECTRA, DISTILBERT, DEBERTA, MODERNBERT,
)  # fmt: skip


@cache
def family_of(model_type: str) -> Family:
    """The family of a `model_type`; a generic one where nobody has named it."""
    return next((family for family in FAMILIES if model_type in family.model_types), None) or generic(model_type)
