"""What a request meets under an experiment or a rollout: one variant, and all their shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from core.context.fields import category
from core.routing.choice import guarded
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution, uniform
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.memory import Memory
from core.routing.refusals import Refusals
from core.routing.screening import choice_of
from core.routing.spending import Affordable, affordable, priced
from core.routing.trial import LiveTrial, Trial
from schemas.request import Request

_LARGEST: Final = 1e9
"""Of a covariate: sums of squares stay finite, and one wild number does not outweigh all others."""


class Side(NamedTuple):
    """One variant's decision, before it is drawn."""

    compiled: CompiledPolicy
    segment: LiveSegment
    arms: Sequence[str]
    """Those that it chooses among, without those that are only probed."""
    distribution: Distribution
    owed: list[LiveArm]
    budget: Affordable | None


class Met(NamedTuple):
    """The variant that a request meets."""

    live: LiveTrial
    variant: int
    name: str
    step: int
    side: Side
    propensities: dict[str, float]
    """Of each arm, over all variants: what the request could have met."""
    unit: float = 0.0
    """The hash of the request's unit in [0, 1), whatever variant it meets; 0 where there is none.
    """
    covariate: float | None = None
    """By which the experiment adjusts the outcome, where it does."""


def meet(
    memory: Memory,
    route: LiveRoute,
    trial: Trial,
    base: LiveSegment,
    request: Request,
    x: bytes,
    at_ms: int,
    now_ms: int,
) -> Met | Refusals:
    """The variant that a request meets, with the arms' probabilities over all variants.

    ``base`` is the request's segment of the route; ``x`` its context, for those that look at it.
    """
    live = memory.trial(route, trial, now_ms)
    unit = request.request_id
    if trial.unit is not None:
        value = category(trial.unit)(request.context, at_ms)
        unit = unit if value is None else value
    chosen = live.pick(route.name, unit)
    propensities: dict[str, float] = {}
    met: Side | Refusals = Refusals({})
    for index, (share, (_, compiled)) in enumerate(zip(live.shares(), trial.variants, strict=True)):
        if not share:
            continue
        segment = memory.variant_segment(route, trial.segment(base.name, index))
        own = x if compiled.bandit.contextual else b""
        side = side_of(memory, route, segment, compiled, request, own, now_ms)
        if index == chosen:
            met = side
        if isinstance(side, Side):
            arms = zip(side.distribution.arms, side.distribution.probabilities, strict=True)
            for arm, probability in arms:
                propensities[arm] = propensities.get(arm, 0.0) + share * probability
    if isinstance(met, Refusals):
        return met
    salt = f"{route.name}\0{trial.name}\0unit"
    hashed = 0.0 if trial.unit is None else uniform(salt, unit, 0)
    covariate = None if trial.covariate is None else trial.covariate(request.context)
    if covariate is not None:
        covariate = min(_LARGEST, max(-_LARGEST, float(covariate)))
    name = trial.variants[chosen][0]
    return Met(live, chosen, name, live.step, met, propensities, hashed, covariate)


def side_of(
    memory: Memory,
    route: LiveRoute,
    segment: LiveSegment,
    compiled: CompiledPolicy,
    request: Request,
    x: bytes,
    now_ms: int,
) -> Side | Refusals:
    """What one policy would do with a request, in its own segment; nothing is charged for it."""
    choice = choice_of(memory, route, segment, compiled, request, now_ms)
    if isinstance(choice, Refusals):
        return choice
    budget = affordable(route, compiled, choice, request, now_ms)
    if budget is not None:
        choice = budget.choice
    owed = memory.owed(route, segment, compiled, choice.arms)
    if owed:
        found = Distribution([arm.id for arm in owed], [1.0 / len(owed)] * len(owed))
    elif budget is not None:
        found = priced(memory, route, segment, compiled, budget, x)
    elif not x:
        found = memory.distribution(route, segment, compiled, choice)
    else:
        row = compiled.bandit.distribution(
            memory.states(route, segment, compiled, choice.arms),
            compiled.encoder.matrix([x]),
            memory.other_states(route, segment, compiled, choice.arms),
        )[0]
        found = guarded(choice, compiled, row.tolist())
    return Side(compiled, segment, choice.arms, found, owed, budget)
