"""Samples: greedy, in the model's own form of a conversation, and never longer than the model can see."""

from __future__ import annotations

import copy
from typing import Any

import torch

from core.train.generate import answer
from tests.tiny import random_model, tiny_tokenizer

CPU = torch.device("cpu")


def test_an_answer_is_the_most_likely_continuation() -> None:
    model = random_model("llama")
    tokenizer: Any = tiny_tokenizer()
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Define fox"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    expected: list[int] = []
    for _ in range(5):
        logits = model(torch.cat([ids, torch.tensor([expected], dtype=torch.long)], 1)).logits
        expected.append(int(logits[0, -1].argmax()))
        if expected[-1] == tokenizer.eos_token_id:
            break

    said = answer(model, tokenizer, "Define fox", tokens=5, device=CPU)

    assert said == tokenizer.decode(expected, skip_special_tokens=True).strip()


def test_a_tokenizer_without_a_template_is_given_the_prompt_as_it_is_even_if_it_is_empty() -> None:
    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.chat_template = None

    for prompt in ("Once", ""):
        assert isinstance(answer(random_model("gpt2"), tokenizer, prompt, tokens=3, device=CPU), str)


def test_prompt_and_answer_together_are_no_longer_than_the_model_reads() -> None:
    model = random_model("gpt2")

    for tokens in (4, 2048):
        assert isinstance(answer(model, tiny_tokenizer(), "word " * 600, tokens=tokens, device=CPU), str)


def test_the_model_stays_in_its_mode() -> None:
    model = random_model("llama").train()

    answer(model, tiny_tokenizer(), "Hello", tokens=1, device=CPU)

    assert model.training
