"""CSV and TSV: the first line names the columns, every other is a row of texts.

Read by Python's own `csv` over checked lines rather than by a faster reader, because it says where a file is broken.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from core.data.example import place
from core.data.readers.lines import lines
from core.data.row import LONGEST_ROW, Position, Row
from core.errors import UserError

DELIMITERS = ",;\t|"


def delimited_rows(path: Path, name: str, position: Position) -> Iterator[Row]:
    """The rows of a table, numbered by the line that they begin in.

    Raises:
        UserError: a row has too many or too few fields, a quote that never ends, or the columns have no names.
    """
    csv.field_size_limit(LONGEST_ROW)
    numbered = lines(path, name, position, LONGEST_ROW)
    first = next(numbered, (1, ""))[1]
    if not first.strip():
        return
    delimiter = "\t" if ".tsv" in path.name.lower() else max(DELIMITERS, key=first.count)
    reader = csv.reader(_texts(first, numbered), delimiter=delimiter, strict=True)
    columns: list[str] = []
    before = 0
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise _broken(name, before + 1, str(error)) from None
        if fields is None:
            return
        number, before = before + 1, reader.line_num
        if not columns:
            columns = _columns(name, fields)
        elif any(fields):
            yield Row(name, number, dict(zip(columns, _complete(name, number, fields, columns), strict=True)))


def _texts(first: str, numbered: Iterator[tuple[int, str]]) -> Iterator[str]:
    yield first
    for _, line in numbered:
        yield line


def _columns(name: str, fields: list[str]) -> list[str]:
    columns = [field.strip() for field in fields]
    doubled = next((column for column in columns if columns.count(column) > 1), None)
    if doubled is not None:
        raise UserError(
            f"{name}: the column '{doubled}' is there twice.",
            hint="The first line must name the columns, each differently.",
            path="data.path",
        )
    return columns


def _complete(name: str, number: int, fields: list[str], columns: list[str]) -> list[str]:
    if len(fields) != len(columns):
        raise UserError(
            f"{place(name, number)}: {len(fields)} fields, and the first line names {len(columns)} columns.",
            hint='A text with the separator or a line break in it must stand in "quotes".',
            path="data.path",
        )
    return fields


def _broken(name: str, number: int, why: str) -> UserError:
    said, hint = why, 'A quote inside a text is written twice: "".'
    if "end of data" in why:
        said = "a quote that opens there never ends"
    elif "new-line character" in why:
        said, hint = "a carriage return stands there alone", "Save the file with line breaks as LF or CR LF."
    return UserError(f"{place(name, number)}: {said}.", hint=hint, path="data.path")
