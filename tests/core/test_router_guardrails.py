"""Guardrails in the router: each one alone decides, and together they leave a distribution."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.routing.choice import Choice, guarded
from core.routing.compiled import CompiledPolicy
from schemas.decode import decode_policy
from tests.core.routing import Driver, R, arms

SPLIT = {"name": "fixed_split"}
GREEDY = {"name": "epsilon_greedy", "epsilon": 0.0}


def guarded_driver(guardrails: dict[str, Any], **changes: Any) -> Driver:
    driver = Driver()
    policy = {"algorithm": SPLIT, "arms": arms("a", "b"), "guardrails": guardrails, **changes}
    driver.policy(R, **policy)
    assert driver.letters() == []
    return driver


def serve(driver: Driver, count: int, prefix: str, **outcomes: dict[str, Any]) -> Counter[str]:
    """Requests that are answered with the outcome of the arm that was chosen."""
    chosen: Counter[str] = Counter()
    for number in range(count):
        answer = driver.request(R, f"{prefix}{number}")
        chosen[answer["arm"]] += 1
        driver.reward(R, f"{prefix}{number}", **outcomes[answer["arm"]])
    return chosen


def share(driver: Driver, request_id: str) -> tuple[str, float]:
    answer = driver.request(R, request_id)
    return answer["arm"], answer["propensity"]


def test_every_arm_keeps_its_minimum_share() -> None:
    driver = guarded_driver({"min_share": 0.1}, algorithm=GREEDY, arms=arms("a", "b", "c"))
    serve(driver, 60, "q", a={"quality": 0.9}, b={"quality": 0.1}, c={"quality": 0.1})
    found = dict(share(driver, f"s{number}") for number in range(60))
    assert found == {"a": pytest.approx(0.8), "b": 0.1, "c": 0.1}


def test_a_request_that_would_cost_too_much_goes_elsewhere() -> None:
    dear = {**arms("a")[0], "price": {"input_per_mtok": 10.0}}
    cheap = {**arms("b")[0], "price": {"input_per_mtok": 1.0}}
    driver = guarded_driver({"max_cost_usd": 0.01}, arms=[dear, cheap])
    short = {driver.request(R, f"s{n}", context={"input_tokens": 900})["arm"] for n in range(20)}
    assert short == {"a", "b"}
    long = [driver.request(R, f"l{n}", context={"input_tokens": 5_000}) for n in range(20)]
    assert {(answer["arm"], answer["propensity"]) for answer in long} == {("b", 1.0)}
    answer = driver.request(R, "huge", context={"input_chars": 400_000})
    assert (answer["status"], answer["code"]) == ("rejected", "no_eligible_arm")
    assert "a: max_cost_usd: the request is predicted to cost 1 USD" in answer["reason"]
    assert "b: max_cost_usd" in answer["reason"]


def test_costs_that_were_observed_stand_in_for_a_price() -> None:
    driver = guarded_driver({"max_cost_usd": 0.01})
    serve(driver, 10, "q", a={"cost_usd": 0.02, "quality": 1}, b={"cost_usd": 0.001, "quality": 1})
    assert {share(driver, f"s{n}") for n in range(10)} == {("b", 1.0)}


def test_an_arm_of_low_quality_is_only_probed_and_comes_back() -> None:
    driver = guarded_driver({"min_quality": 0.6, "probe_share": 0.1, "memory": 50})
    outcomes = {"a": {"quality": 0.9}, "b": {"quality": 0.3}}
    serve(driver, 100, "q", **outcomes)
    found = dict(share(driver, f"s{number}") for number in range(60))
    assert found == {"a": 0.9, "b": 0.1}
    outcomes["b"] = {"quality": 0.95}
    late = serve(driver, 2_500, "r", **outcomes)
    assert late["b"] > 400
    assert dict(share(driver, f"t{number}") for number in range(60)) == {"a": 0.5, "b": 0.5}


def test_a_slow_arm_is_set_aside() -> None:
    driver = guarded_driver({"max_latency_ms": 1_000, "probe_share": 0.0})
    serve(driver, 300, "q", a={"quality": 1, "latency_ms": 500}, b={"latency_ms": 3_000})
    assert {share(driver, f"s{n}") for n in range(10)} == {("a", 1.0)}


def test_a_failing_arm_is_set_aside_at_once_and_probed_after_its_cooldown() -> None:
    guardrails = {"max_error_rate": 0.5, "error_window": 8, "cooldown": "10s", "probe_share": 0.1}
    driver = guarded_driver(guardrails)
    serve(driver, 30, "q", a={"success": True}, b={"success": False})
    assert {share(driver, f"s{n}") for n in range(20)} == {("a", 1.0)}
    driver.now += 10_001
    assert dict(share(driver, f"t{n}") for n in range(60)) == {"a": 0.9, "b": 0.1}
    serve(driver, 200, "u", a={"success": True}, b={"success": True})
    assert dict(share(driver, f"v{n}") for n in range(60)) == {"a": 0.5, "b": 0.5}


def test_the_fallback_serves_where_no_arm_may() -> None:
    guardrails = {"min_quality": 0.6, "probe_share": 0.0, "fallback": "b"}
    driver = guarded_driver(guardrails)
    serve(driver, 200, "q", a={"quality": 0.1}, b={"quality": 0.1})
    assert {share(driver, f"s{n}") for n in range(20)} == {("b", 1.0)}


def test_arms_are_probed_beside_the_fallback_and_come_back() -> None:
    """Or else nobody would ever learn that they are fine again."""
    guardrails = {"min_quality": 0.6, "probe_share": 0.1, "memory": 50, "fallback": "c"}
    names = arms("a", "b", "c")
    driver = guarded_driver(guardrails, arms=[*names[:2], {**names[2], "enabled": False}])
    bad, good = {"quality": 0.1}, {"quality": 0.95}
    serve(driver, 100, "q", a=bad, b=bad, c=good)
    found = dict(share(driver, f"s{number}") for number in range(100))
    assert found == {"a": 0.1, "b": 0.1, "c": pytest.approx(0.8)}
    serve(driver, 3_000, "r", a=good, b=bad, c=good)
    found = dict(share(driver, f"t{number}") for number in range(60))
    assert found == {"a": pytest.approx(0.9), "b": 0.1}


def test_the_fallback_is_not_probed_beside_itself() -> None:
    driver = guarded_driver({"min_quality": 0.6, "probe_share": 0.1, "fallback": "b"})
    serve(driver, 200, "q", a={"quality": 0.1}, b={"quality": 0.1})
    assert dict(share(driver, f"s{n}") for n in range(60)) == {"a": 0.1, "b": 0.9}


def test_without_a_fallback_the_rejection_names_each_guardrail() -> None:
    driver = guarded_driver({"min_quality": 0.6, "max_error_rate": 0.2, "probe_share": 0.0})
    for number in range(200):
        answer = driver.request(R, f"q{number}")
        if answer["status"] == "rejected":
            break
        bad = {"quality": 0.1} if answer["arm"] == "a" else {"success": False}
        driver.reward(R, f"q{number}", **bad)
    assert answer["code"] == "no_eligible_arm"
    assert "a: min_quality" in answer["reason"]
    assert "b: max_error_rate" in answer["reason"]


def test_guardrails_survive_a_restart_and_a_change_of_what_they_allow() -> None:
    driver = guarded_driver({"min_quality": 0.6, "probe_share": 0.0})
    serve(driver, 100, "q", a={"quality": 0.9}, b={"quality": 0.3})
    driver.restart()
    assert {share(driver, f"s{n}") for n in range(10)} == {("a", 1.0)}
    driver.policy(R, 2, algorithm=SPLIT, arms=arms("a", "b"), guardrails={"min_quality": 0.1})
    assert {share(driver, f"t{n}")[0] for n in range(20)} == {"a", "b"}


@pytest.mark.parametrize(
    ("guardrails", "said"),
    [
        ({"min_share": 0.6}, "at most 0.5"),
        ({"fallback": "z"}, "'z' is not an arm"),
        ({"cooldown": "soon"}, "guardrails.cooldown"),
        ({"min_shares": 0.1}, "min_share"),
    ],
)
def test_guardrails_that_cannot_be_kept_are_refused(guardrails: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, algorithm=SPLIT, arms=arms("a", "b"), guardrails=guardrails)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]


@given(
    raw=st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda raw: sum(raw) > 1e-6),
    probed=st.integers(0, 4),
    min_share=st.floats(0, 0.1),
    probe_share=st.floats(0, 0.1),
)
def test_what_is_mixed_is_a_distribution_that_keeps_its_floors(
    raw: list[float], probed: int, min_share: float, probe_share: float
) -> None:
    names = [f"x{number}" for number in range(len(raw) + probed)]
    event = {
        "route": R,
        "version": 1,
        "arms": arms(*names),
        "guardrails": {"min_share": min_share, "probe_share": probe_share},
    }
    compiled = CompiledPolicy(decode_policy(orjson.dumps(event)), 1)
    choice = Choice(tuple(names[: len(raw)]), tuple(names[len(raw) :]))
    shares = [value / sum(raw) for value in raw]
    found = guarded(choice, compiled, shares)
    assert list(found.arms) == names
    assert abs(sum(found.probabilities) - 1.0) <= 1e-12
    floor = min(min_share, (1.0 - probe_share * probed) / len(raw))
    assert min(found.probabilities[: len(raw)]) >= floor - 1e-12
