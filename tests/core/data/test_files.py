"""Files become numbered rows, and what is wrong with one is said with its place."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data.files import BLOCK, LONGEST_ROW, find
from core.errors import UserError


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def complaint(path: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        list(find(path).rows())
    assert caught.value.path == "data.path"
    return caught.value.text


def test_rows_are_numbered_by_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"text": "one"}\n\n  \r\n{"text": "two"}\r\n{"text": "three"}')
    rows = [(row.number, row.value["text"], row.file, row.ends) for row in find(path).rows()]
    assert rows == [(1, "one", "a.jsonl", True), (4, "two", "a.jsonl", True), (5, "three", "a.jsonl", True)]


def test_a_mark_at_the_start_of_a_file_is_no_part_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", codecs.BOM_UTF8 + b'{"text": "one"}\n')
    assert [row.value for row in find(path).rows()] == [{"text": "one"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": 1}\n{"a": 1,}\n', "a.jsonl, row 2, column 9: not JSON"),
        ('{"a": 1}\n[1]\n', "a.jsonl, row 2: expected an object in braces, found a list."),
        ('{"a": 1}\n"x"\n', "a.jsonl, row 2: expected an object in braces, found a string."),
        ("null\n", "a.jsonl, row 1: expected an object in braces, found null."),
        ('[{"a": 1}]\n', "a.jsonl is one JSON array."),
        ('[\n{"a": 1}\n]\n', "a.jsonl is one JSON array."),
        ("", "a.jsonl is empty"),
        ("\n \n", "a.jsonl is empty"),
        ("[" * 100_000, "a.jsonl, row 1: nested too deeply"),
        ('{"a":' * 100_000, "a.jsonl, row 1: nested too deeply"),
        (b'{"a": "x"}\n{"a": "caf\xe9"}\n', "a.jsonl, line 2, column 11: the byte 0xE9 is not UTF-8."),
        (b'{"a": "\xc3\xa9\xe9"}\n', "a.jsonl, line 1, column 9: the byte 0xE9 is not UTF-8."),
        (b'{"a": "x"}\n\xe2\x82', "a.jsonl, line 2, column 1: the byte 0xE2 is not UTF-8."),
        ("\ufeffx".encode("utf-16-le"), "a.jsonl is in UTF-16."),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert complaint(write(tmp_path, "a.jsonl", content)).startswith(said)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'{"a": "' + b"x" * LONGEST_ROW + b'"}')
    assert complaint(path) == "a.jsonl, row 1: longer than 64 MB."


def test_paths_that_hold_no_data_are_named(tmp_path: Path) -> None:
    assert complaint("") == "No data has been chosen."
    assert complaint(tmp_path / "gone.jsonl").startswith("There is no data at")
    assert complaint(write(tmp_path, "a.parquet", "x")) == "a.parquet: '.parquet' files cannot be read as data."
    assert complaint(write(tmp_path, "plain", "x")) == "plain: files without an ending cannot be read as data."
    (tmp_path / "empty").mkdir()
    assert complaint(tmp_path / "empty").endswith("holds no data file.")


def test_a_text_is_read_in_blocks_that_end_at_blank_lines(tmp_path: Path) -> None:
    text = "".join(f"Paragraph {n}. " + "word " * 200 + "\n\n" for n in range(300))
    rows = list(find(write(tmp_path, "novel.txt", text.replace("\n", "\r\n"))).rows())
    assert "".join(row.value["text"] for row in rows) == text
    assert len(rows) > 3
    assert all(row.value["text"].startswith("Paragraph") and len(row.value["text"]) < 2 * BLOCK for row in rows)
    assert [row.ends for row in rows] == [False] * (len(rows) - 1) + [True]
    lines = text.split("\n")
    assert all(row.value["text"].startswith(lines[row.number - 1]) for row in rows)


def test_a_text_of_one_endless_line_is_read_whole(tmp_path: Path) -> None:
    text = "né " * 500_000
    rows = list(find(write(tmp_path, "line.md", text)).rows())
    assert "".join(row.value["text"] for row in rows) == text
    assert len(rows) > 1


def test_blank_lines_at_the_end_of_a_text_are_no_row(tmp_path: Path) -> None:
    text = "word\n" * BLOCK + "\n"
    rows = list(find(write(tmp_path, "a.txt", text + "\n" * 5)).rows())
    assert rows[-1].ends
    assert "".join(row.value["text"] for row in rows).rstrip("\n") == text.rstrip("\n")
    assert complaint(write(tmp_path, "blank.txt", " \n\n")).startswith("blank.txt is empty")


def test_a_wrong_byte_in_a_text_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"one\ntwo \xff\n")
    assert complaint(path) == "a.txt, line 2, column 5: the byte 0xFF is not UTF-8."


def test_a_folder_is_its_files_of_one_kind_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, "b.jsonl", '{"n": 2}\n')
    write(tmp_path, "a.jsonl", '{"n": 1}\n')
    write(tmp_path, "more/c.jsonl", '{"n": 3}\n')
    write(tmp_path, ".hidden/d.jsonl", '{"n": 4}\n')
    write(tmp_path, "README.md", "words")
    source = find(tmp_path)
    assert [(row.value["n"], row.file) for row in source.rows()] == [
        (1, "a.jsonl"),
        (2, "b.jsonl"),
        (3, "more/c.jsonl"),
    ]
    assert source.notes == ("The JSON-lines files are read; 1 text file(s) beside them are left out.",)


def test_how_far_a_reading_is_can_be_told(tmp_path: Path) -> None:
    source = find(write(tmp_path, "a.jsonl", '{"n": 1}\n' * 10))
    rows: Iterator[object] = source.rows()
    next(rows)
    assert source.done == 9
    assert source.size == 90
    assert len(list(rows)) == 9
    assert source.done == source.size
