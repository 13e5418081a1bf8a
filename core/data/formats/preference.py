"""Two answers to one prompt, of which one is better."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, missing, text_of, wrong
from core.data.formats.tools import tools_of
from core.data.formats.turns import turns_of
from core.data.row import Row


class Preference(Format):
    """A prompt with a chosen and a rejected answer: strings, or lists of messages; the prompt may be a part of both."""

    kind = "preference"
    label = "prompt / chosen / rejected"
    looks: ClassVar[str] = '{"prompt": "...", "chosen": "...", "rejected": "..."}'
    tasks: ClassVar[frozenset[str]] = frozenset({"preference"})

    def fits(self, row: Row) -> bool:
        return "chosen" in row.value and "rejected" in row.value

    def reason(self, row: Row) -> str:
        prompt = " with 'prompt'" if "prompt" in row.value else ", whose common beginning is the prompt"
        return f"'chosen' and 'rejected'{prompt}"

    def examples(self, row: Row) -> Iterator[Example]:
        if not self.fits(row):
            raise missing(row, "'chosen' and 'rejected'")
        chosen, rejected = row.value["chosen"], row.value["rejected"]
        lists = isinstance(chosen, list)
        if lists != isinstance(rejected, list):
            raise wrong(row, "'chosen' and 'rejected' must both be texts, or both lists of messages.")
        if chosen == rejected:
            raise wrong(row, "'chosen' and 'rejected' are the same.", "Leave such rows out: nothing is preferred.")
        sides = _chats(row) if lists else _texts(row, chosen, rejected)
        if not all(any(turn.trained for turn in side) for side in sides):
            raise wrong(row, "one of the answers is only the prompt.")
        tools = tools_of(row) if lists else ()
        style = "chat" if lists else "plain"
        yield Example(sides[0], row.file, row.number, style=style, rejected=sides[1], tools=tools)  # type: ignore[arg-type]


def _chats(row: Row) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    """Both conversations; what they have in common before the answers differ is the prompt.

    Where they say again how the prompt of its own ends, only what it has before that (a system text) is put ahead.
    """
    before = _prompt_turns(row, row.value.get("prompt"))
    sides = [turns_of(row, row.value[name], name) for name in ("chosen", "rejected")]
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*sides, strict=False)))
    again = [at + 1 for at in range(same) if before and sides[0][at].content == before[-1].content]
    if again:
        before = before[: -again[-1]]
    prompt = (*before, *(Turn(t.role, t.content, False, t.fields) for t in sides[0][:same]))
    return (*prompt, *sides[0][same:]), (*prompt, *sides[1][same:])


def _prompt_turns(row: Row, prompt: Any) -> tuple[Turn, ...]:
    if not prompt:
        return ()
    if isinstance(prompt, str):
        return (Turn("user", text_of(row, prompt, "'prompt'")),)
    return turns_of(row, prompt, "prompt", trained=False)


def _texts(row: Row, chosen: Any, rejected: Any) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    texts = text_of(row, chosen, "'chosen'"), text_of(row, rejected, "'rejected'")
    prompt = text_of(row, row.value["prompt"], "'prompt'") if row.value.get("prompt") is not None else ""
    if not prompt:
        same = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
        same = max(texts[0].rfind(" ", 0, same), texts[0].rfind("\n", 0, same)) + 1
        prompt = texts[0][:same]
        texts = texts[0][same:], texts[1][same:]
    one, other = (
        (Turn("prompt", prompt), *((Turn("completion", text, trained=True),) if text else ())) for text in texts
    )
    return one, other
