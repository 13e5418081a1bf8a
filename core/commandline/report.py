"""`rankloom report RUN ... --out DIR`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand, home, settle_libraries
from core.commandline.export import Teller


class Report(Subcommand):
    """Write a report of a run, or of several beside one another: HTML, Markdown, and every figure as SVG and CSV."""

    name = "report"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", metavar="RUN", nargs="+", help="ids of runs, as `runs` lists them")
        parser.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
        parser.add_argument(
            "--checkpoint", default="best", metavar="WHICH", help="best (the default), last, or the step of one"
        )

    def run(self, arguments: Namespace) -> Answer:
        settle_libraries()
        from core.insight.report import report_job

        body = {"runs": arguments.ids, "out": arguments.out, "checkpoint": arguments.checkpoint}
        result = report_job(home(arguments), body, Teller())
        return Answer(result, f"Wrote {result['html']} and {len(result['files']) - 1} files beside it.")
