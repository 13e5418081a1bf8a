"""A table of masks, each looked at by hand: the stock templates as they are, times the shapes that data comes in.

The table is `hand_checked_masks.txt`: a line for each template and shape, with ⟦ and ⟧ around what is learned and ⏎ for
a line break. The templates of Llama 3, Qwen, Gemma and Phi are the ones that `trl` keeps; those of Mistral, ChatML and
SmolLM2 are in `chats.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.data.formats import FORMATS
from core.data.row import Row
from core.data.template import Encoder
from core.data.tokens import Tokens
from core.errors import UserError
from tests.core.data.chats import STOCK, byte_level

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

trl = pytest.importorskip("trl")
TABLE = Path(__file__).with_name("hand_checked_masks.txt")
WORDS = [
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<bos>", "<start_of_turn>",
    "<|endoftext|>",
]  # fmt: skip
"""Special words of the stock tokenizers that those of the tests lack."""
REAL = {
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"), "qwen2_5": ("<|endoftext|>", "<|im_end|>"),
    "qwen3": ("<|endoftext|>", "<|im_end|>"), "gemma": ("<bos>", "<end_of_turn>"), "gemma3": ("<bos>", "<end_of_turn>"),
    "phi3": ("<s>", "<|endoftext|>"),
}  # fmt: skip
"""The templates that trl keeps, with the first and the last token of their tokenizers."""

ASK, SAY = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}
MORE, LAST = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
BE = {"role": "system", "content": "Be brief."}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "sky"}}}
SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "messages": ("messages", "completions", {"messages": [ASK, SAY, MORE, LAST]}),
    "last-turn": ("messages", "last-turn", {"messages": [ASK, SAY, MORE, LAST]}),
    "weighted": ("messages", "completions", {"messages": [ASK, {**SAY, "weight": 0}, MORE, LAST]}),
    "system": ("messages", "completions", {"messages": [BE, ASK, SAY]}),
    "tools": (
        "messages", "completions",
        {"messages": [ASK, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "blue"}, SAY]},
    ),
    "conversations": (
        "conversations", "completions",
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me."}]},
    ),
    "instruction": ("instruction", "completions", {"instruction": "Who?", "input": "You.", "output": "Me."}),
    "completion": ("prompt-completion", "completions", {"prompt": [ASK, SAY, MORE], "completion": [LAST]}),
    "preference": ("preference", "completions", {"prompt": [ASK], "chosen": [SAY], "rejected": [LAST]}),
    "plain": ("prompt-completion", "completions", {"prompt": "Who?", "completion": " Me."}),
}  # fmt: skip
"""Shape to its kind, what is trained on, and a row."""


@cache
def tokenizer(name: str) -> PreTrainedTokenizerFast:
    """A small vocabulary with a stock template and its special words."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if name not in REAL:
        return byte_level(STOCK[name])
    text = (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    own = Tokenizer.from_str(byte_level(None).backend_tokenizer.to_str())
    begin, end = REAL[name]
    made = PreTrainedTokenizerFast(
        tokenizer_object=own, chat_template=text, bos_token=begin, eos_token=end, pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.add_special_tokens({"additional_special_tokens": WORDS})
    return made


def marked(name: str, tokens: Tokens) -> str:
    """The text as the table writes it."""
    found, on = "", False
    for token, learned in zip(tokens.ids.tolist(), tokens.trained.tolist(), strict=True):
        if learned != on:
            found += "⟦" if learned else "⟧"
            on = learned
        found += tokenizer(name).decode([token])
    return (found + ("⟧" if on else "")).replace("\n", "⏎")


def encoded(name: str, shape: str) -> str:
    kind, train_on, row = SHAPES[shape]
    (example,) = FORMATS[kind]().examples(Row("a.jsonl", 1, row))
    encoder = Encoder(tokenizer(name), train_on=train_on, max_tokens=999)  # type: ignore[arg-type]
    return marked(name, encoder.encode([example])[0])


def table() -> list[tuple[str, str, str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("  ", 2)) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


@pytest.mark.parametrize(("name", "shape", "wanted"), table())
def test_the_mask_is_the_one_that_was_checked_by_hand(name: str, shape: str, wanted: str) -> None:
    assert encoded(name, shape) == wanted


def test_every_stock_template_is_in_the_table_with_every_shape_that_it_takes() -> None:
    missing = {(name, shape) for name in (*REAL, *STOCK) for shape in SHAPES} - {line[:2] for line in table()}
    assert missing == {
        *((name, "system") for name in ("gemma", "mistral")),  # they refuse a system text
        *((name, "tools") for name in (*REAL, *STOCK) if name not in ("qwen2_5", "qwen3")),  # they write no calls
    }


OTHERS = sorted(
    path
    for path in (Path(trl.__file__).parent / "chat_templates").glob("*.jinja")
    if not any(word in path.name for word in ("_training", "_vl", "vlm", "idefics", "llava", "nemotron", "_v"))
)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_what_a_tool_has_answered_is_never_learned(path: Path) -> None:
    made = tokenizer("llama3")
    before, made.chat_template = made.chat_template, path.read_text(encoding="utf-8")
    talk = [ASK, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "name": "look", "content": "blue"}, SAY]
    (example,) = FORMATS["messages"]().examples(Row("a.jsonl", 1, {"messages": talk, "tools": [{"name": "look"}]}))
    try:
        tokens = Encoder(made, train_on="completions", max_tokens=9999).encode([example])[0]
    except UserError as error:
        assert error.path in ("data.path", "data.template")
        return
    finally:
        made.chat_template = before
    learned = made.decode(tokens.ids[tokens.trained].tolist())
    assert "look" in learned and "sky" in learned and "Me." in learned
    assert "blue" not in learned and "Who?" not in learned
