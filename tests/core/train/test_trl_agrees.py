"""trl as the judge of DPO's loss: the same pairs, the same model, the same adapter."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch
from datasets import Dataset

from tests.core.train.test_objectives import ALPHA, RANK, theirs, training
from tests.tiny import random_model, tiny_model

trl = pytest.importorskip("trl")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_the_loss_of_preferences_is_trls(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Question {n}?", "chosen": " The answer is one." + " So." * n, "rejected": " zebra zebra"}
        for n in range(6)
    ]  # a blank at a prompt's end would be cut off there by trl, and is kept here
    made = training(
        tmp_path, tiny_model("llama", tmp_path / "model"), "preference", rows, beta=0.3, data={"held_out": 0}
    )
    for parameter in made.adapters.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) * 0.1)
    batch = made.rows.micro_batches(0)[0]
    made.model.eval()
    ours = made.objective(batch).item() / batch.trained
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules=list(made.adapters.layers), lora_dropout=0.0
    )
    arguments = trl.DPOConfig(output_dir=str(tmp_path / "trl"), beta=0.3, use_cpu=True, report_to=[], bf16=False)
    judge = trl.DPOTrainer(
        model=random_model("llama"),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=made.tokenizer,
        peft_config=config,
    )
    with torch.no_grad():
        for name, value in theirs(made).items():
            judge.model.get_parameter(name).copy_(value)
    judge.model.eval()
    taken = [judge.train_dataset[int(at)] for at in made.rows.indices(0)]  # type: ignore[attr-defined]
    with torch.no_grad():
        loss = judge.compute_loss(judge.model, judge.data_collator(taken)).item()
    assert ours == pytest.approx(loss, rel=1e-5)
