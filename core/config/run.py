"""`RunConfig`: everything that makes a run what it is, as one frozen value.

It is the form's value, the YAML file, the database row and the worker's only argument. A mistake anywhere in it is
reported with all others at once, each on its dotted path, so that the form can show it on the field it belongs to.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, ValidationError, field_validator

from core.adapters import names
from core.adapters.axis import BaseUpdate, Delta, Init, Magnitude, RankSchedule, Rates, Scale, Selection, Storage
from core.adapters.base import BASE_UPDATES
from core.adapters.delta import DELTAS
from core.adapters.init import INITS
from core.adapters.magnitude import MAGNITUDES
from core.adapters.rank import RANK_SCHEDULES
from core.adapters.scale import SCALES
from core.adapters.selection import SELECTIONS
from core.adapters.storage import STORAGES
from core.component import Axis, Component, Part, did_you_mean, option, sentences
from core.data.check_names import CHECKS, LEAVABLE
from core.data.example import CHAT_ROLES
from core.data.formats import FORMATS
from core.data.templates import TEMPLATES
from core.errors import UserError
from core.optim.optimizers import OPTIMIZERS, Optimizer
from core.optim.rates import RATES
from core.optim.schedules import SCHEDULES, Schedule

AXES: dict[str, Axis[Any]] = {
    axis.name: axis
    for axis in (DELTAS, SCALES, MAGNITUDES, INITS, RATES, RANK_SCHEDULES, SELECTIONS, BASE_UPDATES, STORAGES)
}
"""The nine axes by name, in the order in which the window shows them."""


def _plain(value: Component | None) -> Any:
    """A member as the run file says it: just its kind where every option is the default."""
    if value is None:
        return None
    return value.kind if value == type(value)() else value.to_value()


_SERIAL = PlainSerializer(_plain, when_used="always")


MOST_RANK, MOST_ALPHA, MOST_EXAMPLES = 4096, 1e9, 2**16
"""Bounds that nobody will miss: of a layer, and of the passes of a step and of the examples in each."""
JUDGING = frozenset({"sequence-classification", "regression"})
"""Tasks in which a model judges texts with a head of its own, instead of writing."""


class ModelConfig(Part):
    """The base model and how it is held."""

    path: str = option("", "Model", "A model folder, a GGUF file, or a snapshot in the hub cache.", is_path=True)
    storage: str = option(
        "auto",
        "Base precision",
        "How the frozen weights are held; automatic takes what the method implies, else dense.",
    )
    compute: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto",
        "Compute precision",
        "What the arithmetic runs in. Automatic takes the fastest that the device does well.",
    )

    @field_validator("storage")
    @classmethod
    def _known_storage(cls, value: str) -> str:
        if value != "auto":
            STORAGES.parse(value)
        return value


class DataConfig(Part):
    """The examples and what is learned of them."""

    path: str = option("", "Data", "A file or folder of examples.", is_path=True)
    format: str = option(
        "auto", "Shape", "How a row becomes an example; automatic looks at the first rows and says why."
    )
    max_tokens: int = option(
        512, "Longest example", "Longer examples are cut at this many tokens.", unit="tokens", ge=8
    )
    held_out: float = option(
        0.1, "Held out", "Share of the examples that is never trained on and measures the run; 0 holds out none.",
        ge=0, le=0.9,
    )  # fmt: skip
    held_out_path: str = option(
        "", "Held-out file", "A file of its own for the held-out loss, instead of a share.", is_path=True
    )
    train_on: Literal["completions", "last-turn", "everything"] = option(
        "completions",
        "Train on",
        "Completions: only the answers count for the loss. Last turn: only the last answer. Everything: prompts too.",
    )
    template: str = option(
        "", "Chat template", "A known one (chatml, llama-3 ...) or its text, instead of the model's own.", advanced=True
    )
    columns: dict[str, str] = option({}, "Columns", "What a shape calls a column, to what the data calls it.")
    roles: dict[str, str] = option({}, "Roles", "A speaker in the data, to system, user, assistant or tool.")
    labels: tuple[str, ...] = option(
        (), "Labels", "Names of the classes in order, where the data has numbers; empty takes what the data says."
    )
    overrides: dict[str, str] = option(
        {}, "Overruled checks", "A check that would keep the run from starting, to the reason why it may start."
    )
    leave_out: tuple[str, ...] = option(
        (), "Left out", "Checks whose examples are left out of the run: duplicates, truncated, conflicting-labels ..."
    )
    label_weights: dict[str, float] = option(
        {}, "Weights of labels", "A class to how much each of its texts counts in the loss; others count 1."
    )
    learn_end: bool = option(
        False,
        "Learn ends",
        "In data of token ids: the end behind each answer is learned even where the labels leave it out.",
    )
    packing: bool = option(
        True,
        "Packing",
        "Puts several short examples in one row, without their seeing each other: less padding, same loss.",
    )

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "auto":
            FORMATS.parse(value)
        return value

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        if value and value not in TEMPLATES and "{" not in value:
            raise ValueError(f"there is no chat template '{value}'. {did_you_mean(value, TEMPLATES)}")
        return value

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, value: dict[str, str]) -> dict[str, str]:
        for role in value.values():
            if role not in CHAT_ROLES:
                raise ValueError(f"there is no role '{role}'. {did_you_mean(role, CHAT_ROLES)}")
        return value

    @field_validator("leave_out")
    @classmethod
    def _known_leavable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for check in value:
            if check not in LEAVABLE:
                raise ValueError(f"there is no check '{check}' with examples. {did_you_mean(check, LEAVABLE)}")
        return value

    @field_validator("label_weights")
    @classmethod
    def _positive_weights(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not 0 < weight < 1e6 for weight in value.values()):
            raise ValueError("data.label_weights must be above 0.")
        return value

    @field_validator("overrides")
    @classmethod
    def _reasons(cls, value: dict[str, str]) -> dict[str, str]:
        for check, reason in value.items():
            if check not in CHECKS:
                raise ValueError(f"there is no check '{check}'. {did_you_mean(check, CHECKS)}")
            if not reason.strip():
                raise ValueError(f"data.overrides: say why the check '{check}' may be overruled.")
        return value


class AdapterConfig(Part):
    """A method, its size and its layers. Axes that are set here win over the method's."""

    method: str = option("lora", "Method", "A known name that fills the axes.")
    rank: int = option(8, "Rank (r)", "Inner width of the adapter: capacity and size grow with it.", ge=1, le=MOST_RANK)
    alpha: float = option(
        16.0, "Alpha", "Strength of the adapter's output: it is multiplied by alpha / r.", gt=0, le=MOST_ALPHA
    )
    dropout: float = option(0.0, "Dropout", "Share of the adapter's input that is dropped in training.", ge=0, lt=1)
    layers: str | tuple[str, ...] = option(
        "all-linear", "Layers", "Names, suffixes, patterns with * or a preset: all-linear, attention, mlp."
    )
    ranks: dict[str, int] = option({}, "Ranks by layer", "Name or pattern to a rank of its own.")
    alphas: dict[str, float] = option({}, "Alphas by layer", "Name or pattern to an alpha of its own.")
    begin: str = option(
        "", "Begin from", "The id of a run, or of an imported adapter, whose best values are this one's first ones."
    )
    delta: Annotated[Delta | None, BeforeValidator(lambda v: v and DELTAS.parse(v)), _SERIAL] = None
    scale: Annotated[Scale | None, BeforeValidator(lambda v: v and SCALES.parse(v)), _SERIAL] = None
    magnitude: Annotated[Magnitude | None, BeforeValidator(lambda v: v and MAGNITUDES.parse(v)), _SERIAL] = None
    init: Annotated[Init | None, BeforeValidator(lambda v: v and INITS.parse(v)), _SERIAL] = None
    rates: Annotated[Rates | None, BeforeValidator(lambda v: v and RATES.parse(v)), _SERIAL] = None
    rank_schedule: Annotated[RankSchedule | None, BeforeValidator(lambda v: v and RANK_SCHEDULES.parse(v)), _SERIAL] = (
        None
    )
    selection: Annotated[Selection | None, BeforeValidator(lambda v: v and SELECTIONS.parse(v)), _SERIAL] = None
    base_update: Annotated[BaseUpdate | None, BeforeValidator(lambda v: v and BASE_UPDATES.parse(v)), _SERIAL] = None

    @field_validator("method")
    @classmethod
    def _known_method(cls, value: str) -> str:
        try:
            return names.method(value).name
        except UserError as error:
            raise ValueError(str(error)) from None

    @field_validator("layers")
    @classmethod
    def _some_layers(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not value:
            raise ValueError("adapter.layers is empty: choose at least one layer, or a preset such as all-linear.")
        return value

    @field_validator("ranks")
    @classmethod
    def _possible_ranks(cls, value: dict[str, int]) -> dict[str, int]:
        wrong = {name: rank for name, rank in value.items() if not 1 <= rank <= MOST_RANK}
        if wrong:
            raise ValueError(f"adapter.ranks must be from 1 to {MOST_RANK} (got {wrong}).")
        return value

    @field_validator("alphas")
    @classmethod
    def _positive_alphas(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = {name: alpha for name, alpha in value.items() if not 0 < alpha <= MOST_ALPHA}
        if wrong:
            raise ValueError(f"adapter.alphas must be above 0, up to {MOST_ALPHA:,.0f} (got {wrong}).")
        return value

    def axis(self, name: str) -> Component:
        """The member chosen on an axis: set here, or the method's, or plain LoRA's."""
        own: Component | None = getattr(self, name)
        if own is not None:
            return own
        value = names.method(self.method).axes.get(name, names.DEFAULTS[name])
        member: Component = AXES[name].parse(value)
        return member


class TrainConfig(Part):
    """The training loop."""

    steps: int = option(200, "Steps", "How many times the adapter is changed.", unit="steps", ge=1, le=10**9)
    batch: int = option(8, "Batch", "Examples in one forward pass.", unit="examples", ge=1, le=MOST_EXAMPLES)
    accumulate: int = option(
        1, "Accumulate", "Forward passes whose gradients make one step.", unit="passes", ge=1, le=MOST_EXAMPLES
    )
    learning_rate: float = option(2e-4, "Learning rate", "Size of a step.", gt=0, le=1000)
    optimizer: Annotated[Optimizer, BeforeValidator(OPTIMIZERS.parse), _SERIAL] = option(
        OPTIMIZERS.default(), "Optimizer", "What turns gradients into steps."
    )
    head_learning_rate: float = option(
        0.0, "Head's learning rate", "Of the head that judges texts, which starts from nothing; 0 takes the other one.",
        ge=0, advanced=True,
    )  # fmt: skip
    beta: float = option(
        0.1, "Beta", "In preference tuning: how strongly the model is held to what it was; higher is nearer.",
        gt=0, advanced=True,
    )  # fmt: skip
    schedule: Annotated[Schedule, BeforeValidator(SCHEDULES.parse), _SERIAL] = option(
        SCHEDULES.default(), "Schedule", "How the learning rate falls after the warm-up."
    )
    warmup: float = option(
        0.03, "Warm-up", "Rise of the learning rate from zero: a share of the run below 1, or a number of steps.", ge=0
    )
    clip: float = option(1.0, "Clip", "Longest gradient allowed, over all trained numbers; 0 never clips.", ge=0)
    evaluate_every: int = option(
        50, "Evaluate every", "Steps between held-out losses; 0 only at the end.", unit="steps", ge=0
    )
    checkpoint_every: int = option(
        100, "Checkpoint every", "Steps between checkpoints; 0 only at the end.", unit="steps", ge=0
    )
    keep: int = option(3, "Checkpoints kept", "Newest checkpoints that stay on disk; the best one always does.", ge=1)
    gradient_checkpointing: bool = option(
        False,
        "Gradient checkpointing",
        "Works activations out again in the backward pass: less memory, about a third slower.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Device", "Where it runs.")
    measure_every: int = option(1, "Measure every", "Steps between per-layer measurements.", unit="steps", ge=1)
    prompts: tuple[str, ...] = option(
        (), "Sample prompts", "Answered before the first step, at every evaluation and at the end, to see the change."
    )
    sample_tokens: int = option(48, "Sample length", "Most tokens of a sample.", unit="tokens", ge=1, le=2048)


class Mistakes(UserError):
    """A run file has values that no run can have.

    Args:
        found: dotted path to sentence.
        file: the file that they stand in, where it is known.
    """

    def __init__(self, found: dict[str, str], file: str = "") -> None:
        self.found = found
        place = f"{file}: " if file else ""
        text = "The run file has a mistake: " if len(found) == 1 else f"The run file has {len(found)} mistakes: "
        said = [why if path in why else f"{path}: {why}" for path, why in found.items()]
        super().__init__(place + text + " ".join(said), path=next(iter(found)))


class RunConfig(Part):
    """One run, whole. See the module's docstring."""

    version: Literal[1] = 1
    name: str = option("untitled", "Name", "What the list of runs calls it.")
    seed: int = option(0, "Seed", "Equal seeds give equal runs, bit for bit on a CPU.", ge=0, le=2**64 - 1)
    task: Literal["causal-lm", "sequence-classification", "regression", "preference"] = option(
        "causal-lm", "Task", "What the model learns: to write, to sort texts, to give them a number, to prefer answers."
    )
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    adapter: AdapterConfig = AdapterConfig()
    train: TrainConfig = TrainConfig()

    @cached_property
    def storage(self) -> Storage:
        """The member of the storage axis: the model's own word, or what the method implies."""
        implied = names.method(self.adapter.method).storage or "dense"
        member: Storage = STORAGES.parse(implied if self.model.storage == "auto" else self.model.storage)
        return member

    @cached_property
    def method_label(self) -> str:
        """How people call this combination (`QDoRA`), or "Custom"."""
        members = {axis: self.adapter.axis(axis) for axis in names.DEFAULTS}
        return names.recognise(members, self.storage.kind)

    def to_dict(self) -> dict[str, Any]:
        """The run file's mapping: JSON-able, without the axes that nobody set; exact inverse of `from_dict`."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> RunConfig:
        """Read a run file's mapping.

        Raises:
            Mistakes: with every one of them; `path` is that of the first.
        """
        found = problems(value)
        if found:
            raise Mistakes(found)
        return cls.model_validate(value)


def problems(value: Any) -> dict[str, str]:
    """Every mistake in a run file's mapping, as dotted path to sentence; empty where it is sound."""
    try:
        RunConfig.model_validate(value)
    except ValidationError as error:
        return sentences(error, RunConfig)
    return {}
