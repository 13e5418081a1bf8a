"""Each shape turns its rows into examples, is recognised by them, and says what is wrong with a row."""

from __future__ import annotations

from typing import Any

import pytest

from core.data.example import Example
from core.data.formats import FORMATS
from core.data.guess import guess
from core.data.row import Row
from core.errors import UserError

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHARED = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]

ROWS: list[tuple[str, dict[str, Any], list[tuple[str, str, bool]]]] = [
    ("messages", {"messages": MESSAGES}, [("user", "Hi", False), ("assistant", "Hello", True)]),
    (
        "messages",
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be"}]}, *MESSAGES], "id": 3},
        [("system", "Be", False), ("user", "Hi", False), ("assistant", "Hello", True)],
    ),
    ("conversations", {"conversations": SHARED}, [("user", "Hi", False), ("assistant", "Hello", True)]),
    (
        "conversations",
        {"conversations": SHARED, "system": "Be"},
        [("system", "Be", False), ("user", "Hi", False), ("assistant", "Hello", True)],
    ),
    ("instruction", {"instruction": "Q", "response": "A"}, [("user", "Q", False), ("assistant", "A", True)]),
    (
        "instruction",
        {"instruction": "Q", "input": "X", "output": "A", "text": "Q X A"},
        [("user", "Q\n\nX", False), ("assistant", "A", True)],
    ),
    ("instruction", {"instruction": "Q", "input": "", "output": "A"}, [("user", "Q", False), ("assistant", "A", True)]),
    (
        "instruction",
        {"instruction": "Q", "output": "A", "system": "Be", "history": [["a", "b"]]},
        [("system", "Be", False), ("user", "a", False), ("assistant", "b", False), ("user", "Q", False),
         ("assistant", "A", True)],
    ),
    ("instruction", {"question": "Q", "answer": "A"}, [("user", "Q", False), ("assistant", "A", True)]),
    ("instruction", {"prompt": "Q", "response": "A"}, [("user", "Q", False), ("assistant", "A", True)]),
    ("prompt-completion", {"prompt": "Q", "completion": "A"}, [("prompt", "Q", False), ("completion", "A", True)]),
    (
        "prompt-completion",
        {"prompt": [*MESSAGES, MESSAGES[0]], "completion": [MESSAGES[1]]},
        [("user", "Hi", False), ("assistant", "Hello", False), ("user", "Hi", False), ("assistant", "Hello", True)],
    ),
    ("text", {"text": "T", "label": "x"}, [("text", "T", True)]),
]  # fmt: skip


def row(value: dict[str, Any], **changes: Any) -> Row:
    return Row(**{"file": "devil.jsonl", "number": 17, "value": value, **changes})


def said(example: Example) -> list[tuple[str, str, bool]]:
    return [(turn.role, turn.content, turn.trained) for turn in example.turns]


@pytest.mark.parametrize(("kind", "value", "turns"), ROWS)
def test_a_row_is_recognised_and_becomes_turns(kind: str, value: dict[str, Any], turns: list[Any]) -> None:
    found = guess([row(value)] * 3)
    assert found.format.kind == kind
    assert found.reason.startswith("All of the first 3 rows have '")
    (example,) = found.format.examples(row(value))
    assert said(example) == turns
    assert example.place == "devil.jsonl, row 17"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("messages", {"text": "x"}, "expected 'messages', found 'text'."),
    ("messages", {"messages": []}, "'messages' must be a list of messages with at least one in it."),
    ("messages", {"messages": [{"role": "user"}]}, "message 1 of 'messages' must be an object with 'role' and"),
    (
        "messages",
        {"messages": [{"role": "judge", "content": "x"}]},
        "message 1 of 'messages' has the unknown role 'judge'",
    ),
    ("messages", {"messages": [{"role": 3, "content": "x"}]}, "message 1 of 'messages' has the unknown role 3"),
    ("messages", {"messages": [{"role": "user", "content": None}]}, "the text of message 1 of 'messages' must be text"),
    (
        "messages",
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]},
        "message 1 of 'messages' calls tools",
    ),
    (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]},
        "message 1 of 'messages' has a part that is not text",
    ),
    ("conversations", {"conversations": "x"}, "'conversations' must be a list of messages"),
    ("instruction", {"instruction": "Q"}, "expected 'instruction' and 'response' (or 'output'), found 'instruction'."),
    ("instruction", {"instruction": "Q", "output": None}, "'output' must be text, found nothing (null)."),
    ("instruction", {"instruction": 4, "output": "A"}, "'instruction' must be text, found a number."),
    ("instruction", {"instruction": "Q", "output": "A", "history": ["a"]}, "'history' must be a list of"),
    ("instruction", {"instruction": "Q", "output": "\ud800"}, "'output' holds half of a character pair"),
    ("prompt-completion", {"prompt": "Q"}, "expected 'prompt' and 'completion', found 'prompt'."),
    ("prompt-completion", {"prompt": "Q", "completion": MESSAGES}, "'prompt' must be a list of messages"),
    ("text", {}, "expected 'text', found no field."),
    ("text", {"text": ["x"]}, "'text' must be text, found a list."),
]


@pytest.mark.parametrize(("kind", "value", "text"), WRONG)
def test_a_wrong_row_is_named_with_what_is_wrong(kind: str, value: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as caught:
        list(FORMATS[kind]().examples(row(value)))
    assert caught.value.text.startswith(f"devil.jsonl, row 17: {text}")


def test_the_shape_of_most_rows_is_guessed_and_the_share_is_said() -> None:
    found = guess([row({"messages": MESSAGES})] * 3 + [row({"text": "x"})])
    assert found.format.kind == "messages"
    assert found.reason == "3 of the first 4 rows have 'messages' with roles."


def test_what_the_user_chooses_is_not_guessed() -> None:
    found = guess([row({"instruction": "Q", "output": "A", "text": "T"})], "text")
    assert found.format.kind == "text"
    assert found.chosen
    with pytest.raises(UserError, match="there is no 'txt'"):
        guess([row({"text": "x"})], "txt")


def test_an_unknown_shape_is_told_with_the_known_ones() -> None:
    with pytest.raises(UserError) as caught:
        guess([row({"a": 1, "b": 2})])
    assert caught.value.text == "devil.jsonl, row 17: no known shape has 'a', 'b'."
    assert all(member.looks in caught.value.hint for member in FORMATS.members)


def test_running_text_is_guessed_as_documents_and_can_be_read_by_paragraphs() -> None:
    text = row({"text": "One\ntwo\n\n\nThree\n \nFour"}, number=5, plain=True, ends=False)
    found = guess([text])
    assert found.format.kind == "text"
    (whole,) = found.format.examples(text)
    assert whole.style == "document"
    assert not whole.ends
    parts = list(FORMATS["paragraphs"]().examples(text))
    assert [(part.turns[0].content, part.row) for part in parts] == [("One\ntwo", 5), ("Three", 9), ("Four", 11)]


def test_every_shape_says_what_it_looks_like() -> None:
    for member in FORMATS.members:
        assert member.help()
        assert member.looks
        assert member.label
