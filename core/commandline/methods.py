"""`rankloom methods`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.adapters.names import DEFAULTS, METHODS, Method
from core.commandline.command import Answer, Subcommand
from core.commandline.document import table

if TYPE_CHECKING:
    from core.adapters.axis import Param


class Methods(Subcommand):
    """List the methods that adapter.method takes, with what each says on the nine axes."""

    name = "methods"

    def run(self, arguments: Namespace) -> Answer:
        rows = [
            (method.name, method.label, trainable_formula(method), f"{rate(method):g}", method.paper)
            for method in METHODS
        ]
        text = table(("name", "label", "trained per layer", "rate / LoRA's", "arXiv"), rows)
        summaries = "\n".join(f"{method.label}: {method.summary}" for method in METHODS)
        return Answer([describe(method) for method in METHODS], f"{text}\n\n{summaries}")


def describe(method: Method) -> dict[str, Any]:
    """The contract's object for one method."""
    return {
        "name": method.name,
        "label": method.label,
        "axes": axes(method),
        "trainable_formula": trainable_formula(method),
        "rate": rate(method),
        "paper": method.paper,
        "summary": method.summary,
    }


def axes(method: Method) -> dict[str, Any]:
    """What a method says on every one of the nine axes, as the run file would."""
    return {**DEFAULTS, **method.axes, "storage": method.storage or "dense"}


def rate(method: Method) -> float:
    """The learning rate that it takes, in units of plain LoRA's."""
    from core.config.pace import pace
    from core.config.run import RunConfig

    return pace(RunConfig.from_dict({"adapter": {"method": method.name}}))


def trainable_formula(method: Method) -> str:
    """The trained numbers of one layer in r, in and out, worked out from the delta and the magnitude themselves.

    A delta whose shapes are no plain products says its own, and so does a selection that trains no matrices. The others
    are asked for their tensors at sizes so far apart that every number in a shape tells what it stands for.
    """
    from core.adapters.delta import DELTAS
    from core.adapters.magnitude import MAGNITUDES
    from core.adapters.selection import SELECTIONS
    from core.layers import LayerInfo, LayerPlan

    known = {"r": 7, "in": 1009, "out": 10007}
    plan = LayerPlan(LayerInfo("layer", "q", 0, known["out"], known["in"]), known["r"], 1.0)
    chosen = axes(method)
    selection = SELECTIONS.parse(chosen["selection"])
    if selection.formula:
        return str(selection.formula)
    delta, magnitude = DELTAS.parse(chosen["delta"]), MAGNITUDES.parse(chosen["magnitude"])
    words = {size: word for word, size in known.items()}

    def terms(params: Iterable[Param]) -> list[str]:
        shapes = [param.shape for param in params if param.trainable]
        return ["·".join(words.get(size, str(size)) for size in shape if size > 1) for shape in shapes]

    said = [delta.formula] if delta.formula else terms(delta.params(plan).values())
    return " + ".join([*said, *terms(magnitude.params(plan).values())])
