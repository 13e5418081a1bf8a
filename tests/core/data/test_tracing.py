"""Templates that are rendered by their traces write what they write when they are rendered plainly."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest

from core.data import sandbox, tracing
from core.data.example import Turn
from core.data.sandbox import REFUSALS, render
from core.data.templates import TEMPLATES
from core.data.tracing import Tracer
from tests.core.data.chats import STOCK, THINKING, UNMARKED, byte_level
from tests.core.data.test_sandbox import THEIRS

KNOWN = {
    **STOCK,
    "thinking": THINKING,
    "unmarked": UNMARKED,
    **{f"own {name}": text for name, text in TEMPLATES.items()},
    **{path.name: path.read_text(encoding="utf-8") for path in THEIRS},
}
LOOKING = {
    "counts": "{% for m in messages %}{{ m.content|length }}{% endfor %}",
    "makes JSON": "{{ messages|tojson }}",
    "captures": "{% for m in messages %}{% set x %}{{ m.content }}{% endset %}{{ x|upper }}{% endfor %}",
    "captures in a macro": "{% macro f(m) %}{{ m.content }}{% endmacro %}{{ f(messages[0])|upper }}",
    "filters a block": "{% filter upper %}{{ messages[0].content }}{% endfilter %}",
    "escapes": "{% autoescape true %}{{ messages[0].content }}{% endautoescape %}",
    "makes numbers": "{{ messages[0].content|int }}",
    "joins": "{{ messages|map(attribute='content')|join }}",
    "prints": "{{ messages|string }}{{ '%s' % messages[0].content }}",
}
ASKING = {
    "compares": "{% for m in messages %}{{ 'a' if m.content == 'hi' else m.content ~ 1 }}{% endfor %}",
    "finds in lists": "{{ messages[0].content if messages[0].content in ['hi', ''] else 'b' }}",
    "defaults": "{% for m in messages %}{{ m.content|default('c', true)|trim }}{% endfor %}",
    "strips": "{% for m in messages %}{{ m.content.strip('\n').rstrip() + eos_token }}{% endfor %}",
}
PIECES = ("hi", " spaced ", "\n", "", "</think>", "<think>so</think>\n\ny", "{{ x }}<&>", "é\ue0f0", "<tool_response>")


def conversations(count: int) -> list[list[Turn]]:
    chance = Random(1)

    def said() -> str:
        return "".join(chance.choices(PIECES, k=chance.randint(0, 2)))

    first = [[Turn("system", said())] if number % 3 == 0 else [] for number in range(count)]
    return [
        [*system, *(Turn(role, said()) for role in ("user", "assistant") * (1 + number % 2))]
        for number, system in enumerate(first)
    ]


def outcome(of: Any) -> Any:
    try:
        return of()
    except REFUSALS as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", [*KNOWN, *LOOKING, *ASKING])
def test_a_traced_rendering_is_the_plain_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = {**KNOWN, **LOOKING, **ASKING}[name]
    plain: list[str] = []
    monkeypatch.setattr(tracing, "render", lambda *given, **more: plain.append(given[1]) or render(*given, **more))
    tracer, tokenizer = Tracer(byte_level()), byte_level()
    for turns, prompt in product(conversations(24), (False, True)):
        wanted = outcome(lambda t=turns, p=prompt: render(tokenizer, template, [one.message for one in t], prompt=p))
        assert outcome(lambda t=turns, p=prompt: tracer.render(template, t, prompt=p)) == wanted
    if name in LOOKING:
        assert len(plain) == 48
    elif name in ASKING or name in STOCK or name.startswith("own"):
        assert len(plain) < 48


def test_what_the_budget_would_refuse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LETTERS", 10_000)
    tracer, template = Tracer(byte_level()), "{% for m in messages %}{{ (m.content + 'x') ~ m.content }}{% endfor %}"
    for _ in range(4):
        assert tracer.render(template, [Turn("user", "a")]) == "axa"
    assert "writes more than" in outcome(lambda: tracer.render(template, [Turn("user", "a" * 4_000)]))[1]
