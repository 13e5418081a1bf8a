"""The comparison of two models' answers, on answers whose differences are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from core.config.run import RunConfig
from core.export import verify
from core.export.asking import FALLBACK, probes
from core.export.verify import Probe, compare, perplexity, within_budget
from core.models.catalog import describe
from tests.tiny import tiny_model, tiny_tokenizer


def test_equal_answers_agree_wholly() -> None:
    answers = [torch.randn(4, 10), torch.randn(3, 10)]
    probes = [Probe((1, 2, 3, 4), (False, True, True, True)), Probe((5, 6, 7), (False, False, True))]
    found = compare(answers, answers, probes)
    assert (found.max_logit_gap, found.mean_logit_gap, found.token_agreement, found.tokens) == (0, 0, 1, 7)
    assert found.perplexity_live == found.perplexity_exported


def test_gaps_and_disagreements_are_measured() -> None:
    live = [torch.tensor([[0.0, 1.0], [0.0, 1.0]])]
    other = [torch.tensor([[0.0, 1.0], [2.0, 1.0]])]
    found = compare(live, other, [Probe((0, 1), (True, True))])
    assert found.max_logit_gap == 2
    assert found.mean_logit_gap == 0.5
    assert found.token_agreement == 0.5


def test_of_texts_that_are_judged_it_says_texts() -> None:
    found = compare([torch.zeros(1, 3)] * 2, [torch.zeros(1, 3)] * 2, [Probe((0, 1), (True, True))] * 2, judged=True)
    assert found.sentence().startswith("On 2 texts ") and "perplexity" not in found.sentence()
    assert found.to_dict()["unit"] == "texts"


def test_perplexity_counts_trained_tokens_only() -> None:
    even = torch.zeros(3, 8)
    assert perplexity([even], [Probe((1, 2, 3), (True, True, False))]) == pytest.approx(8)
    sure = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    assert perplexity([sure], [Probe((0, 1), (False, True))]) == pytest.approx(4 / 3)


def test_without_a_trained_token_there_is_no_perplexity() -> None:
    found = compare([torch.zeros(2, 4)], [torch.zeros(2, 4)], [Probe((0, 1), (True, False))])
    assert found.perplexity_live is None
    assert "perplexity" not in found.sentence()


def test_only_so_much_is_asked_as_answers_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "KEPT_BYTES", 4 * 100 * 10)
    asked = [Probe(tuple(range(6)), (True,) * 6)] * 4
    chosen = within_budget(asked, vocabulary=100)
    assert [len(probe.ids) for probe in chosen] == [6, 4]
    assert all(len(probe.ids) == len(probe.trained) for probe in chosen)


def test_empty_prompts_are_no_questions(tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path))
    config = RunConfig.from_dict({"data": {"path": "gone.jsonl"}, "train": {"prompts": ["", " "]}})
    assert [probe.ids for probe in probes(config, tiny_tokenizer(), info)] == [
        tuple(tiny_tokenizer()(FALLBACK)["input_ids"])
    ]
