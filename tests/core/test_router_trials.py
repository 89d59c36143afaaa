"""Experiments and rollouts in the router: who meets what, what is found, and what follows."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.core.routing import T0, Driver, R, arms

SPLIT = {"name": "fixed_split"}
ARMS = arms("a", "b")
AB = {
    "name": "a-or-b",
    "variants": [{"id": "control", "arms": ["a"]}, {"id": "treatment", "arms": ["b"]}],
    "metric": "quality",
    "min_samples": 30,
}
ROLLOUT = {
    "name": "to-b",
    "arms": ["b"],
    "margins": {"quality": 0.05},
    "min_time": "1ms",
    "min_samples": 30,
    "steps": [0.2, 0.5, 1.0],
}


def experiment(**changes: Any) -> Driver:
    driver = Driver()
    driver.policy(R, algorithm=SPLIT, arms=ARMS, experiment={**AB, **changes})
    assert driver.letters() == []
    return driver


def rollout(**changes: Any) -> Driver:
    driver = Driver()
    policy = {"algorithm": {"name": "fixed_split", "shares": {"a": 1}}, "arms": ARMS}
    driver.policy(R, **policy, rollout={**ROLLOUT, **changes})
    assert driver.letters() == []
    return driver


def serve(driver: Driver, count: int, prefix: str = "q", **quality: float) -> list[dict[str, Any]]:
    """Requests with rewards around each arm's quality."""
    chance = random.Random(4)
    answers = []
    for number in range(count):
        driver.now += 10
        answer = driver.request(R, f"{prefix}{number}", context={"user_id": f"u{number % 40}"})
        answers.append(answer)
        value = quality[answer["arm"]] + chance.uniform(-0.2, 0.2)
        driver.reward(R, f"{prefix}{number}", quality=min(1.0, max(0.0, value)))
    return answers


def told(driver: Driver) -> list[dict[str, Any]]:
    return [alert for alert in driver.alerts() if alert["type"] in ("experiment", "rollout")]


def test_variants_split_the_traffic_and_say_so() -> None:
    driver = experiment(variants=[{**AB["variants"][0], "share": 3.0}, AB["variants"][1]])
    answers = serve(driver, 400, a=0.7, b=0.7)
    met = Counter(answer["variant"] for answer in answers)
    assert 250 < met["control"] < 340
    for answer in answers:
        assert answer["arm"] == {"control": "a", "treatment": "b"}[answer["variant"]]
        assert answer["propensity"] == {"control": 0.75, "treatment": 0.25}[answer["variant"]]


def test_the_propensity_is_over_all_variants() -> None:
    """An arm that two variants can choose has the probability of both together."""
    variants = [{"id": "control"}, {"id": "only-b", "arms": ["b"]}]
    driver = experiment(variants=variants)
    answers = serve(driver, 200, a=0.7, b=0.7)
    found = {(answer["variant"], answer["arm"], answer["propensity"]) for answer in answers}
    assert found == {("control", "a", 0.25), ("control", "b", 0.75), ("only-b", "b", 0.75)}
    arms_met = Counter(answer["arm"] for answer in answers)
    assert 100 < arms_met["b"] < 190


def test_a_unit_meets_the_same_variant_always() -> None:
    driver = experiment(unit="user_id")
    met = defaultdict(set)
    for number, answer in enumerate(serve(driver, 400, a=0.7, b=0.7)):
        met[f"u{number % 40}"].add(answer["variant"])
    assert all(len(variants) == 1 for variants in met.values())
    assert len({next(iter(variants)) for variants in met.values()}) == 2


def test_a_winner_is_told_once_and_adopted_where_the_policy_says_so() -> None:
    for adopt in (False, True):
        driver = experiment(adopt=adopt)
        serve(driver, 600, a=0.5, b=0.8)
        (news,) = told(driver)
        assert (news["arm"], news["metric"], news["severity"]) == ("treatment", "quality", "info")
        assert news["action"] == ("adopted" if adopt else "alert")
        assert news["before"]["mean"] == pytest.approx(0.5, abs=0.1)
        assert news["after"]["mean"] == pytest.approx(0.8, abs=0.1)
        assert "treatment" in news["message"]
        late = {answer["arm"] for answer in serve(driver, 60, "late", a=0.5, b=0.8)}
        assert late == ({"b"} if adopt else {"a", "b"})


def test_equal_variants_are_told_to_be_no_different() -> None:
    driver = experiment(max_samples=500)
    serve(driver, 600, a=0.7, b=0.7)
    (news,) = told(driver)
    assert "500 outcomes" in news["message"]
    assert news["action"] == "alert"


def test_a_guardrail_stops_an_experiment_and_the_control_gets_everything() -> None:
    driver = experiment(metric="cost", guardrails={"quality": 0.1})
    serve(driver, 600, a=0.8, b=0.3)
    (news,) = told(driver)
    assert (news["severity"], news["action"]) == ("critical", "stopped")
    assert {answer["arm"] for answer in serve(driver, 60, "late", a=0.8, b=0.3)} == {"a"}


