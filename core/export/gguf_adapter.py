"""A plain LoRA as one GGUF file beside its folder: what llama.cpp's `--lora` and Ollama's ADAPTER line open.

    general.type = adapter, adapter.type = lora, adapter.lora.alpha
    blk.0.attn_q.weight.lora_a (r, in), blk.0.attn_q.weight.lora_b (out, r)

One alpha stands for all layers and is divided by each tensor's own rank, so all layers must have one rank. Rows of B
that belong to rotated heads are put in llama.cpp's order, as those of the base weight are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig

from core.adapters.attach import Adapters
from core.export.gguf import WRITTEN, gguf_name, plain, rotate
from core.export.gguf_metadata import introduce
from core.models.gguf_names import ARCHITECTURES
from core.models.info import ModelInfo


@torch.no_grad()
def write(adapters: Adapters, info: ModelInfo, folder: Path, *, name: str, base: str, rank: int) -> str:
    """Write a plain LoRA of one rank, in float32, beside whatever is in the folder.

    Args:
        adapters: from `lowrank.convert`.
        info: the base model.
        folder: where to.
        name: of the run.
        base: what the base model is called.
        rank: of all layers.

    Returns:
        the file's name; empty where the architecture has no names in GGUF here, and nothing was written.
    """
    import gguf

    given = WRITTEN.get(info.model_type, "")
    names = {layer: gguf_name(f"{layer}.weight", ARCHITECTURES[given]) for layer in adapters.layers} if given else {}
    if not names or None in names.values() or adapters.head:
        return ""
    heads = {}
    if ARCHITECTURES[given].rotated:
        config = AutoConfig.from_pretrained(info.path, local_files_only=True)
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    file = f"{plain(name) or 'run'}-lora-r{rank}.gguf"
    writer = gguf.GGUFWriter(folder / file, given)
    try:
        writer.add_type(gguf.GGUFType.ADAPTER)
        introduce(writer, name=name, base=base)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        for key, layer in adapters.layers.items():
            b, a = layer.factors()
            part = str(names[key]).split(".")[-2]
            if part in heads:
                b = rotate(b, heads[part])
            writer.add_tensor(f"{names[key]}.lora_a", _numbers(a))
            writer.add_tensor(f"{names[key]}.lora_b", _numbers(b))
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, rank * next(iter(adapters.layers.values())).scale)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    return file


def _numbers(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())
