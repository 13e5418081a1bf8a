"""What `core` says with the run file's names, as the window says it."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from app.wording import labelled
from core.adapters import names
from core.config.combine import combined, unmet
from core.config.run import AXES, RunConfig

NAME = re.compile(r"\b(?:adapter|data|model|train)\.[a-z]")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "Set adapter.init to eva, or adapter.delta to lora, svd or full.",
            "Set 'Start' to 'Main directions of the inputs (EVA)', or 'Delta' to 'B A (LoRA)', 'P λ Q (AdaLoRA)' or "
            "'Dense (full fine-tuning)'.",
        ),
        ("Set adapter.scale to 1.", "Set 'Scale' to '1 (no alpha)'."),
        ("adapter.scale 'alpha/sqrt(r)' needs a rank.", "Scale 'alpha / √r (rsLoRA)' needs a rank."),
        ("Set train.clip to 1.", "Set 'Clip' to 1."),
        ("Set train.learning_rate to about 0.002.", "Set 'Learning rate' to about 0.002."),
        ("Set adapter.rank_schedule.leak to allow.", "Set 'Rows not in use' to 'Allow'."),
        ("Set task to sequence-classification.", "Set 'Task' to 'Sort texts'."),
        ("Say which is which (data.columns).", "Say which is which ('Columns')."),
        ("Cut: 1,234,567 of 12 in a-1,234.jsonl.", "Cut: 1\u202f234\u202f567 of 12 in a-1,234.jsonl."),
        (
            "There is no layer model.layers.0.mlp in train.jsonl.",
            "There is no layer model.layers.0.mlp in train.jsonl.",
        ),
    ],
)
def test_options_and_choices_are_named_by_their_labels(said: str, shown: str) -> None:
    assert labelled(said) == shown


def test_nothing_that_is_said_of_two_members_names_an_option_as_the_run_file_does() -> None:
    members = [(axis, member) for axis in names.DEFAULTS for member in AXES[axis].members]
    said = 0
    for (one, first), (other, second) in combinations(members, 2):
        config = RunConfig.model_validate({"adapter": {one: first.kind, other: second.kind, "dropout": 0.1}})
        chosen = {f"adapter.{axis}": config.adapter.axis(axis) for axis in names.DEFAULTS}
        for problem in (*combined(config), *unmet(chosen)):
            said += 1
            assert not NAME.search(labelled(f"{problem.text} {problem.hint}")), problem
    assert said > 100
