"""What an adapter looks like inside, as figures: from plain arrays, with how to read each and its paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.figures.figure import Axis, Bars, Floats, Heatmap, Lines, Scatter, Series, Table
from core.figures.layer_map import layer_map
from core.figures.run import block_ticks, short_name
from core.layers import LayerInfo, columns

SINGULAR = "Singular values of dW, largest first. A steep fall means that few directions do the work."
EFFECTIVE = (
    "How many directions the update really uses: exp of the entropy of its singular values (Roy and Vetterli, 2007). "
    "Near the rank that was given, more rank might help; far below it, less would do. The colour is the share of the "
    "given rank."
)
PHI = (
    "phi(i, j): how much of the subspace of the first i directions of one lies in that of the first j of the other, 0 "
    "to 1 (LoRA, arXiv:2106.09685, section 7.2). Bright near the origin means that both found the same directions."
)
DIAGONAL = (
    "The same along i = j, beside what random subspaces would share: only what lies above that line is a finding."
)
AMPLIFIED = (
    "W projected on r directions: those of dW, its own strongest, random ones (LoRA, arXiv:2106.09685, table 7). A "
    "large factor says that dW amplifies what W has but does not stress."
)
MOVED = (
    "For each layer and checkpoint, how far the rows of the weight changed in direction (across) and in length (up) "
    "(DoRA, arXiv:2402.09353). The paper finds a falling line for full fine-tuning and DoRA, a rising one for LoRA. "
    "Mind the interval: few points carry little."
)
AGREEING = (
    "The cosine between two runs' updates of the same layer: 1 the same change, 0 unrelated, below 0 opposed. In "
    "spaces of this size unrelated updates are very near 0."
)
RANKS_ON_MAP = (
    "How many directions each layer's update has left, by block and role: what AdaLoRA's budget has come to "
    "(arXiv:2303.10512), what an allocation gave, or the one rank of all."
)
USED_ON_MAP = (
    "How many directions each layer's update really uses (exp of the entropy of its singular values), by block and "
    "role: layers that use all they have may want more, layers that use few would do with less."
)
RANKED = "The score of each layer, highest first; the colour is its share of the whole."
EVERY_RANK = (
    "The held-out loss of one DyLoRA adapter cut to every rank (arXiv:2210.07558): where it stops falling, more rank "
    "is not worth its size."
)


def singular_values(names: Sequence[str], values: Sequence[Floats]) -> Lines:
    """One curve a layer; `values` fall."""
    series = tuple(
        Series(name, np.arange(1.0, len(one) + 1), one, "points", f"series:{place}")
        for place, (name, one) in enumerate(zip(names, values, strict=True))
    )
    return Lines("Singular values of dW", Axis("Index"), Axis("Singular value"), series, help=SINGULAR)


def spectrum_map(layers: Sequence[LayerInfo], values: Sequence[Floats]) -> Heatmap:
    """Every layer's singular values at once, as powers of ten."""
    width = max((len(one) for one in values), default=0)
    table = np.full((width, len(layers)), np.nan, dtype=np.float32)
    for place, one in enumerate(values):
        with np.errstate(divide="ignore"):
            logs = np.log10(one)
        table[: len(one), place] = np.where(np.isfinite(logs), logs, np.nan)
    top = [float(one[0]) if len(one) else 0.0 for one in values]
    largest = int(np.argmax(top)) if top else 0
    finding = f"the largest is {top[largest]:.4g} in {short_name(layers[largest])}." if top else "nothing to see."
    return Heatmap(
        "Singular values of dW by layer", Axis("Index"), Axis("Block"), Axis("log10 of the singular value"),
        tuple(short_name(layer) for layer in layers), np.arange(1, width + 1), table, block_ticks(tuple(layers)),
        help=SINGULAR, finding=finding,
    )  # fmt: skip


def effective_ranks(layers: Sequence[LayerInfo], found: Floats, given: Floats) -> Bars:
    """Effective rank of each layer against the rank it was given."""
    return _bars("Effective rank by layer", Axis("directions"), layers, found, found / np.maximum(given, 1), EFFECTIVE)


def rank_map(layers: Sequence[LayerInfo], ranks: Floats) -> Heatmap:
    """The rank that each layer has in the end, on the map."""
    return layer_map("Ranks by block and role", layers, ranks, Axis("Rank"), help=RANKS_ON_MAP)


def used_map(layers: Sequence[LayerInfo], effective: Floats) -> Heatmap:
    """The effective rank of each layer, on the map."""
    value = Axis("Effective rank", "directions")
    return layer_map("Effective rank by block and role", layers, effective, value, help=USED_ON_MAP)


def rank_table(layers: Sequence[LayerInfo], ranks: Floats) -> Table:
    """Ranks by block (down) and role (across): what AdaLoRA's budget has left, or an allocation has given."""
    heads = columns(layers)
    roles = list(dict.fromkeys(heads))
    blocks = sorted({-1 if layer.block is None else layer.block for layer in layers})
    table = np.full((len(blocks), len(roles)), np.nan)
    for layer, head, rank in zip(layers, heads, ranks, strict=True):
        table[blocks.index(-1 if layer.block is None else layer.block), roles.index(head)] = rank
    names = tuple("elsewhere" if block < 0 else f"block {block}" for block in blocks)
    help = "Directions that are not zero, by block and role."
    return Table("Ranks by block and role", names, tuple(Axis(role) for role in roles), table, help)


