"""The export as a job: the window's warm worker and the command line both call `export_job`.

Written first, whole or not at all; then, where asked for, opened again and compared with the live model; the card is
brought up to date with what the comparison found.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.adapters.attach import Adapters
from core.atomic import new_folder, refuse_filled, write_text
from core.data.templates import text_of
from core.errors import Cancelled, UserError
from core.export import adapter, asking, gguf, gguf_adapter, lowrank, merged, serving
from core.export.card import card
from core.export.keys import module_keys
from core.export.request import LOOSE, Request, Source
from core.export.saved import open_adapter
from core.export.verify import Agreement
from core.home import Home
from core.layers import LayerPlan
from core.models.catalog import describe
from core.models.headers import read_folder
from core.models.load import resolve
from core.room import room_for
from core.saying import Say
from core.store.store import Store

CARD = "README.md"
CHAT_TEMPLATE = "chat_template.jinja"
"""Where a folder keeps its chat template: it wins over one in the tokenizer's settings."""
CARD_BYTES = 100_000
EVERY_RANK = "every_rank"
"""What a rank schedule provides whose adapter may be cut to any rank."""


def export_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Export a run; see `Request` for the body.

    Returns:
        `files` (paths), `folder`, `step`, `notes` (sentences on what was written), `kept` (what a plain LoRA keeps of
        each layer's change, see `lowrank.to_dict`; None for the others) and `verified`: what `Agreement` says and its
        `sentence`, or None.

    Raises:
        UserError: something is missing or does not fit, and nothing has been written then; or what was written could
            not be verified, which it says.
        Cancelled: by `progress`; nothing of it is left.
    """
    request = Request.from_body(body)
    refuse_filled(request.out)
    progress("Reading the checkpoint", None)
    source = find_source(home, request, progress)
    made = make(request, source, open_adapter(source.folder), progress)
    with (
        room_for(request.out, needed(request, source, made), what="the export"),
        new_folder(request.out) as folder,
    ):
        made.file = write(request, source, made, folder, progress)
        (folder / CARD).write_text(describe_export(request, source, made), encoding="utf-8")
        share(folder)
    agreement = None
    if request.verify:
        agreement = verified(home, request, source, made, progress)
        write_text(request.out / CARD, describe_export(request, source, made, agreement=agreement.sentence()))
    return {
        "files": sorted(str(path) for path in request.out.rglob("*") if path.is_file()),
        "folder": str(request.out),
        "step": source.step,
        "notes": list(made.notes),
        "kept": made.kept,
        "verified": None if agreement is None else {**agreement.to_dict(), "sentence": agreement.sentence()},
    }


def verified(home: Home, request: Request, source: Source, made: Made, progress: Say) -> Agreement:
    """Compare what stands in the folder with the live model.

    Raises:
        UserError: that cannot be done; the folder stays, since it is whole.
        Cancelled: by `progress`; the folder is gone.
    """
    try:
        return asking.verify(request, source, made.adapters, progress, home=home)
    except Cancelled:
        shutil.rmtree(request.out, ignore_errors=True)
        raise
    except UserError as error:
        hint = f"It stands in {request.out}, whole. {error.hint}".strip()
        raise UserError(f"The export could not be verified: {error.text}", hint=hint) from error


@dataclass
class Made:
    """What is about to be written.

    Attributes:
        adapters: those that go out.
        plans: the layers as they were trained.
        notes: what somebody should know of it.
        kept: what a plain LoRA keeps of the change.
        file: the name of its GGUF file, where there is one.
    """

    adapters: Adapters
    plans: tuple[LayerPlan, ...]
    notes: tuple[str, ...]
    kept: dict[str, Any] | None = None
    file: str = ""


def make(request: Request, source: Source, trained: Adapters, progress: Say) -> Made:
    """Cut or convert the adapter, as was asked for.

    Raises:
        UserError: it cannot be.
    """
    plans = tuple(layer.plan for layer in trained.layers.values())
    if request.to in LOOSE and any(plan.layer.kind == "vector" for plan in plans):
        raise UserError(
            "Biases and norms were trained, which no format of adapters holds.", hint="Export a merged model instead."
        )
    if request.to != "lora":
        adapters = cut(trained, request.rank)
        notes = storage_notes(request, source, adapters)
        if request.to == "adapter":
            own = adapter.equivalent(adapters, adapter.form_for(adapters))
            notes = (*notes, *filter(None, (own, serving.peft(adapters, source.info), serving.vllm(adapters))))
        return Made(adapters, plans, notes)
    rank = request.rank or lowrank.largest_rank(trained)
    adapters, kept = lowrank.convert(trained, source.info, rank, progress=progress)
    notes = (*storage_notes(request, source, adapters), lowrank.sentence(kept, rank), serving.vllm(adapters))
    return Made(adapters, plans, notes, lowrank.to_dict(kept, rank, [plan.layer for plan in plans]))


def storage_notes(request: Request, source: Source, adapters: Adapters) -> tuple[str, ...]:
    """What somebody should know of an export whose base was quantised while it was trained."""
    if "float_base" in adapters.storage.provides:
        return ()
    held = f"While training, the base model was held in {adapters.storage.label}"
    if request.to in LOOSE:
        text = f"{held}. Over the base model in full precision the adapter is not quite the model that was trained"
        # To measure it, all weights are read and quantised once more: done with the rest of what is verified.
        found = merged.mismatch(adapters, source.info) if request.verify else None
        return (f"{text}." if found is None else f"{text}: its weights {found.apart()}.",)
    if request.onto == "trained":
        return (f"{held}; merged are those very weights, as numbers, and the adapter: the model that was trained.",)
    found = merged.mismatch(adapters, source.info)
    return () if found is None else (f"{held}. {found.sentence()}",)


def share(folder: Path) -> None:
    """Give every file the rights of the card, which are those of any new file: safetensors makes files for their
    owner's eyes alone, and these are made to be handed on."""
    for path in folder.rglob("*"):
        if path.is_file():
            shutil.copymode(folder / CARD, path)


def find_source(home: Home, request: Request, progress: Say) -> Source:
    """Find the run, its checkpoint and its base model."""
    with closing(Store(home)) as store:
        row = store.run(request.run)
        chosen = store.checkpoint(row.id, request.checkpoint)
    path = row.config.model.path
    info = describe(resolve(home, path, progress))
    given = describe(path)
    base = request.base or given.name
    return Source(row, row.config, chosen.step, chosen.adapter, info, base, given.notes)


def cut(adapters: Adapters, rank: int | None) -> Adapters:
    """The adapter at the rank asked for.

    Raises:
        UserError: it was trained for one rank only, or for none as high.
    """
    if rank is not None and any(layer.active_rank != rank for layer in adapters.layers.values()):
        if EVERY_RANK not in adapters.config.axis("rank_schedule").provides:
            raise UserError(
                f"This adapter was trained for its own rank only and cannot be cut to rank {rank}.",
                hint="DyLoRA trains an adapter for every rank up to its own.",
            )
        highest = max(layer.plan.rank for layer in adapters.layers.values())
        if rank > highest:
            raise UserError(f"This adapter has ranks up to {highest}: none of {rank} can be cut from it.")
        for layer in adapters.layers.values():
            layer.active_rank = min(rank, layer.plan.rank)
    return adapters


def needed(request: Request, source: Source, made: Made) -> int:
    """Bytes that the export takes."""
    if request.to == "merged":
        return CARD_BYTES + merged.size(source.info.path)
    if request.to == "gguf":
        return CARD_BYTES + gguf.size(source.info, request.precision)
    return CARD_BYTES + adapter.size(made.adapters) * (2 if request.to == "lora" else 1)


def write(request: Request, source: Source, made: Made, folder: Path, progress: Say) -> str:
    """Write the export itself; returns the name of the GGUF file, if there is one."""
    adapters = made.adapters
    template = text_of(source.config.data.template) if source.config.data.template else ""
    if request.to == "merged":
        merged.write(adapters, source.info, folder, progress=progress, onto=request.onto)
        if template:
            (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
    elif request.to == "gguf":
        if adapters.head:
            raise UserError("A GGUF file holds models that write; this one judges texts.", hint="Export it merged.")
        return gguf.write(
            adapters, source.info, folder, name=source.config.name, base=source.base, precision=request.precision,
            progress=progress, onto=request.onto, template=template,
        )  # fmt: skip
    else:
        progress("Writing the adapter", None)
        modules = {*module_keys(read_folder(source.info.path), source.info.model_type)}
        modules |= {name.rpartition(".")[0] for name in adapters.head}
        adapter.write(adapters, folder, base=source.base, modules=modules, steps=source.config.train.steps)
        if made.kept is not None:
            return gguf_adapter.write(
                adapters, source.info, folder, name=source.config.name, base=source.base, rank=made.kept["rank"]
            )
    return ""


def describe_export(request: Request, source: Source, made: Made, *, agreement: str = "") -> str:
    """The text of the card."""
    losses = {
        "Best held-out loss": source.row.best_loss,
        "Training loss, first step": source.row.first_loss,
        "Training loss, last step": source.row.last_loss,
    }
    return card(
        request.to, source.config, made.plans, base=source.base, step=source.step, losses=losses,
        labels=made.adapters.labels, notes=(*source.notes, *made.notes), agreement=agreement, file=made.file,
    )  # fmt: skip
