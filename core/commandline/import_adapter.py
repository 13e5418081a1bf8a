"""`rankloom import ADAPTER --model BASE`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from core.commandline.command import Answer, Subcommand, home, settle_libraries
from core.commandline.document import pairs
from core.commandline.export import Teller


class Import(Subcommand):
    """Take an adapter that PEFT has written into the history, to look into, train further, merge or export."""

    name = "import"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("adapter", metavar="ADAPTER", help="the folder with adapter_config.json")
        parser.add_argument("--model", required=True, metavar="BASE", help="the base model that it was trained on")
        parser.add_argument("--name", default="", help="what the list of runs calls it; else the folder's name")

    def run(self, arguments: Namespace) -> Answer:
        settle_libraries()
        from core.export.importing import import_job

        body = {"adapter": arguments.adapter, "model": arguments.model, "name": arguments.name}
        result = import_job(home(arguments), body, Teller())
        return Answer(result, text(result))


def text(result: dict[str, Any]) -> str:
    """The answer for people."""
    facts = pairs(
        {
            "run": result["run"],
            "name": result["name"],
            "method": result["method"],
            "layers": str(result["layers"]),
            "trained numbers": f"{result['trainable_parameters']:,}",
            "folder": result["folder"],
        }
    )
    return "\n".join([facts, *result["notes"]])
