"""The tokenizer inside a GGUF file as a tokenizer of `transformers`, for the two kinds that nearly all models have.

Byte-level ones (`gpt2`) name their way of cutting text before merging ("smollm", "llama-bpe", "qwen2"); the rules
behind the names are llama.cpp's. Wrong rules give a tokenizer that is right on most text and quietly wrong on the rest
(numbers, code), so a name that is not listed here is refused rather than guessed. SentencePiece ones (`llama`) keep a
score for every piece instead of merges, and the merges follow from the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.component import did_you_mean
from core.errors import UserError
from core.models.gguf_header import AGAIN, GgufHeader

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedTokenizerFast

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""What `tokenizer.ggml.token_type` says of a token."""

SPACE = "▁"
"""How SentencePiece writes a space."""

_CLITICS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT4_ENDS = _CLITICS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
_GPT4_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CLITICS}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CLITICS}?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
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
    "gpt-4o": Cutting(_GPT4O),
    "tekken": Cutting(_TEKKEN, whole_words=True, begins=True),
}  # fmt: skip
"""`tokenizer.ggml.pre` to the rules it stands for."""


def tokenizer_of(header: GgufHeader, *, context: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a file whose header was read with its lists.

    Args:
        header: with `tokenizer.ggml.*` in its fields.
        context: longest sequence of the model, in tokens.

    Raises:
        UserError: the file has none, one whose lists do not belong together, or one that cuts text in a way that is not
            known here.
    """
    try:
        return _tokenizer(header, context)
    except Exception as error:
        # The Rust library behind it has no kinds of errors: a merge of tokens that are not there is a bare `Exception`.
        if type(error) is not Exception and not isinstance(error, LookupError | TypeError | ValueError):
            raise
        text = f"The tokenizer in {header.path} is damaged: {' '.join(str(error).split())}."
        raise UserError(text, hint=AGAIN, path="model.path") from error


def _tokenizer(header: GgufHeader, context: int) -> PreTrainedTokenizerFast:
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
    from tokenizers import AddedToken

    kind = header.fields.get("tokenizer.ggml.model")
    types = header.fields.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    vocabulary = {token: index for index, token in enumerate(tokens) if types[index] != UNUSED}
    if kind == "gpt2":
        cutting = _cutting(header)
        tokenizer, begins = _byte_level(header, vocabulary, cutting), cutting.begins
    elif kind == "llama":
        tokenizer, begins = _pieces(header, tokens, vocabulary), True
    else:
        raise UserError(
            f"The tokenizer of {header.path} is of the kind '{kind}', which is not known here.",
            hint="Choose the model's original folder instead.",
        )
    for index, token in enumerate(tokens):
        if types[index] in (CONTROL, USER_DEFINED, UNKNOWN):
            added = [AddedToken(token, special=types[index] != USER_DEFINED, normalized=False)]
            tokenizer.add_special_tokens(added) if added[0].special else tokenizer.add_tokens(added)
    _frame(tokenizer, header, first, default=begins)
    return tokenizer


def _byte_level(header: GgufHeader, vocabulary: dict[str, int], cutting: Cutting) -> Tokenizer:
    """GPT-2's kind: every byte is a letter, the file lists the merges."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    merges = [tuple(merge.split(" ", 1)) for merge in header.fields.get("tokenizer.ggml.merges", [])]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=cutting.whole_words))
    tokenizer.pre_tokenizer = pre_tokenizer_of(cutting)
    tokenizer.decoder = decoders.ByteLevel()
    if cutting.compose:
        tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def _pieces(header: GgufHeader, tokens: list[str], vocabulary: dict[str, int]) -> Tokenizer:
    """SentencePiece's kind: spaces are letters (▁), unknown letters fall back to their bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    unknown = tokens[header.fields.get("tokenizer.ggml.unknown_token_id", 0)]
    merges = merges_of(vocabulary, header.fields.get("tokenizer.ggml.scores") or [])
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    prefix = header.fields.get("tokenizer.ggml.add_space_prefix", True)
    spaces = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefix else spaces
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return tokenizer


def merges_of(vocabulary: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """The merges that scores amount to: every way to put a piece together from two, the best-scored pieces first."""
    found = []
    for token, index in vocabulary.items():
        for cut in range(1, len(token)):
            left, right = vocabulary.get(token[:cut]), vocabulary.get(token[cut:])
            if left is not None and right is not None:
                found.append((-scores[index] if index < len(scores) else 0.0, left, right, token[:cut], token[cut:]))
    return [(left, right) for *_, left, right in sorted(found)]


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

    if not header.fields.get("tokenizer.ggml.add_bos_token", default) or first is None:
        return
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0",
        pair=f"{first}:0 $A:0 {first}:1 $B:1",
        special_tokens=[(first, tokenizer.token_to_id(first))],
    )


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
