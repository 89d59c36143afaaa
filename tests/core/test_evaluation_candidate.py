"""A candidate says exactly what the router would: the same events, the same propensities."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from core.bandits.registry import make_bandit
from core.evaluation.candidate import Candidate, CandidateError, RejectedError, spread
from core.routing.draw import Distribution
from schemas.decode import decode_policy
from schemas.policy import Policy, ThompsonBeta
from schemas.request import Request
from schemas.reward import Outcome
from tests.core.routing import T0, Driver, R, arms

TASKS = {"features": [{"encode": "one_hot", "field": "task_type", "values": ["code", "chat"]}]}
WORDS = {"features": [{"encode": "vocabulary", "field": "task_type", "size": 2}]}


def policy(**changes: Any) -> Policy:
    event = {"route": R, "version": 1, "arms": arms("a", "b", "c"), **changes}
    return decode_policy(orjson.dumps(event))


def as_request(index: int, fields: dict[str, Any]) -> Request:
    return msgspec.convert({"route": R, "request_id": f"r-{index}", **fields}, Request)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": {"name": "thompson_beta"}, "objective": {"preset": "balanced"}},
        {"algorithm": {"name": "epsilon_greedy", "epsilon": 0.3}, "cold_start": {"pulls": 4}},
        {"algorithm": {"name": "linucb"}, "context": {**TASKS, "segment_by": ["region"]}},
        {"algorithm": {"name": "hybrid_linucb"}, "context": TASKS},
        {"algorithm": {"name": "linear_thompson"}, "context": WORDS},
        {"algorithm": {"name": "linear_thompson"}},
        {
            "context": {"segment_by": ["task_type"], "max_segments": 2},
            "forgetting": {"name": "sliding_window", "rewards": 16},
        },
        {"drift": {"on": ["quality"], "delta": 0.2, "warning_delta": 0.3, "action": "restart_arm"}},
        {
            "guardrails": {
                "min_share": 0.1, "min_quality": 0.4, "min_rewards": 5, "probe_share": 0.05,
                "max_error_rate": 0.5, "fallback": "b",
            },
        },
        {
            "algorithm": {"name": "softmax", "temperature": 0.2},
            "arms": [
                {"id": "a", "model": "m/a"},
                {"id": "b", "model": "m/b", "warm_start": {"like": "a", "weight": 5}},
                {"id": "c", "model": "m/c", "prior": {"mean": 0.8, "weight": 3}},
            ],
        },
    ],
    ids=[
        "gaussian", "beta", "pulls", "segments", "pooled", "vocabulary", "default features",
        "window", "restart", "guardrails", "like",
    ],
)  # fmt: skip
def test_it_decides_as_the_router_does(changes: dict[str, Any]) -> None:
    """Bit for bit: the propensity of the router's own choice is that arm's share here."""
    driver = Driver()
    driver.policy(R, **changes)
    candidate = Candidate(policy(**changes))
    rng = np.random.default_rng(12)
    seen = set()
    for index in range(300):
        fields: dict[str, Any] = {
            "timestamp": T0 + index * 3_600_000,
            "context": {
                "task_type": str(rng.choice(["code", "chat", "maths", "law"])),
                "region": str(rng.choice(["eu", "us"])),
                "input_tokens": int(rng.integers(1, 5_000)),
            },
        }
        if index % 9 == 0:
            fields["candidates"] = ["a", "c"]
        answer = driver.request(R, f"r-{index}", **fields)
        request = as_request(index, fields)
        for _ in range(1 + index % 2):  # asking changes nothing
            found = candidate.ask(request, fields["timestamp"])
        shares = dict(zip(found.arms, found.probabilities, strict=True))
        assert shares[answer["arm"]] == answer["propensity"]
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
        seen.add(answer["propensity"])
        reward = {"quality": round(float(rng.uniform(0.0, 0.4 if index > 150 else 1.0)), 3)}
        if index % 3 == 0:
            reward |= {"cost_usd": round(float(rng.uniform(0, 0.02)), 5), "latency_ms": 90.0}
        served = "b" if index % 13 == 0 else answer["arm"]
        driver.reward(R, f"r-{index}", arm=served, **reward)
        candidate.take(request, fields["timestamp"], answer["arm"], served, Outcome(**reward))
    assert driver.letters() == []
    if "drift" in changes:
        assert any(alert["action"] == "restart_arm" for alert in driver.alerts())
    if changes.get("algorithm", {}).get("name") not in ("linucb", "hybrid_linucb"):
        assert len(seen) > 5


def shares_of(candidate: Candidate, **fields: Any) -> dict[str, float]:
    found = candidate.ask(as_request(0, fields), None)
    return dict(zip(found.arms, found.probabilities, strict=True))


def test_forced_pulls_are_paid_by_what_is_taken() -> None:
    given = policy(cold_start={"pulls": 3}, algorithm={"name": "fixed_split", "shares": {"b": 1}})
    candidate = Candidate(given)
    for _ in range(20):
        assert shares_of(candidate) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    for arm in ("a", "c", "b") * 3:
        candidate.take(as_request(0, {}), None, arm, arm, Outcome())
    assert shares_of(candidate) == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert shares_of(Candidate(given, exploring=False)) == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_what_teaches_nothing_changes_nothing() -> None:
    candidate = Candidate(policy(objective={"weights": {"quality": 1}}))
    before = shares_of(candidate)
    request = as_request(0, {})
    candidate.take(request, None, "a", "stranger", Outcome(quality=1.0))
    candidate.take(request, None, "a", "a", Outcome(latency_ms=5.0))
    assert shares_of(candidate) == before
    candidate.take(request, None, "a", "a", Outcome(quality=1.0))
    assert shares_of(candidate)["a"] > before["a"]


def test_a_log_whose_times_jump_back_teaches_all_the_same() -> None:
    """Even by more than the reward window: only the order counts."""
    candidate = Candidate(policy())
    for at_ms in (T0, T0 + 10**9, T0, T0 - 10**9):
        before = shares_of(candidate)["a"]
        candidate.take(as_request(0, {}), at_ms, "a", "a", Outcome(quality=1.0))
        assert shares_of(candidate)["a"] > before


def test_a_request_that_names_no_arm_of_the_policy_is_rejected() -> None:
    candidate = Candidate(policy())
    with pytest.raises(RejectedError, match="no arm is left") as rejected:
        shares_of(candidate, candidates=["x"])
    assert rejected.value.code == "no_eligible_arm"
    assert shares_of(candidate, candidates=["x", "c"]) == {"c": 1.0}


def test_a_context_that_does_not_fit_is_rejected() -> None:
    features = [{"encode": "embedding", "dim": 3}]
    candidate = Candidate(policy(algorithm={"name": "linucb"}, context={"features": features}))
    with pytest.raises(RejectedError, match="expected 3 numbers") as rejected:
        shares_of(candidate, context={"embedding": [1.0]})
    assert rejected.value.code == "invalid_request"


def test_evidence_counts_and_that_of_another_algorithm_is_refused() -> None:
    bandit = make_bandit(ThompsonBeta(), 0)
    state = bandit.new(None)
    bandit.learn(state, np.zeros(0), 1.0)
    event = msgspec.to_builtins(policy(algorithm={"name": "thompson_beta"}))
    evidence = base64.b64encode(bandit.encode(state)).decode()
    event["arms"][0]["warm_start"] = {"weight": 10, "evidence": evidence}
    assert shares_of(Candidate(msgspec.convert(event, Policy)))["a"] > 0.4
    event["algorithm"] = {"name": "linucb"}
    with pytest.raises(CandidateError, match="was not made for this algorithm"):
        Candidate(msgspec.convert(event, Policy))


def test_a_parameter_search_cannot_be_evaluated() -> None:
    search = {"name": "search", "space": {"temperature": {"low": 0.0, "high": 1.0}}}
    with pytest.raises(CandidateError, match="searches for parameters"):
        Candidate(policy(arms=arms("a"), algorithm=search))


def test_a_distribution_is_spread_over_more_columns() -> None:
    found = spread(Distribution(["b", "a"], [0.25, 0.75]), {"a": 0, "x": 1, "b": 2})
    assert found.tolist() == [0.75, 0.0, 0.25]
