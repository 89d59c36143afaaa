"""All that is watched of a partition, as its requests and rewards come."""

from __future__ import annotations

from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.memory import Scan
from core.routing.partition import Partition
from core.routing.watching.arms import ArmWatch
from core.routing.watching.budget import BudgetWatch
from core.routing.watching.feedback import Feedback
from core.routing.watching.incidents import Incidents, subject
from core.routing.watching.limits import Limits
from core.routing.watching.mix import Mix
from schemas.request import Request
from schemas.reward import Outcome
from schemas.state import DecisionRecord


class Watching:
    """Told of everything, tells on the drift topic."""

    def __init__(self, state: Partition) -> None:
        self._state = state
        self.incidents = Incidents(state)
        self._arms = ArmWatch(state, self.incidents)
        self._budget = BudgetWatch(state, self.incidents)
        self._feedback = Feedback(state, self.incidents)
        self._limits = Limits(state, self.incidents)
        self._mix = Mix(state, self.incidents)

    def restore(self, scan: Scan) -> None:
        """Go on from stored state."""
        self.incidents.restore(scan)
        self._limits.restore(scan)

    def asked(
        self, route: LiveRoute, compiled: CompiledPolicy, request: Request, at_ms: int, now_ms: int
    ) -> None:
        """A request will be decided; in the order of the requests, which decisions need not keep.

        ``at_ms`` is the request's own time, ``now_ms`` its record's.
        """
        self._feedback.decided(route, compiled, now_ms)
        if compiled.pace is not None:
            self._budget.asked(route, compiled)
        if compiled.watch.scopes:
            self._limits.asked(route, compiled, now_ms)
        if compiled.watch.mix:
            self._mix.asked(route, compiled, request, at_ms)

    def decided(
        self, route: LiveRoute, compiled: CompiledPolicy, arm: str, at_ms: int, *, explored: bool
    ) -> None:
        """A request was decided; what is counted here must not depend on the order."""
        self._limits.decided(route, compiled, arm, at_ms, explored=explored)

    def rewarded(
        self,
        route: LiveRoute,
        current: CompiledPolicy,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        arm: LiveArm,
        decision: DecisionRecord,
        outcome: Outcome,
        reward: float | None,
    ) -> None:
        """A reward was counted for ``arm``, by ``compiled``: the policy in force, ``current``, or
        its variant that decided.
        """
        quality = compiled.reward.quality(outcome)
        self._feedback.joined(route, current, decision.timestamp)
        if current.watch.scopes:
            self._limits.rewarded(
                route, current, segment, arm.id, decision, outcome, quality, reward
            )
        self._arms.health(route, compiled, segment, arm)
        memory = self._state.memory
        if compiled.search is not None and not memory.search(route, segment, compiled).finished:
            return  # an arm that goes from set to set changes all the time
        self._arms.anomalies(route, compiled, segment, arm, outcome, quality, reward)
        self._arms.drift(route, compiled, segment, arm, outcome, quality, reward)

    def configured(
        self, route: LiveRoute, then: CompiledPolicy | None, compiled: CompiledPolicy | None
    ) -> None:
        """A policy took the place of another, or was withdrawn: end what it does not speak of."""
        if then is not None:
            self._limits.drop(route, compiled, then)
        now_ms = max(self._state.request_clock, self._state.reward_clock)
        for about, _ in list(self.incidents.of_route(route.name)):
            if compiled is None or not _speaks_of(compiled, about.kind, about.arm, about.of):
                message = (
                    f"{subject(about)}: the policy no longer asks for this; the incident is closed"
                )
                self.incidents.resolve(about, message, None, now_ms, action="alert")

    @property
    def next_due(self) -> int:
        """The clock that must be reached before anything is due."""
        return min(self.incidents.agenda.next_due, self._limits.agenda.next_due)

    def any_due(self, clock: int) -> bool:
        """Whether ``expire`` has something to do."""
        return self.incidents.agenda.any_due(clock) or self._limits.any_due(clock)

    def expire(self, clock: int) -> bool:
        """End incidents and judge windows; False if the part was full before all was done."""
        return self.incidents.expire(clock) and self._limits.judge(clock)


def _speaks_of(compiled: CompiledPolicy, kind: str, arm: str, of: str) -> bool:
    policy = compiled.policy
    if arm and arm not in compiled.arms:
        return False
    if kind == "threshold":
        return any(limit.name == of for limit in compiled.watch.limits)
    if kind == "guardrail":
        return policy.guardrails is not None
    if kind == "join":
        return policy.join is not None
    if kind == "budget":
        return policy.budget is not None
    return True
