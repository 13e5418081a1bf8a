"""The export as a job: the window's warm worker and the command line both call `export_job`.

Written first, whole or not at all; then, where asked for, opened again and compared with the live model; the card is
brought up to date with what the comparison found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from core.adapters.attach import Adapters
from core.adapters.state import read, reattach
from core.atomic import new_folder, write_text
from core.config.run import JUDGING, RunConfig
from core.data.prepare import prepare
from core.data.templates import text_of
from core.errors import UserError
from core.export import adapter, gguf, merged
from core.export.card import card, is_dead_path
from core.export.keys import module_keys
from core.export.merged import Onto, Progress
from core.export.room import room_for
from core.export.saved import open_adapter
from core.export.verify import Agreement, Probe, answers, compare, within_budget
from core.home import Home
from core.models.catalog import describe
from core.models.headers import read_folder
from core.models.hold import round_weights
from core.models.info import ModelInfo
from core.models.load import load, resolve
from core.store.rows import CheckpointRow, RunRow
from core.store.store import Store
from core.train.checkpoint import ADAPTER

KINDS = ("adapter", "merged", "gguf")
ONTO = get_args(Onto)
CARD = "README.md"
CHAT_TEMPLATE = "chat_template.jinja"
"""Where a folder keeps its chat template: it wins over one in the tokenizer's settings."""
CARD_BYTES = 100_000
EVERY_RANK = "every_rank"
"""What a rank schedule provides whose adapter may be cut to any rank."""
FALLBACK = "A model learns from examples, and what it has learned shows in what it says next."


@dataclass(frozen=True)
class Request:
    """What is to be exported.

    Attributes:
        run: its id.
        to: one of `KINDS`.
        out: the folder to make.
        verify: whether to compare what was written with the live model.
        checkpoint: "best", "last", or a step.
        rank: cut the adapter to this rank; None leaves it.
        base: name of the base model for whoever opens the export; empty takes the model's own.
        precision: what a GGUF file holds its matrices in.
        onto: the base that is merged into where it was quantised: "trained", or the "original" one of the files.
    """

    run: str
    to: str
    out: Path
    verify: bool = False
    checkpoint: str = "best"
    rank: int | None = None
    base: str = ""
    precision: str = "F16"
    onto: Onto = "trained"

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Request:
        """Read a job's body.

        Raises:
            UserError: it asks for a form that does not exist, or gives a path as the base model's name.
        """
        given = {key: body[key] for key in cls.__dataclass_fields__ if body.get(key) is not None}
        request = cls(
            **{**given, "out": Path(given["out"]).expanduser(), "checkpoint": str(given.get("checkpoint", "best"))}
        )
        if request.to not in KINDS:
            raise UserError(f"There is no export to '{request.to}'.", hint=f"There are: {', '.join(KINDS)}.")
        if request.onto not in ONTO:
            raise UserError(f"Nothing can be merged onto '{request.onto}'.", hint=f"There are: {', '.join(ONTO)}.")
        if is_dead_path(request.base):
            raise UserError(
                f"'{request.base}' is a path, which means nothing on another machine.",
                hint="Give the base model's name, such as owner/name.",
            )
        return request


@dataclass(frozen=True)
class Source:
    """Everything that an export is made from."""

    row: RunRow
    config: RunConfig
    step: int
    folder: Path
    info: ModelInfo
    base: str
    notes: tuple[str, ...]
    storage_notes: tuple[str, ...] = ()


