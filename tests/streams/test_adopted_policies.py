"""A route is known as soon as it has a policy, before its first request."""

from __future__ import annotations

from typing import Any

from core.routing.part import Inputs, Part
from streams.engine.pipeline import Pipeline
from streams.monitor.monitor import Monitor
from streams.monitor.telemetry import Telemetry
from streams.settings import Settings
from tests.core.routing import Driver, arms


def part_of(events: list[tuple[str, Any]]) -> Part:
    driver = Driver()
    records = [driver.record(0, event, key=route) for route, event in events]
    (part,) = driver.handle(Inputs(policies=records))
    return part


def policy(route: str, **changes: Any) -> tuple[str, Any]:
    return route, {"route": route, "version": 1, "arms": arms("a"), **changes}


def pipeline_of(monitor: Monitor) -> Pipeline:
    def fail(error: BaseException) -> None:
        raise error

    return Pipeline(Settings(), Telemetry(monitor), fail, lambda _: None)


def test_adopted_policies_are_told_to_the_monitor_and_refused_ones_are_not() -> None:
    monitor = Monitor()
    monitor.take([3], 0)
    part = part_of([policy("new/route"), policy("bad/route", arms=[]), policy("other")])
    pipeline_of(monitor)._tell_policies(3, part)
    assert [line.route for line in monitor.routes(sort="name").routes] == ["new/route", "other"]
    assert [line.partition for line in monitor.routes().routes] == [3, 3]


def test_a_policy_that_is_published_after_its_partition_went_away_stops_nothing() -> None:
    monitor = Monitor()
    pipeline_of(monitor)._tell_policies(3, part_of([policy("new/route")]))
    assert monitor.routes().total == 0
