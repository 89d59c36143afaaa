"""Deciding a batch equals deciding one by one, whatever the cut, and a restart changes nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import budget
from core.routing.part import Inputs
from tests.core.routing import T0, Driver, arms

SEARCH = {
    "name": "search",
    "method": "sobol",
    "space": {"temperature": {"low": 0.0, "high": 2.0}},
    "evaluations": 6,
    "rewards_per_evaluation": 2,
    "parallel": 2,
}
WATCH = {
    "drift": {
        "on": ["quality", "cost", "success"],
        "mix": ["task_type", "input_tokens"],
        "delta": 0.3,
        "warning_delta": 0.9,
        "action": "discount_arm",
        "cooldown": "20s",
        "repeat": "5s",
    },
    "anomalies": {"on": ["quality", "cost"], "min_samples": 10, "cooldown": "30s"},
    "thresholds": [
        {"metric": metric, "window": window, "min_samples": 1, **limit}
        for metric, window, limit in (
            ("reward", "10s", {"below": 0.6, "clear": 0.7}),
            ("quality", "20s", {"below": 0.5}),
            ("cost", "10s", {"above": 0.005}),
            ("error_rate", "60s", {"above": 0.4}),
            ("join_rate", "20s", {"below": 0.5}),
            ("regret_rate", "20s", {"above": 0.01}),
            ("exploration_rate", "20s", {"above": 0.3}),
            ("arm_share", "10s", {"above": 0.5, "arm": "a"}),
            ("update_rate", "60s", {"below": 4.0, "severity": "critical"}),
        )
    ],
    "join": {"window": "10s", "min_samples": 10},
}
POLICIES: dict[str, dict[str, Any]] = {
    "r/watched": {"algorithm": {"name": "thompson_beta"}, **WATCH},
    "r/watched-lin": {"algorithm": {"name": "linear_thompson"}, **WATCH},
    "r/beta": {"algorithm": {"name": "thompson_beta"}, "reward": {"window": "20s", "hold": "5s"}},
    "r/gauss": {
        "algorithm": {"name": "thompson_gaussian"},
        "reward": {"window": "60s", "max_open": 5, "max_held": 3},
    },
    "r/drift": {
        "algorithm": {"name": "thompson_beta"},
        "drift": {"action": "restart_arm", "delta": 0.3, "warning_delta": 0.9},
    },
    "r/lin": {"algorithm": {"name": "linucb", "alpha": 0.7}},
    "r/seg": {
        "algorithm": {"name": "linucb"},
        "context": {"segment_by": ["task_type"], "max_segments": 2},
    },
    "r/forced": {
        "algorithm": {"name": "epsilon_greedy"},
        "cold_start": {"pulls": 2},
        "drift": {"action": "restart_arm", "delta": 0.3, "warning_delta": 0.9},
    },
    "r/forced-lin": {"algorithm": {"name": "linear_thompson"}, "cold_start": {"pulls": 1}},
    "r/fading": {
        "algorithm": {"name": "hybrid_linucb"},
        "forgetting": {"name": "discount", "factor": 0.8},
        "context": {"features": [{"encode": "vocabulary", "field": "task_type", "size": 2}]},
    },
    "r/window": {
        "algorithm": {"name": "top_two_thompson"},
        "forgetting": {"name": "sliding_window", "rewards": 8},
    },
    "r/warm": {"algorithm": {"name": "ucb1"}},
    "r/search": {"algorithm": SEARCH},
    "r/guarded": {
        "algorithm": {"name": "thompson_beta"},
        "guardrails": {
            "min_share": 0.05,
            "min_quality": 0.5,
            "min_rewards": 3,
            "confidence": 0.6,
            "probe_share": 0.1,
            "max_cost_usd": 0.015,
        },
    },
    "r/paid": {
        "algorithm": {"name": "thompson_gaussian"},
        "budget": {"usd_per_request": 0.002},
        "cold_start": {"pulls": 1},
    },
    "r/paid-lin": {"algorithm": {"name": "linucb"}, "budget": {"usd_per_request": 0.005}},
    "r/sticky": {
        "algorithm": {"name": "thompson_beta"},
        "sticky": {"by": "task_type", "ttl": "30s", "max_sessions": 3},
        "drift": {"action": "restart_arm", "delta": 0.3, "warning_delta": 0.9},
    },
    "r/sticky-lin": {
        "algorithm": {"name": "linucb"},
        "context": {"segment_by": ["task_type"], "max_segments": 2},
        "sticky": {"by": "input_tokens", "ttl": "60s"},
    },
    "r/tried": {
        "algorithm": {"name": "thompson_beta"},
        "experiment": {
            "name": "x",
            "variants": [
                {"id": "one"},
                {"id": "two", "algorithm": {"name": "linear_thompson"}, "share": 2.0},
            ],
            "unit": "task_type",
            "min_samples": 2,
            "max_samples": 14,
        },
        "cold_start": {"pulls": 1},
        "guardrails": {"min_share": 0.1},
    },
    "r/rolled": {
        "algorithm": {"name": "linucb"},
        "context": {"segment_by": ["task_type"], "max_segments": 2},
        "rollout": {
            "name": "y",
            "algorithm": {"name": "thompson_beta"},
            "margins": {"quality": 0.3, "cost": 0.01},
            "steps": [0.5, 0.8, 1.0],
            "min_time": "1s",
            "min_samples": 2,
        },
        "budget": {"usd_per_request": 0.005},
    },
    "r/guarded-lin": {
        "algorithm": {"name": "linucb"},
        "guardrails": {"max_error_rate": 0.3, "error_window": 4, "cooldown": "5s"},
    },
    "r/fallback": {
        "algorithm": {"name": "thompson_beta"},
        "guardrails": {"min_quality": 0.8, "min_rewards": 2, "confidence": 0.6, "probe_share": 0.1},
    },
    "r/broke": {
        "algorithm": {"name": "thompson_beta"},
        "budget": {"usd_per_request": 0.001, "burst": 1, "carry": 3},
    },
    "r/broke-lin": {
        "algorithm": {"name": "linucb"},
        "context": {"segment_by": ["task_type"], "max_segments": 2},
        "budget": {"usd_per_period": 0.05, "period": "1h", "burst": 1, "carry": 3},
    },
    "r/period": {
        "algorithm": {"name": "linucb"},
        "budget": {"usd_per_period": 0.5, "period": "1h", "burst": 5, "carry": 20},
    },
    "r/shadowed": {
        "algorithm": {"name": "linucb"},
        "shadow": {"name": "s", "algorithm": {"name": "thompson_beta"}, "first_report": 10},
        "context": {"segment_by": ["task_type"], "max_segments": 2},
        "guardrails": {"min_share": 0.1},
    },
    "r/shadowed-lin": {
        "algorithm": {"name": "thompson_gaussian"},
        "shadow": {"name": "s", "algorithm": {"name": "linear_thompson"}, "first_report": 10},
        "budget": {"usd_per_request": 0.005},
        "cold_start": {"pulls": 1},
    },
    "r/adjusted": {
        "algorithm": {"name": "thompson_gaussian"},
        "experiment": {
            "name": "z",
            "variants": [{"id": "one"}, {"id": "two", "algorithm": {"name": "linucb"}}],
            "covariate": "input_tokens",
            "metric": "success",
            "min_samples": 2,
            "max_samples": 14,
        },
        "shadow": {"name": "s", "algorithm": {"name": "fixed_split"}, "first_report": 10},
        "sticky": {"by": "task_type", "ttl": "5s"},
    },
    "r/rolled-users": {
        "algorithm": {"name": "thompson_beta"},
        "rollout": {
            "name": "y",
            "algorithm": {"name": "fixed_split"},
            "margins": {"quality": 0.3},
            "steps": [0.5, 0.8, 1.0],
            "min_time": "1s",
            "min_samples": 2,
            "unit": "input_tokens",
        },
    },
}
ROUTES = (*POLICIES, "r/none", "r/implicit")


@pytest.fixture(scope="module", autouse=True)
def _soon_over_budget() -> Iterator[None]:
    """A budget counts as not held after two requests instead of hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "_LONG", 0.05)
        yield


