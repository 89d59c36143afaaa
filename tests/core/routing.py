"""Drives a router over made-up events, and shows the state that anything can still see."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from core.router import Router
from core.routing.part import Inputs, Part
from core.routing.partition import GRACE_MS
from schemas.state import BOOKKEEPING, decode_decision, decode_route, split_key

T0 = 1_750_000_000_000
R = "acme/chat"
BETA = {"name": "thompson_beta"}
WINDOW_MS = 30 * 60_000


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def arms(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "model": f"models/{name}"} for name in names]


class Driver:
    """One router with its store; records get their offsets here."""

    def __init__(self, **limits: Any) -> None:
        self.items: dict[bytes, bytes] = {}
        self._limits = limits
        self.router = Router(self.items.get, **limits)
        self.offsets = [0, 0, 0]
        self.decisions: list[dict[str, Any]] = []
        self.outputs: list[tuple[str, dict[str, Any]]] = []
        self.now = T0

    def record(self, kind: int, event: Any, key: str | None = "", at: int | None = None) -> Record:
        """A record of one topic; the key is the event's route unless given."""
        value = event if isinstance(event, bytes | None) else orjson.dumps(event)
        if key == "":
            key = event["route"]
        offset = self.offsets[kind]
        self.offsets[kind] += 1
        return Record(
            offset,
            self.now if at is None else at,
            None if key is None else key.encode(),
            value,
        )

    def handle(self, inputs: Inputs, emitted: int | None = None) -> list[Part]:
        """Hand all records to the router, in as many parts as it takes."""
        parts = []
        while True:
            part = self.router.handle(inputs, self.router.version if emitted is None else emitted)
            parts.append(part)
            self.keep(part)
            if not inputs.left and not self.router.overdue:
                return parts

    def keep(self, part: Part) -> None:
        for key, value in part.puts.items():
            if value is None:
                self.items.pop(key, None)
            else:
                self.items[key] = value
        self.decisions.extend(orjson.loads(answer.value) for answer in part.decisions)
        self.outputs.extend((out.role, orjson.loads(out.value)) for out in part.outbox)

    def policy(self, route: str, version: int = 1, **changes: Any) -> None:
        event = {"route": route, "version": version, "arms": arms("a", "b", "c"), **changes}
        self.handle(Inputs(policies=[self.record(0, event)]))

    def request(self, route: str, request_id: str, **fields: Any) -> dict[str, Any]:
        """The answer to one request."""
        before = len(self.decisions), len(self.outputs)
        event = {"route": route, "request_id": request_id, **fields}
        self.handle(Inputs(requests=[self.record(1, event)]))
        found = self.decisions[before[0] :]
        found += [out for role, out in self.outputs[before[1] :] if role == "decisions"]
        assert len(found) == 1, found
        return found[0]

    def reward(self, route: str, request_id: str, **fields: Any) -> None:
        event = {"route": route, "request_id": request_id, **fields}
        self.handle(Inputs(rewards=[self.record(2, event)]))

    def restart(self) -> None:
        """Go on from the stored state, as after a crash."""
        from schemas.state import STAMP_KEY, encode_state

        self.items[STAMP_KEY] = encode_state(self.router.state.stamp())
        self.router = Router(self.items.get, **self._limits)
        self.router.restore(self.scan)

    def scan(self, prefix: bytes) -> Any:
        return iter(sorted(item for item in self.items.items() if item[0].startswith(prefix)))

    def letters(self) -> list[str]:
        return [out["reason"] for role, out in self.outputs if role == "dead_letters"]

    def alerts(self) -> list[dict[str, Any]]:
        return [out for role, out in self.outputs if role == "drift"]

    def counts(self, route: str) -> Any:
        return decode_route(self.items[b"R" + route.encode()])

    def visible(self) -> dict[bytes, bytes]:
        """The state without what nothing can see any more: its dropping depends on the cut."""
        clock = self.router.state.reward_clock
        found = {}
        for key, value in self.items.items():
            if key[:1] in BOOKKEEPING:
                continue
            if key[:1] == b"D":
                record = decode_decision(value)
                decided = self.counts(split_key(key)[0]).decided
                if clock > record.deadline + GRACE_MS or decided >= record.last_serial:
                    continue
            if key[:1] == b"P":
                route, version = key[1:-9], int.from_bytes(key[-8:], "big")
                if self.counts(route.decode()).current != version:
                    continue
            found[key] = value
        return found


def learned(driver: Driver, arm: str) -> float:
    """How many rewards the arm has learned from."""
    memory = driver.router.state.memory
    route = memory.route(R)
    assert route is not None
    compiled = memory.current(route)
    assert compiled is not None
    segment = memory.segment(route, "", compiled.policy.context)
    return compiled.bandit.count(memory.arm(route, segment, compiled, arm).state)
