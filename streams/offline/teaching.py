"""Teaches a policy's arms what a log knows, as its worker would have learned it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from core.bandits.base import Floats
from core.context.encoder import ContextError
from core.reward import RouteScales
from core.routing.compiled import CompiledPolicy
from schemas.features import reads_time
from schemas.policy import Policy
from schemas.request import Request
from streams.offline.outcomes import Call, Skipped

_NO_CONTEXT: Final = np.zeros(0)


class TeachingError(Exception):
    """A policy that no log can teach; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What an arm has learned."""

    rewards: int
    mean: float
    interval: tuple[float, float]
    evidence: bytes
    """Its state, as ``warm_start.evidence`` takes it."""


@dataclass(slots=True)
class Teacher:
    """The arms of one policy, as they learn from calls in the order of the log.

    Rewards are computed as a worker does: by the policy's objective, with the scales of cost and
    latency that the calls up to this one have shown. The policy must have no ``vocabulary``
    features (streams.offline.vocabulary). Raises TeachingError for one whose arms have no
    statistics of their own.
    """

    policy: Policy
    skipped: Skipped
    """Takes the calls that teach nothing."""
    _rewards: dict[str, int] = field(init=False, default_factory=dict)
    _compiled: CompiledPolicy = field(init=False)
    _scales: RouteScales = field(init=False, default_factory=RouteScales)
    _states: dict[str, Any] = field(init=False)
    _needs_time: bool = field(init=False)

    def __post_init__(self) -> None:
        self._compiled = compiled = CompiledPolicy(self.policy, self.policy.version)
        if compiled.search is not None:
            raise TeachingError(
                "the policy searches for parameters, and tries parameter sets that no log has: "
                "give it a bandit algorithm to start its arms from a log"
            )
        self._states = {arm.id: compiled.prior_state(arm.id) for arm in self.policy.arms}
        self._needs_time = compiled.bandit.contextual and reads_time(self.policy.context)

    def learn(self, calls: Iterable[Call]) -> None:
        """Learn from calls, or count them as skipped."""
        for call in calls:
            self._learn(call)

    def _learn(self, call: Call) -> None:
        skip, compiled = self.skipped.add, self._compiled
        if call.arm is None:
            skip("no arm", call.where, "neither the row nor a decision names the arm that served")
            return
        if call.arm not in self._states:
            skip("unknown arm", call.where, f"{call.arm!r} is not an arm of the policy")
            return
        x = self._encoded(call)
        if x is None:
            return
        self._scales.observe(call.arm, call.outcome)
        arms, objective = self.policy.arms, self.policy.objective
        reward = compiled.reward(
            call.outcome,
            self._scales.cost_scale(arms, objective),
            self._scales.latency_scale(arms, objective),
        )
        if reward is None:
            skip("no reward", call.where, "the objective needs what was not measured")
            return
        others = [state for arm, state in self._states.items() if arm != call.arm]
        compiled.bandit.learn(self._states[call.arm], x, reward, others)
        self._rewards[call.arm] = self._rewards.get(call.arm, 0) + 1

    def _encoded(self, call: Call) -> Floats | None:
        """The call's context; None, and skipped, where the algorithm needs what is not there."""
        compiled, skip = self._compiled, self.skipped.add
        if not compiled.bandit.contextual:
            return _NO_CONTEXT
        if call.context is None:
            skip(
                "no context",
                call.where,
                "the algorithm looks at contexts, and neither the row nor a request has one",
            )
            return None
        if call.at_ms is None and self._needs_time:
            skip(
                "no timestamp",
                call.where,
                "the policy's features read the hour or the weekday",
            )
            return None
        request = Request(request_id="-", route=self.policy.route, context=call.context)
        try:
            return compiled.encoder.unpack(compiled.encoder.encode(request, call.at_ms or 0))
        except ContextError as error:
            skip("invalid value", call.where, str(error))
            return None

    def taught(self, level: float = 0.95) -> dict[str, Taught]:
        """What each arm has learned, in the policy's order; arms without any reward too."""
        bandit = self._compiled.bandit
        return {
            arm: Taught(
                self._rewards.get(arm, 0),
                bandit.mean(state),
                bandit.interval(state, level),
                bandit.encode(state),
            )
            for arm, state in self._states.items()
        }


def with_evidence(
    document: dict[str, Any], taught: dict[str, Taught], weight: float
) -> dict[str, Any]:
    """The policy document with a warm start for each arm that has learned, as it stands elsewhere.

    It takes the place of a warm start that the arm already has; others stay.
    """
    arms = []
    for arm in document["arms"]:
        lesson = taught[arm["id"]]
        if lesson.rewards:
            start = {"weight": weight, "evidence": b64encode(lesson.evidence).decode()}
            arms.append({**arm, "warm_start": start})
        else:
            arms.append(arm)
    return {**document, "arms": arms}