def _events(seed: int, cycles: int) -> list[list[list[tuple[Any, str | None, int]]]]:
    """Cycles of policies, requests and rewards: event, key, timestamp."""
    chance = random.Random(seed)
    ids = [f"q{number}" for number in range(30)]
    now = T0
    made = []
    for number in range(cycles):
        cycle: list[list[tuple[Any, str | None, int]]] = [[], [], []]
        now += chance.choice((1, 500, 5_000, 40_000, 90_000))
        for _ in range(chance.randrange(3)):
            route = chance.choice(list(POLICIES))
            event: dict[str, Any] = {
                "route": route,
                "version": chance.randrange(1, 6),
                "arms": arms(*chance.sample("abcd", chance.randrange(1, 5))),
                **POLICIES[route],
            }
            if route == "r/search":
                event["arms"] = arms("a")
            if "thresholds" in event and "a" not in {arm["id"] for arm in event["arms"]}:
                event["arms"].extend(arms("a"))
            if route == "r/fallback":
                last = event["arms"][-1]["id"]
                event["guardrails"] = {**event["guardrails"], "fallback": last}
            if route == "r/warm":
                for older, newer in pairwise(event["arms"]):
                    newer["warm_start"] = {"like": older["id"], "weight": 3.0}
            if chance.random() < 0.1:
                event["arms"][0]["params"] = {"temperature": chance.random()}
            if chance.random() < 0.05:
                cycle[0].append((None, route, now))
                continue
            cycle[0].append((event, route, now))
        for _ in range(chance.randrange(26)):
            route = chance.choice(ROUTES)
            event = {"route": route, "request_id": chance.choice(ids)}
            event["context"] = {
                "input_tokens": chance.choice((3, 700, chance.randrange(5_000))),
                "task_type": chance.choice(("x", "y", "z", "w")),
            }
            if route == "r/implicit" or chance.random() < 0.1:
                event["candidates"] = chance.sample("abcde", chance.randrange(1, 4))
            if chance.random() < 0.05:
                event["context"] = {"priority": "high"}
            key = route if chance.random() < 0.97 else "wrong"
            cycle[1].append((event, key, now + chance.randrange(-300, 300)))
        for _ in range(chance.randrange(26)):
            route = chance.choice(ROUTES)
            event = {"route": route, "request_id": chance.choice(ids)}
            event["quality"] = chance.choice((0.0, 0.25, 0.9, 1.0))
            if chance.random() < 0.5:
                event["cost_usd"] = chance.choice((0.0, 0.001, 0.02))
            if chance.random() < 0.3:
                event["final"] = False
            if chance.random() < 0.2:
                event["success"] = chance.random() < 0.5
            if chance.random() < 0.1:
                event["arm"] = chance.choice("abcz")
            cycle[2].append((event, route, now + chance.randrange(-300, 300)))
        if number % 4 == 0:
            _burst(cycle, number, now)
        elif number % 4 == 2:
            now = _stretch(cycle, number, now, rewarded=number % 8 == 2)
        made.append(cycle)
    return made


