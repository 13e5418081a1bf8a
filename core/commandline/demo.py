"""`rankloom demo`."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand


class Demo(Subcommand):
    """Walk the whole journey in the real window by itself: pick, select, train, plot, export, verify."""

    name = "demo"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quick", action="store_true", help="with the tiny model, in well under a minute")
        parser.add_argument("--out", default="build/demo", metavar="DIR", help="where screenshots and report go")

    def run(self, arguments: Namespace) -> Answer:
        # By name: `core` never imports `app`, and what opens a window is only wanted here.
        code = int(importlib.import_module("app.demo").main(quick=arguments.quick, out=arguments.out))
        return Answer({"folder": arguments.out, "passed": code == 0}, "", code)
