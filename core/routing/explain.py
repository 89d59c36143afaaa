"""Why a decision fell as it did: a router that keeps what one of its decisions was made of.

The router is the one that decided; it is watched at the two places where a decision is drawn and
where a reward is counted, so nothing is computed in another way than it was. Looking changes no
state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from core.bandits.hybrid_linucb import HybridLinUCBBandit
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from core.bandits.upper_bound import UpperBoundBandit
from core.context.names import component_names
from core.router import Router
from core.routing.compiled import CompiledPolicy
from core.routing.deciding import Deciding
from core.routing.draw import Distribution, uniform
from core.routing.learning import Learning
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.live_search import LiveSearch
from core.routing.memory import NO_CONTEXT, Memory, Read
from core.routing.part import InputRecord
from core.routing.screening import predicted_cost_usd
from core.search import proposal_number
from core.search.proposal import Tally
from schemas.decode import decode_request
from schemas.policy import ArmSpec
from schemas.policy.strict import Strict
from schemas.request import Request
from schemas.reward import Outcome, Reward
from schemas.state import DecisionRecord, arm_key, decision_key

LEVEL: Final = 0.95
"""Of the credible intervals."""
Source = Literal["algorithm", "forced_exploration", "search"]
Verdict = Literal["learned", "counted", "part", "late", "duplicate", "contradicting"]


class Belief(Struct, frozen=True):
    """What is thought of an arm's mean reward."""

    rewards: float
    """How many it has learned from, as far as they still count."""
    mean: float
    low: float | None
    high: float | None
    """The central credible interval of probability ``LEVEL``; None for a set of a search."""


class ArmView(Struct, frozen=True):
    """One arm of the policy, as the decision found it."""

    arm: str
    model: str
    belief: Belief
    pulls: int
    """How often forced exploration had chosen it."""
    score: float | None
    """What the algorithm compares, for this context; see ``Explanation.score``."""
    probability: float
    barred: str | None
    """Why it could not be chosen, if it could not."""
    guardrail: str | None = None
    """What the guardrails have against it; it may be chosen nevertheless, to probe it."""


class SetView(Struct, frozen=True):
    """One parameter set of a search, in play."""

    arm: str
    params: dict[str, Any]
    rewards: int
    mean: float | None
    probability: float


class Share(Struct, frozen=True):
    """An arm's part of [0, 1): from ``low`` on, below ``high``."""

    arm: str
    probability: float
    low: float
    high: float


class RewardEvent(Struct, frozen=True):
    """One reward that named the request, and what became of it."""

    state_version: int
    timestamp: int
    verdict: Verdict
    outcome: dict[str, Any]
    """Of this event, or of all parts together where it was counted."""
    arm: str
    """The arm that served."""
    reward: float | None = None
    """In [0, 1], by the policy's objective; None where it gives none, or nothing was counted."""
    before: Belief | None = None
    after: Belief | None = None
    """What was thought of the arm (of a search: of the set) before and after it was counted."""


