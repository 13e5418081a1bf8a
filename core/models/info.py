"""What is known of a model before it is loaded: the value that the pages, the checks and the forecast work on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.layers import LayerInfo


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model on the disk.

    Attributes:
        path: the folder or GGUF file itself; a hub cache folder has been resolved to its snapshot.
        name: for people.
        architecture: the class that `transformers` opens it with (`LlamaForCausalLM`).
        model_type: what config.json calls the architecture (`llama`).
        family: which table of names applies (`Llama`).
        layers: every matrix that can be pointed at, blocks in order; the token embedding and the head included.
        blocks: how many transformer blocks there are.
        parameters: numbers in the weights; tied ones once.
        bytes: size of the weights on the disk.
        dtype: what most of the numbers are stored as (`bfloat16`; `Q4_1` in a GGUF).
        vocabulary: rows of the token embedding.
        hidden: width of the residual stream.
        heads, kv_heads, head_dim: of the attention.
        intermediate: inner width of the MLP.
        context: longest sequence in tokens; 0 where nothing says.
        tied: whether head and embedding are one matrix.
        has_chat_template: whether chats can be written the model's own way.
        kind: a folder of safetensors, or a GGUF file that is converted before it is trained.
        writes_text: whether it predicts the next token; an encoder does not.
        experts: experts in a block of a mixture; 0 in a dense model.
        notes: sentences the user should read beside the map.
        vectors: biases and norms, which some methods train instead of matrices.
        pooled: whether an encoder comes with a pooler, the layer between its body and a head that judges texts.
    """

    path: Path
    name: str
    architecture: str
    model_type: str
    family: str
    layers: tuple[LayerInfo, ...]
    blocks: int
    parameters: int
    bytes: int
    dtype: str
    vocabulary: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    context: int
    tied: bool
    has_chat_template: bool
    kind: Literal["folder", "gguf"]
    writes_text: bool = True
    experts: int = 0
    notes: tuple[str, ...] = ()
    vectors: tuple[LayerInfo, ...] = ()
    pooled: bool = False

    @property
    def adaptable(self) -> tuple[LayerInfo, ...]:
        """The layers that can be chosen: those of the map."""
        return tuple(layer for layer in self.layers if layer.adaptable)
