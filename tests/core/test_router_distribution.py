"""Whatever guardrails, floors, trials, budgets, sessions and candidates there are together: the
distribution sums to 1, keeps the floors that can be kept, and draws no arm that may not be drawn.
"""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.guardrails.health import Health
from core.routing.compiled import CompiledPolicy
from core.routing.deciding import Deciding
from core.routing.draw import Distribution
from core.routing.live import LiveRoute, LiveSegment
from core.routing.meeting import Met
from core.routing.screening import predicted_cost_usd
from core.routing.waiting import Waiting
from schemas.decode import decode_request
from tests.core.routing import Driver, R

NAMES = ("a", "b", "c", "d")
TOLERANCE = 1e-12
USERS = ("u1", "u2", "u3")
ALGORITHMS: list[dict[str, Any]] = [
    {"name": name}
    for name in (
        "thompson_gaussian",
        "thompson_beta",
        "top_two_thompson",
        "ucb1",
        "epsilon_greedy",
        "softmax",
        "linucb",
        "hybrid_linucb",
        "linear_thompson",
    )
]
algorithms = st.sampled_from(ALGORITHMS)
maybe = st.booleans()


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    names = list(NAMES[: draw(st.sampled_from([4, 3, 2, 1]))])
    enabled = [name for name in names if not draw(st.sampled_from([0, 0, 0, 1]))] or names[:1]
    prices = st.sampled_from([0.0001, 0.002, 0.03])
    arms = []
    for name in names:
        arm: dict[str, Any] = {"id": name, "model": name, "enabled": name in enabled}
        if draw(maybe):
            arm["price"] = {"per_request": draw(prices)}
        arms.append(arm)
    policy: dict[str, Any] = {"arms": arms, "algorithm": draw(algorithms)}
    if not draw(st.sampled_from([0, 0, 0, 1])):
        guardrails: dict[str, Any] = {
            "min_share": draw(st.sampled_from([0.05, 0.0, 0.2, 1.0 / len(enabled)])),
            "probe_share": draw(st.sampled_from([0.0, 0.01, 0.1])),
            "min_rewards": 2,
            "confidence": 0.6,
            "error_window": 4,
        }
        if draw(maybe):
            guardrails["max_cost_usd"] = draw(st.sampled_from([0.001, 0.01]))
        if draw(maybe):
            guardrails["min_quality"] = draw(st.sampled_from([0.3, 0.7]))
        if draw(maybe):
            guardrails["max_error_rate"] = 0.3
        if draw(maybe):
            guardrails["fallback"] = draw(st.sampled_from(names))
        policy["guardrails"] = guardrails
    if draw(maybe):
        policy["budget"] = draw(
            st.sampled_from([{"usd_per_request": 0.002}, {"usd_per_period": 0.5, "period": "1h"}])
        )
    if draw(maybe):
        policy["sticky"] = {"by": "user_id", "ttl": "1h"}
    if draw(maybe):
        policy["cold_start"] = {"pulls": draw(st.integers(1, 3))}
    change: dict[str, Any] = {
        "arms": draw(st.lists(st.sampled_from(names), min_size=1, max_size=4))
    }
    change["arms"] = sorted({*change["arms"], *(enabled[:1])})
    if draw(maybe):
        change["algorithm"] = draw(algorithms)
    trial = draw(st.sampled_from(["", "experiment", "rollout"]))
    unit = {"unit": "user_id"} if draw(maybe) else {}
    if trial == "experiment":
        variants = [
            {"id": "one"},
            {"id": "two", "share": draw(st.sampled_from([0.3, 3.0])), **change},
        ]
        policy["experiment"] = {"name": "x", "variants": variants, "min_samples": 2, **unit}
    elif trial == "rollout":
        policy["rollout"] = {
            "name": "y",
            "margins": {"quality": 0.3},
            "min_samples": 2,
            "min_time": "1ms",
            "steps": [0.3, 0.6, 1.0],
            **change,
            **unit,
        }
    if draw(maybe):
        policy["shadow"] = {"name": "s", "arms": change["arms"]}
    return policy


outcomes = st.fixed_dictionaries(
    {
        "quality": st.sampled_from([0.0, 0.4, 0.9, 1.0]),
        "cost_usd": st.sampled_from([0.0, 0.001, 0.02]),
        "success": maybe,
    }
)
requests = st.tuples(
    st.sampled_from(USERS),
    st.integers(0, 4_000),
    st.one_of(st.none(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)),
    outcomes,
    st.integers(0, 40_000),
)


