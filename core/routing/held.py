"""Rewards whose request has not been read yet: kept for a while, bounded, then refused."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from core.routing.agenda import Agenda
from core.routing.memory import Scan
from core.routing.part import InputRecord
from core.routing.partition import Partition
from schemas.state import (
    HELD,
    Held,
    awaited_key,
    decode_held,
    encode_state,
    held_key,
    split_key,
)

TOPIC: Final = "rewards"
_MOST_PER_REQUEST: Final = 16


class KeptRecord(NamedTuple):
    """A held reward as the record that it came in."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class HeldRewards:
    """The held rewards of one partition, found by the key of the decision they wait for."""

    def __init__(self, state: Partition) -> None:
        self._state = state
        self._keys: Counter[bytes] = Counter()
        self._per_route: Counter[str] = Counter()
        self.agenda: Agenda[tuple[int, bytes]] = Agenda(state)
        """By the offset of the reward and the key of the decision."""

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def restore(self, scan: Scan) -> None:
        """Rebuild the index from the stored rewards."""
        for stored_key, value in scan(HELD):
            for held in decode_held(value):
                self._count(awaited_key(stored_key), held)

    def _count(self, key: bytes, held: Held) -> None:
        self._keys[key] += 1
        self._per_route[split_key(key)[0]] += 1
        self.agenda.add(held.deadline, (held.offset, key))

    def hold(self, key: bytes, record: InputRecord, deadline: int, most: int) -> bool:
        """Keep a reward until ``deadline``; False if its route or request holds too many."""
        route = split_key(key)[0]
        if self._per_route[route] >= most or self._keys[key] >= _MOST_PER_REQUEST:
            return False
        held = Held(record.offset, record.timestamp, deadline, record.value or b"")
        self._put(key, [*self._stored(key), held])
        self._count(key, held)
        return True

    def take(self, key: bytes) -> list[KeptRecord]:
        """The rewards that waited for this decision; they wait no longer."""
        rewards = self._stored(key)
        self._uncount(key, len(rewards))
        self._put(key, [])
        return [self._as_record(key, held) for held in rewards]

    def expire(self, clock: int) -> bool:
        """Refuse what ``clock`` has passed; False if the part was full before that was done.

        A request is logged before its reward, so once a clock is past the reward's time and the
        allowance for the brokers' clocks, the request cannot come any more.
        """
        return self.agenda.run(clock, self._give_up)

    def _give_up(self, deadline: int, what: tuple[int, bytes], _: int) -> None:
        _offset, key = what
        rewards = self._stored(key)
        gone = [held for held in rewards if held.deadline == deadline]
        if not gone:
            return
        self._uncount(key, len(gone))
        self._put(key, [held for held in rewards if held.deadline != deadline])
        for held in gone:
            self.refuse_unknown(self._as_record(key, held))

    def refuse_unknown(self, record: InputRecord) -> None:
        """Say that a reward names no decision that is still remembered."""
        self._state.refuse(
            TOPIC,
            record,
            "unknown_request",
            "the reward names a request that this route never decided, that was rejected, or whose "
            "decision is no longer remembered: check request_id and route, and the policy's "
            "reward.window",
        )

    def _stored(self, key: bytes) -> list[Held]:
        stored = self._state.memory.get(held_key(key))
        return [] if stored is None else decode_held(stored)

    def _put(self, key: bytes, rewards: list[Held]) -> None:
        self._state.memory.put(held_key(key), encode_state(rewards) if rewards else None)

    def _uncount(self, key: bytes, count: int) -> None:
        route = split_key(key)[0]
        self._keys[key] -= count
        self._per_route[route] -= count
        if not self._keys[key]:
            del self._keys[key]
        if not self._per_route[route]:
            del self._per_route[route]

    @staticmethod
    def _as_record(key: bytes, held: Held) -> KeptRecord:
        return KeptRecord(held.offset, held.timestamp, split_key(key)[0].encode(), held.value)
