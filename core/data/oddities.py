"""What is odd about an example before it is tokens: seen on the way, row by row, so that every row is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from core.data.example import Example

EMPTY = "empty-answers"
OUT_OF_ORDER = "roles-out-of-order"
UNANSWERED = "unanswered"
MARKS = "marks-in-texts"
BAD = "bad-answers"
DOUBLED, UNSAID = "double-begin", "thoughts-unwritten"
"""What only the templates and the tokens show: two begin-of-text tokens, of which one was taken away; and thoughts that
the template does not write."""
WEIGHED, SILENCED = "weights", "weights-of-nothing"


def oddities(example: Example) -> Iterator[str]:
    """The names of what is odd about it."""
    turns = example.turns
    weights = {turn.weight for turn in (*turns, *example.rejected)} - {1.0}
    if weights:
        yield from ([WEIGHED] if weights - {0.0} else []) + ([SILENCED] if 0.0 in weights else [])
    if example.style == "labelled":
        if not any(turn.content.strip() for turn in turns):
            yield EMPTY
        return
    if any(turn.trained and not turn.content.strip() and not turn.calls for turn in turns):
        yield EMPTY
    if example.bad:
        yield BAD
    if example.style != "chat":
        return
    if _out_of_order(example):
        yield OUT_OF_ORDER
    if turns and turns[-1].role != "assistant":
        yield UNANSWERED


def _out_of_order(example: Example) -> bool:
    """Whether a system text comes late, an answer comes first, or somebody speaks twice running."""
    roles = [turn.role for turn in example.turns]
    said = roles[1:] if roles[:1] == ["system"] else roles
    if "system" in said or said[:1] == ["assistant"]:
        return True
    return any(one == other and one in ("user", "assistant") for one, other in pairwise(said))
