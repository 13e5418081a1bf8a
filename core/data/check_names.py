"""The names of checks that the run file may use, without anything that is heavy to import."""

from __future__ import annotations

from collections.abc import Mapping

CHECKS: tuple[str, ...] = ("end-not-trained", "one-label", "template-marks", "double-begin")
"""Those that keep a run from starting and may be overruled with a reason (`data.overrides`)."""

LEAVABLE: Mapping[str, str] = {
    "empty-answers": "whose answer or text is without a word",
    "bad-answers": "whose answer the data calls bad",
    "roles-out-of-order": "whose roles are out of order",
    "unanswered": "that no answer ends",
    "marks-in-texts": "whose text holds special words",
    "partly-nothing-trained": "with nothing to learn in them",
    "bytes": "with letters that the tokenizer breaks into bytes",
    "truncated": "that are longer than the longest example",
    "end-not-trained": "whose end is not learned",
    "duplicates": "that repeat an earlier one",
    "near-duplicates": "that repeat an earlier one but for spaces and capitals",
    "conflicting-labels": "whose text has several labels",
    "rare-labels": "of classes with hardly any",
    "dominates": "that outweigh all others",
    "held-out-trained": "that are held out as well",
    "held-out-near": "that are held out as well but for spaces and capitals",
}
"""Those whose examples may be left out of a run (`data.leave_out`), and what such examples are."""
