"""What every format turns a row into, and what everything after it works on.

Three ways of becoming tokens cover all shapes. A *chat* goes through the model's chat template. *Plain* turns (a prompt
and its completion) stand one after the other as they are, with an end-of-text token behind them. A *document* is
running text for continued pre-training, cut into full windows, so that a long one loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool", "prompt", "completion", "text"]
Style = Literal["chat", "plain", "document"]

CHAT_ROLES: tuple[Role, ...] = get_args(Role)[:4]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of an example.

    Attributes:
        role: who says it.
        content: the text, as the data has it.
        trained: whether it is an answer: what the model is to learn where only completions are trained on.
    """

    role: Role
    content: str
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn from.

    Attributes:
        turns: what is said, in order; a document has a single turn.
        file: the name of the file it comes from, relative to the data's folder.
        row: its line in that file, counted from 1.
        style: how it becomes tokens.
        ends: False where a document goes on in the next example.
    """

    turns: tuple[Turn, ...]
    file: str
    row: int
    style: Style = "chat"
    ends: bool = True

    @property
    def place(self) -> str:
        """Where it stands, for messages: `devil.jsonl, row 17`."""
        return place(self.file, self.row)

    def to_dict(self) -> dict[str, Any]:
        """For the window: plain values."""
        turns = [{"role": turn.role, "content": turn.content, "trained": turn.trained} for turn in self.turns]
        return {"file": self.file, "row": self.row, "style": self.style, "turns": turns}


def place(file: str, row: int) -> str:
    """How messages name a row."""
    return f"{file}, row {row}"
