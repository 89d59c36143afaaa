"""What Prometheus reads: right, monotonic, and bounded whatever the number of routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from core.routing.part import Part
from schemas.reward import Outcome
from streams import metrics
from streams.metrics import ALL
from streams.monitor.collector import BudgetCollector, RouteCollector, WorkerCollector
from streams.monitor.monitor import RANK_MS, Monitor
from streams.monitor.telemetry import Telemetry
from streams.monitor.view import BudgetNow, Lag, OpenIncidents, WorkerView

NOW = 1_800_000_000_000
STATUS = WorkerView(
    phase="ready",
    reason="",
    partitions=[0, 3],
    topic_partitions=4,
    recovery_left=0,
    recovered=7,
    loop_age_s=0.25,
    lag={"requests": Lag(12, 3.5), "rewards": Lag(0, 0.0)},
    inbox_records=5,
    inbox_bytes=640,
    open_decisions=9,
    routes=2,
    state_keys=100,
    state_bytes=2_048,
    incidents=[OpenIncidents("drift", "critical", 2)],
    version="1.2.3",
)


def _monitor(**limits: int) -> Monitor:
    made = Monitor(**limits)
    made.take([0], NOW - 900_000)
    made.tend(NOW)
    return made


def _scrape(monitor: Monitor) -> tuple[bytes, list[Sample]]:
    registry = CollectorRegistry()
    registry.register(RouteCollector(monitor, lambda: NOW))
    text = generate_latest(registry)
    families = text_string_to_metric_families(text.decode())
    return text, [sample for family in families for sample in family.samples]


def _value(samples: list[Sample], name: str, **labels: str) -> float:
    (found,) = [s.value for s in samples if s.name == name and s.labels == labels]
    return found


def _play(monitor: Monitor, route: str, arm: str, times: int = 1, reward: float = 0.5) -> None:
    seen = monitor.of(0)
    outcome = Outcome(cost_usd=0.002, latency_ms=800.0, success=True)
    for _ in range(times):
        seen.decided(route, "", arm, 1.0, NOW, explored=False)
        seen.rewarded(route, "", arm, outcome, reward, 1_500, NOW)


def test_a_route_with_a_name_tells_all() -> None:
    made = _monitor()
    _play(made, "r", "x", 20, 0.8)
    _play(made, "r", "y", 10, 0.2)
    seen = made.of(0)
    seen.decided("r", "", "y", 0.1, NOW, explored=True)
    seen.rewarded("r", "", "y", Outcome(latency_ms=70_000.0, success=False), None, 500, NOW)
    _, found = _scrape(made)
    x, y = {"route": "r", "arm": "x"}, {"route": "r", "arm": "y"}
    assert _value(found, "thalweg_route_decisions_total", **x) == 20
    assert _value(found, "thalweg_route_decisions_total", **y) == 11
    assert _value(found, "thalweg_route_explorations_total", **y) == 1
    assert _value(found, "thalweg_route_reward_count", **x) == 20
    assert _value(found, "thalweg_route_reward_sum", **x) == pytest.approx(16.0)
    assert _value(found, "thalweg_route_cost_usd_sum", **y) == pytest.approx(0.02)
    assert _value(found, "thalweg_route_calls_total", **y, success="false") == 1
    assert _value(found, "thalweg_route_latency_seconds_bucket", **y, le="0.5") == 0
    assert _value(found, "thalweg_route_latency_seconds_bucket", **y, le="1.0") == 10
    assert _value(found, "thalweg_route_latency_seconds_count", **y) == 11
    assert _value(found, "thalweg_route_latency_seconds_sum", **y) == pytest.approx(78.0)
    assert _value(found, "thalweg_route_rewards_total", route="r") == 31
    name = "thalweg_route_time_to_reward_seconds_bucket"
    assert _value(found, name, route="r", le="0.5") == 1
    assert _value(found, name, route="r", le="2.5") == 31
    assert _value(found, "thalweg_route_reward_mean", **x) == pytest.approx(0.8)
    assert _value(found, "thalweg_route_reward_variance", **x) == pytest.approx(0.0, abs=1e-6)
    assert _value(found, "thalweg_route_arm_share_ratio", **x) == pytest.approx(20 / 31)
    assert _value(found, "thalweg_route_convergence_ratio", route="r") == pytest.approx(20 / 31)
    assert _value(found, "thalweg_route_exploration_ratio", route="r") == pytest.approx(1 / 31)
    assert _value(found, "thalweg_route_regret_mean", route="r") == pytest.approx(0.2, abs=1e-6)
    assert _value(found, "thalweg_time_to_reward_seconds_count") == 31
    assert _value(found, "thalweg_rewards_total", result="counted") == 31
    assert _value(found, "thalweg_route_decisions_total", route="other", arm="") == 0


def test_no_counter_goes_back_and_none_counts_twice_while_names_change_hands() -> None:
    made = _monitor(named=2, details=2)
    last: defaultdict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
    named_before: set[str] = set()
    total, increase = 0, 0.0
    seen_names: set[str] = set()
    for turn in range(12):
        for number in range(6):
            times = 1 + 40 * ((turn + number) % 6 == 0)
            _play(made, f"r{number}", "x", times)
            total += times
        _, found = _scrape(made)
        names = {route.name for route in made.named}
        assert len(names) == 2
        seen_names |= names
        for sample in found:
            if not sample.name.endswith(("_total", "_count", "_bucket")):
                continue
            key = sample.name, tuple(sorted(sample.labels.items()))
            fresh = sample.labels.get("route") in names - named_before
            before = 0.0 if fresh else last[key]
            assert sample.value >= before, key
            if sample.name == "thalweg_route_decisions_total":
                increase += sample.value - before
            last[key] = sample.value
        named_before = names
        made.rank(NOW + (turn + 1) * RANK_MS)
    assert len(seen_names) > 2
    assert increase == total
    assert sum(line.decided for line in made.routes(limit=10).routes) == total


def test_series_are_bounded_whatever_the_number_of_routes() -> None:
    def labels(routes: int) -> tuple[int, int, int]:
        made = _monitor()
        for number in range(routes):
            for arm in range(5):
                _play(made, f"team-{number % 7}/route-{number}", f"model-{arm}")
        text, found = _scrape(made)
        names = {s.labels["route"] for s in found if "route" in s.labels}
        return len(text), len(found), len(names)

    size, count, names = labels(5_000)
    assert names == 51
    assert labels(1_000)[1:] == (count, 51)
    assert size < 5_000_000
    assert count < 10_000


def test_series_are_bounded_whatever_the_number_of_arms() -> None:
    made = _monitor()
    for number in range(500):
        _play(made, "r", f"arm{number}")
    _, found = _scrape(made)
    arms = {s.labels["arm"] for s in found if s.labels.get("route") == "r" and "arm" in s.labels}
    assert len(arms) <= 2 * metrics.MAX_ARMS + 1
    total = sum(s.value for s in found if s.name == "thalweg_route_decisions_total")
    assert total == 500


def test_a_route_called_other_is_one_of_the_others() -> None:
    made = _monitor()
    _play(made, "other", "x", 3)
    made.rank(NOW + RANK_MS)
    _play(made, "other", "x", 2)
    _, found = _scrape(made)
    assert _value(found, "thalweg_route_rewards_total", route="other") == 5
    assert _value(found, "thalweg_route_decisions_total", route="other", arm="") == 5


def test_budgets_are_told_of_the_routes_that_have_a_name_and_a_budget() -> None:
    made = _monitor(named=2, details=2)
    for number in range(3):
        _play(made, f"r{number}", "x")
    asked: list[tuple[int, str]] = []

    def budgets(routes: Iterable[tuple[int, str]]) -> Iterable[BudgetNow]:
        asked.extend(routes)
        return [BudgetNow("r1", 0.25, held=False)]

    registry = CollectorRegistry()
    registry.register(BudgetCollector(made, budgets))
    text = generate_latest(registry).decode()
    found = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert set(asked) == {(0, "r0"), (0, "r1")}
    assert _value(found, "thalweg_route_budget_debt_usd", route="r1") == 0.25
    assert _value(found, "thalweg_route_budget_held", route="r1") == 0
    assert len(found) == 2


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        ("unknown_request", "unknown"),
        ("unknown_arm", "unknown_arm"),
        ("late_reward", "late"),
        ("contradicting_reward", "contradicting"),
        ("empty_outcome", "empty"),
        ("held_rewards_full", "held_full"),
        ("invalid_policy", None),
    ],
)
def test_a_reward_that_became_a_dead_letter_is_counted_by_its_reason(
    reason: str, result: str | None
) -> None:
    made = _monitor()
    telemetry = Telemetry(made)
    letter = SimpleNamespace(role="dead_letters", value=orjson.dumps({"reason": reason}))
    telemetry.published(cast(Part, SimpleNamespace(decisions=[], outbox=[letter])))
    _, found = _scrape(made)
    counts = {s.labels["result"]: s.value for s in found if s.name == "thalweg_rewards_total"}
    assert {name for name, count in counts.items() if count} == ({result} if result else set())


def test_the_worker_tells_how_it_is() -> None:
    registry = CollectorRegistry()
    registry.register(WorkerCollector(lambda: STATUS))
    text = generate_latest(registry).decode()
    found = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert _value(found, "thalweg_ready") == 1
    assert _value(found, "thalweg_partitions_owned") == 2
    assert _value(found, "thalweg_partitions") == 4
    assert _value(found, "thalweg_input_lag_records", role="requests") == 12
    assert _value(found, "thalweg_input_lag_seconds", role="requests") == 3.5
    assert _value(found, "thalweg_build_info", version="1.2.3") == 1
    assert _value(found, "thalweg_incidents_open", type="drift", severity="critical") == 2
    assert _value(found, "thalweg_state_bytes") == 2_048


def test_every_metric_is_served_and_every_served_one_is_named_with_its_meaning() -> None:
    made = _monitor()
    _play(made, "r", "x", 20)
    telemetry = Telemetry(made)
    telemetry.follow(lambda: STATUS, lambda: NOW, lambda _: [BudgetNow("r", 0.5, held=True)])
    families = {family.name: family for family in telemetry.registry.collect()}
    ours = {name: family for name, family in families.items() if name.startswith("thalweg_")}
    assert {metric.name for metric in ALL} == ours.keys()
    for metric in ALL:
        family = ours[metric.name]
        assert family.documentation == metric.meaning
        assert family.type == metric.kind
        for sample in family.samples:
            assert sample.name in (*metric.samples, f"{metric.name}_created")
            assert sample.labels.keys() - {"le"} == set(metric.labels)
    assert "process_resident_memory" in "".join(families)
    assert len({metric.name for metric in ALL}) == len(ALL)