def test_a_pause_counts_nothing_and_the_experiment_goes_on_after_it() -> None:
    driver = experiment()
    serve(driver, 50, a=0.7, b=0.7)
    before = driver.items[b"X" + R.encode() + b"\0a-or-b"]
    driver.policy(R, 2, algorithm=SPLIT, arms=ARMS, experiment={**AB, "paused": True})
    paused = serve(driver, 50, "paused", a=0.7, b=0.7)
    assert {answer["arm"] for answer in paused} == {"a"}
    assert driver.items[b"X" + R.encode() + b"\0a-or-b"] == before
    driver.policy(R, 3, algorithm=SPLIT, arms=ARMS, experiment=AB)
    assert {answer["arm"] for answer in serve(driver, 50, "again", a=0.7, b=0.7)} == {"a", "b"}
    assert driver.items[b"X" + R.encode() + b"\0a-or-b"] != before


def test_variants_with_algorithms_of_their_own_learn_apart() -> None:
    variants = [
        {"id": "bandit"},
        {"id": "split", "algorithm": SPLIT},
        {"id": "context", "algorithm": {"name": "linucb"}},
    ]
    driver = Driver()
    policy = {"algorithm": {"name": "epsilon_greedy", "epsilon": 0.0}, "arms": ARMS}
    driver.policy(R, **policy, experiment={**AB, "variants": variants, "metric": "reward"})
    answers = serve(driver, 900, a=0.3, b=0.9)
    chosen = Counter((answer["variant"], answer["arm"]) for answer in answers[200:])
    assert chosen["bandit", "a"] < 20
    assert chosen["context", "a"] < 40
    assert chosen["split", "a"] > 60
    segments = {key.split(b"\0")[1] for key in driver.items if key.startswith(b"A")}
    assert segments == {b"", b"@a-or-b=split", b"@a-or-b=context"}


def test_a_rollout_that_is_no_worse_reaches_everyone() -> None:
    driver = rollout()
    answers = serve(driver, 2_500, a=0.7, b=0.75)
    assert [news["action"] for news in told(driver)] == ["advanced", "completed"]
    assert {news["severity"] for news in told(driver)} == {"info"}
    assert {answer["arm"] for answer in answers[-200:]} == {"b"}
    first = Counter(answer["arm"] for answer in answers[:100])
    assert 5 < first["b"] < 40


def test_a_rollout_that_is_worse_is_rolled_back_with_an_alert() -> None:
    driver = rollout()
    answers = serve(driver, 2_500, a=0.8, b=0.5)
    (news,) = told(driver)
    assert (news["type"], news["arm"], news["action"]) == ("rollout", "candidate", "rolled_back")
    assert news["severity"] == "critical"
    assert "quality of candidate" in news["message"]
    assert {answer["arm"] for answer in answers[-500:]} == {"a"}
    assert Counter(answer["arm"] for answer in answers)["b"] < 400


def test_who_met_the_candidate_goes_on_to_do_so() -> None:
    driver = rollout(unit="user_id")
    seen: dict[str, list[str]] = defaultdict(list)
    for number, answer in enumerate(serve(driver, 2_000, a=0.7, b=0.75)):
        seen[f"u{number % 40}"].append(answer["variant"])
    for variants in seen.values():
        assert variants == sorted(variants, reverse=True)  # control, then candidate


@pytest.mark.parametrize("make", [experiment, rollout])
def test_restarts_change_nothing(make: Any) -> None:
    once, often = make(), make()
    for number in range(150):
        serve(once, 1, f"q{number}-", a=0.5, b=0.8)
        serve(often, 1, f"q{number}-", a=0.5, b=0.8)
        often.restart()
    assert once.visible() == often.visible()
    assert once.outputs == often.outputs
    assert once.decisions == often.decisions


def test_a_decision_is_repeated_with_its_variant() -> None:
    driver = experiment()
    first = driver.request(R, "q")
    driver.policy(R, 2, algorithm=SPLIT, arms=ARMS)
    driver.restart()
    assert driver.request(R, "q") == first
    assert "variant" in first


def test_rewards_of_a_variant_that_is_no_more_teach_nobody() -> None:
    driver = experiment()
    driver.request(R, "q")
    driver.policy(R, 2, algorithm=SPLIT, arms=ARMS)
    driver.reward(R, "q", quality=0.5)
    assert driver.counts(R).unlearned == 1


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"experiment": {**AB, "variants": [{"id": "x"}, {"id": "x"}]}}, "more than once"),
        ({"experiment": {**AB, "variants": [{"id": "x"}, {"id": "y", "arms": ["z"]}]}}, "'z'"),
        ({"experiment": {**AB, "unit": "shoe_size"}}, "experiment.unit"),
        ({"experiment": AB, "rollout": ROLLOUT}, "only one at a time"),
        ({"rollout": {**ROLLOUT, "steps": [0.5, 0.2, 1.0]}}, "rise to 1"),
        ({"rollout": {**ROLLOUT, "arms": None}}, "say what changes"),
        ({"rollout": {**ROLLOUT, "margins": {}}}, "margins"),
    ],
)
def test_trials_that_cannot_be_are_refused(policy: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, algorithm=SPLIT, arms=ARMS, **policy)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]


def test_times_are_those_of_the_events() -> None:
    driver = rollout(min_time="10m")
    serve(driver, 1_000, a=0.7, b=0.75)
    assert told(driver) == []
    driver.now = T0 + 700_000
    serve(driver, 5, "later", a=0.7, b=0.75)
    assert [news["action"] for news in told(driver)] == ["advanced"]
