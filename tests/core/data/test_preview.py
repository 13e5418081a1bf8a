"""What the window shows is what the trainer draws, token by token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.run import RunConfig
from core.data.batches import Batches
from core.data.prepare import prepare
from core.data.preview import preview_job
from core.errors import UserError
from core.home import Home
from core.models.catalog import describe
from tests.tiny import tiny_model, tiny_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model("llama", tmp_path_factory.mktemp("model"))


ROWS = [{"instruction": f"Define {n}.", "response": "It is " + "so " * (n % 5) + "ö."} for n in range(12)]


def body(folder: Path, model: Path, rows: list[dict[str, Any]] = ROWS, **changes: Any) -> dict[str, Any]:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {"path": str(path), "held_out": 0, **changes.pop("data", {})}
    config = {"data": data, "model": {"path": str(model)}, "train": {"batch": 2, "accumulate": 2}, **changes}
    return {"config": config}


def show(folder: Path, asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = preview_job(Home(folder), {**asked, **more}, lambda *_: None)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("packing", "mixes"), [(True, False), (False, False), (True, True)])
def test_the_batches_shown_are_those_of_the_trainer(
    tmp_path: Path, model: Path, packing: bool, mixes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.preview.MIXING", frozenset({describe(model).model_type} if mixes else ()))
    asked = body(tmp_path, model, data={"packing": packing})
    config = RunConfig.from_dict(asked["config"])
    train = prepare(config.data, tiny_tokenizer(), config.seed).train
    rows = Batches(train, batch=2, accumulate=2, max_tokens=512, seed=0, packing=packing and not mixes, pad_id=0)
    for index in range(8):
        found = show(tmp_path, asked, index=index)
        batch = rows.micro_batches(index // 2)[index % 2]
        assert [row["ids"] for row in found["rows"]] == batch.input_ids.tolist()
        assert [row["trained"] for row in found["rows"]] == (batch.labels != -100).tolist()
        assert (found["step"], found["micro_batch"], found["micro_batches"]) == (index // 2, index % 2, 6)
        if batch.position_ids is not None:
            assert [row["positions"] for row in found["rows"]] == batch.position_ids.tolist()
        for number, text in enumerate(found["texts"]):
            inside = [
                (row["ids"][at], row["trained"][at], row["positions"][at])
                for row in found["rows"]
                for at, owner in enumerate(row["texts"])
                if owner == number
            ]
            example = train[text["example"]]
            assert [token for token, _, _ in inside] == example.ids.tolist()
            assert [learned for _, learned, _ in inside] == example.trained.tolist()
            assert [place for _, _, place in inside] == list(range(len(example)))
            assert (text["row"], text["trained"]) == (example.row, example.targets)


def test_pieces_are_readable_and_special_tokens_are_marked(tmp_path: Path, model: Path) -> None:
    row = show(tmp_path, body(tmp_path, model, data={"packing": False}), index=0)["rows"][0]
    text = "".join(row["pieces"])
    assert text.startswith("<|im_start|>user\nDefine ")
    assert "‹C3›" in text and "‹B6›" in text
    assert [piece for piece, special in zip(row["pieces"], row["special"], strict=True) if special][:2] == [
        "<|im_start|>",
        "<|im_end|>",
    ]


def test_the_longest_the_shortest_and_the_cut_ones_are_found(tmp_path: Path, model: Path) -> None:
    asked = body(tmp_path, model, data={"max_tokens": 40})
    texts = {each["example"]: each for n in range(6) for each in show(tmp_path, asked, index=n)["texts"]}
    longest, shortest = show(tmp_path, asked, index="longest"), show(tmp_path, asked, index="shortest")
    assert texts[longest["example"]]["tokens"] == max(each["tokens"] for each in texts.values())
    assert texts[shortest["example"]]["tokens"] == min(each["tokens"] for each in texts.values())
    assert longest["example"] in [each["example"] for each in longest["texts"]]
    cut = sorted(number for number, each in texts.items() if each["cut"])
    assert len(cut) > 1
    first = show(tmp_path, asked, index="truncated")
    assert [first["example"], show(tmp_path, asked, index="truncated", after=first["example"])["example"]] == cut[:2]
    with pytest.raises(UserError, match="No example is cut"):
        show(tmp_path, body(tmp_path, model), index="truncated")
    with pytest.raises(UserError, match="no micro-batch 'widest'"):
        show(tmp_path, asked, index="widest")


def test_pairs_and_labelled_texts_are_shown_with_what_they_are(tmp_path: Path, model: Path) -> None:
    pairs = [{"prompt": f"Why {n}? ", "chosen": "So.", "rejected": "No."} for n in range(4)]
    found = show(tmp_path, body(tmp_path, model, pairs, task="preference"), index=1)
    assert [text["part"] for text in found["texts"]] == ["chosen", "rejected"] * 2
    assert found["trained"] == 2
    labelled = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(4)]
    found = show(tmp_path, body(tmp_path, model, labelled, task="sequence-classification"), index=0)
    assert all(text["label"] == "ab"[(text["row"] - 1) % 2] for text in found["texts"])
    assert (found["packing"], found["trained"]) == (False, 2)
    assert not any(any(row["trained"]) for row in found["rows"])


def test_a_row_is_found_on_either_side_and_one_in_no_batch_is_said_to_be(tmp_path: Path, model: Path) -> None:
    rows = [*ROWS, {"instruction": "Why?", "response": ""}]
    asked = body(tmp_path, model, rows, data={"held_out": 0.25, "leave_out": ["empty-answers"]})
    sides = set()
    for row in range(1, 13):
        found = show(tmp_path, asked, index="row", file="a.jsonl", row=row)
        texts = {text["example"]: text["row"] for text in found["texts"]}
        assert texts[found["example"]] == row
        sides.add(found["held_out"])
        other = show(tmp_path, asked, index=found["index"], held_out=found["held_out"])
        assert other["texts"] == found["texts"]
    assert sides == {True, False}
    assert found["held_out_examples"] == 3
    with pytest.raises(UserError, match=r"a.jsonl, row 13 is in no batch"):
        show(tmp_path, asked, index="row", file="a.jsonl", row=13)


def test_the_template_that_is_used_is_told(tmp_path: Path, model: Path) -> None:
    assert show(tmp_path, body(tmp_path, model), index=0)["own_template"] == tiny_tokenizer().chat_template
