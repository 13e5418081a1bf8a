"""Writes the README's tables from the registries: `python packaging/readme_tables.py --write`; without it, it compares.

The table of what the methods cost comes from the figures that the benchmark keeps.

Each table stands between two comments that name it, `<!-- methods -->` and `<!-- end of methods -->`. A test compares,
so a new method or command cannot be missing from the README.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.adapters.names import METHODS
from core.commandline.entry import SUBCOMMANDS
from core.commandline.methods import trainable_formula
from core.component import Axis, Component
from core.config.run import AXES
from core.data.formats import FORMATS
from core.insight.importance import SCORES
from core.optim.optimizers import OPTIMIZERS
from core.optim.schedules import SCHEDULES
from tests.benchmarks.comparing import table as comparison

README = Path(__file__).resolve().parent.parent / "README.md"


def methods() -> str:
    """The known names, one a row."""
    rows = [
        (f"`{method.name}`", method.label, trainable_formula(method), _paper(method.paper), method.summary)
        for method in METHODS
    ]
    return _table(("`adapter.method`", "name", "trained per layer", "paper", "what it is"), rows)


def axes() -> str:
    """What can be chosen one by one."""
    rows = [
        (f"`{'model.storage' if name == 'storage' else f'adapter.{name}'}`", axis.label, _members(axis.members))
        for name, axis in AXES.items()
    ]
    more: dict[str, Axis[Any]] = {"train.optimizer": OPTIMIZERS, "train.schedule": SCHEDULES, "data.format": FORMATS}
    rows += [(f"`{option}`", axis.label, _members(axis.members)) for option, axis in more.items()]
    return _table(("in the run file", "axis", "choices"), rows)


def commands() -> str:
    """The sub-commands that are there for people."""
    rows = [(f"`{kind.name}`", " ".join((kind.__doc__ or "").split())) for kind in SUBCOMMANDS if not kind.internal]
    return _table(("command", "what it does"), rows)


def scores() -> str:
    """The scores of importance, and how far each finds layers of which it is known that they alone can help."""
    rows = [
        (f"`{score.kind}`", score.label.replace("|", r"\|"), score.finds_planted, score.found_because)
        for score in SCORES.members
    ]
    return _table(("score", "name", "planted layers come", "because"), rows)


def measured() -> str:
    """What the benchmark of all methods found last, and on what."""
    found = comparison.read()
    return f"{comparison.table(found)}\n\n{comparison.caption(found)}"


TABLES: dict[str, Callable[[], str]] = {
    "methods": methods, "axes": axes, "scores": scores, "commands": commands, "methods measured": measured,
}  # fmt: skip


def written(text: str) -> str:
    """The README's text with every table as the registries say it.

    Raises:
        ValueError: the marks of a table are missing.
    """
    for name, table in TABLES.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not between.search(text):
            raise ValueError(f"README.md has no place for the table of {name}.")
        text = between.sub(lambda found: f"{found[1]}\n{table()}\n\n{found[2]}", text)  # noqa: B023
    return text


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _paper(number: str) -> str:
    return f"[{number}](https://arxiv.org/abs/{number})" if number else ""


def _members(members: Iterable[type[Component]]) -> str:
    return ", ".join(f"`{member.kind}`" for member in members)


def main() -> int:
    """Write, or compare and say what to do."""
    text = README.read_text(encoding="utf-8")
    if "--write" in sys.argv[1:]:
        README.write_text(written(text), encoding="utf-8", newline="\n")
    elif written(text) != text:
        print("The README's tables are not what the registries say: make readme", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
