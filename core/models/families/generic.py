"""Any other architecture: roles are guessed from the last words of a name, and what has none is still adaptable.

A guess only decides the column in the map. Every plain linear layer of the model's body can be adapted, whatever it is
called; what stands outside the body belongs to a head, which another task does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.layers import Role
from core.models.families.family import Family, Place, is_expert
from core.models.known import bases, writes_text

_WORDS: dict[str, Role] = {
    "q_proj": "q", "query": "q", "wq": "q", "to_q": "q", "q_lin": "q", "q": "q",
    "k_proj": "k", "key": "k", "wk": "k", "to_k": "k", "k_lin": "k", "k": "k",
    "v_proj": "v", "value": "v", "wv": "v", "to_v": "v", "v_lin": "v", "v": "v",
    "o_proj": "o", "out_proj": "o", "wo": "o", "out_lin": "o", "o": "o",
    "qkv_proj": "qkv", "qkv": "qkv", "c_attn": "qkv", "query_key_value": "qkv", "Wqkv": "qkv", "in_proj_qkv": "qkv",
    "gate_proj": "gate", "w1": "gate", "wi_0": "gate",
    "up_proj": "up", "w3": "up", "wi_1": "up",
    "down_proj": "down", "w2": "down",
    "gate_up_proj": "gate_up",
    "fc1": "fc1", "c_fc": "fc1", "ffn": "fc1", "fc_in": "fc1", "dense_h_to_4h": "fc1", "lin1": "fc1", "wi": "fc1",
    "fc2": "fc2", "fc_out": "fc2", "ffn_output": "fc2", "dense_4h_to_h": "fc2", "lin2": "fc2",
}  # fmt: skip
_HEADS = frozenset({"lm_head", "embed_out", "output_projection", "score", "classifier", "head"})
_EMBEDDINGS = re.compile(r"(^|_)(embed|embedding|embeddings|emb)(_|$)|^embed|^wte$|^wpe$|attention_bias$")
_WIDENS = re.compile(r"proj|mapping")
"""In the name of a matrix that turns narrow embeddings into wider ones, or back: a linear layer, not an embedding."""
_TOKENS = re.compile(r"^(embed_tokens|word_embeddings|wte|embed_in|shared|tok_embeddings|embeddings?)$")


@dataclass(frozen=True, slots=True)
class Generic(Family):
    """A family of one architecture that nobody has written the names down of."""

    def place(self, name: str) -> Place | None:
        """As `Family.place`, guessed from the words of the name."""
        words = name.split(".")
        last = words[-1]
        if _TOKENS.match(last):
            return Place("embed", embedding=True)
        if _EMBEDDINGS.search(last) and not _WIDENS.search(last):
            return Place("other", embedding=True)
        if self.is_head(name):
            return Place("head")
        if is_expert(name) or "pooler" in words or not self._in_body(name):
            return None
        block = next((int(word) for word in words if word.isdigit()), None)
        return Place(_role(words), block)

    def is_head(self, name: str) -> bool:
        """As `Family.is_head`, guessed from the last word of the name."""
        words = name.split(".")
        return words[-1] in _HEADS and not any(word.isdigit() for word in words)

    def is_bare(self, names: list[str]) -> bool:
        """As `Family.is_bare`; where nobody knows what would have to stand in front of a name, it is taken as it is."""
        return bool(self.base) and Family.is_bare(self, names)

    def _in_body(self, name: str) -> bool:
        return not self.base or any(name.startswith(f"{base}.") for base in self.base)


def _role(words: list[str]) -> Role:
    """By the last word; `dense` and `c_proj` mean one thing after attention and another after the MLP."""
    last = words[-1]
    if last in ("dense", "c_proj", "proj"):
        return "o" if any("att" in word for word in words) else "other" if last == "dense" else "fc2"
    return _WORDS.get(last, "other")


def generic(model_type: str) -> Generic:
    """The family of one architecture, by what the installed transformers says of it."""
    return Generic(
        name=model_type,
        model_types=frozenset({model_type}),
        blocks=(),
        roles={},
        base=bases(model_type),
        writes_text=writes_text(model_type),
        guessed=True,
    )
