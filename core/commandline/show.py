"""`rankloom show RUN`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing
from typing import TYPE_CHECKING, Any

from core.commandline.command import Answer, Subcommand, home
from core.commandline.document import duration, number, pairs

if TYPE_CHECKING:
    from core.store.store import Store


class Show(Subcommand):
    """Show one run whole: configuration, curves, per-layer measurements, samples and checkpoints."""

    name = "show"

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="RUN", help="the run's id, as `runs` lists it")

    def run(self, arguments: Namespace) -> Answer:
        from core.store.store import Store

        with closing(Store(home(arguments))) as store:
            document = describe(store, arguments.id)
        return Answer(document, text(document))


def describe(store: Store, run: str) -> dict[str, Any]:
    """The contract's object, and what the list says of the run."""
    from core.commandline.runs import describe as describe_row

    row = store.run(run)
    curves = {
        key: list(zip(*(part.tolist() for part in store.curve(run, key)), strict=True)) for key in store.curve_keys(run)
    }
    vectors = {key: store.vectors(run, key) for key in store.vector_keys(run)}
    return {
        **describe_row(store, row),
        "config": row.config.to_dict(),
        "curves": {key: [[int(step), value] for step, value in points] for key, points in curves.items()},
        "layers": [layer.to_dict() for layer in store.layers(run)],
        "vectors": {key: {"steps": steps, "values": values} for key, (steps, values) in vectors.items()},
        "samples": store.samples(run),
        "checkpoints": store.checkpoints(run),
        "error": {"text": row.state.message, "hint": row.state.hint} if row.state.phase == "failed" else None,
    }


def text(document: dict[str, Any]) -> str:
    """The same for people, without the measurements."""
    train, adapter = document["config"]["train"], document["config"]["adapter"]
    lines = {
        "run": document["run"],
        "name": document["name"],
        "status": document["status"],
        "method": f"{document['method']}, rank {adapter['rank']}, alpha {adapter['alpha']:g}",
        "model": document["model"],
        "data": document["data"],
        "layers": len(document["layers"]) or None,
        "step": f"{document['step']} of {train['steps']}",
        "loss": f"{number(document['first_loss'])} -> {number(document['last_loss'])}",
        "best held-out": number(document["best_loss"]),
        "time": duration(document["seconds"]),
        "checkpoints": ", ".join(f"{c.step}{' (best)' if c.best else ''}" for c in document["checkpoints"]) or None,
        "folder": document["folder"],
    }
    if document["error"]:
        lines["error"] = f"{document['error']['text']} {document['error']['hint']}".strip()
    samples = [f"step {sample.step}  {sample.prompt!r}\n    {sample.text}" for sample in document["samples"]]
    return "\n".join([pairs(lines), *([""] if samples else []), *samples])
