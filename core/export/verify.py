"""Does what was written say the same as the model that was trained?

Both are asked the same held-out examples, one model in memory at a time: the live one's answers are kept, so their
number is bounded. The exported side is opened as a stranger would open it: a merged model by plain `transformers`, an
adapter read from its files and added to a fresh base model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

KEPT_BYTES = 256_000_000
"""Memory for the live model's answers."""
AT_ONCE = 512
"""Tokens that are asked in one go, unless one question is longer."""


@dataclass(frozen=True)
class Probe:
    """One question to both models.

    Attributes:
        ids: the tokens.
        trained: which of them count for the perplexity, as they did for the loss.
    """

    ids: tuple[int, ...]
    trained: tuple[bool, ...]


@dataclass(frozen=True)
class Agreement:
    """How near the exported model is to the live one.

    Attributes:
        max_logit_gap: largest difference of any logit.
        mean_logit_gap: mean difference of all logits.
        token_agreement: share of the positions at which both think the same next token most likely.
        perplexity_live, perplexity_exported: on the trained tokens of the probes; None where there are none.
        tokens: positions compared; where texts are judged, one for each text.
        unit: what was compared: "tokens", or "texts" that are judged as a whole.
    """

    max_logit_gap: float
    mean_logit_gap: float
    token_agreement: float
    perplexity_live: float | None
    perplexity_exported: float | None
    tokens: int
    unit: str = "tokens"

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON object."""
        return asdict(self)

    def sentence(self) -> str:
        """The same for people."""
        largest, mean, same = f"{self.max_logit_gap:.2g}", f"{self.mean_logit_gap:.2g}", f"{self.token_agreement:.1%}"
        text = (
            f"On {self.tokens} {self.unit} the exported model differs from the live one by at most {largest} in any "
            f"logit ({mean} on average) and agrees on {same} of them"
        )
        if self.perplexity_live is None or self.perplexity_exported is None:
            return f"{text}."
        return f"{text}; perplexity {self.perplexity_live:.3f} live, {self.perplexity_exported:.3f} exported."


def within_budget(probes: Iterable[Probe], vocabulary: int) -> list[Probe]:
    """As many of the probes, from the first on, as can be asked; the last one shortened to fit."""
    room = max(2, KEPT_BYTES // (4 * vocabulary))
    chosen: list[Probe] = []
    for probe in probes:
        if room < 2:
            break
        chosen.append(Probe(probe.ids[:room], probe.trained[:room]))
        room -= len(chosen[-1].ids)
    return chosen


@torch.no_grad()
def answers(model: nn.Module, probes: Sequence[Probe], *, judged: bool = False) -> list[Tensor]:
    """A model's logits to each probe, float32 on the CPU: (tokens, vocabulary), or (1, classes) where it judges.

    A model that writes is asked several at once, because every question reads all its weights. The shorter ones are
    filled up behind their end, where no token of theirs looks; a model that judges looks everywhere, and is asked one.
    """
    model.eval()
    device = next(model.parameters()).device
    found: list[Tensor] = []
    for asked in [[probe.ids] for probe in probes] if judged else _together(probes):
        longest = max(map(len, asked))
        rows = [[*ids, *ids[-1:] * (longest - len(ids))] for ids in asked]
        logits: Tensor = model(input_ids=torch.tensor(rows, device=device)).logits
        kept = [logits] if judged else [row[: len(ids)] for row, ids in zip(logits, asked, strict=True)]
        found += [each.reshape(-1, logits.shape[-1]).float().cpu() for each in kept]
    return found


def _together(probes: Sequence[Probe]) -> Iterator[list[tuple[int, ...]]]:
    """The probes' tokens in their order, as many at a time as fill `AT_ONCE` tokens, and at least one."""
    asked: list[tuple[int, ...]] = []
    for probe in probes:
        if asked and (len(asked) + 1) * max(map(len, (*asked, probe.ids))) > AT_ONCE:
            yield asked
            asked = []
        asked.append(probe.ids)
    if asked:
        yield asked


def compare(
    live: Sequence[Tensor], exported: Sequence[Tensor], probes: Sequence[Probe], *, judged: bool = False
) -> Agreement:
    """Measure how near the answers of the exported model are to the live one's.

    Args:
        live, exported: from `answers`.
        probes: what was asked.
        judged: whether there is one answer a text instead of one a token; then nothing is predicted.
    """
    tokens = sum(len(answer) for answer in live)
    gaps = [(one - other).abs() for one, other in zip(live, exported, strict=True)]
    same = sum(int((one.argmax(-1) == other.argmax(-1)).sum()) for one, other in zip(live, exported, strict=True))
    return Agreement(
        max_logit_gap=max(float(gap.max()) for gap in gaps),
        mean_logit_gap=sum(float(gap.mean()) * len(gap) for gap in gaps) / tokens,
        token_agreement=same / tokens,
        perplexity_live=None if judged else perplexity(live, probes),
        perplexity_exported=None if judged else perplexity(exported, probes),
        tokens=tokens,
        unit="texts" if judged else "tokens",
    )


def perplexity(logits: Sequence[Tensor], probes: Sequence[Probe]) -> float | None:
    """exp of the mean loss over the trained tokens; None where no token is trained."""
    total, count = 0.0, 0
    for answer, probe in zip(logits, probes, strict=True):
        if not any(probe.trained):
            continue
        trained = torch.tensor(probe.trained[1:])
        targets = torch.tensor(probe.ids[1:])[trained]
        total += float(functional.cross_entropy(answer[:-1][trained], targets, reduction="sum"))
        count += len(targets)
    return math.exp(total / count) if count else None