def export_job(home: Home, body: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Export a run; see `Request` for the body.

    Returns:
        `files` (paths), `folder`, `step`, `notes` (sentences on a quantised base), and `verified`: what `Agreement`
        says and its `sentence`, or None.

    Raises:
        UserError: something is missing or does not fit; nothing has been written then.
        Cancelled: by `progress`; nothing of it is left.
    """
    request = Request.from_body(body)
    refuse_existing(request.out)
    progress("Reading the checkpoint", None)
    source = find_source(home, request, progress)
    adapters = cut(open_adapter(source.folder), request.rank)
    source = replace(source, storage_notes=storage_notes(request, source, adapters))
    with room_for(request.out, needed(request, source, adapters)), new_folder(request.out, replace=True) as folder:
        file = write(request, source, adapters, folder, progress)
        (folder / CARD).write_text(describe_export(request, source, adapters, file=file), encoding="utf-8")
        share(folder)
    agreement = None
    if request.verify:
        agreement = verify(request, source, progress)
        text = describe_export(request, source, adapters, file=file, agreement=agreement.sentence())
        write_text(request.out / CARD, text)
        share(request.out)
    files = sorted(str(path.absolute()) for path in request.out.rglob("*") if path.is_file())
    verified = None if agreement is None else {**agreement.to_dict(), "sentence": agreement.sentence()}
    return {
        "files": files,
        "folder": str(request.out.absolute()),
        "step": source.step,
        "notes": list(source.storage_notes),
        "verified": verified,
    }


def storage_notes(request: Request, source: Source, adapters: Adapters) -> tuple[str, ...]:
    """What somebody should know of an export whose base was quantised while it was trained."""
    if "float_base" in adapters.storage.provides:
        return ()
    held = f"While training, the base model was held in {adapters.storage.label}"
    if request.to == "adapter":
        return (f"{held}. Over the base model in full precision the adapter is not quite the model that was trained.",)
    if request.onto == "trained":
        return (f"{held}; merged are those very weights, as numbers, and the adapter: the model that was trained.",)
    found = merged.mismatch(adapters, source.info)
    return () if found is None else (f"{held}. {found.sentence()}",)


def share(folder: Path) -> None:
    """Let everybody read what is made to be handed on; temporary files are born for their owner's eyes alone."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def refuse_existing(out: Path) -> None:
    """A folder with something in it is never touched."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} is already there.", hint="Choose another folder, or remove this one.")


def find_source(home: Home, request: Request, progress: Progress) -> Source:
    """Find the run, its checkpoint and its base model."""
    store = Store(home)
    try:
        row, checkpoints = store.run(request.run), store.checkpoints(request.run)
    finally:
        store.close()
    chosen = choose(request, checkpoints)
    path = row.config.model.path
    info = describe(resolve(home, path, progress))
    given = describe(path)
    base = request.base or given.name
    return Source(row, row.config, chosen.step, chosen.folder / ADAPTER, info, base, given.notes)


def choose(request: Request, checkpoints: list[CheckpointRow]) -> CheckpointRow:
    """The checkpoint asked for; without a held-out loss the best one is the last.

    Args:
        request: says which.
        checkpoints: those on the disk, by step.

    Raises:
        UserError: there is none, or none of that step.
    """
    if not checkpoints:
        raise UserError(f"The run {request.run} has no checkpoint to export.", hint="Let it reach one first.")
    if request.checkpoint == "last":
        return checkpoints[-1]
    if request.checkpoint == "best":
        return next((row for row in checkpoints if row.best), checkpoints[-1])
    found = [row for row in checkpoints if str(row.step) == request.checkpoint]
    if not found:
        steps = ", ".join(str(row.step) for row in checkpoints)
        raise UserError(
            f"The run {request.run} has no checkpoint '{request.checkpoint}'.", hint=f"There are: best, last, {steps}."
        )
    return found[0]


def cut(adapters: Adapters, rank: int | None) -> Adapters:
    """The adapter at the rank asked for.

    Raises:
        UserError: it was trained for one rank only.
    """
    if rank is not None and any(layer.active_rank != rank for layer in adapters.layers.values()):
        if EVERY_RANK not in adapters.config.axis("rank_schedule").provides:
            raise UserError(
                f"This adapter was trained for its own rank only and cannot be cut to rank {rank}.",
                hint="DyLoRA trains an adapter for every rank up to its own.",
            )
        for layer in adapters.layers.values():
            layer.active_rank = min(rank, layer.plan.rank)
    return adapters


def needed(request: Request, source: Source, adapters: Adapters) -> int:
    """Bytes that the export takes."""
    if request.to == "merged":
        return CARD_BYTES + merged.size(source.info.path)
    if request.to == "gguf":
        return CARD_BYTES + gguf.size(source.info, request.precision)
    return CARD_BYTES + adapter.size(adapters)


def write(request: Request, source: Source, adapters: Adapters, folder: Path, progress: Progress) -> str:
    """Write the export itself; returns the name of the GGUF file, if it is one."""
    if request.to == "merged":
        merged.write(adapters, source.info, folder, progress=progress, onto=request.onto)
        if source.config.data.template:
            (folder / CHAT_TEMPLATE).write_text(text_of(source.config.data.template), encoding="utf-8")
    elif request.to == "gguf":
        if adapters.head:
            raise UserError("A GGUF file holds models that write; this one judges texts.", hint="Export it merged.")
        return gguf.write(
            adapters, source.info, folder, name=source.config.name, precision=request.precision, progress=progress,
            onto=request.onto,
        )  # fmt: skip
    else:
        progress("Writing the adapter", None)
        modules = {*module_keys(read_folder(source.info.path), source.info.model_type)}
        modules |= {name.rpartition(".")[0] for name in adapters.head}
        adapter.write(adapters, folder, base=source.base, modules=modules)
    return ""


def describe_export(request: Request, source: Source, adapters: Adapters, *, file: str, agreement: str = "") -> str:
    """The text of the card."""
    losses = {
        "Best held-out loss": source.row.best_loss,
        "Training loss, first step": source.row.first_loss,
        "Training loss, last step": source.row.last_loss,
    }
    plans = tuple(layer.plan for layer in adapters.layers.values())
    return card(
        request.to, source.config, plans, base=source.base, step=source.step, losses=losses,
        notes=(*source.notes, *source.storage_notes), agreement=agreement, file=file,
    )  # fmt: skip


def verify(request: Request, source: Source, progress: Progress) -> Agreement:
    """Ask the live model and the exported one the same, one after the other."""
    progress("Asking the trained model", None)
    labels = read(source.folder).labels if source.config.task in JUDGING else None
    loaded = load(source.info.path, compute=torch.float32, device="cpu", storage=source.config.storage, labels=labels)
    asked = within_budget(probes(source.config, loaded.tokenizer), source.info.vocabulary)
    live = cut(reattach(loaded.model, source.folder, storage=source.config.storage), request.rank)
    said = answers(loaded.model, asked)
    del loaded, live
    progress("Asking the exported model", None)
    return compare(said, answers(open_export(request, source), asked), asked)


def open_export(request: Request, source: Source) -> nn.Module:
    """The exported model in float32 on the CPU, opened as a stranger would; an adapter over the base it belongs to."""
    if request.to == "adapter":
        labels = read(source.folder).labels if source.config.task in JUDGING else None
        loaded = load(source.info.path, compute=torch.float32, device="cpu", labels=labels)
        model: nn.Module = loaded.model
        round_weights(model, loaded.info.layers, source.config.storage)
        adapter.add_to(model, adapter.read(request.out))
        model.load_state_dict(adapter.read_head(request.out), strict=False)
        return model
    if request.to == "gguf":
        return gguf.open_written(request.out)
    kind: Any = AutoModelForSequenceClassification if source.config.task in JUDGING else AutoModelForCausalLM
    opened: nn.Module = kind.from_pretrained(request.out, dtype=torch.float32, local_files_only=True)
    return opened


def probes(config: RunConfig, tokenizer: PreTrainedTokenizerBase) -> list[Probe]:
    """The run's held-out examples, or its training examples where it has none; its prompts where the data has gone."""
    try:
        prepared = prepare(config.data, tokenizer, config.seed, task=config.task)
    except UserError:
        texts = config.train.prompts or (FALLBACK,)
        ids = [tuple(tokenizer(text)["input_ids"]) for text in texts]
        return [Probe(one, (True,) * len(one)) for one in ids]
    found = prepared.held_out or prepared.train
    sides = [example.texts()[0] for example in found]
    return [Probe(tuple(map(int, one.ids)), tuple(map(bool, one.trained))) for one in sides]
