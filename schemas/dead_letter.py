"""Where a message goes that can neither act nor be answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.fields import EpochMs

DeadLetterReason = Literal[
    "invalid_json",
    "invalid_message",
    "wrong_key",
    "too_large",
    "invalid_policy",
    "stale_policy",
    "unknown_request",
    "late_reward",
    "contradicting_reward",
    "unknown_arm",
    "empty_outcome",
    "held_rewards_full",
    "undeliverable_alert",
]


class DeadLetter(Struct, frozen=True):
    """One refused message, on ``llm.dead-letters``, with where it came from and why."""

    reason: DeadLetterReason
    message: str
    """For a person: what is wrong and what to do."""
    topic: str
    partition: int
    offset: int
    timestamp: EpochMs
    key: str | None
    value: str | None
    """The payload as text (invalid UTF-8 replaced), cut after 64 KiB."""
    size: int
    """Bytes of the whole payload."""
