"""Batches: the same training with and without packing, and a pure function of the step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.data.arranging import arrange
from core.data.batches import IGNORED, Batch, Batches
from core.data.packing import MIXING, packable
from core.data.tokens import TokenList, Tokens
from tests.tiny import GROUPED, LANGUAGE_FAMILIES, random_model

torch.set_num_threads(1)


def example(length: int, seed: int = 0, answer: int | None = None) -> Tokens:
    ids = np.random.default_rng([seed, length]).integers(3, 300, length).astype(np.int32)
    trained = np.arange(length) >= (length // 2 if answer is None else answer)
    return Tokens(ids, trained)


EXAMPLES = [example(length, seed) for seed, length in enumerate((9, 31, 4, 17, 12, 22, 3, 14, 8, 26, 5))]


def batches(examples: Any = EXAMPLES, **changes: Any) -> Batches:
    settings: dict[str, Any] = {"batch": 4, "accumulate": 2, "max_tokens": 64, "seed": 3, "pad_id": 0}
    return Batches(examples, **{**settings, **changes})


def gradients(model: Any, found: list[Batch]) -> tuple[float, list[torch.Tensor]]:
    """The mean loss of a step and every parameter's gradient."""
    model.zero_grad()
    total = 0.0
    trained = sum(batch.trained for batch in found)
    for batch in found:
        given = {"attention_mask": batch.attention_mask, "position_ids": batch.position_ids}
        given = {name: value for name, value in given.items() if value is not None}
        logits = model(input_ids=batch.input_ids, use_cache=False, **given).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        (loss / trained).backward()
        total += loss.item() / trained
    return total, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", LANGUAGE_FAMILIES)
def test_packed_training_has_the_loss_and_gradients_of_unpacked_training(family: str, attention: str) -> None:
    model = random_model(family)
    if attention == "sdpa" and not model._supports_sdpa:
        pytest.skip("the family has eager attention alone")
    model.set_attn_implementation(attention)
    packed = batches(packing=True).micro_batches(1)
    padded = batches(packing=False).micro_batches(1)
    assert sum(batch.input_ids.numel() for batch in packed) < sum(batch.input_ids.numel() for batch in padded)
    loss, grads = gradients(model, packed)
    wanted, expected = gradients(model, padded)
    assert loss == pytest.approx(wanted, abs=1e-5)
    for got, want in zip(grads, expected, strict=True):
        assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("family", ["mistral", "gemma3_text", "phi3", "qwen2"])
def test_a_sliding_window_stays_a_sliding_window_when_rows_are_packed(family: str) -> None:
    sliding = {"use_sliding_window": True, "max_window_layers": 0} if family == "qwen2" else {}
    model = random_model(family, sliding_window=4, **sliding)
    full = random_model(family, sliding_window=100, **sliding)
    packed, padded = (batches(packing=packing).micro_batches(0) for packing in (True, False))
    loss, _ = gradients(model, packed)
    assert loss == pytest.approx(gradients(model, padded)[0], abs=1e-5)
    assert abs(loss - gradients(full, padded)[0]) > 1e-4


@pytest.mark.parametrize("family", LANGUAGE_FAMILIES)
def test_every_common_family_is_found_packable(family: str) -> None:
    model = random_model(family)
    assert packable(model) and model.config.model_type not in MIXING


def test_a_model_with_positions_of_its_own_is_found_not_packable() -> None:
    from transformers import BloomConfig, BloomForCausalLM, MptConfig, MptForCausalLM, OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    bloom = BloomForCausalLM(BloomConfig(vocab_size=64, hidden_size=32, n_layer=2, n_head=4))
    mpt = MptForCausalLM(MptConfig(vocab_size=64, d_model=32, n_layers=2, n_heads=4, expansion_ratio=2))
    opt = OPTForCausalLM(
        OPTConfig(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            word_embed_proj_dim=32,
        )
    )
    for model in (bloom, mpt, opt):
        model.train()
        assert not packable(model) and model.config.model_type in MIXING
        assert model.training


