"""Files become numbered rows, and what is wrong with one is said with its place."""

from __future__ import annotations

import codecs
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.data.files import find
from core.data.readers.running_text import BLOCK
from core.data.row import LONGEST_ROW
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
        ('{"a": 1}\n{"a":\n', "a.jsonl, row 2, column 6: not JSON"),
        ('{"a": 1}\n[1]\n', "a.jsonl, row 2: expected an object in braces, found a list."),
        ('{"a": 1}\n"x"\n', "a.jsonl, row 2: expected an object in braces, found a string."),
        ("null\n", "a.jsonl, row 1: expected an object in braces, found null."),
        ('[{"a": 1}, 2]\n', "a.jsonl, row 2: expected an object in braces, found a number."),
        ('[\n{"a": 1},\n{"a" 2}]\n', "a.jsonl, line 3, column 6: not JSON (Expecting ':' delimiter)."),
        ('[\n{"a": 1}\n', "a.jsonl, line 3, column 1: not JSON (Expecting ',')."),
        ('[{"a": 1}] x', "a.jsonl, line 1, column 12: not JSON (Extra data)."),
        ("[]", "a.jsonl is empty"),
        ("", "a.jsonl is empty"),
        ("\n \n", "a.jsonl is empty"),
        ("[" * 100_000, "a.jsonl, row 1: nested too deeply"),
        ('{"a":' * 100_000, "a.jsonl, row 1: nested too deeply"),
        (b'{"a": "x"}\n{"a": "caf\xe9"}\n', "a.jsonl, line 2, column 11: the byte 0xE9 is not UTF-8."),
        (b'{"a": "\xc3\xa9\xe9"}\n', "a.jsonl, line 1, column 9: the byte 0xE9 is not UTF-8."),
        (b'{"a": "x"}\n\xe2\x82', "a.jsonl, line 2, column 1: the byte 0xE2 is not UTF-8."),
        ("\ufeffx".encode("utf-16-le"), "a.jsonl is in UTF-16, by its first bytes."),
        ('{"a": 1}'.encode("utf-16-be"), "a.jsonl is in UTF-16, by its first bytes."),
        ('{"a": 1}'.encode("utf-32"), "a.jsonl is in UTF-32, by its first bytes."),
        (b"PK\x03\x04\x14", "a.jsonl is a packed file or a workbook, and no text."),
        ('{"a": ' + "1" * 5000 + "}", "a.jsonl, row 1: a number in it has thousands of digits."),
        ('[{"a": 1},\n{"a": ' + "1" * 5000 + "}]", "a.jsonl, row 2: a number in it has thousands of digits."),
        ('{"a": 1}\n{"b": {"a": 1, "a": 2}}\n', "a.jsonl, row 2: 'a' is there twice in one object."),
        ('[{"a": 1},\n{"b": 1, "b": 1}]', "a.jsonl, row 2: 'b' is there twice in one object."),
        (b"\0\1\2\3\x80", "a.jsonl, line 1, column 5: the byte 0x80 is not UTF-8."),
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
    assert complaint(write(tmp_path, "a.docx", "x")) == "a.docx: '.docx' files cannot be read as data."
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


ROWS = [{"text": f"number {n}", "label": n % 2} for n in range(600)]


def packed(path: Path) -> Path:
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def values(path: Path) -> list[dict[str, Any]]:
    return [row.value for row in find(path).rows()]


def test_an_array_is_read_object_by_object_and_numbered_by_its_place(tmp_path: Path) -> None:
    text = json.dumps(ROWS, ensure_ascii=False)
    for content in (text, json.dumps(ROWS, indent=2), f"\n {text} \n"):
        rows = list(find(write(tmp_path, "a.json", content)).rows())
        assert [row.value for row in rows] == ROWS
        assert [row.number for row in rows] == list(range(1, 601))


def test_a_long_array_in_one_line_is_not_held_whole(tmp_path: Path) -> None:
    rows = [{"text": "word " * 100, "n": n} for n in range(6000)]
    path = write(tmp_path, "a.json", json.dumps(rows)[:-1] + ", oops]")
    source = find(path)
    with pytest.raises(UserError, match=f"line 1, column {path.stat().st_size - 4}: not JSON"):
        for number, row in enumerate(source.rows()):
            assert row.value["n"] == number
            assert source.done < source.size or number > 3000


