"""A summary says what the state says, and asking for one changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from core.routing.summarised import RouteSummary
from core.routing.summary import MOST_SEGMENTS, route_names, summarise
from tests.core.routing import BETA, Driver, R, arms

TASKS = {"features": [{"encode": "one_hot", "field": "task_type", "values": ["code", "chat"]}]}
SPLIT = {"name": "fixed_split"}
CASES: dict[str, dict[str, Any]] = {
    "beta": {"algorithm": BETA},
    "linucb": {"algorithm": {"name": "linucb"}, "context": TASKS},
    "segments": {"context": {"segment_by": ["task_type"]}},
    "few segments": {"context": {"segment_by": ["task_type"], "max_segments": 1}},
    "guardrails": {"guardrails": {"min_quality": 0.9, "min_rewards": 10}},
    "budget": {"budget": {"usd_per_request": 0.002}},
    "like": {
        "arms": [
            *arms("a", "b"),
            {"id": "c", "model": "m", "enabled": False, "warm_start": {"like": "a", "weight": 5}},
        ],
    },
    "experiment": {
        "algorithm": SPLIT,
        "experiment": {
            "name": "t",
            "variants": [{"id": "control", "arms": ["a"]}, {"id": "treatment", "arms": ["b"]}],
            "metric": "quality",
            "min_samples": 10,
        },
    },
    "rollout": {
        "algorithm": SPLIT,
        "rollout": {
            "name": "t",
            "arms": ["b"],
            "margins": {"quality": 0.05},
            "min_time": "1ms",
            "min_samples": 10,
            "steps": [0.2, 1.0],
        },
    },
    "shadow": {"shadow": {"name": "s", "arms": ["b"], "first_report": 10}},
    "search": {
        "arms": [{"id": "base", "model": "m", "params": {"top_p": 1}}],
        "algorithm": {
            "name": "search",
            "space": {"temperature": {"low": 0, "high": 2}},
            "evaluations": 6,
            "rewards_per_evaluation": 2,
            "parallel": 2,
        },
    },
    "drift": {"drift": {"on": ["quality"]}, "join": {}},
}


def _summary(driver: Driver, route: str = R) -> RouteSummary:
    router = driver.router
    found = summarise(router.state.memory, route, router.watching.incidents.of_route(route))
    assert found is not None
    return found


def _drive(changes: dict[str, Any], *, look: bool, requests: int = 60) -> Driver:
    driver = Driver()
    driver.policy(R, **changes)
    assert driver.letters() == []
    rng = np.random.default_rng(3)
    for index in range(requests):
        if look:
            _summary(driver)
        driver.now += 20
        task = str(rng.choice(["code", "chat", "mail"]))
        driver.request(R, f"r{index}", context={"task_type": task})
        quality, cost = rng.uniform(size=2).round(3).tolist()
        if look:
            _summary(driver)
        if index > 1 and index % 7:
            driver.reward(R, f"r{index - 2}", quality=quality, cost_usd=cost / 100)
        if index == requests // 2:
            driver.restart()
            if look:
                _summary(driver)
            driver.policy(R, 2, **changes)
    return driver


@pytest.mark.parametrize("case", CASES)
def test_looking_changes_nothing(case: str) -> None:
    looked, plain = (_drive(CASES[case], look=look) for look in (True, False))
    assert looked.items == plain.items
    assert looked.decisions == plain.decisions
    assert looked.outputs == plain.outputs
    found = _summary(looked)
    counts = looked.counts(R)
    assert (found.decided, found.joined) == (counts.decided, counts.joined)
    assert found.policy_version == 2
    assert msgspec.json.decode(msgspec.json.encode(found), type=RouteSummary) == found


@pytest.mark.parametrize("case", CASES)
def test_a_restart_gives_the_same_summary(case: str) -> None:
    driver = _drive(CASES[case], look=False)
    before = _summary(driver)
    driver.restart()
    assert _summary(driver) == before


def test_beliefs_are_those_of_the_rewards_so_far() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, objective={"weights": {"quality": 1}})
    totals, counts = dict.fromkeys("abc", 0.0), dict.fromkeys("abc", 0)
    for index in range(60):
        arm = driver.request(R, f"r{index}")["arm"]
        driver.reward(R, f"r{index}", quality=float(index % 2))
        totals[arm] += index % 2
        counts[arm] += 1
    (segment,) = _summary(driver).segments
    for arm in segment.arms:
        assert arm.belief.rewards == counts[arm.arm]
        expected = (1.0 + totals[arm.arm]) / (2.0 + counts[arm.arm])
        assert arm.belief.mean == pytest.approx(expected)
        assert arm.belief.low is not None
        assert arm.belief.high is not None
        assert arm.belief.low < expected < arm.belief.high
    assert sum(arm.best or 0.0 for arm in segment.arms) == pytest.approx(1.0, abs=1e-3)


def test_the_surely_best_arm_is_so_with_probability_one() -> None:
    driver = Driver()
    driver.policy(R, algorithm={"name": "epsilon_greedy", "epsilon": 0.5})
    for index in range(300):
        arm = driver.request(R, f"r{index}")["arm"]
        driver.reward(R, f"r{index}", quality={"a": 0.2, "b": 0.9, "c": 0.3}[arm])
    (segment,) = _summary(driver).segments
    best = {arm.arm: arm.best for arm in segment.arms}
    assert best["b"] == pytest.approx(1.0, abs=1e-3)


def test_a_segment_is_shown_once_it_was_met() -> None:
    driver = Driver()
    driver.policy(R, context={"segment_by": ["task_type"]})
    assert _summary(driver).segments == []
    driver.request(R, "r1", context={"task_type": "code"})
    assert [one.segment for one in _summary(driver).segments] == ["task_type=code"]


def test_few_of_many_segments_are_shown() -> None:
    driver = Driver()
    driver.policy(R, context={"segment_by": ["user_id"], "max_segments": 200})
    for number in range(70):
        driver.request(R, f"r{number}", context={"user_id": f"u{number}"})
    found = _summary(driver)
    assert (found.segments_in_all, len(found.segments)) == (70, MOST_SEGMENTS)


def test_guardrails_tell_what_they_have_against_an_arm() -> None:
    driver = _drive(CASES["guardrails"], look=False, requests=120)
    (segment,) = _summary(driver).segments
    assert any("min_quality" in (arm.guardrail or "") for arm in segment.arms)


def test_a_disabled_arm_is_not_among_the_best() -> None:
    found = _summary(_drive(CASES["like"], look=False))
    assert [arm.enabled for arm in found.arms] == [True, True, False]
    assert [arm.best is None for arm in found.segments[0].arms] == [False, False, True]


def test_a_budget_tells_what_was_spent() -> None:
    driver = Driver()
    driver.policy(R, budget={"usd_per_request": 0.002})
    for index in range(30):
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.5, cost_usd=0.004)
    budget = _summary(driver).budget
    assert budget is not None
    assert (budget.usd, budget.period_ms, budget.requests) == (0.002, 0, 30)
    assert budget.spent_usd == pytest.approx(30 * 0.004)
    assert budget.debt == pytest.approx(30.0)
    assert budget.price > 0.0
    assert (budget.worth_usd, budget.held) == (0.002, True)
    for index in range(30, 500):
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.5, cost_usd=0.004)
    budget = _summary(driver).budget
    assert budget is not None
    assert not budget.held


def test_an_experiment_tells_its_shares_levels_and_verdict() -> None:
    driver = Driver()
    changes = CASES["experiment"]
    driver.policy(R, **changes)
    trial = _summary(driver).trial
    assert trial is not None
    assert (trial.kind, trial.status, trial.metric) == ("experiment", "running", "quality")
    assert [(one.variant, one.share) for one in trial.variants] == [
        ("control", 0.5),
        ("treatment", 0.5),
    ]
    seen: dict[str, list[float]] = {"control": [], "treatment": []}
    index = 0
    while (trial := _summary(driver).trial) is not None and trial.status == "running":
        answer = driver.request(R, f"r{index}")
        quality = {"a": 0.3, "b": 0.9}[answer["arm"]] + 0.01 * (index % 5)
        driver.reward(R, f"r{index}", quality=quality)
        seen[answer["variant"]].append(quality)
        index += 1
        assert index < 2_000
    assert trial is not None
    assert trial.status == "winner"
    assert "treatment" in trial.sentence
    for one in trial.variants:
        assert one.level.n == len(seen[one.variant])
        assert one.level.mean == pytest.approx(float(np.mean(seen[one.variant])))
    assert {one.variant for one in _summary(driver).segments} == {"control", "treatment"}
    control, treatment = trial.variants
    assert (control.effect, control.low, control.high) == (None, None, None)
    difference = float(np.mean(seen["treatment"]) - np.mean(seen["control"]))
    assert treatment.effect == pytest.approx(difference)
    assert treatment.low is not None
    assert treatment.high is not None
    assert 0.0 < treatment.low < difference < treatment.high
    assert f"{treatment.low:.4g} to {treatment.high:.4g}" in trial.sentence
    assert trial.shares == []


@pytest.mark.parametrize(("metric", "sign"), [("quality", 1.0), ("cost", -1.0)])
def test_a_rollout_tells_how_far_the_candidate_is_from_the_control(
    metric: str, sign: float
) -> None:
    driver = Driver()
    steps = [0.3, 0.6, 1.0]
    rollout = {**CASES["rollout"]["rollout"], "margins": {metric: 0.5}, "steps": steps}
    rollout["min_time"] = "1d"
    driver.policy(R, arms=arms("a", "b"), algorithm=SPLIT, rollout=rollout)
    trial = _summary(driver).trial
    assert trial is not None
    assert trial.shares == steps
    assert [one.effect for one in trial.variants] == [None, None]
    seen: dict[str, list[float]] = {"control": [], "candidate": []}
    for index in range(600):
        answer = driver.request(R, f"r{index}")
        value = 0.6 + 0.02 * (index % 5) - (0.2 * sign if answer["variant"] == "candidate" else 0.0)
        driver.reward(R, f"r{index}", **{"cost": {"cost_usd": value}}.get(metric, {metric: value}))
        seen[answer["variant"]].append(value)
    trial = _summary(driver).trial
    assert trial is not None
    assert trial.step == 0
    control, candidate = trial.variants
    assert control.effect is None
    difference = float(np.mean(seen["candidate"]) - np.mean(seen["control"]))
    assert candidate.effect == pytest.approx(difference)
    assert difference == pytest.approx(-0.2 * sign, abs=0.02)
    assert candidate.low is not None
    assert candidate.high is not None
    assert candidate.low < difference < candidate.high
    assert candidate.low * candidate.high > 0.0, "it is as far from 0 as 0.2 is"


def test_a_shadow_tells_what_it_would_have_earned() -> None:
    driver = Driver()
    shadow = {"name": "s", "arms": ["b"], "metric": "quality", "first_report": 100}
    driver.policy(R, arms=arms("a", "b"), algorithm=SPLIT, shadow=shadow, join=None)
    empty = _summary(driver).shadow
    assert empty is not None
    assert (empty.scored, empty.metrics, empty.next_report) == (0, [], 100)
    qualities: dict[str, list[float]] = {"a": [], "b": []}
    for index in range(400):
        answer = driver.request(R, f"r{index}")
        quality = {"a": 0.3, "b": 0.8}[answer["arm"]] + 0.01 * (index % 5)
        driver.reward(R, f"r{index}", quality=quality)
        qualities[answer["arm"]].append(quality)
    found = _summary(driver).shadow
    assert found is not None
    assert (found.name, found.metric, found.scored, found.next_report) == ("s", "quality", 400, 800)
    assert found.support == 1.0
    assert found.sentence == "its quality would be better"
    (quality_of,) = [one for one in found.metrics if one.metric == "quality"]
    everything = qualities["a"] + qualities["b"]
    assert quality_of.outcomes == 400
    assert quality_of.logged == pytest.approx(float(np.mean(everything)))
    # All that the shadow chooses is b, drawn with one and the same probability.
    assert quality_of.shadow == pytest.approx(float(np.mean(qualities["b"])))
    assert quality_of.low is not None
    assert quality_of.high is not None
    difference = quality_of.shadow - quality_of.logged
    assert 0.0 < quality_of.low < difference < quality_of.high


def test_a_rollout_tells_its_step() -> None:
    driver = Driver()
    driver.policy(R, **CASES["rollout"])
    trial = _summary(driver).trial
    assert trial is not None
    assert (trial.kind, trial.step, trial.steps, trial.status) == ("rollout", 0, 2, "running")
    assert [one.share for one in trial.variants] == pytest.approx([0.8, 0.2])
    assert trial.sentence


def test_a_search_tells_its_best_parameters() -> None:
    found = _summary(_drive(CASES["search"], look=False))
    (segment,) = found.segments
    assert segment.search is not None
    assert segment.search.evaluations > 0
    assert segment.search.planned == 6
    assert 0.0 <= segment.search.params["temperature"] <= 2.0


def test_an_open_incident_is_told_until_it_is_over() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": ["quality"], "cooldown": "1m"})
    for index in range(700):
        driver.now += 100
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.9 if index < 400 else 0.2)
    found = _summary(driver)
    assert any((one.kind, one.metric) == ("drift", "quality") for one in found.incidents)
    driver.now += 3_600_000
    driver.request(R, "later")
    assert _summary(driver).incidents == []


def test_a_withdrawn_route_says_so() -> None:
    driver = Driver()
    driver.policy(R)
    driver.request(R, "r1")
    record = driver.record(0, None, key=R)
    from core.routing.part import Inputs

    driver.handle(Inputs(policies=[record]))
    found = _summary(driver)
    assert (found.status, found.segments, found.decided) == ("withdrawn", [], 1)


def test_an_unknown_route_has_no_summary() -> None:
    driver = Driver()
    assert summarise(driver.router.state.memory, "nobody") is None


def test_all_routes_are_named() -> None:
    driver = Driver()
    for number in range(30):
        driver.policy(f"team/{number}")
    driver.request("team/3", "r")
    assert route_names(driver.scan) == sorted(f"team/{number}" for number in range(30))