@pytest.mark.parametrize(
    "family, config",
    [
        ("xglm", {"d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 64}),
        ("lfm2", {**GROUPED, "layer_types": ["conv", "full_attention"]}),
    ],
)
def test_a_model_that_hears_little_of_its_neighbour_is_found_not_packable(family: str, config: dict[str, Any]) -> None:
    assert not packable(random_model(family, **config)) and family in MIXING


def test_a_step_is_the_same_whenever_and_in_whatever_order_it_is_asked_for() -> None:
    forwards = [batches().micro_batches(step) for step in range(6)]
    one = batches()
    for step in (5, 0, 3, 3, 1):
        for got, want in zip(one.micro_batches(step), forwards[step], strict=True):
            assert torch.equal(got.input_ids, want.input_ids)
            assert torch.equal(got.labels, want.labels)


def test_every_pass_over_the_data_takes_each_example_once_in_an_order_of_its_own() -> None:
    taken = np.concatenate([batches().indices(step) for step in range(11)])
    passes = taken.reshape(-1, len(EXAMPLES))
    assert all(sorted(each) == list(range(len(EXAMPLES))) for each in passes)
    assert len({tuple(each) for each in passes}) == len(passes)
    assert not np.array_equal(taken[:11], batches(seed=4).indices(0)[:11])


def test_a_batch_larger_than_the_data_repeats_examples() -> None:
    (batch,) = batches(EXAMPLES[:2], batch=5, accumulate=1, packing=False).micro_batches(0)
    assert batch.input_ids.shape == (5, 31)


def test_a_batch_counts_its_tokens_and_targets() -> None:
    for packing in (True, False):
        (batch,) = batches([example(5), example(3, answer=0)], batch=2, accumulate=1, packing=packing).micro_batches(0)
        assert batch.tokens == 8
        assert batch.trained == 3 + 2
        assert int((batch.labels != IGNORED).sum()) == 5


def test_a_token_is_learned_by_its_place_even_where_it_is_the_padding_token() -> None:
    ends = Tokens(np.array([7, 8, 9], dtype=np.int32), np.array([False, True, True]))
    longer = Tokens(np.array([7, 8, 9, 9, 9], dtype=np.int32), np.array([False, True, True, True, True]))
    for packing in (True, False):
        (batch,) = batches([ends, longer], batch=2, accumulate=1, packing=packing, pad_id=9).micro_batches(0)
        assert batch.trained == 2 + 4


def test_the_first_token_of_a_packed_example_is_not_a_target_of_the_one_before() -> None:
    whole = [example(length, answer=0) for length in (4, 4, 8)]
    (batch,) = batches(whole, batch=3, accumulate=1).micro_batches(0)
    assert batch.position_ids is not None
    assert sorted(batch.position_ids.tolist()) == [[0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7]]
    assert (batch.labels[batch.position_ids == 0] == IGNORED).all()
    assert batch.trained == 3 + 3 + 7
    assert batch.attention_mask is None


def test_evaluation_takes_every_example_once() -> None:
    for packing in (True, False):
        found = batches(TokenList(EXAMPLES), packing=packing).evaluation(4)
        assert sum(batch.tokens for batch in found) == sum(len(each) for each in EXAMPLES)
        assert sum(batch.trained for batch in found) == sum(each.targets for each in EXAMPLES)
        assert [batch.sources for batch in found[1:]] == [batch.sources for batch in found][1:]


def test_examples_are_arranged_in_few_full_rows_without_losing_one() -> None:
    lengths = [60, 10, 25, 30, 5, 50, 15, 41]
    rows = arrange(lengths, widest=64)
    assert sorted(index for row in rows for index in row) == list(range(8))
    assert max(sum(lengths[index] for index in row) for row in rows) <= 64
    assert len(rows) == 4
    assert arrange([100], widest=64) == [[0]]
