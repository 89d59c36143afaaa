"""A policy run by the router itself over requests of which every arm's outcome is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import orjson

from core.evaluation.candidate import Record
from core.router import Router
from core.routing.part import Inputs
from schemas.fields import duration_ms
from schemas.policy import Policy, Search
from schemas.request import Context, Request
from schemas.reward import Outcome, Reward

_START_MS: Final = 1_750_000_000_000
_PACE_MS: Final = 1_000
_encode = msgspec.json.Encoder().encode


class PlayError(ValueError):
    """A run that cannot go on; the message says what the policy and the data disagree about."""


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded request with the outcome of every arm."""

    context: Context
    outcomes: Sequence[Outcome]
    """One for each arm of ``Cases.arms``."""
    at_ms: int | None = None
    """When it was asked; None where that was not recorded."""


@dataclass(frozen=True, slots=True)
class Cases:
    """All recorded requests, and the arms whose outcomes they have."""

    arms: Sequence[str]
    rows: Sequence[Case]


@dataclass(frozen=True, slots=True)
class Play:
    """What one run chose, step by step."""

    chosen: Sequence[int]
    """The index into ``Cases.arms``."""
    propensities: Sequence[float]


def play(
    policy: Policy,
    cases: Cases,
    order: Sequence[int],
    *,
    run: str,
    delay: int = 0,
    tick: Callable[[int], None] = lambda _: None,
) -> Play:
    """Serve ``cases.rows[i]`` for each i of ``order``, one by one, through a router of its own.

    The events are those of a proxy, and the decisions the router's own. ``run`` names the requests,
    and so the chance in the decisions. A reward is sent after ``delay`` more requests. Requests
    come a second apart, or faster where a reward would otherwise miss its window, from a fixed time
    on. ``tick`` is called after each step. Raises PlayError for a policy that searches for
    parameters, has enabled arms without outcomes, is refused, or rejects a request.
    """
    check_playable(policy, cases)
    stored: dict[bytes, bytes] = {}
    router = Router(stored.get)
    key = policy.route.encode()
    pace = max(1, min(_PACE_MS, duration_ms(policy.reward.window) // (2 * (delay + 1))))
    columns = {arm: at for at, arm in enumerate(cases.arms)}
    chosen: list[int] = []
    propensities: list[float] = []

    def handle(inputs: Inputs) -> list[bytes]:
        answers: list[bytes] = []
        while True:
            part = router.handle(inputs, router.version)
            for name, value in part.puts.items():
                if value is None:
                    stored.pop(name, None)
                else:
                    stored[name] = value
            answers += [answer.value for answer in part.decisions]
            for output in part.outbox:
                if output.role in ("decisions", "dead_letters"):
                    raise PlayError(_refusal(output.value))
            if not inputs.left and not router.overdue:
                return answers

    def reward(step: int, now: int) -> None:
        outcome = cases.rows[order[step]].outcomes[chosen[step]]
        if outcome.empty:
            return
        event = Reward(
            request_id=f"{run}-{step}",
            route=policy.route,
            quality=outcome.quality,
            cost_usd=outcome.cost_usd,
            latency_ms=outcome.latency_ms,
            success=outcome.success,
            reward=outcome.reward,
            signals=outcome.signals,
        )
        handle(Inputs(rewards=[Record(step, now, key, _encode(event))]))

    handle(Inputs(policies=[Record(0, _START_MS, key, _encode(policy))]))
    for step, row in enumerate(order):
        now = _START_MS + step * pace
        case = cases.rows[row]
        request = Request(
            request_id=f"{run}-{step}",
            route=policy.route,
            timestamp=case.at_ms,
            context=case.context,
        )
        (answer,) = handle(Inputs(requests=[Record(step, now, key, _encode(request))]))
        decision = orjson.loads(answer)
        chosen.append(columns[decision["arm"]])
        propensities.append(decision["propensity"])
        if step >= delay:
            reward(step - delay, now)
        tick(step)
    return Play(chosen, propensities)


def check_playable(policy: Policy, cases: Cases) -> None:
    """Raise PlayError for a policy that cannot be run on the cases."""
    if isinstance(policy.algorithm, Search):
        raise PlayError(
            "the policy searches for parameters, and would try parameter sets that the data does "
            "not have: only policies with a bandit algorithm can be simulated"
        )
    lacking = [arm.id for arm in policy.arms if arm.enabled and arm.id not in cases.arms]
    if lacking:
        raise PlayError(
            f"the data has no outcomes of the arms {', '.join(lacking)}; it has those of "
            f"{', '.join(cases.arms)}: name the arms as its columns do, or disable the others"
        )


def _refusal(output: bytes) -> str:
    event = orjson.loads(output)
    return str(event.get("message") or event.get("reason"))
