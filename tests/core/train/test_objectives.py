"""What is lowered: classes and values against plain transformers and peft, preferences against DPO's formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, DataCollatorForSeq2Seq

from core.commandline.examination import examine
from core.config.run import RunConfig
from core.export import adapter as adapter_export
from core.export import merged
from core.export.keys import module_keys
from core.export.saved import open_adapter
from core.figures.live.of_run import own_figures
from core.figures.live.of_task import TASK_FIGURES
from core.home import Home
from core.models.catalog import describe
from core.models.headers import read_folder
from core.train import checkpoint
from core.train.interrupt import Interrupt
from core.train.loss import TokenLoss
from core.train.prepare import prepare
from core.train.trainer import train
from core.train.training import Training
from tests.core.train.small import ListSink
from tests.tiny import random_model, tiny_model, tiny_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

WORDS = {"animal": "dog fox zebra", "number": "one two three", "place": "France Paris capital"}
RANK, ALPHA = 4, 8


def labelled(count: int) -> list[dict[str, Any]]:
    kinds = list(WORDS.items())
    return [
        {"text": f"{words.split()[n % 3]} {words.split()[n // 3 % 3]} {n}", "label": label}
        for n in range(count)
        for label, words in [kinds[n % 3]]
    ]


def scored(count: int) -> list[dict[str, Any]]:
    return [{"sentence1": "one " * (n % 4 + 1), "sentence2": f"two {n}", "score": n % 4 / 2} for n in range(count)]


def pairs(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"Question {n}? ", "chosen": "The answer is one.", "rejected": "zebra zebra"} for n in range(count)
    ]


def training(folder: Path, model: Path, task: str, rows: list[dict[str, Any]], **train_options: Any) -> Training:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = RunConfig.from_dict(
        {
            "task": task,
            "model": {"path": str(model), "compute": "float32"},
            "data": {"path": str(path), "held_out": 0.25, "max_tokens": 64, **train_options.pop("data", {})},
            "adapter": {"rank": RANK, "alpha": ALPHA, "layers": "all-linear", **train_options.pop("adapter", {})},
            "train": {"steps": 12, "batch": 8, "learning_rate": 1e-2, "warmup": 0, "schedule": "constant",
                      "device": "cpu", "clip": 0, "evaluate_every": 6, **train_options},
        }
    )  # fmt: skip
    run = folder / "run"
    run.mkdir(exist_ok=True)
    return prepare(
        config, home=Home(folder), folder=run, sink=ListSink(), interrupt=Interrupt(), say=lambda *_: None
    )  # fmt: skip


def curves(made: Training) -> dict[str, dict[int, float]]:
    assert isinstance(made.sink, ListSink)
    return made.sink.curves


def by_peft(made: Training, folder: Path) -> peft.PeftModel:
    """The same model with the same first values, put together by transformers and peft."""
    labels = made.adapters.labels
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=max(1, len(labels)))
    model.config.pad_token_id = made.tokenizer.pad_token_id
    config = peft.LoraConfig(
        task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=list(made.adapters.layers), lora_dropout=0.0,
        modules_to_save=["classifier" if "bert" in made.model.config.model_type else "score"],
    )  # fmt: skip
    other = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, value in theirs(made).items():
            other.get_parameter(name).copy_(value)
    return other


def theirs(made: Training) -> dict[str, torch.nn.Parameter]:
    """The trained tensors under the names that peft gives them."""
    found = {}
    for name, layer in made.adapters.layers.items():
        found[f"base_model.model.{name}.lora_A.default.weight"] = layer.own["a"]
        found[f"base_model.model.{name}.lora_B.default.weight"] = layer.own["b"]
    for name, parameter in made.adapters.head.items():
        if "pooler" in name:
            continue
        module, _, key = name.partition(".")
        found[f"base_model.model.{module}.modules_to_save.default.{key}"] = parameter
    return found


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_sorting_learns_as_peft_does(tmp_path: Path, family: str) -> None:
    changes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0} if family == "bert" else {}
    base = tiny_model(family, tmp_path / "model", **changes)
    layers = ["query", "value"] if family == "bert" else ["q_proj", "v_proj"]
    made = training(tmp_path, base, "sequence-classification", labelled(40), adapter={"layers": layers})
    pooled = [name for name in made.adapters.head if "pooler" in name]
    other = by_peft(made, base).train()
    with torch.no_grad():
        for name in pooled:
            other.get_parameter(f"base_model.model.{name}").copy_(made.adapters.head[name]).requires_grad_()
    mine = theirs(made) | {f"base_model.model.{name}": made.adapters.head[name] for name in pooled}
    for name in pooled:
        other.get_parameter(f"base_model.model.{name}").requires_grad_()
    optimizer = torch.optim.AdamW([other.get_parameter(name) for name in mine], lr=1e-2, weight_decay=0.0)
    made.model.train()
    for step in range(6):
        (batch,) = made.rows.micro_batches(step)
        assert batch.goals is not None
        said = other(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.goals.long())
        loss = made.objective(batch) / batch.trained
        assert loss.item() == pytest.approx(said.loss.item(), rel=1e-4)
        made.optimizer.zero_grad()
        optimizer.zero_grad()
        loss.backward()
        said.loss.backward()
        for name, parameter in mine.items():
            gradient = other.get_parameter(name).grad
            assert parameter.grad is not None and gradient is not None
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
        for group in made.optimizer.param_groups:
            group["weight_decay"] = 0.0
        made.optimizer.step()
        optimizer.step()


def test_sorting_is_measured_on_what_was_held_out_and_gets_better(tmp_path: Path) -> None:
    made = training(
        tmp_path, tiny_model("bert", tmp_path / "model"), "sequence-classification", labelled(60), steps=30,
        evaluate_every=15, head_learning_rate=2e-2,
    )  # fmt: skip
    assert made.adapters.labels == ("animal", "number", "place")
    train(made)
    found = curves(made)
    assert (
        set(found["held_out_accuracy"]) == set(found["held_out_f1"]) == set(found["held_out_matthews"]) == {0, 15, 30}
    )
    assert found["held_out_accuracy"][30] > 0.9 > found["held_out_accuracy"][0]
    assert set(found["accuracy"]) == set(range(1, 31))
    assert {group["role"]: group["lr"] for group in made.optimizer.param_groups} == {"a": 1e-2, "b": 1e-2, "head": 2e-2}


def test_values_are_learned_from_pairs_of_sentences(tmp_path: Path) -> None:
    made = training(tmp_path, tiny_model("llama", tmp_path / "model"), "regression", scored(40), steps=25)
    batch = made.rows.micro_batches(0)[0]
    assert batch.goals is not None
    given = made.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits[:, 0]
    assert made.objective(batch).item() == pytest.approx(float(((given - batch.goals) ** 2).detach().sum()), rel=1e-5)
    made.figures(whole=False)
    train(made)
    losses = list(curves(made)["loss"].values())
    assert losses[-1] < losses[0] / 2
    assert curves(made)["held_out_pearson"][25] > 0.8


def test_a_head_goes_on_after_a_stop_where_it_was(tmp_path: Path) -> None:
    base = tiny_model("bert", tmp_path / "model")
    made = training(tmp_path, base, "sequence-classification", labelled(30), steps=3)
    train(made)
    again = training(tmp_path, base, "sequence-classification", labelled(30), steps=3)
    found, _ = checkpoint.newest(made.folder)
    assert found is not None
    checkpoint.restore(again, found)
    for (name, one, _), (_, other, _) in zip(
        made.adapters.named_parameters(), again.adapters.named_parameters(), strict=True
    ):
        assert torch.equal(one, other), name


@pytest.mark.parametrize(("family", "bare"), [("bert", False), ("bert", True), ("llama", False)])
def test_a_judging_model_is_exported_with_its_head(tmp_path: Path, family: str, bare: bool) -> None:
    base = tiny_model(family, tmp_path / "model")
    if bare:
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
        model.base_model.save_pretrained(base)
    made = training(tmp_path, base, "sequence-classification", labelled(30), steps=4)
    train(made)
    made.model.eval()
    batch = made.rows.micro_batches(0)[0]
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    wanted = made.model(**inputs).logits
    found, _ = checkpoint.newest(made.folder)
    assert found is not None
    saved = open_adapter(found.adapter)
    for folder in ("adapter", "merged"):
        (tmp_path / folder).mkdir()
    merged.write(saved, describe(base), tmp_path / "merged", progress=lambda *_: None)
    opened, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert (list(report["missing_keys"]), list(report["unexpected_keys"])) == ([], [])
    torch.testing.assert_close(opened.eval()(**inputs).logits, wanted, rtol=1e-4, atol=1e-5)
    assert opened.config.id2label == {0: "animal", 1: "number", 2: "place"}
    assert sorted(path.name for path in (tmp_path / "merged").glob(".*")) == []
    modules = {*module_keys(read_folder(base), family), *(name.rpartition(".")[0] for name in saved.head)}
    adapter_export.write(saved, tmp_path / "adapter", base="tiny", modules=modules)
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    plain.config.pad_token_id = made.tokenizer.pad_token_id
    other = peft.PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    torch.testing.assert_close(other(**inputs).logits, wanted, rtol=1e-4, atol=1e-5)


def test_preferences_follow_the_closed_formula_packed_or_not(tmp_path: Path) -> None:
    base = tiny_model("llama", tmp_path / "model")
    losses, gradients = [], []
    for packing in (True, False):
        made = training(tmp_path, base, "preference", pairs(12), data={"packing": packing}, beta=0.3)
        for parameter in made.adapters.parameters():
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.1)
        (batch,) = made.rows.micro_batches(0)
        loss = made.objective(batch)
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in made.adapters.parameters() if p.grad is not None]))
        figures = made.figures(whole=False)
    rewards = []
    for number in made.rows.indices(0):  # type: ignore[attr-defined]
        example = made.rows._examples[int(number)]  # type: ignore[attr-defined]
        sides = []
        for text in example.texts():
            ids, learned = torch.tensor(text.ids[None]).long(), torch.tensor(text.trained[1:])
            with torch.no_grad():
                now = _said(made, ids)[learned].sum()
                with made.adapters.disabled():
                    before = _said(made, ids)[learned].sum()
            sides.append(0.3 * (now - before))
        rewards.append(torch.stack(sides))
    chosen, rejected = torch.stack(rewards).unbind(1)
    assert losses[0] == pytest.approx(-float(functional.logsigmoid(chosen - rejected).sum()), rel=1e-4)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)
    assert figures["reward_chosen"] == pytest.approx(float(chosen.mean()), rel=1e-3, abs=1e-5)
    assert figures["reward_accuracy"] == pytest.approx(float((chosen > rejected).float().mean()))


def _said(made: Training, ids: torch.Tensor) -> torch.Tensor:
    scores = made.model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return scores.gather(1, ids[0, 1:, None])[:, 0]


def test_preferring_lowers_the_loss_and_raises_the_margin(tmp_path: Path) -> None:
    made = training(tmp_path, tiny_model("llama", tmp_path / "model"), "preference", pairs(24), steps=20, batch=4)
    before = [layer.base.weight.clone() for layer in made.adapters.layers.values()]
    train(made)
    found = curves(made)
    assert found["loss"][1] == pytest.approx(0.6931, abs=1e-4)
    assert found["loss"][20] < 0.5
    assert found["reward_margin"][1] == pytest.approx(0, abs=1e-5)
    assert found["held_out_reward_margin"][20] > 0.3
    assert found["held_out_reward_accuracy"][20] == 1
    after = [layer.base.weight for layer in made.adapters.layers.values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_loss_of_tokens_is_that_of_transformers_own_collator(tmp_path: Path) -> None:
    rows = [{"instruction": f"Define {n}.", "response": "It is " + "so " * n} for n in range(8)]
    made = training(tmp_path, tiny_model("llama", tmp_path / "model"), "causal-lm", rows, data={"held_out": 0})
    (batch,) = made.rows.micro_batches(0)
    examples = [made.rows._examples[int(number)] for number in made.rows.indices(0)]  # type: ignore[attr-defined]
    features = [
        {
            "input_ids": each.ids.tolist(),
            "attention_mask": [1] * len(each),
            "labels": [int(t) if on else -100 for t, on in zip(each.ids, each.trained, strict=True)],
        }
        for each in examples
    ]
    collated = DataCollatorForSeq2Seq(tiny_tokenizer(), padding=True)(features)
    with torch.no_grad():
        theirs = random_model("llama")(**collated).loss.item()
    assert (TokenLoss(random_model("llama"))(batch) / batch.trained).item() == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(("family", "task"), [("bert", "sequence-classification"), ("llama", "regression")])
@pytest.mark.parametrize("bare", [True, False])
def test_a_check_counts_the_head_that_is_trained_along(tmp_path: Path, family: str, task: str, bare: bool) -> None:
    model = tmp_path / "model"
    random_model(family).save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    if not bare:
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=3).save_pretrained(model)
    rows = labelled(24) if task == "sequence-classification" else scored(24)
    made = training(tmp_path, model, task, rows)
    found = examine(Home(tmp_path), made.config)
    assert made.adapters.head
    assert found.trainable_parameters == made.adapters.count()


def test_rare_classes_may_count_more_in_the_loss(tmp_path: Path) -> None:
    made = [
        training(tmp_path, tiny_model("bert", tmp_path / f"{n}"), "sequence-classification", labelled(24), data=data)
        for n, data in enumerate(({}, {"label_weights": {"number": 5}}))
    ]
    losses = []
    for each in made:
        (batch,) = each.rows.micro_batches(0)
        each.model.eval()
        losses.append(each.objective(batch).item())
    assert batch.goals is not None
    with torch.no_grad():
        scores = each.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        each_loss = functional.cross_entropy(scores, batch.goals.long(), reduction="none")
    plain, extra = each_loss.sum(), 4 * each_loss[batch.goals == made[0].adapters.labels.index("number")].sum()
    assert losses == pytest.approx([float(plain), float(plain + extra)], rel=1e-4)


@pytest.mark.parametrize("task", TASK_FIGURES)
def test_every_figure_of_a_task_is_made_from_what_its_run_measures(tmp_path: Path, task: str) -> None:
    rows = {"regression": scored, "preference": pairs}.get(task, labelled)(24)
    family = "llama" if task == "preference" else "bert"
    made = training(tmp_path, tiny_model(family, tmp_path / "model"), task, rows, steps=2, evaluate_every=1)
    train(made)
    figures = own_figures(made.config)
    assert figures[: len(TASK_FIGURES[task])] == TASK_FIGURES[task]
    wanted = {curve for figure in TASK_FIGURES[task] for curve in figure.curves}
    assert wanted <= curves(made).keys()
