"""The share of decisions that get a reward, now and as usual.

A silently broken feedback loop is the most common failure of a learning router: decisions go on,
nothing is learned. Decisions are counted in panes by the time they were made; those made between
two windows and one window ago have had their time, and their share of rewards is judged against
that of all panes before, faded by half over ``_HALF_LIFE`` panes.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final, NamedTuple

import msgspec

PANES: Final = 10
_KEPT: Final = 2 * PANES + 1
_HALF_LIFE: Final = 144.0
_FADE: Final = 0.5 ** (1.0 / _HALF_LIFE)
_SURE: Final = 3.7
"""Standard errors that chance exceeds once in 10,000 times (one-sided, normal)."""
_decode: Final = msgspec.msgpack.Decoder(tuple[int, int, list[int], list[int], float, float]).decode


class JoinRate(NamedTuple):
    """What was found when a pane ended."""

    rate: float
    n: int
    usual: float
    usual_n: int
    fallen: bool
    """The rate is further below the usual one than the limit, and not by chance."""
    back: bool
    """The rate is at most half as far below as the limit."""


class JoinPanes:
    """Counts decisions and their rewards by the time of the decision."""

    __slots__ = ("_decided", "_joined", "_now", "_pane_ms", "_usual_decided", "_usual_joined")

    def __init__(self, window_ms: int) -> None:
        self._pane_ms = ceil(window_ms / PANES)
        self._now = 0
        """The newest pane, counted since the epoch."""
        self._decided = [0] * _KEPT
        self._joined = [0] * _KEPT
        """The newest pane's last."""
        self._usual_decided = 0.0
        self._usual_joined = 0.0

    def ends(self, at_ms: int) -> bool:
        """Whether a decision at that time ends panes, so that ``judged`` may change."""
        return at_ms // self._pane_ms > self._now

    def decided(self, at_ms: int, *, learn: bool) -> None:
        """Count a decision; ``learn``: the panes that then leave count for what is usual."""
        pane = at_ms // self._pane_ms
        moved = pane - self._now
        if moved > 0:
            if self._now:
                self._move(moved, learn=learn)
            self._now = pane
            moved = 0
        if moved > -_KEPT:
            self._decided[moved - 1] += 1

    def _move(self, by: int, *, learn: bool) -> None:
        gone = min(by, _KEPT)
        for decided, joined in zip(self._decided[:gone], self._joined[:gone], strict=True):
            if learn and decided:
                self._usual_decided = self._usual_decided * _FADE + decided
                self._usual_joined = self._usual_joined * _FADE + joined
        self._decided = [*self._decided[gone:], *([0] * gone)]
        self._joined = [*self._joined[gone:], *([0] * gone)]

    def joined(self, decided_ms: int) -> None:
        """Count a reward, by the time of its decision."""
        moved = decided_ms // self._pane_ms - self._now
        if -_KEPT < moved <= 0:
            self._joined[moved - 1] += 1

    def judged(self, fall: float, min_samples: int) -> JoinRate | None:
        """What the panes say, or None while there are fewer than ``min_samples`` on a side."""
        decided, joined = sum(self._decided[:PANES]), sum(self._joined[:PANES])
        if decided < min_samples or self._usual_decided < min_samples:
            return None
        rate = joined / decided
        usual = min(1.0, self._usual_joined / self._usual_decided)
        error = sqrt(usual * (1.0 - usual) * (1.0 / decided + 1.0 / self._usual_decided))
        fallen = rate < usual * (1.0 - fall) and usual - rate > _SURE * error
        back = rate >= usual * (1.0 - fall / 2.0)
        return JoinRate(rate, decided, usual, int(self._usual_decided), fallen, back)

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states."""
        return msgspec.msgpack.encode(
            (
                self._pane_ms,
                self._now,
                self._decided,
                self._joined,
                self._usual_decided,
                self._usual_joined,
            )
        )

    @classmethod
    def decode(cls, data: bytes, window_ms: int) -> JoinPanes:
        """The inverse of ``encode``; afresh where the window is another one."""
        self = cls(window_ms)
        pane_ms, now, decided, joined, usual_decided, usual_joined = _decode(data)
        if pane_ms == self._pane_ms:
            self._now, self._decided, self._joined = now, decided, joined
            self._usual_decided, self._usual_joined = usual_decided, usual_joined
        return self
