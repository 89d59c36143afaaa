"""What a policy that decides without routing would have earned, from what the routing one did.

Each outcome of the arm that served, drawn with probability p, weighs w = q / p for a shadow that
would have chosen that arm with probability q. The mean of w y is unbiased for the shadow's mean
outcome, at whatever the shadow knew at each time (Horvitz and Thompson 1952); the mean divided by
that of w (Hájek 1971; SNIPS: Swaminathan and Joachims 2015) is so asymptotically, and varies less.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from core.experiments.mixture import best_rho, two_sided_bound

METRICS: Final = ("reward", "quality", "cost", "latency", "success")
ENOUGH: Final = 50.0
"""Effective outcomes, before an interval is given: its error is that of large samples."""
_HEAVIEST: Final = 1e9
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBQQd")
_SUMS: Final = struct.Struct("<Q9d")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of the shadow beside that of what was routed, over the same requests."""

    outcomes: int
    effective: float
    """How many outcomes of its own the shadow's mean is worth (Kish 1965): (Σ w)² / Σ w²."""
    logged: float
    shadow: float
    low: float
    high: float
    """Of shadow - logged; infinite while there are fewer than ``ENOUGH`` effective outcomes."""


class Weighed:
    """The sums of one metric, about its first value."""

    __slots__ = ("n", "origin", "w", "ww", "wwy", "wwyy", "wy", "wyy", "y", "yy")

    def __init__(self) -> None:
        self.n = 0
        self.origin = 0.0
        self.w = self.ww = 0.0
        self.y = self.yy = 0.0
        self.wy = self.wyy = 0.0
        self.wwy = self.wwyy = 0.0

    def add(self, value: float, weight: float) -> None:
        """Count one outcome, both finite."""
        if not self.n:
            self.origin = value
        y = value - self.origin
        self.n += 1
        self.w += weight
        self.ww += weight * weight
        self.y += y
        self.yy += y * y
        self.wy += weight * y
        self.wyy += weight * y * y
        self.wwy += weight * weight * y
        self.wwyy += weight * weight * y * y

    def estimate(self, alpha: float, tuned: int) -> Estimate | None:
        """The shadow's mean, and an interval of its difference that holds at all times.

        It is the confidence sequence of the normal mixture, on the variance of the linearised
        difference (the delta method), tuned to ``tuned`` outcomes. None where no outcome weighs
        anything: the shadow would never have chosen what served.
        """
        n, w = self.n, self.w
        if not n or w <= 0.0:
            return None
        a, b, mean_w = self.wy / w, self.y / n, w / n
        own = (self.wwyy - 2.0 * a * self.wwy + a * a * self.ww) / (mean_w * mean_w)
        both = (self.wyy - (a + b) * self.wy + a * b * w) / mean_w
        logged = self.yy - 2.0 * b * self.y + n * b * b
        squares = own - 2.0 * both + logged
        effective = w * w / self.ww
        reach = math.inf
        if effective >= ENOUGH:
            reach = 0.0
            if squares > 0.0:
                information = n * n / squares
                rho = best_rho(tuned, alpha) * information / n
                reach = two_sided_bound(information, rho, alpha) / information
        difference = a - b
        return Estimate(
            outcomes=n,
            effective=effective,
            logged=self.origin + b,
            shadow=self.origin + a,
            low=difference - reach,
            high=difference + reach,
        )

    def encode(self) -> bytes:
        """The sums, little-endian."""
        first = (self.n, self.origin, self.w, self.ww, self.y, self.yy)
        return _SUMS.pack(*first, self.wy, self.wyy, self.wwy, self.wwyy)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``, bit for bit."""
        self = cls()
        self.n, self.origin, self.w, self.ww, self.y, self.yy, *rest = _SUMS.unpack(data)
        self.wy, self.wyy, self.wwy, self.wwyy = rest
        return self


class Score:
    """All that is known of a shadow, outcome by outcome: a function of them in their order."""

    __slots__ = ("_support", "metrics", "next_report", "scored")

    def __init__(self, first_report: int) -> None:
        self.scored = 0
        """Outcomes of decisions that the shadow would have made in its own way."""
        self.next_report = first_report
        self._support = 0.0
        self.metrics = {name: Weighed() for name in METRICS}

    @property
    def support(self) -> float:
        """The mean probability with which the shadow chose arms that could have served.

        Below 1, some of what it would do has never been seen, and its means are of the rest.
        """
        return self._support / self.scored if self.scored else 0.0

    def observe(self, weight: float, support: float, values: Mapping[str, float]) -> bool:
        """Count one outcome by metric; True if a report is due, which is then taken as made.

        ``weight`` is the shadow's probability of the arm over the true one, ``support`` its
        probability of all arms that could have served.
        """
        self.scored += 1
        self._support += support
        for name, value in values.items():
            self.metrics[name].add(value, min(weight, _HEAVIEST))
        if self.scored < self.next_report:
            return False
        self.next_report *= 2
        return True

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        head = _HEAD.pack(_VERSION, len(METRICS), self.scored, self.next_report, self._support)
        return head + b"".join(self.metrics[name].encode() for name in METRICS)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        size = _HEAD.size + len(METRICS) * _SUMS.size
        if len(data) != size or tuple(data[:2]) != (_VERSION, len(METRICS)):
            raise ValueError(f"not a shadow's score of version {_VERSION}: {data[:32]!r}")
        _, _, scored, next_report, support = _HEAD.unpack_from(data)
        self = cls(next_report)
        self.scored, self._support = scored, support
        for i, name in enumerate(METRICS):
            at = _HEAD.size + i * _SUMS.size
            self.metrics[name] = Weighed.decode(data[at : at + _SUMS.size])
        return self
