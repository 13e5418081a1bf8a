"""`rankloom importance RUN.yaml`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from core.commandline.command import Answer, Subcommand, home, settle_libraries
from core.commandline.document import table
from core.commandline.export import Teller


class Importance(Subcommand):
    """Say which layers matter for a run file's data, by a short probe that is not kept."""

    name = "importance"

    def arguments(self, parser: ArgumentParser) -> None:
        from core.insight.importance import SCORES

        kinds = [member.kind for member in SCORES.members]
        parser.add_argument("file", metavar="RUN.yaml", type=Path, help="the run file")
        parser.add_argument("--score", default=kinds[0], choices=kinds, metavar="SCORE", help=", ".join(kinds))
        parser.add_argument(
            "--sample-ratio", type=float, default=0.1, metavar="SHARE", help="of the examples that the probe sees"
        )
        parser.add_argument("--probe-steps", type=int, default=50, metavar="N", help="length of the probe")

    def run(self, arguments: Namespace) -> Answer:
        settle_libraries()
        from core.config.files import read
        from core.train.importance import importance_job

        body = {
            "config": read(arguments.file).to_dict(),
            "scores": [arguments.score],
            "sample_ratio": arguments.sample_ratio,
            "probe_steps": arguments.probe_steps,
        }
        found = importance_job(home(arguments), body, Teller())
        return Answer(ranking(found), text(found))


def ranking(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The contract's list of the first score, highest first."""
    score = found["scores"][0]
    rows = [
        {"name": layer["name"], "score": value, "share": share}
        for layer, value, share in zip(found["layers"], score["values"], score["shares"], strict=True)
    ]
    return sorted(rows, key=lambda row: -(row["score"] or 0.0))


def text(found: dict[str, Any]) -> str:
    """The answer for people."""
    rows = [
        (row["name"], None if row["score"] is None else f"{row['score']:.4g}", f"{row['share']:.1%}")
        for row in ranking(found)
    ]
    listed = table(("name", "score", "share"), rows, right=("score", "share"))
    return f"{listed}\n\n{found['scores'][0]['label']}: {found['scores'][0]['tells']}"
