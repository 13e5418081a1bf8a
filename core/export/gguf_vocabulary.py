"""A tokenizer of `transformers` as GGUF says it: tokens, their types, merges, and the name of the way text is cut.

The reader in `core.models.gguf_tokenizer` holds the rules behind the names. Here they are compared with the rules of
the tokenizer at hand, and the name of the equal ones is written: programs that read the file cut text by that name
alone, so a tokenizer whose rules have no name is refused rather than written under a name that is nearly right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.models.gguf_tokenizer import CONTROL, CUTTINGS, NORMAL, UNUSED, USER_DEFINED, Cutting, pre_tokenizer_of

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from transformers import PreTrainedTokenizerBase

INSTEAD = "Export a merged model instead; llama.cpp's own converter may know more."


def write(writer: GGUFWriter, tokenizer: PreTrainedTokenizerBase, *, folder: Path, size: int, ends: list[int]) -> None:
    """Write a tokenizer's metadata.

    Args:
        writer: whose header is being put together.
        tokenizer: of the model.
        folder: where it came from, for messages.
        size: rows of the embedding; tokens that the tokenizer lacks are written as unused ones.
        ends: the ids that end a text or a turn, the tokenizer's own first.

    Raises:
        UserError: it is not byte-level BPE, or cuts text in a way that has no name.
    """
    said = rules(tokenizer, folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name_of(said, folder))
    tokens, types = vocabulary(said, size)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = said["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    _special(writer, tokenizer, ends)
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template:
        writer.add_chat_template(template)


def rules(tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, Any]:
    """The tokenizer's own JSON.

    Raises:
        UserError: it is not of the byte-level kind.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    said: dict[str, Any] = json.loads(backend.to_str()) if backend is not None else {}
    if said.get("model", {}).get("type") != "BPE" or "ByteLevel" not in json.dumps(said.get("pre_tokenizer")):
        raise UserError(
            f"The tokenizer in {folder} is not byte-level BPE, the kind that is written here.", hint=INSTEAD
        )
    return said


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