def test_tables_give_the_rows_of_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'text,label\n"two\nlines, and ""quotes""",1\n\nplain,0\n')
    rows = [(row.number, row.value) for row in find(path).rows()]
    assert rows == [(2, {"text": 'two\nlines, and "quotes"', "label": "1"}), (5, {"text": "plain", "label": "0"})]
    assert values(write(tmp_path, "b.tsv", "text\tlabel\na, b\t1\n")) == [{"text": "a, b", "label": "1"}]
    assert values(write(tmp_path, "c.csv", "text;label\na, b;1\n")) == [{"text": "a, b", "label": "1"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n1,2,3\n", "a.csv, row 3: 3 fields, and the first line names 2 columns."),
        ('a,b\n1,"2\n3\n', "a.csv, row 2: a quote that opens there never ends."),
        ("a,a\n1,2\n", "a.csv: the column 'a' is there twice."),
        ("a,b\n", "a.csv is empty"),
        (b"a,b\n1,\xff\n", "a.csv, line 2, column 3: the byte 0xFF is not UTF-8."),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert complaint(write(tmp_path, "a.csv", content)).startswith(said)


def test_text_of_any_kind_may_be_packed(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    for name, content in (("a.jsonl", lines), ("b.json", json.dumps(ROWS)), ("c.csv", "text,label\na,1\n")):
        path = write(tmp_path, name, content)
        source = find(packed(path))
        assert [row.value for row in source.rows()] == values(path)
        assert source.done == source.size == path.with_name(f"{name}.gz").stat().st_size
    assert values(packed(write(tmp_path, "d.txt", "words\n"))) == [{"text": "words\n"}]


def test_a_torn_package_and_a_pipe_are_named(tmp_path: Path) -> None:
    whole = packed(write(tmp_path, "a.jsonl", '{"a": "' + "x" * 9999 + '"}\n'))
    whole.write_bytes(whole.read_bytes()[:-12])
    assert complaint(whole).startswith("a.jsonl.gz cannot be unpacked from line 1 on: ")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jsonl")
        assert complaint(tmp_path / "pipe.jsonl").endswith("pipe.jsonl is a pipe or a device.")


def test_parquet_and_arrow_files_are_read_in_order(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "a.parquet")
    with pyarrow.ipc.new_file(str(tmp_path / "b.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pyarrow.ipc.new_stream(str(tmp_path / "c.arrow"), table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "b.arrow", "c.arrow"):
        source = find(tmp_path / name)
        rows = list(source.rows())
        assert [row.value for row in rows] == ROWS
        assert (rows[-1].number, source.done) == (600, source.size)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_damaged_table_is_named(tmp_path: Path, name: str) -> None:
    assert complaint(write(tmp_path, name, b"PAR1 nothing of the kind PAR1")).startswith(f"{name} cannot be read: ")


def test_a_value_of_a_table_that_nobody_can_read_is_named_with_row_and_column(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    texts = pyarrow.array([b"a", b"\xff"]).view(pyarrow.string())
    times = pyarrow.array([1, 2**61], pyarrow.timestamp("ms"))
    for name, values, what in (
        ("text", texts, "text that is not UTF-8"),
        ("when", times, "a timestamp[ms] out of range"),
    ):
        parquet.write_table(pyarrow.table({"id": [1, 2], name: values}), tmp_path / "a.parquet")
        assert complaint(tmp_path / "a.parquet") == f"a.parquet, row 2: the column '{name}' has {what}."


def test_a_saved_data_set_without_a_row_is_empty(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"text": []}).save_to_disk(str(tmp_path / "none"))
    assert complaint(tmp_path / "none") == "none is empty: there is no row in it."


def test_a_saved_data_set_is_read_with_the_names_of_its_classes(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    table = datasets.Dataset.from_list(ROWS, features=features)
    datasets.DatasetDict({"test": table.select(range(3)), "train": table}).save_to_disk(str(tmp_path / "both"))
    table.select([5, 3]).save_to_disk(str(tmp_path / "one"))
    both = find(tmp_path / "both")
    assert [row.value["label"] for row in both.rows()] == ["no", "yes"] * 300
    assert both.notes == ("The part 'train' is read; test left out.",)
    assert [row.value["text"] for row in find(tmp_path / "one").rows()] == ["number 5", "number 3"]
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"torn")
    assert "cannot be read" in complaint(tmp_path / "one")


def test_the_test_part_of_a_data_set_is_not_trained_on_by_accident(tmp_path: Path) -> None:
    for name in ("train-00000.jsonl", "train-00001.jsonl", "test-00000.jsonl", "testing.txt"):
        write(tmp_path, name, json.dumps({"text": name}) + "\n")
    source = find(tmp_path)
    assert [row.file for row in source.rows()] == ["train-00000.jsonl", "train-00001.jsonl"]
    assert "1 of a test or validation part are left out (test-00000.jsonl" in source.notes[1]


def test_a_folder_of_the_datasets_cache_is_read_without_what_describes_it(tmp_path: Path) -> None:
    import pyarrow

    for name, rows in (("glue-train.arrow", ROWS[:3]), ("glue-test.arrow", ROWS[3:5])):
        table = pyarrow.Table.from_pylist(rows)
        with pyarrow.ipc.new_stream(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table)
    write(tmp_path, "dataset_info.json", '{"features": {}}')
    source = find(tmp_path)
    assert [row.value for row in source.rows()] == ROWS[:3]
    assert len(source.notes) == 1