def _burst(cycle: list[list[tuple[Any, str | None, int]]], number: int, now: int) -> None:
    """Enough rewards of one route, with a mean that jumps, to make its detectors cut."""
    for one in range(60):
        event = {"route": "r/drift", "request_id": f"burst-{number}-{one}"}
        cycle[1].append((event, "r/drift", now))
        quality = 0.9 if number % 8 == 0 else 0.2
        cycle[2].append(({**event, "quality": quality}, "r/drift", now + 1))


def _stretch(
    cycle: list[list[tuple[Any, str | None, int]]], number: int, now: int, *, rewarded: bool
) -> int:
    """Half a minute of one route, with a cost that is far off, or without any rewards.

    Returns when it ends.
    """
    for one in range(30):
        now += 1_000
        event = {"route": "r/watched", "request_id": f"stretch-{number}-{one}"}
        cycle[1].append((event, "r/watched", now))
        if rewarded:
            cost = 0.9 if one == 29 else 0.001 + 0.0001 * (one % 3)
            cycle[2].append(({**event, "cost_usd": cost, "quality": 0.9}, "r/watched", now + 1))
    return now


def _run(cycles: list[Any], cut: str, seed: int, **limits: Any) -> Driver:
    driver = Driver(**limits)
    chance = random.Random(seed)
    emitted = 0
    for cycle in cycles:
        records = [
            [driver.record(kind, event, key, at) for event, key, at in events]
            for kind, events in enumerate(cycle)
        ]
        if cut == "whole":
            driver.handle(Inputs(*records), emitted)
        elif cut == "one by one":
            for kind in range(3):
                for record in records[kind]:
                    one: list[list[Any]] = [[], [], []]
                    one[kind] = [record]
                    driver.handle(Inputs(*one))
        else:
            while any(records):
                piece: list[list[Any]] = [[], [], []]
                for kind in range(3):
                    count = chance.randrange(len(records[kind]) + 1)
                    piece[kind], records[kind] = records[kind][:count], records[kind][count:]
                    if records[kind]:
                        break
                driver.handle(Inputs(*piece), emitted)
                if chance.random() < 0.3:
                    driver.restart()
        if chance.random() < 0.5:
            emitted = driver.router.version
    return driver


