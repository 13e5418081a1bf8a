"""Templates are rendered as `transformers` renders them, and none of them for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from core.data import sandbox
from core.data.sandbox import render
from tests.core.data.chats import STOCK, byte_level

trl = pytest.importorskip("trl")
THEIRS = sorted(
    path
    for path in (Path(trl.__file__).parent / "chat_templates").glob("*.jinja")
    if not any(word in path.name for word in ("_training", "vl", "idefics", "llava", "nemotron", "_v"))
)

CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "sky"}}}
TALKS: list[list[dict[str, Any]]] = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " One? "},
        {"role": "assistant", "content": "First\n", "reasoning_content": "It is so."},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "<think>\nso\n</think>\n\nSecond."},
    ],
    [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": "", "tool_calls": [CALL], "name": None},
        {"role": "tool", "name": "look", "content": "blue"},
        {"role": "assistant", "content": "It is blue."},
    ],
]
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}]


def answer(render: Any) -> str:
    """The text, or that there is none."""
    try:
        return str(render())
    except (TemplateError, TypeError) as error:
        return f"refused: {type(error).__name__}"


@pytest.mark.parametrize("template", [*(path.read_text(encoding="utf-8") for path in THEIRS), *STOCK.values()])
def test_a_template_writes_what_it_writes_in_transformers(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Stopped)
    tokenizer = byte_level()
    for talk in TALKS:
        for tools, prompt in ((TOOLS, False), ([], True)):
            theirs = answer(
                lambda talk=talk, tools=tools, prompt=prompt: tokenizer.apply_chat_template(
                    talk, tools=tools or None, tokenize=False, add_generation_prompt=prompt, chat_template=template
                )
            )
            ours = answer(
                lambda talk=talk, tools=tools, prompt=prompt: render(
                    tokenizer, template, talk, tools=tools, prompt=prompt
                )
            )
            assert ours == theirs


class Stopped:
    """A clock that stands still."""

    @staticmethod
    def now() -> Any:
        from datetime import datetime

        return datetime(2026, 11, 22)


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        ("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", "does not end"),
        ("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}", "does not end"),
        (
            "{% for i in range(9999) recursive %}{% if loop.depth < 5 %}{{ loop(range(9999)) }}{% endif %}{% endfor %}",
            "does not end",
        ),
        ("{% for i in range(9999) %}{{ 'a'|upper|lower|trim|string|e }}{% endfor %}", "does not end"),
        ("{% set s = namespace(x='ab') %}{% for i in range(99) %}{% set s.x = s.x ~ s.x %}{% endfor %}", "characters"),
        ("{% set s = namespace(x='ab') %}{% for i in range(99) %}{% set s.x = s.x + s.x %}{% endfor %}", "characters"),
        ("{% set x = 'x' * 100000 %}{% for i in range(9999) %}{{ x }}{% endfor %}", "characters"),
        ("{% set x %}{% for i in range(99999) %}" + "y" * 9999 + "{% endfor %}{% endset %}", "characters"),
        ("{{ 'x' * 10**10 }}", "characters"),
        ("{{ [0] * 10**10 }}", "characters"),
        ("{{ ('x' * 99999).replace('x', 'y' * 99999) }}", "characters"),
        ("{{ range(99999)|join('y' * 99999) }}", "characters"),
        ("{{ 10 ** (10 ** 9) }}", "too large a number"),
        ("{{ 'x'.rjust(10 ** 10) }}", "as a size"),
        ("{{ 'x'|center(10 ** 10) }}", "as a size"),
        ("{{ messages|tojson(indent=10 ** 9) }}", "as a size"),
        ("{{ '%9999999999s' % 'x' }}", "too great a width"),
        ("{{ '%9999999999s'|format('x') }}", "too great a width"),
        ("{{ '{:9999999999}'.format('x') }}", "too great a width"),
    ],
)
def test_a_template_that_would_run_on_or_fill_the_memory_is_stopped(
    attack: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "TURNS", 10_000)
    monkeypatch.setattr(sandbox, "LETTERS", 10_000_000)
    with pytest.raises(TemplateError, match=why):
        render(byte_level(), attack, TALKS[0])


def test_each_conversation_has_a_budget_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{% for m in messages %}{{ loop.index ~ '/' ~ loop.length ~ m.content|trim }}{% endfor %}"
    monkeypatch.setattr(sandbox, "TURNS", 30 * len(TALKS[0]))
    assert {render(byte_level(), template, TALKS[1]) for _ in range(9)} == {"1/4Look.2/43/4blue4/4It is blue."}
