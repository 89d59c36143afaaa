"""The stored decisions: answered again when they must be, dropped when nothing can see them."""

from __future__ import annotations

from collections.abc import Callable

from core.routing.memory import Scan
from core.routing.open_decisions import Entry
from core.routing.part import Answered
from core.routing.partition import GRACE_MS, Partition
from schemas.state import (
    DECISION,
    DecisionRecord,
    decode_decision,
    encode_state,
    policy_key,
    split_key,
)


class Remembered:
    """The decisions that one partition remembers."""

    def __init__(self, state: Partition) -> None:
        self._state = state

    def add(
        self, route: str, key: bytes, record: DecisionRecord, serial: int, *, replaces: bool
    ) -> None:
        """Store the route's ``serial``-th decision; ``replaces``: over an older one given up."""
        self._state.memory.put(key, encode_state(record))
        if replaces:
            self._state.open.supersede(key, record.version)
        self._state.open.add(route, _entry(key, record), serial)

    def repeat(self, route: str, request_id: str, record: DecisionRecord) -> None:
        """Publish a stored decision again."""
        payload = self._payload(route, request_id, record)
        if payload is not None:
            self._state.emit("decisions", route.encode(), payload)

    def _payload(self, route_name: str, request_id: str, record: DecisionRecord) -> bytes | None:
        memory = self._state.memory
        route = memory.route(route_name)
        compiled = None if route is None else memory.policy(route, record.policy_version)
        if compiled is None:
            return None
        return compiled.answer(request_id, record)

    def forget(self, most: int) -> None:
        """Drop up to ``most`` stored decisions that nothing can see any more."""
        state, memory = self._state, self._state.memory
        for name, entry, own in state.open.collect(state.reward_clock, state.emitted, most):
            if own:
                memory.put(entry.key, None)
            if not state.open.in_use(name, entry.policy_version):
                route = memory.route(name)
                if route is not None and route.record.current != entry.policy_version:
                    memory.put(policy_key(name, entry.policy_version), None)
                    route.policies.pop(entry.policy_version, None)

    def restore(self, scan: Scan, note: Callable[[bytes, DecisionRecord], None]) -> None:
        """Rebuild the index of stored decisions; ``note`` is shown each of them."""
        found: list[tuple[str, Entry]] = []
        for key, value in scan(DECISION):
            record = decode_decision(value)
            note(key, record)
            found.append((split_key(key)[0], _entry(key, record)))
        found.sort(key=lambda item: item[1].version)
        for name, entry in found:
            route = self._state.memory.route(name)
            assert route is not None, "a route is kept while a decision of it is"
            self._state.open.add(name, entry, route.record.decided)

    def answers_after(self, version: int) -> list[Answered]:
        """The answers of stored decisions made after that version, in order."""
        answers = []
        for entry in sorted(self._state.open.after(version), key=lambda entry: entry.version):
            stored = self._state.memory.get(entry.key)
            assert stored is not None, "a decision is kept until its answer was published"
            record = decode_decision(stored)
            if record.version != entry.version:
                continue  # its id was used again, and that decision's entry follows
            route, request_id = split_key(entry.key)
            payload = self._payload(route, request_id, record)
            assert payload is not None, "a policy version is kept while a decision made by it is"
            answers.append(Answered(route.encode(), payload))
        return answers


def _entry(key: bytes, record: DecisionRecord) -> Entry:
    """What the index of stored decisions knows of a record."""
    return Entry(
        record.deadline + GRACE_MS, record.last_serial, record.version, record.policy_version, key
    )
