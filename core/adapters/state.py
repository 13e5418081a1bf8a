"""An adapter on disk: `adapter.json` says what it is, `adapter.safetensors` holds its tensors.

This is the workbench's own form, exact for every combination of axes: it is what a checkpoint holds and what a run
goes on from. Forms for other programs are written by `core.export`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.adapters.attach import Adapters, attach, train_head
from core.adapters.axis import Storage
from core.adapters.storage import STORAGES
from core.atomic import write_text
from core.config.run import AdapterConfig
from core.errors import UserError
from core.layers import LayerInfo, LayerPlan

FORMAT = 1
DESCRIPTION = "adapter.json"
TENSORS = "adapter.safetensors"
HEAD = "head."
"""What stands before the names of the tensors of a head that judges texts."""


@dataclass(frozen=True)
class SavedAdapter:
    """What an adapter folder says of itself, without its tensors."""

    folder: Path
    config: AdapterConfig
    storage: Storage
    plans: tuple[LayerPlan, ...]
    active_ranks: dict[str, int]
    carries: dict[str, float]
    labels: tuple[str, ...] = ()

    def tensors(self, *, of: str = "") -> dict[str, Tensor]:
        """The tensors whose keys begin with `of`, on the CPU: `layer.tensor`, `shared.key` and `head.name`."""
        try:
            with safe_open(self.folder / TENSORS, "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys() if key.startswith(of)}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise UserError(f"The adapter in {self.folder} cannot be read: {error}.") from None

    def head(self) -> dict[str, Tensor]:
        """The tensors of a head that judges texts, by their names in the model; none in a model that writes."""
        return {key.removeprefix(HEAD): tensor for key, tensor in self.tensors(of=HEAD).items()}


def save(adapters: Adapters, folder: Path) -> None:
    """Write the adapter into an existing folder, frozen tensors included, so that nothing has to be drawn again."""
    tensors = {key: tensor.detach().contiguous() for key, tensor in _tensors(adapters).items()}
    save_file(tensors, folder / TENSORS)
    write_text(folder / DESCRIPTION, json.dumps(_describe(adapters), indent=1))


def _tensors(adapters: Adapters) -> dict[str, Tensor]:
    """All that the file holds, by its keys."""
    return adapters.tensors() | {f"{HEAD}{name}": tensor for name, tensor in adapters.head.items()}


def _describe(adapters: Adapters) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "adapter": adapters.config.model_dump(mode="json", exclude_none=True),
        "storage": adapters.storage.to_value(),
        "labels": list(adapters.labels),
        "layers": [
            {
                **asdict(layer.plan.layer),
                "rank": layer.plan.rank,
                "alpha": layer.plan.alpha,
                "shared": layer.plan.shared,
                "trained": layer.plan.trained,
                "active": layer.active_rank,
                "carry": layer.carry,
            }
            for layer in adapters.layers.values()
        ],
    }


def read(folder: Path) -> SavedAdapter:
    """Read what an adapter folder says of itself.

    Raises:
        UserError: there is none, it is damaged, or a newer program wrote it.
    """
    path = folder / DESCRIPTION
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] > FORMAT:
            raise UserError(f"The adapter in {folder} was written by a newer version.", hint="Update Rankloom.")
        rows = said["layers"]
        plans = tuple(_plan(row) for row in rows)
        config = AdapterConfig.model_validate(said["adapter"])
        return SavedAdapter(
            folder,
            config,
            STORAGES.parse(said.get("storage", "dense")),
            plans,
            {row["name"]: row["active"] for row in rows},
            {row["name"]: row.get("carry", 0.0) for row in rows},
            tuple(said.get("labels", ())),
        )
    except FileNotFoundError:
        raise UserError(f"There is no adapter in {folder}.", hint=f"It would hold {DESCRIPTION}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is damaged, or says what this version does not know.", hint="Take another checkpoint."
        ) from error


def _plan(row: dict[str, Any]) -> LayerPlan:
    layer = LayerInfo(
        row["name"], row["role"], row["block"], row["out_features"], row["in_features"], row.get("kind", "linear")
    )
    return LayerPlan(layer, row["rank"], row["alpha"], row.get("shared", ""), row.get("trained", True))


def restore(adapters: Adapters, saved: SavedAdapter) -> None:
    """Give attached adapters the saved values.

    Raises:
        UserError: the saved tensors are not those of these layers; nothing has been changed then.
    """
    tensors, shapes = saved.tensors(), {key: tensor.shape for key, tensor in _tensors(adapters).items()}
    wrong = sorted(
        set(shapes) ^ set(tensors) | {key for key in set(shapes) & set(tensors) if shapes[key] != tensors[key].shape}
    )
    if wrong:
        raise UserError(f"The adapter in {saved.folder} does not fit these layers: {wrong[0]} differs.")
    with torch.no_grad(), adapters.apart():
        for key, tensor in _tensors(adapters).items():
            tensor.copy_(tensors[key])
    for name, layer in adapters.layers.items():
        layer.active_rank = saved.active_ranks[name]
        layer.carry = saved.carries[name]


def reattach(model: nn.Module, folder: Path, *, storage: Storage | None = None) -> Adapters:
    """Put a saved adapter on a loaded base model.

    Args:
        model: whose weights are held as `storage` says.
        folder: of the adapter.
        storage: None takes the one it was trained over.
    """
    saved = read(folder)
    adapters = attach(model, saved.plans, saved.config, seed=0, storage=storage or saved.storage, fresh=False)
    train_head(adapters, saved.head(), saved.labels)
    restore(adapters, saved)
    return adapters
