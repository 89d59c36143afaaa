"""A policy's shadow in the router: it routes nothing, learns, and is scored."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from core.experiments.shadow import Score
from schemas.state import decode_arm, decode_decision
from tests.core.routing import Driver, R, arms

SPLIT = {"name": "fixed_split"}
ONLY_B = {"name": "only-b", "arms": ["b"], "metric": "quality", "first_report": 50}
KEY = b"Y" + R.encode() + b"\0"
QUALITY = {"a": 0.4, "b": 0.7, "c": 0.5}


def shadowed(shadow: dict[str, Any] | None, **changes: Any) -> Driver:
    driver = Driver()
    policy: dict[str, Any] = {"algorithm": SPLIT, "arms": arms("a", "b"), **changes}
    if shadow is not None:
        policy["shadow"] = shadow
    driver.policy(R, **policy)
    assert driver.letters() == []
    return driver


def serve(driver: Driver, count: int, prefix: str = "q", **fields: Any) -> list[dict[str, Any]]:
    chance = random.Random(prefix)
    answers = []
    for number in range(count):
        driver.now += 10
        context = {"task_type": chance.choice(("code", "chat")), "user_id": f"u{number % 9}"}
        answer = driver.request(R, f"{prefix}{number}", context=context, **fields)
        answers.append(answer)
        quality = QUALITY[answer["arm"]] + chance.uniform(-0.2, 0.2)
        cost = {"a": 0.001, "b": 0.004, "c": 0.002}[answer["arm"]]
        driver.reward(R, f"{prefix}{number}", quality=quality, cost_usd=cost, latency_ms=500)
    return answers


def score(driver: Driver, name: str = "only-b") -> Score:
    return Score.decode(decode_arm(driver.items[KEY + name.encode()]).state)


def told(driver: Driver) -> list[dict[str, Any]]:
    return [alert for alert in driver.alerts() if alert.get("of") == "shadow"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": {"name": "thompson_beta"}, "guardrails": {"min_share": 0.05}},
        {"algorithm": {"name": "linucb"}},
        {"algorithm": {"name": "thompson_gaussian"}, "budget": {"usd_per_request": 0.003}},
        {"cold_start": {"pulls": 3}, "algorithm": {"name": "epsilon_greedy"}},
        {"sticky": {"by": "user_id", "ttl": "1s"}},
        {
            "experiment": {
                "name": "x",
                "variants": [{"id": "a", "arms": ["a"]}, {"id": "all"}],
                "metric": "quality",
            }
        },
    ],
)
@pytest.mark.parametrize("algorithm", ["linear_thompson", "thompson_beta"])
def test_a_shadow_changes_no_decision(algorithm: str, changes: dict[str, Any]) -> None:
    alone = shadowed(None, **changes)
    beside = shadowed({"name": "s", "algorithm": {"name": algorithm}}, **changes)
    assert serve(alone, 120) == serve(beside, 120)
    kept = {key: value for key, value in beside.visible().items() if key[:1] not in b"DPYAV"}
    assert kept == {key: alone.visible()[key] for key in kept}
    route = b"A" + R.encode()
    for key, value in alone.visible().items():
        if key.startswith(route):
            assert beside.visible()[key] == value, "what was learned is the same"


def test_the_score_is_what_the_shadow_would_have_earned() -> None:
    driver = shadowed(ONLY_B, algorithm={"name": "fixed_split", "shares": {"a": 3, "b": 1}})
    serve(driver, 400)
    found = score(driver)
    assert found.scored == 400
    assert found.support == pytest.approx(1.0)
    quality = found.metrics["quality"].estimate(0.05, 50)
    assert quality is not None
    assert quality.shadow == pytest.approx(0.7, abs=0.03)
    assert quality.logged == pytest.approx(0.475, abs=0.03)
    assert quality.low < quality.shadow - quality.logged < quality.high
    assert 60 < quality.effective < 140
    cost = found.metrics["cost"].estimate(0.05, 50)
    assert cost is not None
    assert cost.shadow == pytest.approx(0.004)


def test_reports_come_at_doublings_and_say_better_worse_and_how_sure() -> None:
    driver = shadowed(ONLY_B)
    serve(driver, 450)
    news = told(driver)
    assert [one["after"]["n"] for one in news] == [50, 100, 200, 400]
    assert {(one["type"], one["event"], one["arm"]) for one in news} == {
        ("experiment", "notice", "only-b")
    }
    assert len({one["alert_id"] for one in news}) == 4
    assert "too few outcomes" in news[0]["message"]
    last = news[-1]
    assert "its quality would be better, after 400 outcomes" in last["message"]
    assert "cost: 0.004 for" in last["message"]
    assert (last["before"]["mean"], last["after"]["mean"]) == pytest.approx((0.55, 0.7), abs=0.04)
    worse = shadowed({**ONLY_B, "name": "only-a", "arms": ["a"]})
    serve(worse, 450)
    assert "its quality would be worse" in told(worse)[-1]["message"]
    cheaper = shadowed({**ONLY_B, "name": "only-a", "arms": ["a"], "metric": "cost"})
    serve(cheaper, 450)
    assert "its cost would be better" in told(cheaper)[-1]["message"]


def test_what_could_not_have_been_served_is_said() -> None:
    driver = shadowed(
        {"name": "s", "algorithm": SPLIT, "first_report": 50},
        algorithm={"name": "epsilon_greedy", "epsilon": 0.0},
    )
    serve(driver, 60)
    assert score(driver, "s").support == pytest.approx(0.5, abs=0.05)
    assert "could have been served" in told(driver)[-1]["message"]


def test_the_shadow_learns_from_the_arms_that_serve() -> None:
    greedy = {"name": "s", "algorithm": {"name": "epsilon_greedy", "epsilon": 0.0}}
    driver = shadowed(greedy, objective={"weights": {"quality": 1.0}})
    serve(driver, 100)
    late = [decode_decision(driver.items[key]) for key in sorted(driver.items) if key[:1] == b"D"]
    given = {(record.arm, record.shadow) for record in late if record.version > 150}
    assert given == {("a", 0.0), ("b", 1.0)}
    segments = {key.split(b"\0")[1] for key in driver.items if key.startswith(b"A")}
    assert segments == {b"", b"@s"}


def test_a_shadow_under_an_experiment_is_weighed_by_all_variants_together() -> None:
    variants = [{"id": "a", "arms": ["a"]}, {"id": "all"}]
    driver = shadowed(ONLY_B, experiment={"name": "x", "variants": variants, "metric": "quality"})
    serve(driver, 400)
    quality = score(driver).metrics["quality"].estimate(0.05, 50)
    assert quality is not None
    assert quality.shadow == pytest.approx(0.7, abs=0.03)
    weights = {
        record.shadow / record.propensity
        for key, value in driver.items.items()
        if key[:1] == b"D" and (record := decode_decision(value)).shadow is not None
    }
    assert weights == {0.0, 4.0}


def test_requests_that_stay_with_their_session_are_not_scored() -> None:
    driver = shadowed(ONLY_B, sticky={"by": "user_id", "ttl": "1h"})
    serve(driver, 100)
    assert score(driver).scored == 9


def test_a_request_for_which_the_shadow_has_no_arm_is_not_scored() -> None:
    driver = shadowed(ONLY_B)
    serve(driver, 20, candidates=["a"])
    assert KEY + b"only-b" not in driver.items
    serve(driver, 20, "r")
    assert score(driver).scored == 20


def test_a_context_that_only_the_shadow_looks_at_rejects_nobody() -> None:
    driver = shadowed(
        {"name": "s", "algorithm": {"name": "linucb"}},
        context={"features": [{"encode": "embedding", "dim": 4}]},
    )
    answer = driver.request(R, "q", context={"embedding": [1.0, 2.0]})
    assert answer["status"] == "decided"
    driver.reward(R, "q", quality=1.0)
    assert KEY + b"s" not in driver.items
    driver.request(R, "r", context={"embedding": [1.0, 2.0, 3.0, 4.0]})
    driver.reward(R, "r", quality=1.0)
    assert score(driver, "s").scored == 1


def test_restarts_change_nothing() -> None:
    once, often = (shadowed({**ONLY_B, "algorithm": {"name": "linucb"}}) for _ in range(2))
    for number in range(120):
        serve(once, 1, f"q{number}-")
        serve(often, 1, f"q{number}-")
        often.restart()
    assert once.visible() == often.visible()
    assert once.outputs == often.outputs
    assert told(once)


def test_other_rules_begin_anew_and_the_same_rules_go_on() -> None:
    shadow = {**ONLY_B, "algorithm": SPLIT}
    driver = shadowed(shadow)
    serve(driver, 30)
    base: dict[str, Any] = {"arms": arms("a", "b"), "shadow": shadow}
    driver.policy(R, 2, algorithm={"name": "thompson_beta"}, **base)
    serve(driver, 10, "r")
    assert score(driver).scored == 40
    driver.policy(R, 3, algorithm=SPLIT, **{**base, "shadow": {**shadow, "arms": ["a"]}})
    serve(driver, 5, "s")
    assert score(driver).scored == 5
    driver.request(R, "open")
    driver.policy(R, 4, algorithm=SPLIT, arms=arms("a", "b"))
    driver.reward(R, "open", quality=0.5)
    assert score(driver).scored == 5


def test_another_arm_that_served_is_scored_as_the_decided_one_and_teaches_its_own() -> None:
    driver = shadowed({"name": "s", "algorithm": {"name": "epsilon_greedy", "epsilon": 0.0}})
    for number in range(20):
        driver.request(R, f"q{number}")
        driver.reward(R, f"q{number}", quality=0.9, arm="a")
    learned = Counter(
        key.split(b"\0")[2] for key in driver.items if key.startswith(b"A") and b"@s" in key
    )
    assert learned == {b"a": 1}
    assert score(driver, "s").scored == 20


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"shadow": {"name": "s"}}, "in another way"),
        ({"shadow": {"name": "s", "arms": ["z"]}}, "'z'"),
        ({"shadow": {"name": "s", "arms": ["a"], "first_report": 1}}, "first_report"),
        ({"shadow": {"arms": ["a"]}}, "name"),
    ],
)
def test_shadows_that_cannot_be_are_refused(policy: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, **policy)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]
