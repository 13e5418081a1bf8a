"""Which tokens are learned: by choice, by message, for calls of tools, with chosen templates, and for pairs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.example import Example, Turn
from core.data.formats import FORMATS
from core.data.oddities import DOUBLED
from core.data.row import Row
from core.data.template import Encoder, tokenise
from core.data.templates import TEMPLATES
from core.data.tokens import Tokens
from core.errors import UserError
from tests.core.data.chats import CHATML, STOCK, TRIMS, byte_level
from tests.core.data.chats import ENDS as STOCK_ENDS
from tests.core.data.test_template import ROUNDS, TEXT

TALK = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "First."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Second."},
]
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "sky"}}}
CALLING = [
    TALK[0],
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "name": "look", "content": "blue"},
    TALK[1],
]
TOOLS = (
    "{% if tools %}{{ '<|im_start|>system\n' + tools | tojson + '<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
    "{% for call in m.tool_calls or [] %}{{ '<call>' + call.function | tojson + '</call>' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def example(kind: str, **value: Any) -> Example:
    (found,) = FORMATS[kind]().examples(Row("a.jsonl", 3, value))
    return found


def learned(tokens: Tokens, template: str = CHATML) -> list[str]:
    """The stretches that are learned, as text."""
    at = np.flatnonzero(tokens.trained)
    parts = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    return [byte_level(template).decode(tokens.ids[part].tolist()) for part in parts if len(part)]


@pytest.mark.parametrize(
    ("train_on", "wanted"),
    [("completions", ["First.<|im_end|>", "Second.<|im_end|>"]), ("last-turn", ["Second.<|im_end|>"])],
)
def test_all_answers_or_the_last_one_are_learned(train_on: Any, wanted: list[str]) -> None:
    assert learned(tokenise(example("messages", messages=TALK), byte_level(), train_on=train_on)) == wanted


def test_everything_is_learned_where_that_was_asked_for() -> None:
    assert tokenise(example("messages", messages=TALK), byte_level(), train_on="everything").trained.all()


def test_a_message_says_itself_whether_it_is_learned() -> None:
    talk = [{**TALK[0], "train": True}, {**TALK[1], "weight": 0}, TALK[2], TALK[3]]
    found = learned(tokenise(example("messages", messages=talk), byte_level()))
    assert found == ["One?<|im_end|>", "Second.<|im_end|>"]


def test_calls_of_tools_are_learned_as_the_template_writes_them() -> None:
    made = example("messages", messages=CALLING, tools=[{"name": "look"}])
    tokens = tokenise(made, byte_level(TOOLS))
    text = byte_level(TOOLS).decode(tokens.ids.tolist())
    assert text.startswith('<|im_start|>system\n[{"type": "function", "function": {"name": "look"}}]')
    call = '<call>{"name": "look", "arguments": {"at": "sky"}}</call><|im_end|>'
    assert learned(tokens, TOOLS) == [call, "First.<|im_end|>"]
    quiet = [CALLING[0], {**CALLING[1], "train": False}, *CALLING[2:]]
    assert learned(tokenise(example("messages", messages=quiet), byte_level(TOOLS)), TOOLS) == ["First.<|im_end|>"]
    assert learned(tokenise(made, byte_level(TOOLS), train_on="last-turn"), TOOLS) == ["First.<|im_end|>"]


def test_a_template_that_does_not_write_calls_is_refused_rather_than_learned_from() -> None:
    with pytest.raises(UserError, match=r"a.jsonl, row 3: the chat template does not write calls of tools \(look\)"):
        tokenise(example("messages", messages=CALLING), byte_level())
    calling = [
        {**turn, "tool_calls": [{"function": {"name": "im"}}]} if "tool_calls" in turn else turn for turn in CALLING
    ]
    with pytest.raises(UserError, match=r"does not write calls of tools \(im\)"):  # which the end of a turn has in it
        tokenise(example("messages", messages=calling), byte_level())


ENDS = {
    "chatml": "<|im_end|>", "llama-3": "<|eot_id|>", "gemma": "<end_of_turn>", "mistral": "</s>", "phi-3": "<|end|>",
    "zephyr": "</s>", "vicuna": "</s>", "plain": "</s>",
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("system", [True, False])
def test_every_known_template_learns_the_answers_with_their_ends(name: str, system: bool) -> None:
    talk = [{"role": "system", "content": "Be brief."}, *TALK] if system else TALK
    tokens = tokenise(example("messages", messages=talk), byte_level(), template=name)
    found = learned(tokens)
    assert [each.lstrip(" ") for each in found] == [f"First.{ENDS[name]}", f"Second.{ENDS[name]}"]
    text = byte_level().decode(tokens.ids.tolist())
    assert ("Be brief." in text) == system
    assert text.count("<s>") <= 1


def test_a_template_of_the_users_own_is_rendered() -> None:
    own = "{% for m in messages %}{{ m.role + '> ' + m.content + eos_token }}{% endfor %}"
    tokens = tokenise(example("messages", messages=TALK), byte_level(), template=own)
    assert (
        byte_level().decode(tokens.ids.tolist())
        == "user> One?</s>assistant> First.</s>user> Two?</s>assistant> Second.</s>"
    )
    assert learned(tokens) == ["First.</s>", "Second.</s>"]


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'content': 'x'}) }}",
        "{{ raise_exception.__globals__.keys() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ '%1000000000000d' % 1 }}",
        "{% for i in range(10000000000) %}x{% endfor %}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_hostile_template_stays_in_its_sandbox(attack: str) -> None:
    made = example("messages", messages=TALK)
    with pytest.raises(UserError, match="the chosen chat template refuses this conversation") as caught:
        tokenise(made, byte_level(), template=attack)
    assert caught.value.path == "data.template"
    assert made == example("messages", messages=TALK)


def test_a_mistake_in_a_template_is_named_with_its_line() -> None:
    with pytest.raises(UserError, match="The chat template has a mistake in line 2"):
        tokenise(example("messages", messages=TALK), byte_level(), template="{{ 'a' }}\n{% for %}")


def test_a_template_whose_marks_the_tokenizer_lacks_is_noticed() -> None:
    made = [
        Encoder(byte_level(), train_on="completions", max_tokens=99, template=name) for name in ("chatml", "llama-3")
    ]
    assert [each.spelled_marks() for each in made] == [[], ["<|end_header_id|>", "<|eot_id|>", "<|start_header_id|>"]]


def test_given_ids_are_kept_and_their_end_is_looked_for() -> None:
    encoder = Encoder(byte_level(), train_on="completions", max_tokens=4)
    rows = [([1, 1, 30, 31, 2], [-100, -100, -100, 31, 2]), ([30, 31, 32, 33, 34], None), ([30, 31], [-100, 31])]
    made = encoder.encode([example("pretokenised", input_ids=ids, labels=labels) for ids, labels in rows])
    assert [each.ids.tolist() for each in made] == [[1, 30, 31, 2], [30, 31, 32, 33], [30, 31]]
    assert [(each.targets, each.cut, each.stops) for each in made] == [(2, 0, True), (3, 1, False), (1, 0, False)]
    assert encoder.noticed[DOUBLED].count == 1
    with pytest.raises(UserError, match=r"a.jsonl, row 3: the model has no token 9999 \(place 2\)"):
        encoder.encode([example("pretokenised", input_ids=[1, 9999])])


def test_a_pair_is_one_example_of_two_texts_with_their_answers_learned() -> None:
    pair = example("preference", chosen=TALK[:2], rejected=[TALK[0], {"role": "assistant", "content": "No."}])
    (both,) = Encoder(byte_level(), train_on="completions", max_tokens=99).encode([pair])
    assert learned(both) == ["First.<|im_end|>", "No.<|im_end|>"]
    alone = tokenise(Example(pair.rejected, "a.jsonl", 3), byte_level())
    assert both.ids[both.second :].tolist() == alone.ids.tolist()
    assert (both.targets, both.stops) == (int(both.trained.sum()), True)


def test_a_pair_that_lost_one_answer_to_the_cut_teaches_nothing() -> None:
    turns = (Turn("prompt", "Why? "), Turn("completion", "So.", trained=True))
    far = (Turn("prompt", "Why? " * 9), Turn("completion", "No.", trained=True))
    pair = Example(turns, "a", 1, style="plain", rejected=far)
    (cut,) = Encoder(byte_level(), train_on="completions", max_tokens=12).encode([pair])
    assert (cut.targets, cut.truncated) == (0, True)


@pytest.mark.parametrize("name", STOCK)
@settings(deadline=None, max_examples=15)
@given(rounds=ROUNDS, data=st.data())
def test_exactly_the_messages_that_say_so_are_learned(
    name: str, rounds: list[tuple[str, str]], data: st.DataObject
) -> None:
    flags = [data.draw(st.booleans()) for _ in rounds]
    talk: list[dict[str, Any]] = []
    for (asked, answer), flag in zip(rounds, flags, strict=True):
        talk += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer, "weight": int(flag)}]
    tokens = tokenise(example("messages", messages=talk), byte_level(STOCK[name]))
    lead = " " if name == "mistral" else ""
    answers = [answer.strip() if name in TRIMS else answer for _, answer in rounds]
    wanted = "".join(lead + text + STOCK_ENDS[name] for text, flag in zip(answers, flags, strict=True) if flag)
    assert byte_level().decode(tokens.ids[tokens.trained].tolist()) == wanted


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=10)
@given(rounds=ROUNDS)
def test_known_templates_learn_any_answer_with_its_end(name: str, rounds: list[tuple[str, str]]) -> None:
    talk = [
        {"role": role, "content": text}
        for pair in rounds
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    tokens = tokenise(example("messages", messages=talk), byte_level(), template=name)
    trims = name in ("llama-3", "gemma", "mistral", "vicuna")
    lead = " " if name in ("mistral", "vicuna") else ""
    wanted = "".join(lead + (answer.strip() if trims else answer) + ENDS[name] for _, answer in rounds)
    assert byte_level().decode(tokens.ids[tokens.trained].tolist()) == wanted


@settings(deadline=None, max_examples=25)
@given(rounds=ROUNDS, name=st.from_regex(r"[a-z_]{1,12}", fullmatch=True), value=TEXT)
def test_calls_of_any_content_are_learned_whole(rounds: list[tuple[str, str]], name: str, value: str) -> None:
    call = {"type": "function", "function": {"name": name, "arguments": {"value": value}}}
    talk = [
        {"role": "user", "content": rounds[0][0]},
        {"role": "assistant", "content": rounds[0][1], "tool_calls": [call]},
        {"role": "tool", "content": value},
        {"role": "assistant", "content": "Done."},
    ]
    tokens = tokenise(example("messages", messages=talk), byte_level(TOOLS))
    written = json.dumps(call["function"], ensure_ascii=False)
    wanted = f"{rounds[0][1]}<call>{written}</call><|im_end|>Done.<|im_end|>"
    assert byte_level(TOOLS).decode(tokens.ids[tokens.trained].tolist()) == wanted


CONCATENATES = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and m.content is none %}{% for call in m.tool_calls %}"
    "{{ '<call>' + call.function.name + ' ' + call.function.arguments + '</call>' }}{% endfor %}"
    "{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<' }}{% endif %}"
)
"""Takes arguments as a text and a silent message as none, as DeepSeek's do; prompts end as a call begins."""


def test_calls_are_handed_to_a_template_as_it_wants_them() -> None:
    wanted = ['<call>look {"at": "sky"}</call><|im_end|>', "First.<|im_end|>"]
    tokenizer = byte_level(CONCATENATES)
    assert learned(tokenise(example("messages", messages=CALLING), tokenizer), CONCATENATES) == wanted
    wordy = example("messages", messages=[CALLING[0], {**CALLING[1], "content": "Look."}, *CALLING[2:]])
    encoder = Encoder(tokenizer, train_on="completions", max_tokens=99)
    for _ in range(2):
        with pytest.raises(UserError, match="does not write calls of tools beside words") as told:
            encoder.encode([wordy])
        assert told.value.hint.startswith("Take the words out of that message")
        (tokens,) = encoder.encode([example("messages", messages=CALLING)])
        assert learned(tokens, CONCATENATES) == wanted
