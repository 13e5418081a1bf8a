"""Tiny real models and a real tokenizer for tests: random weights, two blocks, 32 wide, in folders like a user's.

`tiny_model("llama", folder)` gives a folder that `AutoModel...` and `AutoTokenizer` open, in about a tenth of a second.
torch and transformers are imported inside, so that tests of torch-free code can import this module as well.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
"""Ids 0, 1 and 2: padding and unknown, start of a turn, end of a turn."""
VOCABULARY = 384

TEXT = (
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. "
    "How vexingly quick daft zebras jump! "
    "A model learns from examples: every question has an answer, and every answer is a sentence. "
    "Define the noun. What is the capital of France? The capital of France is Paris. one two three 4 5 6 7 8 9 0"
)

WIDTH: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED: dict[str, Any] = {**WIDTH, "intermediate_size": 64, "num_key_value_heads": 2}
LONG: dict[str, Any] = {"max_position_embeddings": 256}

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {**GROUPED, **LONG, "tie_word_embeddings": True},
    "mistral": {**GROUPED, **LONG, "sliding_window": None, "tie_word_embeddings": False},
    "qwen2": {**GROUPED, **LONG, "tie_word_embeddings": True},
    "qwen3": {**GROUPED, **LONG, "head_dim": 16, "tie_word_embeddings": False},
    "gemma": {**GROUPED, **LONG, "head_dim": 16},
    "gemma2": {**GROUPED, **LONG, "head_dim": 16},
    "gemma3_text": {**GROUPED, **LONG, "head_dim": 16},
    "phi": {**GROUPED, **LONG, "num_key_value_heads": 4},
    "phi3": {**GROUPED, **LONG, "tie_word_embeddings": False},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "gpt_neox": {**WIDTH, **LONG, "intermediate_size": 64},
    "bert": {**WIDTH, **LONG, "intermediate_size": 64},
    "roberta": {**WIDTH, "max_position_embeddings": 258, "intermediate_size": 64},
    "qwen3_moe": {
        **GROUPED, **LONG, "head_dim": 8, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2,
    },
}  # fmt: skip
"""model_type to the part of its config that makes it tiny."""

LANGUAGE_FAMILIES = tuple(family for family in FAMILIES if family not in ("bert", "roberta", "qwen3_moe"))
"""Those that write text, for tests that train."""


def tiny_model(family: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Save a random model of a family with its tokenizer into `folder` and return the folder.

    Args:
        family: a key of `FAMILIES`, or any `model_type` with a `config` that makes it tiny.
        folder: made if it is not there.
        seed: of the random weights.
        config: changes to the configuration (`num_hidden_layers=4`).
    """
    random_model(family, seed=seed, **config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def random_model(family: str, *, seed: int = 0, **config: Any) -> PreTrainedModel:
    """A random model of a family in memory, float32, in evaluation mode, with the head it is usually opened with."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    settings = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    chosen = AutoConfig.for_model(family, **{**settings, **FAMILIES.get(family, {}), **config})
    head = AutoModelForMaskedLM if family in ("bert", "roberta") else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = head.from_config(chosen, dtype=torch.float32)
    return model.eval()


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most 384 tokens, trained on a few sentences, with a chat template of the ChatML shape."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
