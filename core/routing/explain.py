"""Why a decision fell as it did: a router that keeps what one of its decisions was made of.

The router is the one that decided; it is watched at the two places where a decision is drawn and
where a reward is counted, so nothing is computed in another way than it was. Looking changes no
state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core.router import Router
from core.routing.compiled import CompiledPolicy
from core.routing.deciding import Deciding
from core.routing.draw import Distribution
from core.routing.explained import (
    Belief,
    Explanation,
    RewardEvent,
    Source,
    Verdict,
)
from core.routing.learning import Learning
from core.routing.live import LiveRoute, LiveSegment
from core.routing.memory import Read
from core.routing.part import InputRecord
from core.routing.view import View
from schemas.decode import decode_request
from schemas.explain import strangers
from schemas.reward import Outcome, Reward
from schemas.state import DecisionRecord, Output, decision_key


class Watch:
    """What to look at, and what was seen."""

    def __init__(self, route: str, request_id: str, version: int) -> None:
        self.key = decision_key(route, request_id)
        self.version = version
        self.explanation: Explanation | None = None
        self.rewards: list[RewardEvent] = []
        self.record: InputRecord | None = None
        """The request, once it was applied."""

    @property
    def settled(self) -> bool:
        """Whether a reward was counted, so that nothing is learned of the decision any more."""
        return any(event.verdict in ("learned", "counted") for event in self.rewards)


class WatchedRouter(Router):
    """A router that shows one decision."""

    def __init__(self, read: Read, watch: Watch, **limits: Any) -> None:
        super().__init__(read, **limits)
        self._learning = _WatchedLearning(self.state, self._held, self.watching, watch)
        self._deciding = _WatchedDeciding(
            self.state, self._remembered, self._held, self._learning, self.watching, watch
        )


class _WatchedDeciding(Deciding):
    def __init__(self, *parts: Any) -> None:
        *own, watch = parts
        super().__init__(*own)
        self._target: Watch = watch
        self._exploring = False

    def apply(self, record: InputRecord) -> None:
        if self._state.version + 1 == self._target.version:
            self._target.record = record
        super().apply(record)

    def _explore(self, *arguments: Any) -> None:
        self._exploring = True
        super()._explore(*arguments)
        self._exploring = False

    def _decide(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        distribution: Distribution,
        one: Any,
    ) -> str:
        watch = self._target
        if one.version == watch.version and watch.record is not None:
            request = decode_request(watch.record.value or b"")
            view = View(self._state.memory, route, compiled, segment)
            source: Source = "forced_exploration" if self._exploring else "algorithm"
            watch.explanation = view.explained(request, distribution, one, source)
        return super()._decide(route, compiled, segment, distribution, one)


class _WatchedLearning(Learning):
    def __init__(self, *parts: Any) -> None:
        *own, watch = parts
        super().__init__(*own)
        self._target: Watch = watch

    def _join(
        self,
        route: LiveRoute,
        key: bytes,
        decision: DecisionRecord,
        reward: Reward,
        record: InputRecord,
    ) -> None:
        counts = route.record
        before = (counts.late, counts.duplicates, counts.contradicting, counts.joined)
        told = len(self._state.outbox)
        super()._join(route, key, decision, reward, record)
        if not self._watched(key, decision):
            return
        after = (counts.late, counts.duplicates, counts.contradicting, counts.joined)
        verdicts: tuple[Verdict, ...] = ("late", "duplicate", "contradicting", "counted")
        changed = [v for v, old, new in zip(verdicts, before, after, strict=True) if new > old]
        refused = _refusal(self._state.outbox[told:])
        verdict: Verdict = changed[0] if changed else "refused" if refused else "part"
        if verdict != "counted":  # which _count tells
            self._target.rewards.append(
                RewardEvent(
                    self._state.version,
                    record.timestamp,
                    verdict,
                    _fields(reward.outcome()),
                    reward.arm or decision.served or decision.arm,
                    ignored=_ignored(record),
                    refused=refused,
                )
            )

    def _count(
        self,
        route: LiveRoute,
        key: bytes,
        decision: DecisionRecord,
        outcome: Outcome,
        served: str,
        record: InputRecord | None,
    ) -> None:
        if not self._watched(key, decision):
            super()._count(route, key, decision, outcome, served, record)
            return
        state, counts = self._state, route.record
        chosen = served or decision.arm
        current = state.memory.current(route)
        compiled = None if current is None else current.owner(decision.variant)
        view = View.of(state.memory, route, compiled, decision.segment)
        before, unlearned = _belief_of(view, chosen), counts.unlearned
        super()._count(route, key, decision, outcome, served, record)
        reward = None
        if current is not None and compiled is not None:
            arms, objective = current.policy.arms, current.policy.objective
            reward = compiled.reward(
                outcome,
                route.scales.cost_scale(arms, objective),
                route.scales.latency_scale(arms, objective),
            )
        self._target.rewards.append(
            RewardEvent(
                state.version,
                state.reward_clock if record is None else record.timestamp,
                "learned" if counts.unlearned == unlearned else "counted",
                _fields(outcome),
                chosen,
                reward,
                before,
                _belief_of(View.of(state.memory, route, compiled, decision.segment), chosen),
                "" if record is None else _ignored(record),
            )
        )

    def _watched(self, key: bytes, decision: DecisionRecord) -> bool:
        return key == self._target.key and decision.version == self._target.version


def _refusal(outputs: Iterable[Output]) -> str:
    """The reason of the dead letter among them; "" without one."""
    letters = [output.value for output in outputs if output.role == "dead_letters"]
    return str(msgspec.json.decode(letters[0])["reason"]) if letters else ""


def _belief_of(view: View | None, arm: str) -> Belief | None:
    return None if view is None else view.belief(arm)


def _ignored(record: InputRecord) -> str:
    return strangers(record.value or b"", Reward)


def _fields(outcome: Outcome) -> dict[str, Any]:
    """What an outcome has."""
    fields = msgspec.structs.asdict(outcome)
    return {name: msgspec.to_builtins(x) for name, x in fields.items() if x is not None}
