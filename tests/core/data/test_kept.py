"""Data is tokenised once: what was kept is the same to the bit, and never taken for data that has changed."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config.run import DataConfig
from core.data import kept, prepare
from core.data.prepare import Prepared, survey
from core.data.reading import Limit, Reading
from core.data.shelf import Shelf
from core.data.tokens import TokenList
from core.errors import Cancelled, UserError
from core.home import Home
from tests.core.data.chats import LLAMA, byte_level

TALK = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": " First "}]
CALLS = [{"type": "function", "function": {"name": "look", "arguments": {"at": "sky"}}}]
ROWS: dict[str, list[dict[str, Any]]] = {
    "chats": [
        {"messages": TALK},
        {"messages": [*TALK, *TALK]},
        {"messages": TALK},
        {"messages": [{"role": "user", "content": "<s>"}, {"role": "assistant", "content": "", "weight": 0.5}]},
    ],
    "plain": [{"prompt": "One", "completion": " two."}, {"prompt": "Three", "completion": " four."}],
    "documents": [{"text": "One two three. " * 40}, {"text": "Four five six. " * 40}],
    "labels": [{"text": "good", "label": "yes"}, {"text": "bad", "label": "no"}],
    "pairs": [{"prompt": "One?", "chosen": "Two.", "rejected": "Three."}],
}
TASKS = {"labels": "sequence-classification", "pairs": "preference"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SMALLEST", 0)


def written(path: Path, rows: list[dict[str, Any]]) -> DataConfig:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return DataConfig(path=str(path), max_tokens=60)


def look(data: DataConfig, home: Home | None, task: str = "causal-lm", template: str | None = None) -> Prepared:
    tokenizer = byte_level(template) if template else byte_level()
    return survey(data, tokenizer, 0, lambda _text, _share: None, task=task, home=home)


def no_reading(*_given: Any, **_more: Any) -> Reading:
    raise AssertionError("the data was read again")


def assert_same(one: TokenList, other: TokenList) -> None:
    assert one.parts().keys() == other.parts().keys()
    for name, part in one.parts().items():
        theirs = other.parts()[name]
        if isinstance(part, np.ndarray):
            assert part.dtype == theirs.dtype and part.tobytes() == theirs.tobytes(), name
        else:
            assert part == theirs, name


@pytest.mark.parametrize("shape", ROWS)
def test_what_was_kept_is_what_is_read_to_the_bit(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, home, task = written(tmp_path / "a.jsonl", ROWS[shape]), Home(tmp_path), TASKS.get(shape, "causal-lm")
    plain = look(data, None, task)
    look(data, home, task)
    monkeypatch.setattr(prepare, "read", no_reading)
    again = look(data, home, task)
    for one, other in ((plain.train, again.train), (plain.held_out, again.held_out)):
        assert_same(one, other)
        assert [(each.place, each.weights is None) for each in one] == [
            (each.place, each.weights is None) for each in other
        ]
    assert again.report == plain.report
    assert again.labels == plain.labels


def test_every_field_of_a_reading_is_kept(tmp_path: Path) -> None:
    data, home = written(tmp_path / "a.jsonl", ROWS["chats"]), Home(tmp_path)
    readings: list[Reading] = []
    encoder = prepare.Encoder(byte_level(), train_on="completions", max_tokens=60)
    keeper = kept.Keeper(Shelf(home.prepared), data, "causal-lm", encoder)
    for _ in range(2):
        readings.append(
            keeper.read(
                data.path,
                lambda _text, _share: None,
                lambda: prepare.read(
                    data.path, data, task="causal-lm", encoder=encoder, progress=lambda _text, _share: None
                ),
            )
        )
    one, other = readings
    assert one is not other and one.oddities and one.odd
    for field in fields(Reading):
        if field.name == "guess":
            assert (one.guess.format.kind, one.guess.reason) == (other.guess.format.kind, other.guess.reason)
        elif field.name != "tokens":
            assert getattr(one, field.name) == getattr(other, field.name), field.name


def test_changed_data_is_read_again_though_its_size_and_time_are_as_before(tmp_path: Path) -> None:
    path, home = tmp_path / "a.jsonl", Home(tmp_path)
    data = written(path, ROWS["plain"] * 20)
    before, times = look(data, home), path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("Three", "Seven"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert_same(look(data, home).train, look(data, None).train)
    assert look(data, home).train[0].ids.tolist() != before.train[1].ids.tolist()


def test_a_file_of_any_size_is_left_as_soon_as_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PIECE", 64)
    data, shares = written(tmp_path / "data.jsonl", ROWS["plain"] * 9), list[float | None]()

    def impatient(_text: str, share: float | None) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        survey(data, byte_level(), 0, impatient, home=Home(tmp_path / "home"))

    assert shares == [64 * part / (tmp_path / "data.jsonl").stat().st_size for part in (1, 2, 3)]


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"train_on": "everything"}, {"template": "zephyr"}, {"task": 1}])
def test_another_run_of_the_same_data_gets_tokens_of_its_own(change: dict[str, Any], tmp_path: Path) -> None:
    data, home = written(tmp_path / "a.jsonl", ROWS["chats"]), Home(tmp_path)
    look(data, home)
    template = LLAMA if change.pop("task", None) else None
    other = data.model_copy(update=change)
    assert_same(look(other, home, template=template).train, look(other, None, template=template).train)
    assert len(list(home.prepared.iterdir())) == 2


def test_a_damaged_entry_is_thrown_away_and_the_data_read(tmp_path: Path) -> None:
    data, home = written(tmp_path / "a.jsonl", ROWS["chats"]), Home(tmp_path)
    look(data, home)
    (entry,) = home.prepared.iterdir()
    for name, damage in ((kept.TABLE, b"ARROW"), (kept.FOUND, b"{"), (kept.TABLE, b"")):
        (entry / name).write_bytes(damage)
        assert_same(look(data, home).train, look(data, None).train)


def test_data_that_changes_while_it_is_read_and_data_with_a_mistake_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, home, real = tmp_path / "a.jsonl", Home(tmp_path), prepare.read
    data = written(path, ROWS["chats"])

    def changing(*given: Any, **more: Any) -> Reading:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(ROWS["chats"][0]) + "\n")
        return real(*given, **more)

    monkeypatch.setattr(prepare, "read", changing)
    look(data, home)
    monkeypatch.setattr(prepare, "read", real)
    path.write_text('{"messages": 1}\n', encoding="utf-8")
    with pytest.raises(UserError):
        look(data, home)
    assert not home.prepared.exists()


def test_a_mere_look_is_kept_apart_from_the_whole(tmp_path: Path) -> None:
    data, home = written(tmp_path / "a.jsonl", ROWS["plain"] * 40), Home(tmp_path)
    few = survey(data, byte_level(), 0, lambda _text, _share: None, limit=Limit(rows=60), home=home)
    assert few.report.rows == 60 and look(data, home).report.rows == 80


def test_the_shelf_throws_away_what_was_not_used_for_longest(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", most=2_500)

    def fill(entry: Path) -> None:
        (entry / "bytes").write_bytes(b"x" * 1_000)

    for age, key in ((30, "a"), (20, "b")):
        assert shelf.keep(key, 1_000, fill)
        os.utime(shelf.folder / key / "used", (10**9 - age, 10**9 - age))
    assert shelf.find("a")  # used now
    assert shelf.keep("c", 1_000, fill)
    assert shelf.find("a") and shelf.find("c") and not shelf.find("b")
    assert not shelf.keep("large", 3_000, fill)
    assert {path.name for path in shelf.folder.iterdir()} == {"a", "c"}


def test_of_two_that_make_the_same_entry_at_once_the_first_one_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")

    def slow(entry: Path) -> None:
        assert Shelf(shelf.folder).keep("a", 1, lambda other: (other / "by").write_text("the other") and None)
        (entry / "by").write_text("me")

    assert shelf.keep("a", 1, slow)
    assert (shelf.folder / "a" / "by").read_text() == "the other"
    assert [path.name for path in shelf.folder.iterdir()] == ["a"]


def test_a_disk_that_refuses_costs_nothing_but_time(tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", ROWS["chats"])
    (tmp_path / "prepared").write_text("no folder")
    assert_same(look(data, Home(tmp_path)).train, look(data, None).train)
