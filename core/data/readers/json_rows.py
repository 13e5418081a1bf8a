"""JSON: an object a line, or one array of objects, which is read object by object as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.data.example import place
from core.data.readers.lines import lines
from core.data.row import LONGEST_ROW, Position, Row
from core.errors import UserError

PIECE = 2**20
"""Bytes of an array read at once where a line does not end, and characters kept behind the place that is read."""
_BLANK = " \t\r\n"


class _Doubled(Exception):
    """A key that stands twice in one object; JSON's readers would quietly take the second."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Doubled(next(key for key in keys if keys.count(key) > 1))
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def json_rows(path: Path, name: str, position: Position) -> Iterator[Row]:
    """The objects of a file; in an array they are numbered by their place, else by their line.

    Raises:
        UserError: something is no JSON object, with its row and column.
    """
    start = position.done
    if _first_character(lines(path, name, position, PIECE)) == "[":
        position.done = start
        yield from _elements(lines(path, name, position, PIECE), name)
        return
    position.done = start
    for number, line in lines(path, name, position, LONGEST_ROW):
        if len(line) >= LONGEST_ROW // 4 and not line.endswith("\n"):
            _refuse_endless(name, number, line)
        if line and not line.isspace():
            yield Row(name, number, _object(name, number, line))


def _first_character(numbered: Iterator[tuple[int, str]]) -> str:
    """The first character that is not blank; empty where there is none."""
    return next((line.lstrip()[0] for _, line in numbered if not line.isspace() and line), "")


def _refuse_endless(name: str, number: int, line: str) -> None:
    if len(line.encode()) >= LONGEST_ROW:
        raise _too_long(name, number)


def _too_long(name: str, number: int) -> UserError:
    return UserError(
        f"{place(name, number)}: longer than {LONGEST_ROW // 2**20} MB.",
        hint="Each line must hold one example.",
        path="data.path",
    )


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    """The JSON object of a line, or a sentence on why it is none."""
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        where = f"{place(name, number)}, column {min(error.pos, len(line.rstrip())) + 1}"
        hint = "Each line must hold one JSON object."
        if number == 1 and line.strip() == "{":
            hint += " If the rows stand in a list inside one object, keep the list alone."
        raise UserError(f"{where}: not JSON ({error.msg}).", hint=hint, path="data.path") from None
    except _Doubled as error:
        raise _twice(name, number, error) from None
    except RecursionError:
        raise _too_deep(name, number) from None
    except ValueError:
        raise _too_large(name, number) from None
    return _checked(name, number, value)


def _twice(name: str, number: int, key: _Doubled) -> UserError:
    text = f"{place(name, number)}: '{key}' is there twice in one object."
    return UserError(text, hint="Keep the one that is meant.", path="data.path")


def _too_deep(name: str, number: int) -> UserError:
    return UserError(f"{place(name, number)}: nested too deeply to be an example.", path="data.path")


def _too_large(name: str, number: int) -> UserError:
    """Python refuses to read a number of thousands of digits, which takes the longer the longer it is."""
    return UserError(f"{place(name, number)}: a number in it has thousands of digits.", path="data.path")


def _checked(name: str, number: int, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    found = {list: "a list", str: "a string", type(None): "null", bool: "a truth value"}.get(type(value), "a number")
    raise UserError(
        f"{place(name, number)}: expected an object in braces, found {found}.",
        hint='Each row must look like {"instruction": "...", "response": "..."}.',
        path="data.path",
    )


def _elements(numbered: Iterator[tuple[int, str]], name: str) -> Iterator[Row]:
    """The objects of an array, each decoded as soon as it is whole, so that memory holds one and not all."""
    text = _Text(numbered, name)
    text.skip("[")
    if text.peek() == "]":
        return
    number = 0
    while True:
        number += 1
        yield Row(name, number, _checked(name, number, text.value(number)))
        if text.peek() == "]":
            break
        text.skip(",")
    text.at += 1
    if text.peek():
        raise text.wrong("Extra data", text.at)


class _Text:
    """A text that is read piece by piece, and the place in it."""

    def __init__(self, numbered: Iterator[tuple[int, str]], name: str) -> None:
        self.name = name
        self.text = ""
        self.at = 0
        self._numbered = numbered
        self._line = 1
        self._column = 0

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _BLANK:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def skip(self, wanted: str) -> None:
        """Go past this character, which must be the next."""
        if self.peek() != wanted:
            raise self.wrong(f"Expecting '{wanted}'", self.at)
        self.at += 1

    def value(self, number: int) -> Any:
        """The next whole value; where the text ends inside it, twice as much is tried."""
        self.peek()
        self._forget()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                if end < len(self.text) or not self._more():
                    self.at = end
                    return value
            except json.JSONDecodeError as error:
                if not self._grow():
                    raise self.wrong(error.msg, error.pos) from None
            except _Doubled as error:
                raise _twice(self.name, number, error) from None
            except RecursionError:
                raise _too_deep(self.name, number) from None
            except ValueError:
                raise _too_large(self.name, number) from None
            if len(self.text) - self.at > LONGEST_ROW:
                raise _too_long(self.name, number)

    def _grow(self) -> bool:
        """Read as much again as lies ahead; whether there was more."""
        wanted = 2 * len(self.text) - self.at + 1
        grown = False
        while len(self.text) < wanted and self._more():
            grown = True
        return grown

    def _more(self) -> bool:
        _, line = next(self._numbered, (0, ""))
        self.text += line
        return bool(line)

    def _forget(self) -> None:
        """Let go of what has been read, now and then, and remember where that ended."""
        if self.at < PIECE:
            return
        self._line, self._column = self._place(self.at)
        self.text, self.at = self.text[self.at :], 0

    def _place(self, at: int) -> tuple[int, int]:
        """Line, and characters before this place in it."""
        breaks = self.text.count("\n", 0, at)
        behind = at - (self.text.rfind("\n", 0, at) + 1)
        return self._line + breaks, behind if breaks else self._column + behind

    def wrong(self, what: str, at: int) -> UserError:
        """The complaint about a place."""
        line, column = self._place(at)
        return UserError(
            f"{self.name}, line {line}, column {column + 1}: not JSON ({what}).",
            hint="An array of rows is [{...}, {...}]: objects in braces with commas between them.",
            path="data.path",
        )
