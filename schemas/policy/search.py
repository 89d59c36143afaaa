"""A search for the best parameters of one model, as a policy's algorithm."""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from msgspec import Meta

from schemas.fields import NO_CONTROL, Positive, Unit
from schemas.policy.strict import Strict

ParameterName = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_CONTROL)]
Bound = Annotated[float, Meta(ge=-1e9, le=1e9)]
Levels = Annotated[int, Meta(ge=1, le=256)]

MAX_EVALUATIONS: Final = 256


class Parameter(Strict, frozen=True):
    """The range of one parameter of a call, both ends included."""

    low: Bound
    high: Bound
    type: Literal["float", "integer"] = "float"
    scale: Literal["linear", "log"] = "linear"
    """log: that 10 becomes 20 matters as much as that 100 becomes 200. Positive bounds only."""


class Stop(Strict, frozen=True):
    """When a search ends before all its evaluations; at least one of the two rules."""

    patience: Annotated[int, Meta(ge=1, le=MAX_EVALUATIONS)] | None = None
    """After that many evaluations in a row of which none improved the best mean reward; not
    before the space-filling ones of bayesian are done."""
    min_improvement: Unit = 0.0
    """What counts as an improvement for patience: more than this, in units of reward."""
    expected_improvement: Positive | None = None
    """bayesian: when no parameter set is expected to improve the best mean by as much (Jones,
    Schonlau and Welch 1998, section 4.2, with 1 % of the best value)."""


class Search(Strict, frozen=True, tag_field="name", tag="search"):
    """Search over the parameters of the policy's one arm: temperature, top_p, max_tokens, ...

    The arm's ``params`` are the base, which every parameter set overrides. A set is an arm of its
    own, ``<arm id>@<number>``, while it is in play. When it has its rewards, that is an
    evaluation. After the last one the best set serves all requests: the one with the best
    posterior mean (bayesian) or the best mean reward (all others).
    """

    space: Annotated[dict[ParameterName, Parameter], Meta(min_length=1, max_length=8)]
    method: Literal["bayesian", "grid", "random", "latin_hypercube", "sobol"] = "bayesian"
    """bayesian: a Gaussian process and its expected improvement, for few, dear evaluations."""
    evaluations: Annotated[int, Meta(ge=2, le=MAX_EVALUATIONS)] = 40
    """How many parameter sets are tried at most."""
    rewards_per_evaluation: Annotated[int, Meta(ge=1, le=100_000)] = 10
    """How many rewards of a set make an evaluation: the noise of its mean falls with the root."""
    parallel: Annotated[int, Meta(ge=1, le=32)] = 4
    """Parameter sets in play at once, each chosen as often as the others."""
    initial: Annotated[int, Meta(ge=2, le=MAX_EVALUATIONS)] | None = None
    """bayesian: how many space-filling sets (Sobol) come before the model; at least ``parallel``.
    Default: 8, or twice the number of parameters if that is more; half the evaluations at most."""
    grid_levels: dict[ParameterName, Levels] | Levels | None = None
    """grid: values per parameter, evenly spaced on its scale from low to high, for all parameters
    or for each by name. Default: the most for which the grid fits into ``evaluations``."""
    stop: Stop | None = None
    """Default: all evaluations are made."""
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    """Another one gives other random and space-filling sets."""


def level_counts(search: Search) -> dict[str, int]:
    """How many values each parameter of a grid has; integers no more than they are.

    The space must be valid. The product may exceed ``search.evaluations`` only where that is a
    problem (schemas.validation.search).
    """
    most = {name: _values(parameter) for name, parameter in search.space.items()}
    levels = search.grid_levels
    if isinstance(levels, dict):
        return {name: min(levels.get(name, 1), most[name]) for name in most}
    if levels is not None:
        return {name: min(levels, most[name]) for name in most}
    counts = dict.fromkeys(most, 2)
    for n in range(3, search.evaluations + 1):
        finer = {name: min(n, most[name]) for name in most}
        if math.prod(finer.values()) > search.evaluations:
            break
        counts = finer
    return counts


def _values(parameter: Parameter) -> int:
    """How many values there are: of a float, more than any search can try."""
    if parameter.type == "integer":
        return int(parameter.high) - int(parameter.low) + 1
    return 1_000
