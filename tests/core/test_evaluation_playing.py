"""Policies played over recorded requests: the router's own decisions, counted right."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from scipy import stats

from core.evaluation.playing import Case, Cases, PlayError, play
from core.evaluation.yardstick import NoRewardError, Runs, Yardstick, difference, orders
from schemas.decode import decode_policy
from schemas.policy import Policy
from schemas.request import Context
from schemas.reward import Outcome
from tests.core.routing import Driver, R, arms


def policy(**changes: Any) -> Policy:
    event = {"route": R, "version": 1, "arms": arms("a", "b", "c"), **changes}
    return decode_policy(orjson.dumps(event))


def made_cases(n: int = 40) -> Cases:
    rng = np.random.default_rng(6)
    rows = [
        Case(
            Context(task_type=str(rng.choice(["code", "chat"]))),
            [
                Outcome(quality=float(rng.uniform()), cost_usd=float(rng.uniform(0, 0.01)))
                for _ in range(3)
            ],
            1_760_000_000_000 + row * 3_600_000,
        )
        for row in range(n)
    ]
    return Cases(["a", "b", "c"], rows)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": {"name": "linucb"}},
        {"context": {"segment_by": ["task_type"]}, "drift": {"action": "restart_arm"}},
    ],
    ids=["gaussian", "linucb", "segments"],
)
@pytest.mark.parametrize("delay", [0, 3])
def test_a_play_is_what_a_proxy_would_see(changes: dict[str, Any], delay: int) -> None:
    """The same events, written by hand, through another driver of the router."""
    cases = made_cases()
    order = [5, 7, 1, 0, 39, 5, *range(10, 30)]
    found = play(policy(**changes), cases, order, run="s", delay=delay)
    driver = Driver()
    driver.policy(R, **changes)
    chosen: list[str] = []
    propensities = []
    for step, row in enumerate(order):
        case = cases.rows[row]
        context = {"task_type": case.context.task_type}
        answer = driver.request(R, f"s-{step}", timestamp=case.at_ms, context=context)
        chosen.append(answer["arm"])
        propensities.append(answer["propensity"])
        due = step - delay
        if due >= 0:
            outcome = cases.rows[order[due]].outcomes["abc".index(chosen[due])]
            driver.reward(R, f"s-{due}", quality=outcome.quality, cost_usd=outcome.cost_usd)
    assert ["abc"[arm] for arm in found.chosen] == chosen
    assert list(found.propensities) == propensities
    assert driver.letters() == []


def test_a_long_delay_misses_no_window() -> None:
    ticks: list[int] = []
    short = policy(reward={"window": "2s"}, algorithm={"name": "thompson_beta"})
    found = play(short, made_cases(), list(range(40)), run="x", delay=30, tick=ticks.append)
    assert ticks == list(range(40))
    # Nothing is known for 31 decisions, and something after that.
    assert len({round(p, 9) for p in found.propensities[:31]}) == 1
    assert found.propensities[39] != found.propensities[0]


def test_runs_differ_by_their_names_alone() -> None:
    cases = made_cases()
    one, same, other = (
        play(policy(), cases, list(range(40)), run=name).chosen for name in ("x", "x", "y")
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"arms": arms("a", "b", "d")}, "no outcomes of the arms d; it has those of a, b, c"),
        (
            {
                "arms": arms("a"),
                "algorithm": {"name": "search", "space": {"t": {"low": 0, "high": 1}}},
            },
            "searches for parameters",
        ),
        (
            {
                "algorithm": {"name": "linucb"},
                "context": {"features": [{"encode": "embedding", "dim": 2}]},
            },
            "context.embedding: expected 2 numbers, found 3",
        ),
    ],
    ids=["arms", "search", "embedding"],
)
def test_what_cannot_be_played_says_why(changes: dict[str, Any], problem: str) -> None:
    outcomes = [Outcome(quality=1.0)] * 3
    cases = Cases(["a", "b", "c"], [Case(Context(embedding=[1.0, 0.0, 0.0]), outcomes)])
    with pytest.raises(PlayError, match=problem):
        play(policy(**changes), cases, [0], run="x")


def test_a_disabled_arm_needs_no_outcomes() -> None:
    given = policy(arms=[*arms("a", "b"), {"id": "old", "model": "m", "enabled": False}])
    assert set(play(given, made_cases(), list(range(40)), run="x").chosen) <= {0, 1}


def test_the_yardstick_is_the_objective_with_the_scales_of_all_outcomes() -> None:
    cases = made_cases(4)
    by = Yardstick.of(policy(objective={"weights": {"quality": 3, "cost": 1}}), cases)
    scale = max(np.mean([row.outcomes[arm].cost_usd for row in cases.rows]) for arm in range(3))
    assert by.cost_scale_usd == pytest.approx(scale)
    assert by.latency_scale_ms is None
    for row, case in enumerate(cases.rows):
        for arm, outcome in enumerate(case.outcomes):
            assert outcome.quality is not None
            assert outcome.cost_usd is not None
            saved = 1.0 - min(1.0, outcome.cost_usd / scale)
            assert by.rewards[row, arm] == pytest.approx((3 * outcome.quality + saved) / 4)
            assert by.costs is not None
            assert by.costs[row, arm] == outcome.cost_usd
    assert by.best_arm == int(np.argmax(by.rewards.mean(axis=0)))


def test_an_outcome_without_a_reward_is_named() -> None:
    cases = Cases(["a", "b"], [Case(Context(), [Outcome(quality=1.0), Outcome(latency_ms=5.0)])])
    with pytest.raises(NoRewardError, match="row 1 has of 'b'"):
        Yardstick.of(policy(objective={"weights": {"quality": 1}}), cases)


def test_results_are_means_over_runs() -> None:
    rng = np.random.default_rng(1)
    rewards, costs = rng.uniform(size=(6, 2)), rng.uniform(size=(6, 2))
    by = Yardstick(rewards, costs, None, None)
    order = orders(6, 4, [1, 2, 3])
    runs = Runs(order, rng.integers(0, 2, size=(3, 4)))
    other = Runs(order, rng.integers(0, 2, size=(3, 4)))
    found = runs.result(by, 0.9)
    per_run = [
        np.mean([rewards[order[r, t], runs.chosen[r, t]] for t in range(4)]) for r in range(3)
    ]
    assert found.reward.mean == pytest.approx(np.mean(per_run))
    low, high = stats.t.interval(0.9, 2, np.mean(per_run), stats.sem(per_run))
    assert found.reward.interval is not None
    assert (found.reward.interval.low, found.reward.interval.high) == pytest.approx((low, high))
    best = by.best_arm
    regret = np.mean([rewards[row, best] for row in order.ravel()]) - np.mean(per_run)
    assert found.regret_best_arm.mean == pytest.approx(regret)
    assert runs.regret(by)[:, -1].mean() == pytest.approx(4 * regret)
    perfect = np.mean([max(rewards[row]) for row in order.ravel()]) - np.mean(per_run)
    assert found.regret_best_answer.mean == pytest.approx(perfect)
    assert found.shares == pytest.approx((np.mean(runs.chosen == 0), np.mean(runs.chosen == 1)))
    between = difference(runs, other, by, 0.9)
    pairs = [
        np.mean([rewards[order[r, t], other.chosen[r, t]] for t in range(4)]) for r in range(3)
    ]
    expected = stats.ttest_rel(per_run, pairs).confidence_interval(0.9)
    assert between.reward.mean == pytest.approx(np.mean(per_run) - np.mean(pairs))
    assert between.reward.interval is not None
    assert between.reward.interval.low == pytest.approx(expected.low)
    assert between.reward.interval.high == pytest.approx(expected.high)
    assert between.cost_usd is not None
    assert Runs(order[:1], runs.chosen[:1]).result(by).reward.interval is None


def test_only_runs_over_the_same_requests_are_paired() -> None:
    by = Yardstick(np.zeros((6, 2)), None, None, None)
    one, other = (Runs(orders(6, 4, [seed]), np.zeros((1, 4), dtype=int)) for seed in (1, 2))
    with pytest.raises(ValueError, match="same requests"):
        difference(one, other, by)
    assert one.result(by).cost_usd is None


def test_every_request_comes_once_before_any_comes_again() -> None:
    found = orders(5, 12, [7, 8])
    assert found.shape == (2, 12)
    for row in found:
        assert sorted(row[:5]) == sorted(row[5:10]) == [0, 1, 2, 3, 4]
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(found, orders(5, 12, [7, 8]))
    assert orders(5, 3, [7]).shape == (1, 3)
