"""Looks at one segment of a route under one policy, as a decision is about to be drawn.

Looking changes no state: arms that were never met are made for the eye alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from core.bandits.hybrid_linucb import HybridLinUCBBandit
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from core.bandits.upper_bound import UpperBoundBandit
from core.context.names import component_names
from core.routing.circumstances import budget_view, session_view, shadow_view, trial_view
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution, uniform
from core.routing.explained import (
    LEVEL,
    ArmView,
    Belief,
    Explanation,
    SetView,
    Share,
    Source,
)
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.live_search import LiveSearch
from core.routing.memory import NO_CONTEXT, Memory
from core.routing.screening import predicted_cost_usd
from core.routing.waiting import Waiting
from core.search import proposal_number
from core.search.proposal import Tally
from schemas.policy import ArmSpec
from schemas.policy.strict import Strict
from schemas.request import Request
from schemas.state import arm_key


class View:
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
    ) -> View | None:
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
        self, request: Request, distribution: Distribution, one: Waiting, source: Source
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
        elif one.stays is not None:
            source = "session"
        elif source == "algorithm" and self._falls_back(distribution, request):
            source = "fallback"
        if one.met is not None and one.stays is None:
            propensity = one.met.propensities[arm]
        score, arms = self._arms(request, distribution, one, source)
        policy = compiled.policy
        return Explanation(
            route=route.name,
            request_id=one.request_id,
            state_version=one.version,
            timestamp=one.timestamp,
            request=msgspec.to_builtins(request),
            policy_version=compiled.version,
            algorithm=_settings(policy.algorithm),
            forgetting=None if policy.forgetting is None else _settings(policy.forgetting),
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
            guardrails=None
            if policy.guardrails is None
            else msgspec.to_builtins(policy.guardrails),
            budget=budget_view(compiled, one.budget),
            session=None if one.stays is None else session_view(compiled, one.session, one.stays),
            trial=None
            if one.met is None
            else trial_view(self._memory, route, one.met, request, one),
            shadow=shadow_view(self._memory, route, distribution, arm, one),
        )

    def _falls_back(self, distribution: Distribution, request: Request) -> bool:
        """Whether the guardrails' fallback stands in for all arms that the request could get."""
        guardrails = self._compiled.policy.guardrails
        if guardrails is None or guardrails.fallback not in distribution.arms:
            return False
        arms = self._compiled.candidates(request.candidates)
        return all(self._complaint(self.arm(arm), request) is not None for arm in arms)

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
        self, request: Request, distribution: Distribution, one: Waiting, source: Source
    ) -> tuple[str | None, list[ArmView]]:
        compiled = self._compiled
        chances = dict(zip(distribution.arms, distribution.probabilities, strict=True))
        live = {arm: self.arm(arm) for arm in compiled.arms}
        scored = list(compiled.candidates(request.candidates))
        label, scores = self._scores(live, scored, one.x)
        costs = {} if one.budget is None else one.budget.costs
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
                    None
                    if arm.id in chances
                    else self._barred(arm, request, guardrail, source, one),
                    guardrail,
                    costs.get(arm.id),
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
        self,
        arm: ArmSpec,
        request: Request,
        guardrail: str | None,
        source: Source,
        one: Waiting,
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
        if source == "session":
            return "the session stays on its arm"
        if one.budget is not None and arm.id not in one.budget.choice.arms:
            return (
                f"budget: it is expected to cost {one.budget.costs[arm.id]:.6g} USD, which would "
                "lead to a greater debt than burst"
            )
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
    """A part of a policy with its name, defaults written out but for what is not set."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    told = {name: value for name, value in fields.items() if value is not None}
    return {"name": record.__struct_config__.tag, **msgspec.to_builtins(told)}
