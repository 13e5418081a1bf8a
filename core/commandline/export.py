"""`rankloom export RUN --to KIND --out DIR`."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from core.commandline.command import Answer, Subcommand, home, say, settle_libraries
from core.errors import UserError

LINE_SECONDS = 1.0


class Export(Subcommand):
    """Export what a run has learned: an adapter in PEFT's layout, a plain LoRA, a merged model, or a GGUF file."""

    name = "export"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="RUN", help="the run's id, as `runs` lists it")
        parser.add_argument("--to", required=True, choices=("adapter", "lora", "merged", "gguf"), help="what to write")
        parser.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
        parser.add_argument(
            "--checkpoint", default="best", metavar="WHICH", help="best (the default), last, or the step of one"
        )
        parser.add_argument(
            "--rank", type=int, metavar="B",
            help="of a plain LoRA (lora); otherwise cut an adapter that was trained for every rank",
        )  # fmt: skip
        parser.add_argument("--base", default="", metavar="NAME", help="name of the base model for whoever opens it")
        parser.add_argument("--precision", default="F16", metavar="TYPE", help="of a GGUF file: F16, BF16 or Q8_0")
        parser.add_argument(
            "--onto", default="trained", choices=("trained", "original"),
            help="over a quantised base: merge into the weights it was trained over, or into the original ones",
        )  # fmt: skip
        parser.add_argument("--verify", action="store_true", help="open it again and compare it with the live model")

    def run(self, arguments: Namespace) -> Answer:
        if arguments.rank is not None and arguments.rank < 1:
            raise UserError(f"--rank must be 1 or more (got {arguments.rank}).")
        settle_libraries()
        from core.export.job import export_job

        body = {"run": arguments.id, **{key: getattr(arguments, key) for key in (
            "to", "out", "checkpoint", "rank", "base", "precision", "onto", "verify"
        )}}  # fmt: skip
        result = export_job(home(arguments), body, Teller())
        return Answer(result, text(result))


class Teller:
    """Tells a terminal what a job is busy with, a line a second at most."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, text: str, share: float | None) -> None:
        """Called by the job."""
        now = time.monotonic()
        if share is None or now >= self._next:
            self._next = now + LINE_SECONDS
            say(text if share is None else f"{share:4.0%}  {text}")


def text(result: dict[str, Any]) -> str:
    """The answer for people."""
    lines = [f"Exported step {result['step']} to {result['folder']}:", *(f"  {file}" for file in result["files"])]
    if result["kept"]:
        lines += [f"  {row['share']:8.2%} kept of {row['name']}" for row in result["kept"]["layers"]]
    lines += result["notes"]
    if result["verified"]:
        lines.append(result["verified"]["sentence"])
    return "\n".join(lines)
