"""How an arm has been doing, as guardrails judge it: its quality, slow calls, recent errors."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import GaussianArm, MomentsBandit
from core.bandits.thompson_beta import BetaArm, ThompsonBetaBandit
from schemas.fields import duration_ms
from schemas.policy import Guardrails, Prior
from schemas.reward import Outcome

_VERSION: Final = 1
_STATE: Final = struct.Struct("<BQBQdBB")
_QUALITY: Final = MomentsBandit()
_SPEED: Final = ThompsonBetaBandit()
_JEFFREYS: Final = Prior(mean=0.5, weight=1.0)
"""Beta(1/2, 1/2): the prior of shares whose intervals have about their level's coverage."""
_NO_CONTEXT: Final[Floats] = np.zeros(0)


class Health:
    """What an arm's outcomes say of it.

    Quality is judged by the t posterior of its mean (the prior is a mean of 0.5, worth one
    reward), and slow calls by the Beta posterior of their share. Both count what lies k rewards
    back (1 - 1 / memory)^k, so that at most ``memory`` rewards speak. Failures are counted in a
    window, to be noticed at once.
    """

    __slots__ = ("_calls", "_ceiling", "_failures", "_fast", "_quality", "opened")

    def __init__(self) -> None:
        self._quality: GaussianArm = _QUALITY.new(None)
        self._fast: BetaArm = _SPEED.new(_JEFFREYS)
        self._ceiling = 0.0
        """The latency in ms below which calls were counted as fast."""
        self._failures = 0
        """A bit per call of the error window, the latest lowest; 1 for failed."""
        self._calls = 0
        """How many bits count."""
        self.opened = 0
        """When too many calls had failed, in ms since the epoch; 0 while they have not."""

    def observe(
        self, outcome: Outcome, quality: float | None, at_ms: int, spec: Guardrails
    ) -> None:
        """Take in one outcome, in the order of rewards; ``quality`` is the objective's view."""
        keep = 1.0 - 1.0 / spec.memory
        if quality is not None:
            self._quality = _QUALITY.faded(self._quality, keep)
            _QUALITY.learn(self._quality, _NO_CONTEXT, quality)
        if outcome.latency_ms is not None and spec.max_latency_ms is not None:
            same = self._ceiling == spec.max_latency_ms
            self._ceiling = spec.max_latency_ms
            self._fast = _SPEED.faded(self._fast, keep if same else 0.0)
            _SPEED.learn(self._fast, _NO_CONTEXT, float(outcome.latency_ms < spec.max_latency_ms))
        if outcome.success is not None and spec.max_error_rate is not None:
            self._count(failed=not outcome.success, at_ms=at_ms, spec=spec)

    def _count(self, *, failed: bool, at_ms: int, spec: Guardrails) -> None:
        window = spec.error_window
        self._failures = (self._failures << 1 | failed) & ((1 << window) - 1)
        self._calls = min(self._calls + 1, window)
        rate = self.error_rate(spec)
        if rate is None:
            return
        assert spec.max_error_rate is not None, "the caller has looked"
        if rate > spec.max_error_rate:
            self.opened = at_ms
            self._failures = self._calls = 0
        elif self.opened:
            self.opened = 0

    def error_rate(self, spec: Guardrails) -> float | None:
        """The share of failed calls in the window; None until half of it has been seen."""
        if self._calls < spec.error_window / 2:
            return None
        return (self._failures & ((1 << self._calls) - 1)).bit_count() / self._calls

    def cooling(self, now_ms: int, spec: Guardrails) -> bool:
        """Whether too many calls failed so lately that the arm is not even to be probed."""
        return self.opened > 0 and now_ms < self.opened + duration_ms(spec.cooldown)

    def complaint(self, spec: Guardrails) -> str | None:
        """Why the arm is to be set aside, or None."""
        if self.opened:
            return (
                f"max_error_rate: more than {spec.max_error_rate:g} of its last "
                f"{spec.error_window} calls failed"
            )
        level = 2.0 * spec.confidence - 1.0
        if spec.min_quality is not None and self._quality.n >= _enough(spec):
            low = _QUALITY.interval(self._quality, level)[0]
            if low < spec.min_quality:
                return (
                    f"min_quality: its mean quality is {_QUALITY.mean(self._quality):.3f} over "
                    f"{self._quality.n:.0f} rewards, which is not above {spec.min_quality:g} "
                    f"with confidence {spec.confidence:g} (only above {low:.3f})"
                )
        judged = self._ceiling == spec.max_latency_ms and self._fast.n >= _enough(spec)
        if spec.max_latency_ms is not None and judged:
            low = _SPEED.interval(self._fast, level)[0]
            flawless = BetaArm(
                self._fast.prior_alpha, self._fast.prior_beta, self._fast.n, self._fast.n
            )
            # So few calls could not show it if all had been fast: they show nothing.
            shows = _SPEED.interval(flawless, level)[0] >= spec.latency_quantile
            if shows and low < spec.latency_quantile:
                return (
                    f"max_latency_ms: {_SPEED.mean(self._fast):.1%} of its calls are faster than "
                    f"{spec.max_latency_ms:g} ms, which is not above {spec.latency_quantile:g} "
                    f"with confidence {spec.confidence:g} (only above {low:.3f})"
                )
        return None

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        quality, fast = _QUALITY.encode(self._quality), _SPEED.encode(self._fast)
        counts = self._failures, self._calls, self.opened, self._ceiling
        return _STATE.pack(_VERSION, *counts, len(quality), len(fast)) + quality + fast

    @classmethod
    def decode(cls, data: bytes) -> Health:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        if len(data) < _STATE.size or data[0] != _VERSION:
            raise ValueError(f"not a health record of version {_VERSION}: {data[:32]!r}")
        self = cls()
        _, self._failures, self._calls, self.opened, *rest = _STATE.unpack_from(data)
        self._ceiling, first, second = rest
        at = _STATE.size
        self._quality = _QUALITY.decode(data[at : at + first])
        self._fast = _SPEED.decode(data[at + first : at + first + second])
        if len(data) != at + first + second:
            raise ValueError(f"not a health record: {len(data)} bytes")
        return self


def _enough(spec: Guardrails) -> float:
    """What the first ``min_rewards`` rewards count, each faded by those after it."""
    keep = 1.0 - 1.0 / spec.memory
    return (1.0 - keep**spec.min_rewards) / (1.0 - keep) * (1.0 - 1e-9)
