"""Each shape turns its rows into examples, is recognised by them, and says what is wrong with a row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.data.example import Example
from core.data.formats import FORMATS
from core.data.guess import guess
from core.data.mapping import Naming
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
    (
        "messages",
        {"messages": [MESSAGES[0], {**MESSAGES[1], "train": False}, {**MESSAGES[0], "weight": 1}]},
        [("user", "Hi", False), ("assistant", "Hello", False), ("user", "Hi", True)],
    ),
    ("pretokenised", {"input_ids": [5, 6]}, []),
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


def nested(depth: int) -> dict[str, Any]:
    """Objects in one another."""
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"a": found}
    return found


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
        "a call of message 1 of 'messages' does not name its function.",
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
    ("messages", {"messages": [{**MESSAGES[1], "weight": -0.5}]}, "message 1 of 'messages' has the weight -0.5."),
    ("messages", {"messages": MESSAGES, "tools": [{"x": 1}]}, "a function in 'tools' has no name."),
    ("messages", {"messages": MESSAGES, "tools": "[1"}, "'tools' is not JSON (column 3"),
    (
        "messages",
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}]},
        "the arguments of message 1 of 'messages' must be an object.",
    ),
    *(
        ("messages", {"messages": [{"role": "assistant", "tool_calls": [{"function": call}]}]}, text)
        for call, text in (
            ({"name": "f", "arguments": "[" * 100_000}, "the arguments of message 1 of 'messages' is nested too"),
            ({"name": "f", "arguments": "1" * 5000}, "the arguments of message 1 of 'messages' has a number of"),
            ({"name": "f", "arguments": nested(65)}, "'tool_calls' of message 1 of 'messages' is nested too deeply"),
            ({"name": "f", "arguments": '{"a": NaN}'}, "'tool_calls' of message 1 of 'messages' has the number nan"),
            ({"name": "\ud83d"}, "'tool_calls' of message 1 of 'messages' holds half of a character pair"),
        )
    ),
    ("messages", {"messages": MESSAGES, "tools": [{"name": "\ud83d"}]}, "'tools' holds half of a character pair"),
    ("pretokenised", {"input_ids": []}, "'input_ids' must be a list of whole numbers"),
    ("pretokenised", {"input_ids": [1, 2], "labels": [1]}, "'labels' has 1 numbers, and 'input_ids' 2."),
    (
        "pretokenised",
        {"input_ids": [1, 2], "labels": [2, -100]},
        "'labels' says 2 at place 1, where 'input_ids' has 1.",
    ),
    ("classification", {"text": "x"}, "expected 'text' and 'label', found 'text'."),
    ("classification", {"text": "x", "label": " "}, "'label' is empty."),
    ("classification", {"text": "x", "label": None}, "'label' must be text, found nothing (null)."),
    ("preference", {"chosen": "a"}, "expected 'chosen' and 'rejected', found 'chosen'."),
    ("preference", {"chosen": "a", "rejected": "a"}, "'chosen' and 'rejected' are the same."),
    ("preference", {"chosen": "a", "rejected": MESSAGES}, "'chosen' and 'rejected' must both be texts, or both lists"),
    ("preference", {"chosen": MESSAGES, "rejected": MESSAGES[:1]}, "one of the answers is only the prompt."),
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
        guess([row({"a": "x", "text": b"y"})])
    assert caught.value.text == "devil.jsonl, row 17: no known shape has 'a', 'text' (a value of type bytes)."
    assert all(member.looks in caught.value.hint for member in FORMATS.members if "causal-lm" in member.tasks)


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


def test_calls_of_tools_and_what_they_answer_keep_their_fields() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
    messages = [
        MESSAGES[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "blue", "tool_calls": None},
        MESSAGES[1],
    ]
    tools = [{"name": "look", "parameters": {}}]
    (example,) = FORMATS["messages"]().examples(row({"messages": messages, "tools": tools}))
    assert said(example)[1:3] == [("assistant", "", True), ("tool", "blue", False)]
    assert example.turns[1].calls == [{"name": "look", "arguments": {"at": "sky"}}]
    assert dict(example.turns[2].fields) == {"tool_call_id": "c1", "name": "look"}
    assert example.tools == ({"type": "function", "function": tools[0]},)


def test_ids_keep_what_is_learned_and_leave_padding_out() -> None:
    value = {"input_ids": [5, 6, 7, 0], "labels": [-100, 6, 7, -100], "attention_mask": [1, 1, 1, 0]}
    (example,) = FORMATS["pretokenised"]().examples(row(value))
    assert (example.ids, example.learned) == ((5, 6, 7), (False, True, True))


@pytest.mark.parametrize(
    ("value", "texts", "label"),
    [
        ({"text": "T", "label": "x"}, ["T"], "x"),
        ({"sentence1": "A", "sentence2": "B", "label": 1, "idx": 4}, ["A", "B"], 1.0),
        ({"question": "A", "sentence": "B", "label": True}, ["A", "B"], "true"),
        ({"premise": "A", "hypothesis": "B", "score": 2.5}, ["A", "B"], 2.5),
        ({"sentence": "A", "label": 0}, ["A"], 0.0),
    ],
)
def test_texts_to_judge_come_with_their_label(value: dict[str, Any], texts: list[str], label: object) -> None:
    found = guess([row(value)], task="sequence-classification")
    (example,) = found.format.examples(row(value))
    assert (found.format.kind, [turn.content for turn in example.turns], example.label) == (
        "classification",
        texts,
        label,
    )


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": [MESSAGES[0]], "chosen": [MESSAGES[1]], "rejected": [{**MESSAGES[1], "content": "No"}]},
        {"chosen": MESSAGES, "rejected": [MESSAGES[0], {**MESSAGES[1], "content": "No"}]},
        {"prompt": "Hi", "chosen": MESSAGES, "rejected": [MESSAGES[0], {**MESSAGES[1], "content": "No"}]},
        {"prompt": "Hi", "chosen": MESSAGES[1:], "rejected": [{**MESSAGES[1], "content": "No"}]},
    ],
)
def test_the_prompt_of_a_pair_may_be_apart_or_common_to_both(value: dict[str, Any]) -> None:
    (example,) = guess([row(value)], task="preference").format.examples(row(value))
    assert said(example) == [("user", "Hi", False), ("assistant", "Hello", True)]
    assert [(turn.content, turn.trained) for turn in example.rejected] == [("Hi", False), ("No", True)]


def test_a_system_text_that_the_prompt_of_a_pair_alone_has_stays() -> None:
    system = {"role": "system", "content": "Be brief."}
    value = {
        "prompt": [system, MESSAGES[0]],
        "chosen": MESSAGES,
        "rejected": [MESSAGES[0], {**MESSAGES[1], "content": "No"}],
    }
    (example,) = FORMATS["preference"]().examples(row(value))
    assert [turn.content for turn in example.turns] == ["Be brief.", "Hi", "Hello"]
    assert [turn.content for turn in example.rejected] == ["Be brief.", "Hi", "No"]


def test_the_common_beginning_of_two_texts_is_their_prompt_up_to_a_whole_word() -> None:
    (example,) = FORMATS["preference"]().examples(row({"chosen": "Q: why? A: so it is", "rejected": "Q: why? A: soon"}))
    assert said(example) == [("prompt", "Q: why? A: ", False), ("completion", "so it is", True)]
    assert example.rejected[1].content == "soon"


def test_words_that_people_use_for_columns_are_taken_and_said() -> None:
    found = guess([row({"Query": "Q", "Reply": "A"})])
    assert (found.format.kind, dict(found.columns)) == ("instruction", {"instruction": "Query", "output": "Reply"})
    assert "'Query' is taken for 'instruction', 'Reply' is taken for 'output'" in found.reason
    labelled = guess([row({"tweet": "Q", "sentiment": "A"})], task="sequence-classification")
    assert dict(labelled.columns) == {"text": "tweet", "label": "sentiment"}


def test_data_that_the_task_cannot_learn_from_is_told_with_the_task_that_can() -> None:
    with pytest.raises(UserError, match="cannot learn from") as caught:
        guess([row({"prompt": "Q", "chosen": "A", "rejected": "B"})])
    assert (caught.value.path, "Set task to preference" in caught.value.hint) == ("task", True)


def test_columns_and_roles_are_given_their_known_names_before_the_shape_looks() -> None:
    naming = Naming({"messages": "talk", "messages.role": "who", "messages.content": "says"}, {"agent": "assistant"})
    talk = [{"who": "user", "says": "Hi"}, {"who": "agent", "says": "Hello"}]
    named = naming.row(row({"talk": talk, "id": 1}))
    assert named.value == {"id": 1, "messages": MESSAGES}
    with pytest.raises(
        UserError, match=r"there is no column 'talk', which data.columns takes for 'messages'"
    ) as caught:
        naming.row(row({"tale": talk}))
    assert "Did you mean 'tale'?" in caught.value.hint
    assert Naming({"prompt": "chosen", "chosen": "prompt"}).row(row({"prompt": "a", "chosen": "b"})).value == {
        "prompt": "b",
        "chosen": "a",
    }


def test_calls_of_tools_in_shared_conversations_are_learned_as_calls() -> None:
    call = {"name": "look", "arguments": {"at": "sky"}}
    shared = [
        {"from": "human", "value": "Look."},
        {"from": "function_call", "value": json.dumps(call)},
        {"from": "observation", "value": "blue"},
        {"from": "gpt", "value": "It is blue."},
    ]
    (example,) = FORMATS["conversations"]().examples(row({"conversations": shared, "tools": json.dumps([call])}))
    assert said(example) == [
        ("user", "Look.", False), ("assistant", "", True), ("tool", "blue", False), ("assistant", "It is blue.", True),
    ]  # fmt: skip
    assert example.turns[1].calls == [call]
    assert [tool["function"]["name"] for tool in example.tools] == ["look"]
    several = [shared[0], {"from": "tool_call", "value": json.dumps([call, call]), "train": False}]
    (example,) = FORMATS["conversations"]().examples(row({"conversations": several}))
    assert (example.turns[1].calls, example.turns[1].trained) == ([call, call], False)
    with pytest.raises(UserError, match=r"the call of message 2 of 'conversations' is not JSON"):
        list(FORMATS["conversations"]().examples(row({"conversations": [shared[0], {**shared[1], "value": "look()"}]})))
