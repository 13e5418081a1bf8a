"""Why rows are read by readers of our own and not by `datasets`: what that library makes of them, beside what we read.

It finds a type for each column in what it reads first, and brings the values to that type. What a model is to learn is
the very text of the file: a date must stay the word that it was, "42" must not become a number, and the arguments of a
call must keep their order, since it is them that are trained on. Should a release keep all of it, these tests will say
so, and rows may then be loaded by it.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.data.files import find
from core.errors import UserError

datasets = pytest.importorskip("datasets")


def loaded(kind: str, path: Path, **options: Any) -> list[dict[str, Any]]:
    """The rows as the library loads them."""
    datasets.disable_progress_bars()
    found = datasets.load_dataset(
        kind, data_files=str(path), cache_dir=str(path.parent / "cache"), split="train", **options
    )
    return list(found)


def read(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The rows as we read them, with their lines."""
    return [(row.number, row.value) for row in find(path).rows()]


def called(**arguments: Any) -> dict[str, Any]:
    return {"name": "book", "arguments": arguments}


LEARNED = [
    {"said": "42", "day": "2024-01-01", "call": called(a=1, b=2), "price": 1, "long": 2**63},
    {"said": ["a", "list"], "day": "2024-01-02", "call": called(b=3, a=4), "price": 1.5, "long": 1},
]
"""Rows as they stand in chats with calls of tools: numbers, dates and lists that somebody has said."""


def test_a_column_of_json_is_brought_to_one_type_by_the_library_and_stays_as_it_is_here(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in LEARNED), encoding="utf-8")
    first, second = loaded("json", path)
    assert first["said"] == 42  # a number of the word "42", because another row says a list
    assert first["day"] == datetime(2024, 1, 1)
    assert list(second["call"]["arguments"]) == ["a", "b"]  # which the row has the other way round
    assert json.dumps(first["price"]) == "1.0"
    assert int(first["long"]) == 2**63 and isinstance(first["long"], float)

    assert read(path) == [(1, LEARNED[0]), (2, LEARNED[1])]
    assert [json.dumps(row) for _, row in read(path)] == [json.dumps(row) for row in LEARNED]


def test_json_that_the_library_gives_up_on_is_read_here_or_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    calls = [{"call": called(a=2**70)}, {"call": called(a="x")}]
    for rows, between, refused in ((calls, "\n", "too big"), ([{"a": 1}, {"a": "x"}], "\n\n", "Expected object")):
        path.write_text(between.join(json.dumps(row) for row in rows), encoding="utf-8")
        with pytest.raises(ValueError, match=refused):
            loaded("json", path)
        assert [row for _, row in read(path)] == rows

    path.write_text('{"a": 1}\n\n{"a": }\n', encoding="utf-8")
    with pytest.raises(datasets.exceptions.DatasetGenerationError) as caught:
        loaded("json", path)
    assert "line 3" not in f"{caught.value} {caught.value.__cause__}"  # it counts rows, without the empty line
    with pytest.raises(UserError, match=r"numbers.jsonl, row 3, column 7: not JSON"):
        read(path)


def test_answers_in_a_table_are_lost_by_the_library_and_kept_here(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('ask,answer\n"Two\nlines?",007\nWhich element?,NA\nWhat is left?,None\n', encoding="utf-8")
    assert [row["answer"] for row in loaded("csv", path)] == [7.0, None, None]  # and no line of any of them
    assert [(number, row["answer"]) for number, row in read(path)] == [(2, "007"), (4, "NA"), (5, "None")]


def test_running_text_comes_without_its_paragraphs_or_without_its_lines_from_the_library(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"One\n \nTwo\n\n\nThree  \n")
    assert [row["text"] for row in loaded("text", path, sample_by="line")] == ["One", " ", "Two", "", "", "Three  "]
    assert [row["text"] for row in loaded("text", path, sample_by="paragraph")] == ["One\n \nTwo", "\nThree  \n"]
    assert read(path) == [(1, {"text": "One\n \nTwo\n\n\nThree  \n"})]
