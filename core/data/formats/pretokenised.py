"""Rows that somebody has turned into tokens already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from core.data.example import Example
from core.data.formats.format import Format, missing, wrong
from core.data.row import Row

IGNORED = -100


class Pretokenised(Format):
    """Token ids, with labels that are the ids themselves where something is learned and -100 elsewhere.

    Without labels everything is learned. What the attention mask leaves out is left out here.
    """

    kind = "pretokenised"
    label = "token ids"
    looks: ClassVar[str] = '{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}'

    def fits(self, row: Row) -> bool:
        return isinstance(row.value.get("input_ids"), list)

    def reason(self, row: Row) -> str:
        return "'input_ids'" + (" and 'labels'" if row.value.get("labels") else "")

    def examples(self, row: Row) -> Iterator[Example]:
        if "input_ids" not in row.value:
            raise missing(row, "'input_ids'")
        ids = _numbers(row, "input_ids", None)
        labels = _numbers(row, "labels", ids)
        seen = _numbers(row, "attention_mask", [1] * len(ids))
        places = range(len(ids))
        strange = next((at for at in places if seen[at] and labels[at] not in (IGNORED, ids[at])), None)
        if strange is not None:
            shifted = strange + 1 < len(ids) and labels[strange] == ids[strange + 1]
            hint = "The labels seem to be shifted by one; they must not be." if shifted else ""
            said = f"'labels' says {labels[strange]} at place {strange + 1}, where 'input_ids' has {ids[strange]}."
            raise wrong(row, said, hint or "Labels are the ids themselves, or -100 where nothing is learned.")
        kept = [at for at in places if seen[at]]
        yield Example(
            (), row.file, row.number, style="ids", ids=tuple(ids[at] for at in kept),
            learned=tuple(labels[at] != IGNORED for at in kept),
        )  # fmt: skip


def _numbers(row: Row, name: str, usual: list[int] | None) -> list[int]:
    value: Any = row.value.get(name)
    if value is None and usual is not None:
        return usual
    if not isinstance(value, list) or not value or not all(type(each) is int for each in value):
        raise wrong(row, f"'{name}' must be a list of whole numbers with at least one in it.")
    if usual is not None and len(value) != len(usual):
        raise wrong(row, f"'{name}' has {len(value)} numbers, and 'input_ids' {len(usual)}.")
    return value
