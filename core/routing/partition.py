"""What the three kinds of input share: positions, clocks, live memory and the outputs so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.routing.memory import Memory
from core.routing.observer import Observer
from core.routing.open_decisions import OpenDecisions
from core.routing.part import Answered, InputRecord, Part
from schemas.dead_letter import DeadLetter, DeadLetterReason
from schemas.encode import encode_dead_letter
from schemas.state import DecisionRecord, Output, Stamp

GRACE_MS: Final = 60_000
"""How long after its window a decision is remembered, so that a late reward is called late."""
_SHOWN: Final = 65_536


class Partition:
    """The state that requests, rewards and policies of one partition work on."""

    __slots__ = (
        "decisions",
        "due_ms",
        "emitted",
        "memory",
        "next_policy",
        "next_request",
        "next_reward",
        "number",
        "observer",
        "open",
        "outbox",
        "request_clock",
        "reward_clock",
        "room",
        "topics",
        "version",
    )

    def __init__(
        self,
        number: int,
        memory: Memory,
        room: int,
        topics: Mapping[str, str],
        observer: Observer | None = None,
    ) -> None:
        self.number = number
        self.memory = memory
        self.room = room
        self.topics = topics
        self.observer = observer
        self.open = OpenDecisions()
        self.due_ms = 0
        """Nothing is due before a clock has reached it."""
        self.version = 0
        self.emitted = 0
        self.next_policy = 0
        self.next_request = 0
        self.next_reward = 0
        self.request_clock = 0
        self.reward_clock = 0
        self.decisions: list[Answered] = []
        self.outbox: list[Output] = []

    def stamp(self) -> Stamp:
        """How far this partition is."""
        return Stamp(
            version=self.version,
            policies=self.next_policy,
            requests=self.next_request,
            rewards=self.next_reward,
            request_clock=self.request_clock,
            reward_clock=self.reward_clock,
        )

    @property
    def full(self) -> bool:
        """Whether the open part must end before the next record."""
        return self.memory.size >= self.room

    def look_at(self, due_ms: int) -> None:
        """Something will be due when a clock has reached ``due_ms``, or passed it."""
        self.due_ms = min(self.due_ms, due_ms)

    def resume(self, stamp: Stamp) -> None:
        """Go on from a stored stamp."""
        self.version = stamp.version
        self.next_policy = stamp.policies
        self.next_request = stamp.requests
        self.next_reward = stamp.rewards
        self.request_clock = stamp.request_clock
        self.reward_clock = stamp.reward_clock

    def remembers(self, record: DecisionRecord, decided: int) -> bool:
        """Whether a stored decision still counts, when its route has made ``decided`` of them.

        One that does not is as good as absent; whether it still stands in the store says nothing.
        """
        return self.reward_clock <= record.deadline + GRACE_MS and decided < record.last_serial

    def emit(self, role: str, key: bytes, value: bytes) -> None:
        """Publish a message with this part, through the outbox."""
        self.outbox.append(Output(role, key, value))
        self.memory.size += len(key) + len(value) + 24

    def refuse(
        self, topic: str, record: InputRecord, reason: DeadLetterReason, message: str
    ) -> None:
        """Send a record to the dead letters."""
        key, value = record.key, record.value
        letter = DeadLetter(
            reason=reason,
            message=message,
            topic=self.topics.get(topic, topic),
            partition=self.number,
            offset=record.offset,
            timestamp=record.timestamp,
            key=None if key is None else key.decode("utf-8", "replace"),
            value=None if value is None else value[:_SHOWN].decode("utf-8", "replace"),
            size=0 if value is None else len(value),
        )
        self.emit("dead_letters", key or b"", encode_dead_letter(letter))

    def end_part(self) -> Part:
        """Hand over what happened since the last part."""
        decisions, self.decisions = self.decisions, []
        outbox, self.outbox = self.outbox, []
        return Part(self.memory.drain(), decisions, outbox, self.stamp())


def wrong_key(key: bytes | None, route: str) -> str:
    """What to tell a producer whose key is not its event's route."""
    shown = "no key" if key is None else f"the key {key[:200].decode('utf-8', 'replace')!r}"
    return (
        f"the record has {shown}, but its route is {route!r}: produce every event with its route "
        "as the key, so that requests, rewards and policies of a route meet in one partition"
    )
