"""The order of inputs, told by the answers alone, against the order in which they were applied."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing.part import Inputs
from schemas.state import Stamp
from streams.audit.order import POLICY, REQUEST, REWARD, Placed, Reconstruction
from streams.audit.published import Published
from streams.audit.topics import PartitionLogs, TopicLog
from tests.core.routing import BETA, Driver, arms

ROUTES = ("a/x", "b/y")


class FakeLog:
    """Records at hand, taken like those of a topic."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = list(records)

    async def peek(self, below: int, index: int) -> Any | None:
        found = self._records[index] if index < len(self._records) else None
        return None if found is None or found.offset >= below else found

    async def pop(self) -> Any:
        return self._records.pop(0)


class Answer(NamedTuple):
    """A record of the decision topic."""

    offset: int
    key: bytes
    value: bytes


class Applied:
    """Random inputs of two routes, applied one at a time."""

    def __init__(self, seed: int, *, steps: int, open_places: bool) -> None:
        """``open_places``: with policies in between, and requests that get no answer of their own;
        otherwise the policies come first.
        """
        chance = random.Random(seed)
        self.order: list[tuple[int, int]] = []
        self.published = Published()
        self._driver = driver = Driver()
        self._records: tuple[list[Any], ...] = ([], [], [])
        versions = dict.fromkeys(ROUTES, 0)
        asked: list[tuple[str, str]] = []
        if not open_places:
            for route in ROUTES:
                self._policy(route, 1)
        for number in range(steps):
            driver.now += chance.choice((0, 1, 5))
            route = chance.choice(ROUTES)
            kind = chance.choices((POLICY, REQUEST, REWARD), (int(open_places), 6, 4))[0]
            if kind == POLICY:
                versions[route] += 1
                self._policy(route, versions[route])
                continue
            if open_places and asked and chance.random() < 0.3:
                route, name = chance.choice(asked)
            else:
                name = f"r-{number}"
            if kind == REQUEST:
                asked.append((route, name))
            elif asked:
                route, name = chance.choice(asked)
            event: dict[str, Any] = {"route": route, "request_id": name}
            self._apply(kind, event if kind == REQUEST else {**event, "quality": 0.5})

    def _policy(self, route: str, version: int) -> None:
        event = {"route": route, "version": version, "arms": arms("a", "b"), "algorithm": BETA}
        self._apply(POLICY, event)

    def _apply(self, kind: int, event: dict[str, Any]) -> None:
        driver = self._driver
        record = driver.record(kind, event)
        self._records[kind].append(record)
        self.order.append((kind, record.offset))
        inputs: list[list[Any]] = [[], [], []]
        inputs[kind] = [record]
        for part in driver.handle(Inputs(*inputs)):
            messages = [(one.key, one.value) for one in part.decisions]
            messages += [(one.key, one.value) for one in part.outbox if one.role == "decisions"]
            for key, value in messages:
                self.published.add(Answer(self.published.messages, key, value))

    def stamp(self) -> Stamp:
        return self._driver.router.state.stamp()

    def reconstructed(self, published: Published) -> tuple[list[Placed], int]:
        logs = tuple(cast(TopicLog, FakeLog(records)) for records in self._records)
        found = Reconstruction(
            PartitionLogs((logs[0], logs[1], logs[2]), logs[0]), published, Stamp(), self.stamp()
        )

        async def main() -> list[Placed]:
            return [one async for one in found.inputs()]

        return asyncio.run(main()), found.choices


def in_order(placed: list[Placed]) -> list[tuple[int, int]]:
    return [(one.kind, one.record.offset) for one in placed]


@given(st.integers(0, 10**6), st.integers(1, 60))
@settings(max_examples=25)
def test_answers_place_every_reward(seed: int, steps: int) -> None:
    """Where policies came first and every request has its answer, the order is the true one."""
    applied = Applied(seed, steps=steps, open_places=False)
    placed, choices = applied.reconstructed(applied.published)
    assert in_order(placed) == applied.order
    assert choices <= len(ROUTES)  # of the policies, before the routes' first answers


@given(st.integers(0, 10**6), st.integers(1, 60))
@settings(max_examples=25)
def test_every_answered_request_has_its_place_whatever_else_is_open(seed: int, steps: int) -> None:
    applied = Applied(seed, steps=steps, open_places=True)
    placed, _ = applied.reconstructed(applied.published)
    found = in_order(placed)
    assert sorted(found) == sorted(applied.order)
    for kind in (POLICY, REQUEST, REWARD):  # each topic in its own order
        assert [one for one in found if one[0] == kind] == sorted(
            one for one in found if one[0] == kind
        )
    for version in applied.published.after(0):
        assert found[version - 1] == applied.order[version - 1]


def test_answers_that_no_request_can_have_are_passed_over() -> None:
    applied = Applied(4, steps=40, open_places=False)
    placed, choices = applied.reconstructed(applied.published)
    made_up = Published()
    for number, version in enumerate(applied.published.after(0)):
        fields = {"request_id": f"no-{number}", "route": "a/x", "code": "invalid_request"}
        fields |= {"status": "rejected", "reason": "", "timestamp": 0, "state_version": version}
        made_up.add(Answer(number, b"a/x", orjson.dumps(fields)))
    without, more = applied.reconstructed(made_up)
    assert sorted(in_order(without)) == sorted(in_order(placed))
    assert more > choices