class Explanation(Struct, frozen=True):
    """All that one decision was made of."""

    route: str
    request_id: str
    state_version: int
    timestamp: int
    request: dict[str, Any]
    """The request as it came."""
    policy_version: int
    algorithm: dict[str, Any]
    forgetting: dict[str, Any] | None
    segment: str
    source: Source
    features: dict[str, float] | None
    """The components of the context by name; None where the algorithm looks at none."""
    score: str | None
    """What the arms' scores are."""
    arms: list[ArmView]
    sets: list[SetView]
    shares: list[Share]
    draw: float
    """Uniform over [0, 1), a hash of route, request id and policy version."""
    arm: str
    propensity: float
    params: dict[str, Any]


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
        self._learning = _WatchedLearning(self.state, self._held, watch)
        self._deciding = _WatchedDeciding(
            self.state, self._remembered, self._held, self._learning, watch
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
            view = _View(self._state.memory, route, compiled, segment)
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
        super()._join(route, key, decision, reward, record)
        if not self._watched(key, decision):
            return
        after = (counts.late, counts.duplicates, counts.contradicting, counts.joined)
        verdicts: tuple[Verdict, ...] = ("late", "duplicate", "contradicting", "counted")
        changed = [v for v, old, new in zip(verdicts, before, after, strict=True) if new > old]
        verdict: Verdict = changed[0] if changed else "part"
        if verdict != "counted":  # which _count tells
            self._target.rewards.append(
                RewardEvent(
                    self._state.version,
                    record.timestamp,
                    verdict,
                    _fields(reward.outcome()),
                    reward.arm or decision.served or decision.arm,
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
        compiled = state.memory.current(route)
        view = _View.of(state.memory, route, compiled, decision.segment)
        before, unlearned = _belief_of(view, chosen), counts.unlearned
        super()._count(route, key, decision, outcome, served, record)
        reward = None
        if compiled is not None and compiled.declared(chosen) in compiled.arms:
            arms, objective = compiled.policy.arms, compiled.policy.objective
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
                _belief_of(_View.of(state.memory, route, compiled, decision.segment), chosen),
            )
        )

    def _watched(self, key: bytes, decision: DecisionRecord) -> bool:
        return key == self._target.key and decision.version == self._target.version


class _View:
    """Looks at one segment under one policy, without changing anything."""

    def __init__(
        self, memory: Memory, route: LiveRoute, compiled: CompiledPolicy, segment: LiveSegment
    ) -> None:
        self._memory = memory
        self._route = route
        self._compiled = compiled
        self._segment = segment

    @classmethod
    def of(
        cls, memory: Memory, route: LiveRoute, compiled: CompiledPolicy | None, segment: str
    ) -> _View | None:
        """That of a segment by name; None where no policy is in force."""
        if compiled is None:
            return None
        live = route.segments.get(segment)
        return cls(memory, route, compiled, live or LiveSegment(segment))

    def arm(self, arm: str) -> LiveArm:
        """An arm of the policy: the live one, or else one made of what is stored, for looking."""
        live = self._segment.arms.get(arm)
        if live is None:
            key = arm_key(self._route.name, self._segment.name, arm)
            live = LiveArm(key, self._compiled, arm)
            if not live.load(self._memory.get(key)):
                like = self._compiled.donor(arm)
                live.begin(None if like is None else self.arm(like))
        return live

    def belief(self, arm: str) -> Belief | None:
        """What is thought of an arm, or of a set of the search; None where it is neither."""
        if self._compiled.search is not None:
            search = self._memory.search(self._route, self._segment, self._compiled)
            tally = _tally(search, arm)
            if tally is None or not tally.rewards:
                return None
            return Belief(float(tally.rewards), tally.mean, None, None)
        if arm not in self._compiled.arms:
            return None
        return _belief(self._compiled, self.arm(arm).state)

    def explained(
        self, request: Request, distribution: Distribution, one: Any, source: Source
    ) -> Explanation:
        """The decision that is about to be drawn from ``distribution``."""
        route, compiled, segment = self._route, self._compiled, self._segment
        u = uniform(route.name, one.request_id, compiled.version)
        arm, propensity = distribution.pick(u)
        shares = _shares(distribution)
        sets: list[SetView] = []
        params = dict((compiled.arms.get(arm) or compiled.policy.arms[0]).params)
        if compiled.search is not None:
            source = "search"
            sets = [self._set(share) for share in shares]
            params |= next(found.params for found in sets if found.arm == arm)
        score, arms = self._arms(request, distribution, one.x, source)
        forgetting = compiled.policy.forgetting
        return Explanation(
            route=route.name,
            request_id=one.request_id,
            state_version=one.version,
            timestamp=one.timestamp,
            request=msgspec.to_builtins(request),
            policy_version=compiled.version,
            algorithm=_settings(compiled.policy.algorithm),
            forgetting=None if forgetting is None else _settings(forgetting),
            segment=segment.name,
            source=source,
            features=self._features(one.x),
            score=score,
            arms=arms,
            sets=sets,
            shares=shares,
            draw=u,
            arm=arm,
            propensity=propensity,
            params=params,
        )

    def _features(self, x: bytes) -> dict[str, float] | None:
        compiled = self._compiled
        if not compiled.bandit.contextual:
            return None
        names = component_names(compiled.policy.context, self._route.vocabularies)
        return dict(zip(names, compiled.encoder.unpack(x).tolist(), strict=True))

    def _set(self, share: Share) -> SetView:
        search = self._segment.search
        assert search is not None, "its distribution was asked for"
        tally = _tally(search, share.arm)
        assert tally is not None, "it is in play"
        params = msgspec.json.decode(search.params(share.arm))
        mean = tally.mean if tally.rewards else None
        return SetView(share.arm, params, tally.rewards, mean, share.probability)

    def _arms(
        self, request: Request, distribution: Distribution, x: bytes, source: Source
    ) -> tuple[str | None, list[ArmView]]:
        compiled = self._compiled
        chances = dict(zip(distribution.arms, distribution.probabilities, strict=True))
        live = {arm: self.arm(arm) for arm in compiled.arms}
        scored = list(compiled.candidates(request.candidates))
        label, scores = self._scores(live, scored, x)
        views = []
        for arm in compiled.policy.arms:
            found = live[arm.id]
            guardrail = self._complaint(found, request)
            views.append(
                ArmView(
                    arm.id,
                    arm.model,
                    _belief(compiled, found.state),
                    found.pulls,
                    scores.get(arm.id),
                    chances.get(arm.id, 0.0),
                    None if arm.id in chances else self._barred(arm, request, guardrail, source),
                    guardrail,
                )
            )
        return label, views

    def _complaint(self, arm: LiveArm, request: Request) -> str | None:
        """What the guardrails have against an arm, for this request."""
        guardrails = self._compiled.policy.guardrails
        if guardrails is None:
            return None
        cost = predicted_cost_usd(self._compiled.arms[arm.id], self._route, request)
        most = guardrails.max_cost_usd
        if most is not None and cost is not None and cost > most:
            return f"max_cost_usd: it is predicted to cost {cost:.6g} USD, more than {most:g}"
        return None if arm.health is None else arm.health.complaint(guardrails)

    def _barred(
        self, arm: ArmSpec, request: Request, guardrail: str | None, source: Source
    ) -> str | None:
        """Why an arm was none of those that the draw was among."""
        if source == "search":
            return None
        if not arm.enabled:
            return "disabled by the policy"
        if request.candidates is not None and arm.id not in request.candidates:
            return "not among the request's candidates"
        if guardrail is not None:
            return guardrail
        if source == "forced_exploration":
            return (
                f"has had its {self._compiled.policy.cold_start.pulls} forced pulls; others were "
                "still owed theirs"
            )
        return "left out before the algorithm"

    def _scores(
        self, live: dict[str, LiveArm], arms: Sequence[str], x: bytes
    ) -> tuple[str | None, dict[str, float]]:
        """What the algorithm compares, and of each candidate."""
        bandit: Any = self._compiled.bandit
        states = [live[arm].state for arm in arms]
        X = self._compiled.encoder.matrix([x]) if bandit.contextual else NO_CONTEXT
        others = [live[arm].state for arm in live if arm not in arms]
        label: str | None = None
        row: Sequence[float] = ()
        if isinstance(bandit, LinUCBBandit):
            label, row = "upper bound for this context", bandit.scores(states, X)[0].tolist()
        elif isinstance(bandit, HybridLinUCBBandit):
            label = "upper bound for this context"
            row = bandit.scores(states, X, others)[0].tolist()
        elif isinstance(bandit, LinearThompsonBandit):
            label = "predicted reward for this context"
            row = np.asarray(bandit.posteriors(states, X))[0, :, 0].tolist()
        elif isinstance(bandit, UpperBoundBandit):
            counts = [state.prior_weight + state.n for state in states]
            if all(counts):
                means = [
                    (state.prior_weight * state.prior_mean + state.n * state.mean) / n
                    for state, n in zip(states, counts, strict=True)
                ]
                label, row = "upper bound", bandit.bounds(means, counts)
        return label, dict(zip(arms, row, strict=False))


def _belief_of(view: _View | None, arm: str) -> Belief | None:
    return None if view is None else view.belief(arm)


def _belief(compiled: CompiledPolicy, state: Any) -> Belief:
    bandit = compiled.bandit
    low, high = bandit.interval(state, LEVEL)
    return Belief(float(bandit.count(state)), float(bandit.mean(state)), float(low), float(high))


def _tally(search: LiveSearch, arm: str) -> Tally | None:
    """The rewards of one set of a search, if it has proposed it."""
    number = proposal_number(search._arm, arm)
    tallies = search._state.tallies
    return tallies[number - 1] if number is not None and 1 <= number <= len(tallies) else None


def _shares(distribution: Distribution) -> list[Share]:
    low = 0.0
    shares = []
    for arm, probability, high in zip(
        distribution.arms, distribution.probabilities, distribution.cumulative, strict=True
    ):
        shares.append(Share(arm, probability, low, high))
        low = high
    return shares


def _settings(record: Strict) -> dict[str, Any]:
    """A part of a policy with its name, defaults written out."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return {"name": record.__struct_config__.tag, **msgspec.to_builtins(fields)}


def _fields(outcome: Outcome) -> dict[str, Any]:
    """What an outcome has."""
    fields = msgspec.structs.asdict(outcome)
    return {name: msgspec.to_builtins(x) for name, x in fields.items() if x is not None}
