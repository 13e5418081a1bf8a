"""Open a model with `transformers`: the one place where weights come into memory. Needs torch, so only workers use it.

Nothing is downloaded, no program that came with a model is run, and no pickle is opened. The number format is always
said: "as the folder has it" would train a bfloat16 folder in bfloat16 on a CPU that works it out in software, 13 times
slower. Weights that `transformers` would fill with random numbers because the folder lacks them are an error here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from core.adapters.axis import Storage
from core.errors import UserError
from core.home import Home
from core.models import gguf
from core.models.catalog import describe, locate
from core.models.folder import number, read_config, text_config
from core.models.headers import AGAIN
from core.models.hold import convert, hold, is_rounded, opening_dtype
from core.models.info import ModelInfo
from core.models.judging import first_values, head_names, lacking, settings
from core.models.walk import walk
from core.saying import Say, silent

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model",
    "tekken.json", "tokenizer_config.json",
)  # fmt: skip
"""One of these every tokenizer has."""
_UNFIT = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, ImportError, StrictDataclassError,
)  # fmt: skip
"""What transformers raises where a file of the model has a value that none can have."""


@dataclass(frozen=True)
class Loaded:
    """A model in memory, frozen and in evaluation mode, its tokenizer, and what is known of it.

    `head` holds the first values of the head that judges texts, by the names of its tensors; empty in a model that
    writes. `info.layers` is what the walk through the modules found, which is what the headers say, but certain.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo
    head: Mapping[str, Tensor] = field(default_factory=dict)


def resolve(home: Home, path: str | Path, progress: Say = silent) -> Path:
    """The folder to load for whatever the user points at; a GGUF file is converted first, where it has not been yet.

    Raises:
        UserError: as `locate` and `convert`.
    """
    place = locate(path)
    return gguf.convert(home, place, progress) if place.is_file() else place


def load(
    path: str | Path,
    *,
    compute: torch.dtype,
    device: torch.device | str,
    storage: Storage | None = None,
    progress: Say = silent,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> Loaded:
    """Load a model's folder.

    Args:
        path: a folder, as `resolve` gives it.
        compute: what the weights are held in; float32 on a CPU.
        device: where they go.
        storage: how the weights of the blocks are held; None leaves them as numbers.
        progress: told how far the quantisation is, where there is one.
        labels: opens the model to judge texts instead of writing them: the names of the classes, or none at all for one
            that gives a number.
        seed: of the head's first numbers, where it judges and the folder has none.

    Raises:
        UserError: the folder is not a whole model, or not one that writes text where that is wanted.
    """
    folder = locate(path)
    info = describe(folder)
    if not info.writes_text and labels is None:
        raise UserError(
            f"{info.name} is a {info.family} model: it reads texts and does not continue them.",
            hint="Choose one that writes, such as Llama, Qwen or GPT-2, or set task to sequence-classification.",
            path="model.path",
        )
    _check_config(folder)
    tokenizer = load_tokenizer(folder)
    opened = opening_dtype(folder, storage, compute)
    model, report = _load_model(folder, opened, labels)
    if opened != compute and is_rounded(model, opened):
        opened = torch.float32
        model, report = _load_model(folder, opened, labels)
    head: dict[str, Tensor] = {}
    if labels is not None:
        drawn, report = lacking(report, head_names(model, report["missing_keys"]))
        head = first_values(model, drawn, seed=seed)
        model.config.pad_token_id = tokenizer.pad_token_id
    _check_whole(folder, report)
    model.config.use_cache = False  # a cache of past tokens is for writing; training would only fill it
    model.requires_grad_(False)
    info = replace(info, layers=walk(model), tied=_is_tied(model))
    if storage is not None:
        hold(model, info.layers, storage, device=device, progress=progress)
        convert(model, opened, compute)
    model.to(device)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
    return Loaded(model, tokenizer, info, head)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """A folder's tokenizer, with a padding token in any case, and one that the model has an embedding for.

    Raises:
        UserError: there is none, or none that the installed library can open.
    """
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise UserError(
            f"There is no tokenizer in {folder}.", hint="tokenizer.json must lie beside the weights.", path="model.path"
        )
    rows = 0
    if (folder / "config.json").is_file():
        _check_config(folder)
        rows = number(text_config(read_config(folder)), "vocab_size")
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except _UNFIT as error:
        raise _no_tokenizer(folder, error) from error
    except Exception as error:
        # The Rust library behind it has no kinds of errors: a damaged tokenizer.json is a bare `Exception`.
        if type(error) is not Exception:
            raise
        raise _no_tokenizer(folder, error) from error
    if tokenizer.pad_token is None or 0 < rows <= tokenizer.pad_token_id:
        ids = (tokenizer.eos_token_id, tokenizer.unk_token_id, 0)
        known = (found for found in ids if isinstance(found, int) and (not rows or found < rows))
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(next(known))
    return tokenizer


def _no_tokenizer(folder: Path, error: Exception) -> UserError:
    said = str(error).strip()
    if "custom code" in said:
        text = f"The tokenizer in {folder} needs a program of its own to be opened, which is never run here."
        return UserError(text, hint="Choose a model whose tokenizer is part of transformers.", path="model.path")
    text = f"The tokenizer in {folder} cannot be opened: {said.splitlines()[0] if said else type(error).__name__}"
    return UserError(text, hint="Download the model again, its tokenizer files together.", path="model.path")


def _check_config(folder: Path) -> None:
    """The configuration makes sense to transformers; the tokenizer reads it too, and would be blamed for it."""
    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except _UNFIT as error:
        raise _no_model(folder, error) from error


def _no_model(folder: Path, error: Exception) -> UserError:
    why = " ".join(str(error).split())
    text = f"The model in {folder} cannot be built from its config.json: {why}"
    return UserError(text, hint="Download the model again, or take one whose files belong together.", path="model.path")


def _load_model(
    folder: Path, compute: torch.dtype, labels: Sequence[str] | None
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model on the CPU, and what was wrong on the way; attention is torch's own wherever the model allows it."""
    kind: Any = AutoModelForCausalLM if labels is None else AutoModelForSequenceClassification
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    said = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # what the folder lacks is judged by `_check_whole`
    try:
        opened: Any = kind.from_pretrained(
            folder,
            dtype=compute,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are reported, and refused where they matter
            **({} if labels is None else settings(labels)),
        )
    except SafetensorError as error:
        raise UserError(f"The weights in {folder} cannot be read: {error}.", hint=AGAIN, path="model.path") from error
    except _UNFIT as error:
        raise _no_model(folder, error) from error
    finally:
        logging.set_verbosity(said)
    model, report = opened
    return model, report


def _check_whole(folder: Path, report: Mapping[str, Any]) -> None:
    """Every weight of the model came from the folder."""
    other = sorted(report["mismatched_keys"])
    if other:
        name, there, wanted = other[0]
        sizes = f"{name} is {tuple(there)} and should be {tuple(wanted)}"
        raise UserError(
            f"The weights in {folder} do not fit its config.json: {sizes}.",
            hint="Download the model again, all of its files together.",
        )
    missing = sorted(report["missing_keys"])
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"The weights in {folder} lack {missing[0]}{more}: the model would start with random numbers there.",
            hint="Choose a checkpoint of the whole model, with its head.",
        )


def _is_tied(model: PreTrainedModel) -> bool:
    """Whether head and embedding are one tensor in memory."""
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    embedding: Any = model.get_input_embeddings()
    return head is not None and getattr(head, "weight", None) is getattr(embedding, "weight", True)
