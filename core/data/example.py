"""What every format turns a row into, and what everything after it works on.

A few ways of becoming tokens cover all shapes. A *chat* goes through the model's chat template. *Plain* turns (a prompt
and its completion) stand one after the other as they are, with an end-of-text token behind them. A *document* is
running text for continued pre-training, cut into full windows, so that a long one loses nothing. *Ids* are tokens
already. A *labelled* text, or pair of texts, is read and judged rather than continued.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool", "prompt", "completion", "text"]
Style = Literal["chat", "plain", "document", "ids", "labelled"]

CHAT_ROLES: tuple[Role, ...] = get_args(Role)[:4]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of an example.

    Attributes:
        role: who says it.
        content: the text, as the data has it.
        trained: whether it is an answer: what the model is to learn where only completions are trained on.
        fields: what else the message says to the chat template: `tool_calls`, `tool_call_id`, `name`.
        weight: how much each of its tokens counts in the loss, where it is learned; 1 is the usual, and 0 what says
            itself that it is not learned.
    """

    role: Role
    content: str
    trained: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def message(self) -> dict[str, Any]:
        """As chat templates take it."""
        return {"role": self.role, "content": self.content, **self.fields}

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The functions that it calls, as `{"name": ..., "arguments": ...}`."""
        return [call["function"] for call in self.fields.get("tool_calls", ())]


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn from.

    Attributes:
        turns: what is said, in order; a document has a single turn, a labelled pair of texts two.
        file: the name of the file it comes from, relative to the data's folder.
        row: its line in that file, counted from 1.
        style: how it becomes tokens.
        ends: False where a document goes on in the next example.
        tools: the functions that a chat may call, for its template.
        rejected: of a pair of answers the worse one, with everything before it; `turns` is then the better one.
        label: what a labelled text is to be judged as: a name or a number.
        ids: tokens already, and `learned` says which of them are learned.
        bad: whether the data itself calls the answer a bad one.
    """

    turns: tuple[Turn, ...]
    file: str
    row: int
    style: Style = "chat"
    ends: bool = True
    tools: tuple[dict[str, Any], ...] = ()
    rejected: tuple[Turn, ...] = ()
    label: str | float | None = None
    ids: tuple[int, ...] = ()
    learned: tuple[bool, ...] = ()
    bad: bool = False

    @property
    def place(self) -> str:
        """Where it stands, for messages: `devil.jsonl, row 17`."""
        return place(self.file, self.row)

    @property
    def thought(self) -> str:
        """What the last answer was thought over with; templates may leave out the thoughts before earlier ones."""
        last = next((turn for turn in reversed(self.turns) if turn.trained), None)
        return str(last.fields.get("reasoning_content") or "") if last else ""

    def to_dict(self) -> dict[str, Any]:
        """For the window: plain values."""
        shown = {"file": self.file, "row": self.row, "style": self.style, "turns": _shown(self.turns)}
        if self.rejected:
            shown["rejected"] = _shown(self.rejected)
        if self.label is not None:
            shown["label"] = self.label
        if self.tools:
            shown["tools"] = list(self.tools)
        return shown

    def of_last_turn(self) -> Example:
        """The same with its last answer alone to be learned."""
        answers = [number for number, turn in enumerate(self.turns) if turn.trained]
        turns = tuple(
            replace(turn, trained=turn.trained and number == answers[-1]) for number, turn in enumerate(self.turns)
        )
        return replace(self, turns=turns)


def _shown(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    return [
        {**turn.message, "trained": turn.trained} | ({} if turn.weight == 1 else {"weight": turn.weight})
        for turn in turns
    ]


def place(file: str, row: int) -> str:
    """How messages name a row."""
    return f"{file}, row {row}"
