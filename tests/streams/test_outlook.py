"""What is seen of the engine from outside: lag, and routes with their open incidents."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from streams.durable.local import MemoryState
from streams.durable.owner import Owner
from streams.engine.engine import Engine
from streams.engine.inbox import Inbox
from streams.engine.outlook import budgets, lag, open_decisions, open_incidents, summary
from streams.monitor.view import OpenIncidents
from streams.settings import Topics
from tests.core.routing import Driver, R, arms

TOPICS = Topics()


class _Record(NamedTuple):
    timestamp: int
    value: bytes | None = b"{}"


def _engine(positions: dict[int, tuple[int, int, int]], inbox: Inbox | None = None) -> Engine:
    owners = {number: SimpleNamespace(positions=at) for number, at in positions.items()}
    found: Any = SimpleNamespace(owners=owners, inbox=inbox or Inbox(1_000, 10**6))
    return cast(Engine, found)


def test_lag_is_what_lies_between_a_topics_end_and_what_was_applied() -> None:
    engine = _engine({0: (3, 100, 50), 2: (0, 7, 0)})
    ends = {("llm.requests", 0): 130, ("llm.requests", 2): 10, ("llm.rewards", 0): 50}
    found = lag(engine, TOPICS, lambda topic, partition: ends.get((topic, partition)))
    assert {role: one.records for role, one in found.items()} == {
        "policies": 0,
        "requests": 33,
        "rewards": 0,
    }
    assert all(one.seconds == 0.0 for one in found.values())


def test_lag_in_seconds_is_the_age_of_the_oldest_record_that_waits() -> None:
    inbox = Inbox(1_000, 10**6)
    now = int(time.time() * 1000)
    inbox.put(1, 0, [_Record(now - 5_000), _Record(now - 1_000)])
    inbox.put(1, 2, [_Record(now - 60_000)])
    inbox.put(2, 0, [_Record(now + 60_000)])
    found = lag(_engine({}, inbox), TOPICS, lambda *_: None)
    assert found["requests"].records == 3
    assert found["requests"].seconds == pytest.approx(60.0, abs=30.0)
    assert (found["rewards"].records, found["rewards"].seconds) == (1, 0.0)
    inputs = inbox.slice(2, 10)
    inputs.requests_taken = 1
    inbox.taken(2, inputs)
    assert inbox.waiting(1) == (2, now - 5_000)
    inputs = inbox.slice(0, 1)
    inputs.requests_taken = 1
    inbox.taken(0, inputs)
    assert inbox.waiting(1) == (1, now - 1_000)
    inbox.clear()
    assert inbox.waiting(1) == (0, None)


def test_an_owners_routes_are_shown_with_their_open_incidents() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": ["quality"], "cooldown": "1m"})
    for index in range(700):
        driver.now += 100
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.9 if index < 400 else 0.2)
    driver.restart()
    local = MemoryState()
    local.items.update(driver.items)
    owner = Owner(0, "me", local, max_part_bytes=10**6, max_routes=10)
    owner.claim()
    owner.claimed(0)
    owner.start()
    engine = cast(Engine, SimpleNamespace(owners={0: owner}))
    found = summary(engine, R)
    assert found is not None
    (incident,) = [one for one in found.incidents if one.kind == "drift"]
    assert incident.arm == "a"
    assert OpenIncidents("drift", incident.severity, 1) in open_incidents(engine)
    assert open_decisions(engine) == 700
    assert summary(engine, "nobody") is None


def _engine_of(driver: Driver) -> Engine:
    driver.restart()
    local = MemoryState()
    local.items.update(driver.items)
    owner = Owner(0, "me", local, max_part_bytes=10**6, max_routes=10)
    owner.claim()
    owner.claimed(0)
    owner.start()
    return cast(Engine, SimpleNamespace(owners={0: owner}))


def test_a_budget_is_shown_with_its_debt_until_it_cannot_be_held() -> None:
    driver = Driver()
    cheapest = [{"id": "a", "model": "a"}, {"id": "b", "model": "b"}]
    driver.policy(R, arms=cheapest, budget={"usd_per_request": 0.001})
    driver.policy("free", arms=cheapest)
    for index in range(40):
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.9, cost_usd=0.003)
    routes = [(0, R), (0, "free"), (0, "nobody"), (1, R)]
    (early,) = budgets(_engine_of(driver), routes)
    # Each call cost 0.002 USD more than it was allowed.
    assert (early.route, early.held) == (R, True)
    assert early.debt_usd == pytest.approx(40 * 0.002)
    for index in range(40, 2_000):
        driver.request(R, f"r{index}")
        driver.reward(R, f"r{index}", quality=0.9, cost_usd=0.003)
    (late,) = budgets(_engine_of(driver), routes)
    assert not late.held
    assert late.debt_usd > early.debt_usd


def test_looking_at_a_budget_changes_nothing() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), budget={"usd_per_request": 0.001})
    engine = _engine_of(driver)
    route = engine.owners[0].router.state.memory.route(R)
    assert route is not None
    before = route.encode()
    assert [one.debt_usd for one in budgets(engine, [(0, R)])] == [0.0]
    assert route.encode() == before
