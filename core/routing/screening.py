"""Which arms a request may get: its candidates, less what guardrails set aside."""

from __future__ import annotations

from core.context.fields import tokens_of
from core.reward import TYPICAL_INPUT_TOKENS, declared_cost_usd
from core.routing.choice import Choice
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute, LiveSegment
from core.routing.memory import Memory
from core.routing.refusals import Refusals
from schemas.policy import ArmSpec
from schemas.request import Request


def choice_of(
    memory: Memory,
    route: LiveRoute,
    segment: LiveSegment,
    compiled: CompiledPolicy,
    request: Request,
    now_ms: int,
) -> Choice | Refusals:
    """The arms that a request may get.

    The fallback arm of the guardrails stands in where there is none; the others are still probed.
    """
    arms = compiled.candidates(request.candidates)
    guardrails = compiled.policy.guardrails
    if guardrails is None or compiled.search is not None:
        return Choice(arms) if arms else Refusals({})
    eligible, probed, refused = [], [], {}
    for arm in arms:
        if guardrails.max_cost_usd is not None:
            cost = predicted_cost_usd(compiled.arms[arm], route, request)
            if cost is not None and cost > guardrails.max_cost_usd:
                refused[arm] = (
                    f"max_cost_usd: the request is predicted to cost {cost:.6g} USD, more than "
                    f"{guardrails.max_cost_usd:g}"
                )
                continue
        health = memory.arm(route, segment, compiled, arm).health
        complaint = None if health is None else health.complaint(guardrails)
        if complaint is None:
            eligible.append(arm)
            continue
        refused[arm] = complaint
        if guardrails.probe_share and health and not health.cooling(now_ms, guardrails):
            probed.append(arm)
    if eligible:
        return Choice(tuple(eligible), tuple(probed))
    fallback = guardrails.fallback
    if fallback is not None:
        return Choice((fallback,), tuple(arm for arm in probed if arm != fallback))
    return Refusals(refused)


def predicted_cost_usd(arm: ArmSpec, route: LiveRoute, request: Request) -> float | None:
    """What the request is expected to cost with an arm, in USD; None where nothing is known.

    The price of its prompt and of a typical answer, where the arm has a price and the request
    tells its tokens; or else the arm's observed mean on the route; or else its typical price.
    """
    tokens = tokens_of(request.context)
    mean = route.scales.mean_cost_usd(arm.id)
    if arm.price is not None and (tokens is not None or mean is None):
        return declared_cost_usd(arm.price, TYPICAL_INPUT_TOKENS if tokens is None else tokens)
    return mean
