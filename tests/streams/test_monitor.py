"""What the monitor counts, beside a plain recount; and that its memory is bounded."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from schemas.alert import Alert
from schemas.reward import Outcome
from streams.monitor.cells import latency_bucket, quantiles
from streams.monitor.monitor import RANK_MS, Monitor
from streams.monitor.track import COARSE_MS, FINE, FINE_MS
from streams.monitor.view import ArmCurve, RouteHistory

NOW = 1_800_000_000_000
START = NOW - 900_000


def monitor(**limits: int) -> Monitor:
    made = Monitor(**limits)
    made.take([0], START)
    made.tend(NOW)
    return made


def decide(made: Monitor, route: str, arm: str, at_ms: int, *, explored: bool = False) -> None:
    made.of(0).decided(route, "", arm, 0.5, at_ms, explored=explored)


def reward(
    made: Monitor,
    route: str,
    arm: str,
    at_ms: int,
    value: float | None = None,
    delay_ms: int = 0,
    **outcome: Any,
) -> None:
    made.of(0).rewarded(route, "", arm, Outcome(**outcome), value, delay_ms, at_ms)


def alert(route: str, number: int = 0, **changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": f"a{number}",
        "incident_id": "i",
        "event": "opened",
        "route": route,
        "arm": "x",
        "type": "drift",
        "severity": "critical",
        "metric": "quality",
        "before": None,
        "after": None,
        "detector": "adwin",
        "action": "alert",
        "detections": 1,
        "opened": NOW,
        "message": "it moved",
        "segment": "",
        "state_version": number,
        "timestamp": NOW - 1000,
    }
    return Alert(**(fields | changes))


def history(made: Monitor, route: str, now_ms: int = NOW, span_ms: int = 900_000) -> RouteHistory:
    found = made.history(route, now_ms, span_ms)
    assert found is not None
    return found


def curve(found: RouteHistory, arm: str) -> ArmCurve:
    return next(one for one in found.curves if one.arm == arm)


events = st.lists(
    st.tuples(
        st.integers(0, 899_999),
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
        st.one_of(st.none(), st.floats(0, 1)),
        st.one_of(st.none(), st.floats(0, 2)),
        st.one_of(st.none(), st.floats(0.5, 1e5)),
        st.one_of(st.none(), st.booleans()),
    ),
    min_size=1,
    max_size=120,
).map(lambda found: sorted(found, key=lambda event: event[0]))


@settings(max_examples=60, deadline=None)
@given(events)
def test_the_last_quarter_of_an_hour_is_as_a_plain_recount_has_it(found: list[Any]) -> None:
    made = monitor()
    rewards: defaultdict[str, list[float]] = defaultdict(list)
    costs: defaultdict[str, list[float]] = defaultdict(list)
    latencies: defaultdict[str, list[float]] = defaultdict(list)
    told: defaultdict[str, list[bool]] = defaultdict(list)
    qualities: defaultdict[str, list[float]] = defaultdict(list)
    decided: defaultdict[str, int] = defaultdict(int)
    explored: defaultdict[str, int] = defaultdict(int)
    for offset, arm, explores, value, cost, latency, success in found:
        at = START + FINE_MS + offset
        decide(made, "r", arm, at, explored=explores)
        # The quality is known where the reward is, and is another number.
        quality = None if value is None else 1.0 - value
        known = {"cost_usd": cost, "latency_ms": latency, "success": success, "quality": quality}
        reward(made, "r", arm, at, value, **known)
        qualities[arm] += [] if quality is None else [quality]
        decided[arm] += 1
        explored[arm] += explores
        rewards[arm] += [] if value is None else [value]
        costs[arm] += [] if cost is None else [cost]
        latencies[arm] += [] if latency is None else [latency]
        told[arm] += [] if success is None else [success]
    seen = history(made, "r", START + FINE_MS + 899_999)
    assert sum(arm.decided for arm in seen.arms) == len(found)
    for arm in seen.arms:
        mine = rewards[arm.arm]
        assert (arm.decided, arm.explored) == (decided[arm.arm], explored[arm.arm])
        assert arm.share == pytest.approx(decided[arm.arm] / len(found))
        assert arm.rewards == len(mine)
        assert (arm.reward is None) == (not mine)
        if mine:
            assert arm.reward == pytest.approx(statistics.fmean(mine), abs=1e-6)
        if len(mine) > 1:
            assert arm.variance == pytest.approx(statistics.variance(mine), abs=1e-5)
        assert (arm.quality is None) == (not qualities[arm.arm])
        if arm.quality is not None:
            assert arm.quality == pytest.approx(statistics.fmean(qualities[arm.arm]), abs=1e-6)
        if costs[arm.arm]:
            assert arm.cost_usd == pytest.approx(statistics.fmean(costs[arm.arm]), rel=1e-5)
            assert arm.total_cost_usd == pytest.approx(sum(costs[arm.arm]), rel=1e-5)
        if told[arm.arm]:
            assert arm.error_rate == pytest.approx(told[arm.arm].count(False) / len(told[arm.arm]))
        sorted_latencies = sorted(latencies[arm.arm])
        for share, quantile in ((0.5, arm.p50), (0.95, arm.p95), (0.99, arm.p99)):
            if sorted_latencies:
                exact = sorted_latencies[math.ceil(share * len(sorted_latencies)) - 1]
                assert quantile == pytest.approx(exact, rel=0.025)
            else:
                assert quantile is None


@settings(max_examples=40, deadline=None)
@given(events, st.booleans())
def test_each_bucket_of_a_curve_is_as_a_plain_recount_has_it(found: list[Any], fine: bool) -> None:
    step = FINE_MS if fine else COARSE_MS
    made = monitor()
    decided: defaultdict[tuple[str, int], int] = defaultdict(int)
    rewards: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for offset, arm, explores, value, *_ in found:
        at = START + FINE_MS + offset
        decide(made, "r", arm, at, explored=explores)
        reward(made, "r", arm, at, value)
        decided[arm, at // step] += 1
        rewards[arm, at // step] += [] if value is None else [value]
    seen = history(made, "r", START + FINE_MS + 899_999, 900_000 if fine else 3_600_000)
    assert seen.step_ms == step
    assert len(seen.at) == (FINE if fine else 60)
    for one in seen.curves:
        for index, at_ms in enumerate(seen.at):
            key = one.arm, at_ms // step
            assert one.decided[index] == decided[key]
            assert one.rewards[index] == len(rewards[key])
            if rewards[key]:
                assert one.reward[index] == pytest.approx(statistics.fmean(rewards[key]), abs=1e-6)
            else:
                assert one.reward[index] is None
    assert sum(sum(one.decided) for one in seen.curves) == len(found)


def test_the_interval_of_a_mean_is_students() -> None:
    made = monitor()
    values = [0.4, 0.45, 0.55, 0.6]
    for value in values:
        reward(made, "r", "a", NOW, value)
    (arm,) = history(made, "r").arms
    error = statistics.stdev(values) / 2.0
    low, high = stats.t.interval(0.95, 3, loc=statistics.fmean(values), scale=error)
    assert arm.low == pytest.approx(low, abs=1e-6)
    assert arm.high == pytest.approx(high, abs=1e-6)


@given(st.lists(st.floats(0.01, 1e7), min_size=1, max_size=300))
def test_quantiles_are_nearest_ranks_within_their_bucket(latencies: list[float]) -> None:
    counts: dict[int, int] = {}
    for latency in latencies:
        bucket = latency_bucket(latency)
        counts[bucket] = counts.get(bucket, 0) + 1
    exact = sorted(latencies)
    for share, found in zip((0.5, 0.95, 0.99), quantiles(counts), strict=True):
        assert found == pytest.approx(exact[math.ceil(share * len(exact)) - 1], rel=0.025)


def test_six_hours_are_kept_by_the_minute_and_no_more() -> None:
    made = monitor()
    now = START + 8 * 3_600_000 - 1
    made.tend(now)
    for minute in range(8 * 60):
        decide(made, "r", "a", START + minute * 60_000)
    seen = history(made, "r", now, 6 * 3_600_000)
    assert curve(seen, "a").decided == [1] * 360
    assert history(made, "r", now, 30 * 3_600_000).at == seen.at


def test_rewards_join_the_minute_of_their_decision() -> None:
    made = monitor()
    base = (START // 60_000) * 60_000
    made.tend(base + 3_600_000)
    for minute in range(20):
        for _ in range(4):
            decide(made, "r", "a", base + minute * 60_000)
    for minute in range(10):
        for _ in range(3):
            reward(made, "r", "a", base + 19 * 60_000, 1.0, delay_ms=(19 - minute) * 60_000)
    seen = history(made, "r", base + 20 * 60_000)
    assert seen.join_rate == pytest.approx(3 / 4)
    assert seen.joins.at[-1] == base + 20 * 60_000
    long = history(made, "r", base + 19 * 60_000, 1_200_000)
    assert long.joins.decided == [4] * 20
    assert long.joins.joined == [3] * 10 + [0] * 10


def test_regret_compares_with_the_best_arm_that_has_enough_rewards() -> None:
    made = monitor()
    for _ in range(30):
        reward(made, "r", "good", NOW, 0.8)
        reward(made, "r", "bad", NOW, 0.2)
    reward(made, "r", "lucky", NOW, 1.0)
    expected = 0.8 - (30 * 0.8 + 30 * 0.2 + 1.0) / 61
    assert history(made, "r").regret == pytest.approx(expected, abs=1e-6)


def test_what_a_wrong_clock_stamps_in_the_future_counts_as_of_now() -> None:
    made = monitor()
    decide(made, "r", "a", NOW + 10**10)
    decide(made, "r", "a", NOW)
    assert curve(history(made, "r"), "a").decided[-1] == 2


def test_what_comes_out_of_order_is_not_lost() -> None:
    made = monitor()
    decide(made, "r", "a", NOW)
    decide(made, "r", "a", NOW - 600_000)
    assert history(made, "r").arms[0].decided == 2


def test_an_alert_is_a_mark_on_its_route_and_in_the_list() -> None:
    made = monitor()
    decide(made, "r", "a", NOW)
    made.of(0).alerted(alert("r", 1))
    made.of(0).alerted(alert("s", 2, severity="info", event="notice"))
    assert [mark.alert_id for mark in history(made, "r").marks] == ["a1"]
    assert [one.alert_id for one in made.alerts().alerts] == ["a2", "a1"]
    assert [one.alert_id for one in made.alerts(route="r").alerts] == ["a1"]
    assert {line.route: line.alerts for line in made.routes().routes} == {"r": 1, "s": 0}
    assert made.alert_counts["drift", "critical", "opened"] == 1


def test_alerts_are_bounded() -> None:
    made = monitor()
    for number in range(5_000):
        made.of(0).alerted(alert("r", number))
    assert len(made.alerts(limit=10_000).alerts) == 1_000
    assert len(history(made, "r").marks) == 200


def test_the_list_of_routes_searches_sorts_and_pages() -> None:
    made = monitor()
    made.know(0, [f"team/{number}" for number in range(30)])
    for number in range(30):
        for _ in range(number):
            decide(made, f"team/{number}", "a", NOW)
        reward(made, f"team/{number}", "a", NOW, number / 30, cost_usd=1.0 / (number + 1))
    made.rank(NOW + RANK_MS)
    assert made.routes().total == 30
    first = made.routes(limit=2)
    assert [line.route for line in first.routes] == ["team/29", "team/28"]
    assert [line.route for line in made.routes(offset=29).routes] == ["team/0"]
    assert made.routes("TEAM/2").total == 11
    assert made.routes("nobody").routes == []
    assert made.routes(sort="reward", limit=1).routes[0].route == "team/29"
    assert made.routes(sort="cost", limit=1).routes[0].route == "team/0"
    assert made.routes(sort="name", limit=3).routes[1].route == "team/1"
    line = first.routes[0]
    assert (line.decided, line.rewards, line.detailed) == (29, 1, True)
    assert line.reward == pytest.approx(29 / 30)


def test_a_line_tells_the_latency_of_all_arms_lately() -> None:
    made = monitor(details=1, named=1)
    for index in range(100):
        reward(made, "r", f"arm-{index % 3}", NOW - 60_000, 0.5, latency_ms=10.0 * (index + 1))
    reward(made, "no/history", "a", NOW, 0.5, latency_ms=10.0)
    reward(made, "r", "arm-0", NOW - 1_000, 0.5)
    lines = {line.route: line.p95 for line in made.routes().routes}
    assert lines["r"] == pytest.approx(950.0, rel=0.025)
    assert lines["no/history"] is None
    made.tend(NOW + 3_600_000)
    reward(made, "r", "arm-0", NOW + 3_600_000, 0.5)
    assert next(line for line in made.routes().routes if line.route == "r").p95 is None


def test_routes_of_a_partition_that_went_away_are_not_noted() -> None:
    made = monitor()
    made.know(7, ["late"])
    assert (len(made), made.routes().total) == (0, 0)


def test_a_route_without_traffic_is_listed_and_has_an_empty_history() -> None:
    made = monitor()
    made.know(0, ["quiet"])
    assert [line.route for line in made.routes().routes] == ["quiet"]
    assert history(made, "quiet").curves == []
    assert made.history("unknown", NOW) is None


def test_only_the_busiest_routes_have_a_history() -> None:
    made = monitor(details=3, named=2)
    for number in range(6):
        for _ in range(2 ** (number + 1)):
            decide(made, f"r{number}", "a", NOW)
    assert [line.detailed for line in made.routes(sort="name").routes] == [True] * 3 + [False] * 3
    made.rank(NOW + RANK_MS)
    assert [line.detailed for line in made.routes(sort="name").routes] == [False] * 3 + [True] * 3
    assert [route.name for route in made.named] == ["r4", "r5"]


def test_a_place_changes_hands_only_for_a_route_that_is_clearly_busier() -> None:
    made = monitor(details=1, named=1)
    for _ in range(100):
        decide(made, "first", "a", NOW)
    for _ in range(140):
        decide(made, "second", "a", NOW)
    made.rank(NOW + RANK_MS)
    assert [route.name for route in made.named] == ["first"]
    for _ in range(400):
        decide(made, "second", "a", NOW)
    made.rank(NOW + 2 * RANK_MS)
    assert [route.name for route in made.named] == ["second"]


def test_a_route_that_somebody_looks_at_keeps_its_history() -> None:
    made = monitor(details=2, named=0)
    for number in range(4):
        for _ in range(100):
            decide(made, f"busy{number}", "a", NOW)
    decide(made, "rare", "a", NOW)
    made.rank(NOW + RANK_MS)
    since = history(made, "rare").since
    for turn in range(2, 6):
        for number in range(4):
            for _ in range(100):
                decide(made, f"busy{number}", "a", NOW)
        made.rank(NOW + turn * RANK_MS)
    assert history(made, "rare").since == since
    assert sum(line.detailed for line in made.routes().routes) == 2


def test_totals_are_bounded_and_the_idlest_routes_make_room() -> None:
    made = monitor(details=5, named=2, most_routes=100)
    for number in range(1_000):
        decide(made, f"r{number}", "a", START + number * 100)
    assert len(made) <= 100
    assert made.find("r999") is not None
    assert made.find("r500") is None
    assert made.routes().total == len(made)
    decided = sum(counts.decisions for counts in made.others.arms.values())
    decided += sum(arm.decisions for route in made.named for arm in route.counts.arms.values())
    assert decided == 1_000


def test_arms_are_bounded_and_the_oldest_make_room() -> None:
    made = monitor()
    for number in range(100):
        decide(made, "r", f"a{number}", START + number * 1_000)
    arms = {one.arm for one in history(made, "r", START + 100_000).arms}
    assert len(arms) == 32
    assert "a99" in arms
    counts = made.named[0].counts.arms
    assert len(counts) == 33
    assert counts["other"].decisions == 68


def test_a_partition_that_goes_away_takes_its_routes_along() -> None:
    made = Monitor()
    made.take([0, 1], NOW)
    made.of(0).decided("r0", "", "a", 1.0, NOW, explored=False)
    made.of(1).decided("r1", "", "a", 1.0, NOW, explored=False)
    made.take([1, 2], NOW + 5_000)
    assert [line.route for line in made.routes().routes] == ["r1"]
    assert [route.name for route in made.named] == ["r1"]
    assert made.history("r0", NOW) is None
    made.of(2).decided("r2", "", "a", 1.0, NOW, explored=False)
    line = made.routes(search="r2").routes[0]
    assert (line.since, line.partition) == (NOW + 5_000, 2)
    assert made.routes(search="r1").routes[0].since == NOW


def test_an_owner_that_was_dropped_may_finish_its_cycle() -> None:
    made = monitor()
    decide(made, "r", "a", NOW)
    dropped = made.of(0)
    made.forget(0)
    made.forget(0)
    dropped.decided("r", "", "a", 1.0, NOW, explored=False)
    dropped.decided("new", "", "a", 1.0, NOW, explored=False)
    assert len(made) == 0
    assert made.named == []
    assert made.routes().routes == []
    made.take([0], NOW)
    decide(made, "r", "a", NOW)
    assert [(line.route, line.decided) for line in made.routes().routes] == [("r", 1)]


def test_the_view_is_json() -> None:
    made = monitor()
    decide(made, "r", "a", NOW)
    reward(made, "r", "a", NOW, 0.5, latency_ms=100.0)
    found = history(made, "r")
    assert msgspec.json.decode(msgspec.json.encode(found), type=RouteHistory) == found
