"""A tokenizer of `transformers` as GGUF says it: tokens, their types, and how text is cut into them.

Byte-level ones have merges, and a name for the way text is cut before: the reader in `core.models.gguf_tokenizer` holds
the rules behind the names. Here they are compared with the rules of the tokenizer at hand, and the name of the equal
ones is written: programs that read the file cut text by that name alone, so a tokenizer whose rules have no name is
refused rather than written under a name that is nearly right. SentencePiece ones have a score for every piece instead
of merges; the scores are written only where exactly these merges follow from them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.models.gguf_tokenizer import (
    BYTE,
    CONTROL,
    CUTTINGS,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Cutting,
    merges_of,
    pre_tokenizer_of,
)

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from transformers import PreTrainedTokenizerBase

INSTEAD = "Export a merged model instead; llama.cpp's own converter may know more."
LAST = -1e6
"""The score of a piece that no merge makes."""


def write(
    writer: GGUFWriter,
    tokenizer: PreTrainedTokenizerBase,
    *,
    folder: Path,
    size: int,
    ends: list[int],
    template: str = "",
) -> None:
    """Write a tokenizer's metadata.

    Args:
        writer: whose header is being put together.
        tokenizer: of the model.
        folder: where it came from, for messages.
        size: rows of the embedding; tokens that the tokenizer lacks are written as unused ones.
        ends: the ids that end a text or a turn, the tokenizer's own first.
        template: the chat template; empty takes the tokenizer's own.

    Raises:
        UserError: it is of another kind, or cuts text in a way that cannot be said.
    """
    said = rules(tokenizer, folder)
    tokens, types = vocabulary(said, size)
    if "ByteLevel" in json.dumps(said.get("pre_tokenizer")):
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(name_of(said, folder))
        merges = said["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    else:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_add_space_prefix(begins_with_space(said, folder))
        types = [_piece_kind(said, token, kind) for token, kind in zip(tokens, types, strict=True)]
        writer.add_token_scores(scores(said, tokens, types, folder))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    _special(writer, tokenizer, ends)
    own = tokenizer.chat_template
    chosen = template or (own.get("default") if isinstance(own, dict) else own)
    if chosen:
        writer.add_chat_template(chosen)


def rules(tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, Any]:
    """The tokenizer's own JSON.

    Raises:
        UserError: it is neither of the byte-level kind nor SentencePiece's.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    said: dict[str, Any] = json.loads(backend.to_str()) if backend is not None else {}
    model = said.get("model", {})
    byte_level = "ByteLevel" in json.dumps(said.get("pre_tokenizer"))
    if model.get("type") != "BPE" or not (byte_level or model.get("byte_fallback")):
        raise UserError(
            f"The tokenizer in {folder} is neither byte-level BPE nor SentencePiece's kind of BPE.",
            hint=INSTEAD,
        )
    return said


def begins_with_space(said: dict[str, Any], folder: Path) -> bool:
    """Whether a SentencePiece tokenizer puts a space in front of a text.

    Raises:
        UserError: it does something else to text, which GGUF has no field for.
    """
    normal, cut = said["normalizer"] or {}, said["pre_tokenizer"] or {}
    steps = [step["type"] for step in normal.get("normalizers", [normal]) if step]
    metaspace = cut.get("type") == "Metaspace" and not cut.get("split")
    between = cut.get("type") == "Split" and cut["pattern"] == {"String": " "}
    if metaspace and not steps:
        return bool(cut["prepend_scheme"] != "never")
    if steps in (["Replace"], ["Prepend", "Replace"]) and (not cut or between):
        return len(steps) == 2
    raise UserError(f"The tokenizer in {folder} changes text in a way that GGUF has no field for.", hint=INSTEAD)


def scores(said: dict[str, Any], tokens: list[str], types: list[int], folder: Path) -> list[float]:
    """A score for every piece: the earlier the merges that make it, the higher.

    Raises:
        UserError: other merges than the tokenizer's follow from such scores.
    """
    merges = [tuple(merge.split(" ", 1) if isinstance(merge, str) else merge) for merge in said["model"]["merges"]]
    ranks: dict[str, int] = {}
    for left, right in merges:
        ranks.setdefault(left + right, len(ranks))
    found = [-float(ranks[token]) if token in ranks else LAST for token in tokens]
    pieces = {token: index for index, token in enumerate(tokens) if types[index] == NORMAL or token in ranks}
    if merges_of(pieces, found) != merges:
        raise UserError(f"The merges of the tokenizer in {folder} do not follow from scores.", hint=INSTEAD)
    return found


def _piece_kind(said: dict[str, Any], token: str, kind: int) -> int:
    if token == said["model"].get("unk_token"):
        return UNKNOWN
    return BYTE if kind == NORMAL and re.fullmatch("<0x[0-9A-F]{2}>", token) else kind


def name_of(said: dict[str, Any], folder: Path) -> str:
    """The name of the way in which a tokenizer cuts text.

    Raises:
        UserError: none of the known ones is the same.
    """
    for name, cutting in CUTTINGS.items():
        if _same(said, cutting):
            return name
    raise UserError(f"The tokenizer in {folder} cuts text in a way that GGUF has no name for here.", hint=INSTEAD)


def _same(said: dict[str, Any], cutting: Cutting) -> bool:
    """Whether the rules are these; options of ByteLevel that only concern positions in the text do not count."""
    return (
        _plain(said["pre_tokenizer"]) == _plain(_as_json(cutting))
        and (said["normalizer"] or {}).get("type") == ("NFC" if cutting.compose else None)
        and bool(said["model"].get("ignore_merges")) == cutting.whole_words
    )


def _as_json(cutting: Cutting) -> Any:
    from tokenizers import Tokenizer, models

    empty = Tokenizer(models.BPE())
    empty.pre_tokenizer = pre_tokenizer_of(cutting)
    return json.loads(empty.to_str())["pre_tokenizer"]


def _plain(value: Any) -> Any:
    """The rules without `trim_offsets` and without a sequence around a single rule."""
    if isinstance(value, dict):
        inner = value.get("pretokenizers")
        if isinstance(inner, list) and len(inner) == 1:
            return _plain(inner[0])
        return {key: _plain(item) for key, item in value.items() if key != "trim_offsets"}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def vocabulary(said: dict[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Every token by id and its type, up to `size`."""
    tokens = [f"[UNUSED{index}]" for index in range(size)]
    types = [UNUSED] * size
    for token, index in said["model"]["vocab"].items():
        tokens[index], types[index] = token, NORMAL
    for added in said["added_tokens"]:
        if added["id"] < size:
            tokens[added["id"]] = added["content"]
            types[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    return tokens, types


def _special(writer: GGUFWriter, tokenizer: PreTrainedTokenizerBase, ends: list[int]) -> None:
    """Ids with a meaning, and whether a text begins with the first of them."""
    for name, add in {
        "bos_token_id": writer.add_bos_token_id,
        "unk_token_id": writer.add_unk_token_id,
        "pad_token_id": writer.add_pad_token_id,
    }.items():
        found = getattr(tokenizer, name, None)
        if isinstance(found, int):
            add(found)
    for end, add in zip(ends, (writer.add_eos_token_id, writer.add_eot_token_id), strict=False):
        add(end)
    first = tokenizer("a")["input_ids"][0]
    writer.add_add_bos_token(first == tokenizer.bos_token_id)
