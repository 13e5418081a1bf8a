"""The pages of help: texts that stand in `resources/help`, and the list of methods, which the registry writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.adapters.names import METHODS

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "help"
ORDER = (
    "getting-started", "models", "data", "layers", "methods", "training", "watching-a-run", "runs", "insight", "export",
    "keys", "command-line", "troubleshooting",
)  # fmt: skip
"""Files without their ending, as the work goes."""
OF_PAGE = {
    "model": "models", "data": "data", "layers": "layers", "method": "methods", "run": "watching-a-run", "runs": "runs",
    "insight": "insight", "export": "export",
}  # fmt: skip
"""Which of them tells of a page of the window."""


@dataclass(frozen=True)
class Topic:
    """One page of help.

    Attributes:
        key: its file's name.
        title: its heading.
        text: Markdown, heading and all.
    """

    key: str
    title: str
    text: str

    def tells_of(self, words: str) -> bool:
        """Whether all of these words stand in it, in either case; true of no words at all."""
        return all(word in self.text.casefold() for word in words.casefold().split())


@cache
def topics() -> tuple[Topic, ...]:
    """All pages, as the work goes."""
    found = []
    for key in ORDER:
        text = (FOLDER / f"{key}.md").read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        found.append(Topic(key, title, f"{text}\n{_names()}" if key == "methods" else text))
    return tuple(found)


def _names() -> str:
    rows = [f"| {each.label} | {each.summary} | {each.paper or '–'} |" for each in METHODS]
    return "\n".join(("## All names", "", "| name | what it is | arXiv |", "| --- | --- | --- |", *rows))