class Looking(Deciding):
    """Checks each distribution as it is about to be drawn from."""

    now: dict[str, Any]
    _exploring = False

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
        one: Waiting,
    ) -> str:
        assert abs(math.fsum(distribution.probabilities) - 1.0) <= TOLERANCE
        assert min(distribution.probabilities) >= 0.0
        assert len(set(distribution.arms)) == len(distribution.arms)
        if one.met is not None:
            self._together(one.met, distribution, stays=one.stays is not None)
        self._allowed(route, compiled, segment, distribution, one)
        arm = super()._decide(route, compiled, segment, distribution, one)
        assert distribution.probabilities[distribution.arms.index(arm)] > 0.0
        return arm

    def _together(self, met: Met, distribution: Distribution, *, stays: bool) -> None:
        """Of all variants; less than 1 only where some have no arm for the request."""
        total = math.fsum(met.propensities.values())
        assert total <= 1.0 + TOLERANCE
        if self.now["whole"]:
            assert total >= 1.0 - TOLERANCE
        if not stays:
            share = met.live.shares()[met.variant]
            for arm, probability in zip(distribution.arms, distribution.probabilities, strict=True):
                assert met.propensities[arm] >= share * probability - TOLERANCE

    def _allowed(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        distribution: Distribution,
        one: Waiting,
    ) -> None:
        now, memory, guardrails = self.now, self._state.memory, compiled.policy.guardrails
        shares = dict(zip(distribution.arms, distribution.probabilities, strict=True))
        candidates = set(compiled.candidates(now["request"].candidates))
        eligible, set_aside = set(), set()
        for arm in candidates:
            cost = predicted_cost_usd(compiled.arms[arm], route, now["request"])
            most = None if guardrails is None else guardrails.max_cost_usd
            if most is not None and cost is not None and cost > most:
                continue
            health = memory.arm(route, segment, compiled, arm).health
            complaint = None
            if guardrails is not None and health is not None:
                complaint = health.complaint(guardrails)
            (set_aside if complaint else eligible).add(arm)
        fallback = set()
        if not eligible and guardrails is not None and guardrails.fallback is not None:
            fallback = {guardrails.fallback}
        event(f"eligible {len(eligible)}, set aside {len(set_aside)}, fallback {len(fallback)}")
        drawn = {arm for arm, share in shares.items() if share > 0.0}
        probed = drawn - eligible - fallback
        assert probed <= set_aside, "only arms that were set aside are drawn besides"
        if guardrails is None:
            assert not probed
            return
        for arm in probed:
            assert shares[arm] <= guardrails.probe_share + TOLERANCE
            health = memory.arm(route, segment, compiled, arm).health
            assert isinstance(health, Health)
            assert not health.cooling(one.timestamp, guardrails)
        if one.stays is not None or self._exploring:
            return  # a session's arm is certain; forced exploration is as likely for all it owes
        # A budget may leave out what the ledger cannot bear; of those it leaves, the floor holds.
        served = [arm for arm in shares if arm not in probed]
        left = 1.0 - sum(shares[arm] for arm in probed)
        floor = min(guardrails.min_share, left / len(served))
        if floor > 0.0 and len(served) > 1:
            event("a floor under several arms")
        for arm in served:
            assert shares[arm] >= floor - TOLERANCE
        if one.budget is None:
            assert set(served) == (eligible or fallback), "each eligible arm has its share"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policy=policies(), asked=st.lists(requests, min_size=8, max_size=30))
def test_no_combination_breaks_the_distribution(
    policy: dict[str, Any], asked: list[tuple[Any, ...]]
) -> None:
    driver = Driver()
    router = driver.router
    old = router._deciding
    looking = Looking(
        router.state, router._remembered, router._held, router._learning, old._watching
    )
    router._deciding = looking
    driver.policy(R, **policy)
    assert driver.letters() == []
    for number, (user, tokens, candidates, outcome, wait) in enumerate(asked):
        driver.now += wait
        fields: dict[str, Any] = {"context": {"user_id": user, "input_tokens": tokens}}
        if candidates is not None:
            fields["candidates"] = candidates
        name = f"q{number}"
        made = driver.record(1, {"route": R, "request_id": name, **fields}).value
        driver.offsets[1] -= 1
        looking.now = {
            "request": decode_request(made or b""),
            "whole": candidates is None and "fallback" in policy.get("guardrails", {}),
        }
        answer = driver.request(R, name, **fields)
        if answer["status"] == "rejected":
            event("rejected")
            assert answer["code"] == "no_eligible_arm"
            continue
        assert 0.0 < answer["propensity"] <= 1.0 + TOLERANCE
        driver.reward(R, name, **outcome)
    assert driver.letters() == []
