"""When to try again, and whether a receiver is down."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_IN_A_ROW: Final = 5
"""Failures without a success between them, after which a receiver counts as down, whatever they
were of; a single message that a receiver cannot stand must not stop the others."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times that double from ``first`` to ``most`` seconds, each cut by up to a half.

    The jitter keeps several bridges from coming back to a server all at once.
    """

    first: float = 1.0
    most: float = 60.0
    chance: random.Random = field(default_factory=random.Random, compare=False)

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row."""
        whole = self.most if failures > 40 else min(self.most, self.first * 2 ** (failures - 1))
        return whole * self.chance.uniform(0.5, 1.0)


class Health:
    """What a receiver's answers say of the receiver itself. Times are of one monotonic clock."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0
        self.down = False
        """Whether it takes nothing at present: then it is tried with one request at a time."""
        self.not_before = 0.0
        """Nothing may be sent to it before."""

    def succeeded(self) -> bool:
        """It accepted something; whether it was down before."""
        was, self.down = self.down, False
        self._failures = 0
        self.not_before = 0.0
        return was

    def failed(self, now: float, *, whole: bool, retry_after: float | None) -> bool:
        """It did not; whether it is down from now on and was not before.

        ``whole``: the failure has nothing to do with what was sent. ``retry_after``: for how many
        seconds it asked to be left alone.
        """
        self._failures += 1
        was = self.down
        if whole or self._failures >= _IN_A_ROW:
            self.down = True
            wait = self._backoff.delay(self._failures)
            self.not_before = max(self.not_before, now + max(wait, retry_after or 0.0))
        return self.down and not was


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if it cannot be read."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
