"""`rankloom layers MODEL`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core.commandline.command import Answer, Subcommand
from core.commandline.document import amount, table


class Layers(Subcommand):
    """List the matrices of a model with their roles, from the headers of its files alone."""

    name = "layers"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="a model folder, a hub cache snapshot or a GGUF file")

    def run(self, arguments: Namespace) -> Answer:
        from core.models.catalog import describe

        info = describe(arguments.model)
        head = ("name", "role", "block", "out", "in")
        rows = [(x.name, x.role, x.block, x.out_features, x.in_features) for x in info.layers]
        adaptable = sum(layer.adaptable for layer in info.layers)
        text = (
            f"{table(head, rows, right=('block', 'out', 'in'))}\n\n{info.name}: {info.architecture}, "
            f"{info.parameters:,} parameters, {amount(info.bytes)}; {adaptable} layers can be trained."
        )
        return Answer([layer.to_dict() for layer in info.layers], text)