def _bag(driver: Driver) -> Counter[bytes]:
    found = Counter(orjson.dumps(decision) for decision in driver.decisions)
    # An answer that is repeated before it was published depends on when it was published.
    found.update(
        orjson.dumps([role, out])
        for role, out in driver.outputs
        if not (role == "decisions" and out["status"] == "decided")
    )
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9), cycles=st.integers(1, 25))
@example(seed=6_662, cycles=23)
def test_the_cut_changes_nothing(seed: int, cycles: int) -> None:
    events = _events(seed, cycles)
    single = _run(events, "one by one", seed)
    for other in (
        _run(events, "whole", seed),
        _run(events, "pieces", seed),
        _run(events, "pieces", seed, max_part_bytes=600, max_routes=2),
    ):
        assert other.visible() == single.visible()
        assert _bag(other) == _bag(single)
        assert other.router.positions == single.router.positions


def test_the_events_reach_every_kind_of_outcome() -> None:
    """The property above is worth nothing if its events do not get everywhere."""
    reasons: Counter[str] = Counter()
    counters: Counter[str] = Counter()
    alerts: Counter[tuple[str, str]] = Counter()
    for seed in range(30):
        driver = _run(_events(seed, 25), "one by one", seed)
        reasons.update(driver.letters())
        alerts.update((alert["type"], alert["event"]) for alert in driver.alerts())
        for route in ROUTES:
            if b"R" + route.encode() in driver.items:
                record = driver.counts(route)
                for name in (
                    "decided",
                    "joined",
                    "duplicates",
                    "late",
                    "contradicting",
                    "unlearned",
                ):
                    counters[name] += getattr(record, name)
    wanted = {
        "stale_policy",
        "wrong_key",
        "unknown_request",
        "late_reward",
        "contradicting_reward",
        "unknown_arm",
        "held_rewards_full",
    }
    assert wanted <= set(reasons), reasons
    assert min(counters.values()) > 0, counters
    told = {"drift", "warning", "anomaly", "threshold", "join", "guardrail", "budget"}
    assert {(kind, "opened") for kind in told} <= set(alerts), alerts
    assert ("budget", "resolved") in alerts, alerts


@pytest.mark.parametrize("records", [1, 7])
def test_records_below_the_position_are_passed_over(records: int) -> None:
    driver = Driver()
    driver.policy("r/gauss")
    made = [driver.record(1, {"route": "r/gauss", "request_id": f"q{n}"}) for n in range(records)]
    driver.handle(Inputs(requests=made))
    before = dict(driver.items), len(driver.decisions)
    driver.handle(Inputs(requests=made))
    assert (dict(driver.items), len(driver.decisions)) == before
