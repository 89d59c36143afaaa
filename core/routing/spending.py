"""Decisions under a budget: each one moves the price of money that the next one sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.budget import Pacer
from core.routing.choice import Choice, guarded
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution
from core.routing.live import LiveRoute, LiveSegment
from core.routing.memory import NO_CONTEXT, Memory
from core.routing.screening import predicted_cost_usd
from schemas.request import Request
from schemas.reward import Outcome
from schemas.state import DecisionRecord


class Affordable(NamedTuple):
    """What a request may get under its route's budget."""

    choice: Choice
    """Of the arms, those that the ledger can bear now; probes as they were."""
    costs: dict[str, float]
    """What the request is expected to cost with each arm, in USD."""
    pacer: Pacer


def affordable(
    route: LiveRoute, compiled: CompiledPolicy, choice: Choice, request: Request, now_ms: int
) -> Affordable | None:
    """The part of a choice that the budget allows; None where the policy has no budget."""
    pacer = route.pacer(compiled)
    if pacer is None:
        return None
    pacer.arrive(now_ms)
    names = [*choice.arms, *choice.probed]
    declared = [predicted_cost_usd(compiled.arms[arm], route, request) for arm in names]
    costs = pacer.costs(names, declared)
    fine = pacer.affordable(costs[: len(choice.arms)])
    arms = tuple(arm for arm, kept in zip(choice.arms, fine.tolist(), strict=True) if kept)
    found = dict(zip(names, costs.tolist(), strict=True))
    return Affordable(Choice(arms, choice.probed), found, pacer)


def priced(
    memory: Memory,
    route: LiveRoute,
    segment: LiveSegment,
    compiled: CompiledPolicy,
    found: Affordable,
    x: bytes,
) -> Distribution:
    """The algorithm's distribution with each arm's cost, at the present price, taken off."""
    choice = found.choice
    costs = np.array([found.costs[arm] for arm in choice.arms])
    row = compiled.bandit.distribution(
        memory.states(route, segment, compiled, choice.arms),
        compiled.encoder.matrix([x]) if x else NO_CONTEXT,
        memory.other_states(route, segment, compiled, choice.arms),
        found.pacer.penalties(costs),
    )[0]
    return guarded(choice, compiled, row.tolist())


def settle(
    route: LiveRoute, current: CompiledPolicy, arm: str, decision: DecisionRecord, outcome: Outcome
) -> None:
    """Tell the ledger of the policy in force, if it has one, what a decision has really cost.

    ``arm`` is the one that served. One that the policy no longer has was paid for, too.
    """
    pacer = route.pacer(current)
    if pacer is None or outcome.cost_usd is None:
        return
    cost = outcome.cost_usd
    # What was decided without a budget is not charged; its cost is known from now on.
    reserved = cost if decision.reserved is None else decision.reserved
    if arm in current.arms:
        pacer.settle(arm, reserved, cost)
    else:
        pacer.correct(reserved, cost)
