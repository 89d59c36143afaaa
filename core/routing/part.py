"""What goes into the router and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from schemas.state import Output, Stamp


class InputRecord(Protocol):
    """One record of an input topic, as a Kafka client gives it."""

    @property
    def offset(self) -> int: ...  # noqa: D102

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch."""
        ...

    @property
    def key(self) -> bytes | None: ...  # noqa: D102

    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class Inputs:
    """Records of one partition, in offset order per topic, with how many were taken so far."""

    __slots__ = (
        "policies",
        "policies_taken",
        "requests",
        "requests_taken",
        "rewards",
        "rewards_taken",
    )

    def __init__(
        self,
        policies: Sequence[InputRecord] = (),
        requests: Sequence[InputRecord] = (),
        rewards: Sequence[InputRecord] = (),
    ) -> None:
        self.policies = policies
        self.requests = requests
        self.rewards = rewards
        self.policies_taken = 0
        self.requests_taken = 0
        self.rewards_taken = 0

    @property
    def left(self) -> int:
        """How many records still wait."""
        return (
            len(self.policies)
            + len(self.requests)
            + len(self.rewards)
            - self.policies_taken
            - self.requests_taken
            - self.rewards_taken
        )


class Answered(NamedTuple):
    """One new decision: the key and payload of its message."""

    key: bytes
    value: bytes


class Part(NamedTuple):
    """The result of some input records: to be made durable at once, then published."""

    puts: dict[bytes, bytes | None]
    """State changes; None deletes. Without stamp and outbox, which the owner adds."""
    decisions: list[Answered]
    """Rebuilt from the state after a crash, so they need no outbox."""
    outbox: list[Output]
    """All other outputs, in order."""
    stamp: Stamp
    """How far the router is after it; the owner adds what was published and counts the batch."""
