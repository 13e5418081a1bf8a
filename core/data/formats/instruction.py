"""Questions and answers in fields of their own: Alpaca's shape and its relatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, first_of, missing, text_of, wrong
from core.data.row import Row

QUESTIONS = ("instruction", "question", "prompt")
ANSWERS = ("output", "response", "answer")


class Instruction(Format):
    """A question and its answer (Alpaca), with optional `input`, `system` and `history`; rendered as a chat."""

    kind = "instruction"
    label = "instruction / response"
    looks: ClassVar[str] = '{"instruction": "...", "input": "...", "output": "..."}'
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "instruction": (
            "instruction",
            "instructions",
            "question",
            "query",
            "prompt",
            "input",
            "user",
            "human",
            "problem",
        ),
        "output": ("output", "response", "answer", "reply", "completion", "target", "assistant", "gpt", "solution"),
    }

    def fits(self, row: Row) -> bool:
        question, answer = first_of(row.value, QUESTIONS), first_of(row.value, ANSWERS)
        return bool(question and answer) and isinstance(row.value[question], str)

    def reason(self, row: Row) -> str:
        extra = " and 'input'" if "input" in row.value else ""
        return f"'{first_of(row.value, QUESTIONS)}' and '{first_of(row.value, ANSWERS)}'{extra}"

    def examples(self, row: Row) -> Iterator[Example]:
        question, answer = first_of(row.value, QUESTIONS), first_of(row.value, ANSWERS)
        if not question or not answer:
            raise missing(row, "'instruction' and 'response' (or 'output')")
        asked = text_of(row, row.value[question], f"'{question}'")
        extra = row.value.get("input")
        if extra:
            asked += "\n\n" + text_of(row, extra, "'input'")
        answered = text_of(row, row.value[answer], f"'{answer}'")
        turns = (*_before(row), Turn("user", asked), Turn("assistant", answered, trained=True))
        yield Example(turns, row.file, row.number)


def _before(row: Row) -> Iterator[Turn]:
    """The system text and the earlier rounds; those are context, not answers to learn."""
    system = row.value.get("system")
    if system:
        yield Turn("system", text_of(row, system, "'system'"))
    for pair in _history(row, row.value.get("history")):
        yield Turn("user", text_of(row, pair[0], "'history'"))
        yield Turn("assistant", text_of(row, pair[1], "'history'"))


def _history(row: Row, history: Any) -> list[Any]:
    if not history:
        return []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise wrong(row, "'history' must be a list of [question, answer] pairs.")
    return history
