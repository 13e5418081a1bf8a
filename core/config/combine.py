"""Which members of the axes go together, and why not.

Nothing is listed here: each member says in a few words what it `needs` and `provides`, why it does (`because`), and
beside what it is `wary`. Two that contradict each other keep a run from starting; two of which one makes the other
pointless, or which no paper has tried, are told of and left to the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from core.adapters import names
from core.adapters.axis import Acting
from core.component import Component
from core.config.run import AXES, AdapterConfig, RunConfig
from core.problem import Problem

WORDS = {
    "both_factors": "both factors A and B to be trained",
    "factors": "a change of the form B A",
    "fixed_rank": "ranks that stay",
    "float_base": "base weights in floating point",
    "frozen_a": "a frozen A",
    "no_dropout": "a dropout of 0",
    "own_layers": "an adapter of each layer's own",
    "own_rank": "factors of each layer's own",
    "pair": "both factors A and B to be trained",
    "plain_magnitude": "rows that keep their length",
    "rank": "a rank",
    "seeded_start": "a start that is drawn at random, the same for layers of one shape",
    "sliced": "factors that can be cut to any rank",
    "triplets": "singular triplets (P, λ, Q)",
    "unit_scale": "a scale of 1",
    "whole": "a change of every number, without a rank",
}
"""What a need is called in a sentence; a word that is not here stands for itself."""


def members(config: RunConfig) -> dict[str, Component]:
    """The member chosen on each axis, by the option it is chosen with."""
    chosen = {f"adapter.{axis}": config.adapter.axis(axis) for axis in names.DEFAULTS}
    return {**chosen, "model.storage": config.storage}


def facts(config: RunConfig) -> frozenset[str]:
    """What plain options and the optimizer provide, in the words that members' needs are written with."""
    return config.train.optimizer.provides | {"dropout" if config.adapter.dropout else "no_dropout"}


def combined(config: RunConfig) -> Iterator[Problem]:
    """Everything that is to be said about a run's members together."""
    chosen, given = members(config), facts(config)
    yield from unmet(chosen, given)
    yield from doubtful(chosen, given)
    for path, member in chosen.items():
        if isinstance(member, Acting):
            yield from member.doubts(config, path)


def unmet(chosen: Mapping[str, Component], facts: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """A problem for every need of a member that nothing else fulfils.

    Args:
        chosen: option to its member.
        facts: words that are provided whoever is chosen.
    """
    for path, member in chosen.items():
        for word in sorted(member.needs - _present(chosen, path, facts)):
            lacking = _lacking(chosen, path, word)
            who = " and ".join(_named(place, other) for place, other in lacking.items()) or "nothing else here"
            does = "do not provide" if len(lacking) > 1 else "does not provide" if lacking else "provides"
            lacks = "and some is set" if word == "no_dropout" else f"which {who} {does}"
            why = _because([*lacking.values(), member], word)
            text = f"{_named(path, member)} needs {_said(word)}, {lacks}{why}."
            yield Problem(path, text, _remedy(chosen, path, word, facts))


def ranked(adapter: AdapterConfig) -> bool:
    """Whether what is trained has a rank at all; full fine-tuning has none."""
    return "rank" in adapter.axis("delta").provides


def scaled(adapter: AdapterConfig) -> bool:
    """Whether alpha says how strong the adapter is; VeRA and full fine-tuning have none."""
    return "unit_scale" not in adapter.axis("scale").provides


def doubtful(chosen: Mapping[str, Component], facts: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """A warning for every member that says something about another one's presence; arguments as of `unmet`."""
    for path, member in chosen.items():
        present = _present(chosen, path, facts)
        for word, said in member.wary.items():
            if word in present:
                yield Problem(path, said, blocking=False)


def _present(chosen: Mapping[str, Component | type[Component]], path: str, facts: frozenset[str]) -> frozenset[str]:
    """What everybody but the one of this option provides."""
    return facts.union(*(other.provides for place, other in chosen.items() if place != path))


def _lacking(chosen: Mapping[str, Component], path: str, word: str) -> dict[str, Component]:
    """Those in whose place another member would provide a word."""
    return {
        place: other
        for place, other in chosen.items()
        if place != path and any(word in member.provides for member in AXES[place.rpartition(".")[2]].members)
    }


def _because(said_by: Sequence[Component], word: str) -> str:
    """The reasons that the members give, as the end of a sentence."""
    reasons = [member.because[word] for member in said_by if word in member.because]
    return f": {'; '.join(reasons)}" if reasons else ""


def _remedy(chosen: Mapping[str, Component], path: str, word: str, facts: frozenset[str]) -> str:
    """Every single choice that would do: one that meets the need and leaves nobody else with a new one."""
    ways = ["adapter.dropout to 0"] if word == "no_dropout" else []
    before = _needs(chosen, facts)
    for option in sorted(chosen, key=lambda place: place == path):
        kinds = [
            member.kind
            for member in AXES[option.rpartition(".")[2]].members
            if (option == path or word in member.provides)
            and _needs({**chosen, option: member}, facts) <= before - {(path, word)}
        ]
        ways += [f"{option} to {_listed(kinds)}"] if kinds else []
    return f"Set {', or '.join(ways)}." if ways else f"Choose another {path}."


def _needs(chosen: Mapping[str, Component | type[Component]], facts: frozenset[str]) -> set[tuple[str, str]]:
    """By option and word, the needs that nothing else fulfils."""
    return {(path, word) for path, member in chosen.items() for word in member.needs - _present(chosen, path, facts)}


def _listed(kinds: Sequence[str]) -> str:
    return " or ".join((", ".join(kinds[:-1]), kinds[-1]) if len(kinds) > 1 else kinds)


def _named(path: str, member: Component) -> str:
    return f"{path} '{member.kind}'"


def _said(word: str) -> str:
    return WORDS.get(word, word.replace("_", " "))