def similarity(phi: Floats, one: str, other: str, layer: str, what: str) -> Heatmap:
    """phi(i, j) of two runs in one layer, `phi` of shape (r1, r2)."""
    finding = f"phi(1, 1) is {phi[0, 0]:.3f}, and {phi[-1, -1]:.3f} over all directions."
    return Heatmap(
        f"phi(i, j) of {what}, {layer}", Axis(f"j, directions of {other}"), Axis(f"i, directions of {one}"),
        Axis("phi"), tuple(str(i) for i in range(1, phi.shape[0] + 1)), np.arange(1, phi.shape[1] + 1),
        phi.T.astype(np.float32), help=PHI, finding=finding,
    )  # fmt: skip


def similarity_line(phi: Floats, random: Floats, layer: str) -> Lines:
    """phi(i, i) beside its random baseline, both (r1, r2)."""
    x = np.arange(1.0, min(phi.shape) + 1)
    series = (
        Series("phi(i, i)", x, np.diagonal(phi).astype(np.float64), "points", "blue"),
        Series("random subspaces", x, np.diagonal(random).astype(np.float64), "dashed", "amber"),
    )
    return Lines(f"Shared directions, {layer}", Axis("i"), Axis("phi"), series, help=DIAGONAL)


def shared_by_layer(layers: Sequence[LayerInfo], phis: Floats) -> Bars:
    """phi over all directions, layer by layer."""
    return _bars("Shared subspace by layer", Axis("phi over all directions"), layers, phis, phis, PHI)


def amplification(layers: Sequence[LayerInfo], rows: Floats) -> Table:
    """`rows` (layers, 7): rank, own, strongest, random, weight, delta, factor."""
    heads = ("r", "On dW's directions", "On W's strongest", "On random", "Norm of W", "Norm of dW", "Factor")
    names = tuple(short_name(layer) for layer in layers)
    return Table("Amplification", names, tuple(Axis(head) for head in heads), rows, AMPLIFIED)


def amplified(layers: Sequence[LayerInfo], factors: Floats) -> Bars:
    """The factor alone, layer by layer."""
    return _bars("Amplification factor", Axis("Factor"), layers, factors, None, AMPLIFIED)


def movement(
    run: str, names: Sequence[str], directions: Floats, magnitudes: Floats, shares: Floats, slope: tuple[float, float],
    spans: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Scatter:  # fmt: skip
    """dM over dD; `shares` say how far into the run each point was, `slope` is the trend's (intercept, slope).

    `spans` are the ranges of both where runs are to be seen on the same axes.
    """
    trend = slope if all(np.isfinite(slope)) else None
    return Scatter(
        f"{run}: length against direction", Axis("Change of direction dD"), Axis("Change of length dM"),
        tuple(names), directions, magnitudes, shares, trend, MOVED, spans,
    )  # fmt: skip


def trends(rows: Mapping[str, Sequence[float]]) -> Table:
    """By run or layer: slope and correlation with their intervals, and how many points."""
    heads = ("Slope", "Slope from", "Slope to", "Correlation", "Corr. from", "Corr. to", "Points")
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(heads))
    return Table("Trend of dM over dD, 95 % intervals", tuple(rows), tuple(Axis(head) for head in heads), values, MOVED)


def agreement_map(layers: Sequence[LayerInfo], cosines: Floats, one: str, other: str) -> Heatmap:
    """The same on the map: where they agree, and where not."""
    title, value = f"Where {one} and {other} agree", Axis("Cosine of the updates")
    return layer_map(title, layers, cosines, value, help=AGREEING, middle=0.0)


def agreement(layers: Sequence[LayerInfo], cosines: Floats, one: str, other: str) -> Bars:
    """Cosine of two runs' updates, layer by layer."""
    title, most = f"Agreement of {one} and {other}", float(np.nanmax(np.abs(cosines), initial=0.0))
    shares = cosines / (most or 1.0)
    shares = 0.5 + 0.5 * shares if float(np.nanmin(cosines, initial=0.0)) < 0 else shares
    return _bars(title, Axis("Cosine of the updates"), layers, cosines, shares, AGREEING)


def ranking(layers: Sequence[LayerInfo], values: Floats, shares: Floats, *, label: str, unit: str, tells: str) -> Bars:
    """A score of importance, highest first."""
    return _bars(f"Importance: {label}", Axis(label, unit), layers, values, shares, f"{tells} {RANKED}")


def every_rank(ranks: Floats, losses: Floats, *, unit: str = "nats per token") -> Lines:
    """Held-out loss by rank, in the unit of its task."""
    series = (Series("held out", ranks, losses, "points", "amber"),)
    return Lines("Held-out loss by rank", Axis("Rank"), Axis("Loss", unit), series, help=EVERY_RANK)


def _bars(
    title: str, value: Axis, layers: Sequence[LayerInfo], values: Floats, shares: Floats | None, help: str
) -> Bars:
    """One bar a layer, highest first; what is no number comes last."""
    order = np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")
    return Bars(
        title, value, tuple(short_name(layers[at]) for at in order), values[order],
        tuple(layers[at].name for at in order), None if shares is None else shares[order], help,
    )  # fmt: skip
