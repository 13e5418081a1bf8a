"""The tokenizer inside a GGUF file as a tokenizer of `transformers`, for the byte-level kind that most models have.

The file names its way of cutting text before merging ("smollm", "llama-bpe", "qwen2"); the rules behind the names are
llama.cpp's. Wrong rules give a tokenizer that is right on most text and quietly wrong on the rest (numbers, code), so a
name that is not listed here is refused rather than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.component import did_you_mean
from core.errors import UserError
from core.models.gguf_header import GgufHeader

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedTokenizerFast

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""What `tokenizer.ggml.token_type` says of a token."""

_GPT4_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_GPT4_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How text is cut before tokens are merged.

    Attributes:
        pattern: the regular expression of the pieces; empty for GPT-2's own.
        digits: whether every digit stands alone, before anything else is cut.
        compose: whether text is brought to Unicode's composed form (NFC) first.
        whole_words: whether a piece that is a token as it stands is taken without merging.
        begins: whether a text begins with the first special token, unless the file says otherwise.
    """

    pattern: str = ""
    digits: bool = False
    compose: bool = False
    whole_words: bool = False
    begins: bool = False


_GPT2 = Cutting()
_DIGITS = Cutting(digits=True)
_LLAMA3 = Cutting(_GPT4_ENDS + r"\p{N}{1,3}" + _GPT4_REST, whole_words=True, begins=True)
_QWEN2 = Cutting(_GPT4_ENDS + r"\p{N}" + _GPT4_REST, compose=True)
CUTTINGS: dict[str, Cutting] = {
    "gpt-2": _GPT2, "gpt2": _GPT2, "olmo": _GPT2, "mpt": _GPT2, "phi-2": _GPT2,
    "smollm": _DIGITS, "starcoder": _DIGITS, "refact": _DIGITS, "codeshell": _DIGITS, "exaone": _DIGITS,
    "llama-bpe": _LLAMA3, "llama3": _LLAMA3, "llama-v3": _LLAMA3, "falcon3": _LLAMA3, "dbrx": _LLAMA3,
    "smaug-bpe": _LLAMA3,
    "qwen2": _QWEN2, "deepseek-r1-qwen": _QWEN2, "megrez": _QWEN2,
    "tekken": Cutting(_TEKKEN, whole_words=True, begins=True),
}  # fmt: skip
"""`tokenizer.ggml.pre` to the rules it stands for."""


def is_byte_level(header: GgufHeader) -> bool:
    """Whether the tokenizer is of the kind that is built here."""
    return bool(header.fields.get("tokenizer.ggml.model") == "gpt2")


def tokenizer_of(header: GgufHeader, *, context: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a file whose header was read with its lists.

    Args:
        header: with `tokenizer.ggml.*` in its fields.
        context: longest sequence of the model, in tokens.

    Raises:
        UserError: the file has none, or cuts text in a way that is not known here.
    """
    from transformers import PreTrainedTokenizerFast

    fields, tokens = header.fields, header.fields.get("tokenizer.ggml.tokens")
    if not tokens:
        raise UserError(f"{header.path} has no tokenizer in it.", hint="Choose the model's original folder instead.")
    special = {
        f"{ours}_token": tokens[fields[f"tokenizer.ggml.{theirs}_token_id"]]
        for ours, theirs in {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items()
        if 0 <= fields.get(f"tokenizer.ggml.{theirs}_token_id", -1) < len(tokens)
    }
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=_build(header, tokens, special.get("bos_token")),
        model_max_length=context or int(1e9),
        clean_up_tokenization_spaces=False,
        chat_template=fields.get("tokenizer.chat_template"),
        **special,
    )


def _build(header: GgufHeader, tokens: list[str], first: str | None) -> Tokenizer:
    """Vocabulary, merges, cutting and special tokens put together."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    cutting = _cutting(header)
    types = header.fields.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    merges = [tuple(merge.split(" ", 1)) for merge in header.fields.get("tokenizer.ggml.merges", [])]
    vocabulary = {token: index for index, token in enumerate(tokens) if types[index] != UNUSED}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=cutting.whole_words))
    tokenizer.pre_tokenizer = pre_tokenizer_of(cutting)
    tokenizer.decoder = decoders.ByteLevel()
    if cutting.compose:
        tokenizer.normalizer = normalizers.NFC()
    for index, token in enumerate(tokens):
        if types[index] in (CONTROL, USER_DEFINED, UNKNOWN):
            added = [AddedToken(token, special=types[index] != USER_DEFINED, normalized=False)]
            tokenizer.add_special_tokens(added) if added[0].special else tokenizer.add_tokens(added)
    _frame(tokenizer, header, first, default=cutting.begins)
    return tokenizer


def _cutting(header: GgufHeader) -> Cutting:
    name = str(header.fields.get("tokenizer.ggml.pre", ""))
    if name not in CUTTINGS:
        raise UserError(
            f"The tokenizer of {header.path} cuts text in the way '{name}', which is not known here.",
            hint=f"Choose the model's original folder instead. {did_you_mean(name, CUTTINGS)}",
        )
    return CUTTINGS[name]


def pre_tokenizer_of(cutting: Cutting) -> PreTokenizer:
    """The rules as the library `tokenizers` has them; the export compares a model's own with these."""
    from tokenizers import Regex, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not cutting.pattern)
    if cutting.digits:
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    if cutting.pattern:
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(cutting.pattern), "isolated"), byte_level])
    return byte_level


def _frame(tokenizer: Tokenizer, header: GgufHeader, first: str | None, *, default: bool) -> None:
    """Put the first token in front of every text where the model was trained so."""
    from tokenizers import processors

    begins = header.fields.get("tokenizer.ggml.add_bos_token", default)
    if not begins or first is None:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        return
    index = tokenizer.token_to_id(first)
    template = processors.TemplateProcessing(
        single=f"{first}:0 $A:0", pair=f"{first}:0 $A:0 {first}:1 $B:1", special_tokens=[(first, index)]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])


def special_ids(header: GgufHeader) -> dict[str, Any]:
    """Begin, end and padding ids for config.json and generation_config.json; several ends where a turn has its own."""
    fields = header.fields
    ends = [fields.get("tokenizer.ggml.eos_token_id"), fields.get("tokenizer.ggml.eot_token_id")]
    distinct = list(dict.fromkeys(end for end in ends if end is not None))
    ids = {
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": distinct[0] if len(distinct) == 1 else distinct,
        "pad_token_id": fields.get("tokenizer.ggml.padding_token_id"),
    }
    return {name: value for name, value in ids.items() if value not in (None, [])}
