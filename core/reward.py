"""One number in [0, 1] made of an outcome, and the scales that cost and latency are measured by."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final

from schemas.policy import ArmSpec, Objective, Preset, Price, Weights
from schemas.reward import Outcome

PRESETS: Final[dict[Preset, Weights]] = {
    "quality": Weights(quality=0.6, cost=0.3, latency=0.1),
    "quality_focused": Weights(quality=0.8, cost=0.15, latency=0.05),
    "balanced": Weights(quality=0.5, cost=0.3, latency=0.2),
    "cost_focused": Weights(quality=0.4, cost=0.5, latency=0.1),
    "latency_focused": Weights(quality=0.4, cost=0.3, latency=0.3),
}

TYPICAL_INPUT_TOKENS: Final = 1_000
TYPICAL_OUTPUT_TOKENS: Final = 500
_PER_MTOK: Final = 1e-6


def declared_cost_usd(price: Price) -> float:
    """The price in USD of a typical request, of 1,000 input and 500 output tokens.

    It stands for an arm's mean cost until costs were observed.
    """
    return (
        TYPICAL_INPUT_TOKENS * _PER_MTOK * price.input_per_mtok
        + TYPICAL_OUTPUT_TOKENS * _PER_MTOK * price.output_per_mtok
        + price.per_request
    )


class RewardFunction:
    """The objective of a policy, as a function of an outcome.

    The reward is the weighted mean of the parts that were observed::

        quality                              weight quality
        1 - min(1, cost / cost_scale)        weight cost
        1 - min(1, latency / latency_scale)  weight latency

    so weights are renormalised over what is there. In order:

    - an outcome with a ``reward`` of its own: that, as it is;
    - ``success`` is False: 0. A failed call earns nothing, however cheap and fast it was;
    - where quality is missing, ``success`` True counts as quality 1;
    - a part whose scale is None (nothing known yet) counts as missing;
    - no part with a positive weight is there: None, there is nothing to learn.
    """

    __slots__ = ("_cost", "_latency", "_quality")

    def __init__(self, objective: Objective) -> None:
        weights = objective.weights or PRESETS[objective.preset]
        self._quality = weights.quality
        self._cost = weights.cost
        self._latency = weights.latency

    def __call__(
        self, outcome: Outcome, cost_scale: float | None, latency_scale: float | None
    ) -> float | None:
        """The reward in [0, 1], or None; scales in USD and ms, not negative."""
        if outcome.reward is not None:
            return outcome.reward
        if outcome.success is False:
            return 0.0
        quality = outcome.quality
        if quality is None and outcome.success:
            quality = 1.0
        total = weight = 0.0
        if quality is not None:
            total += self._quality * quality
            weight += self._quality
        if outcome.cost_usd is not None and cost_scale is not None:
            total += self._cost * _saved(outcome.cost_usd, cost_scale)
            weight += self._cost
        if outcome.latency_ms is not None and latency_scale is not None:
            total += self._latency * _saved(outcome.latency_ms, latency_scale)
            weight += self._latency
        # At most 1 in floating point, too: each term is at most its weight, summed in one order.
        return total / weight if weight > 0.0 else None


def _saved(value: float, scale: float) -> float:
    """1 for nothing spent, 0 at the scale and above it. A scale of 0: all candidates are free."""
    if value >= scale:
        return 0.0 if value > 0.0 else 1.0
    return 1.0 - value / scale


class _Observed:
    """Counts and sums of one arm. Sums, not running means: replay repeats them bit for bit."""

    __slots__ = ("cost", "costs", "latencies", "latency")

    def __init__(
        self, costs: int = 0, cost: float = 0.0, latencies: int = 0, latency: float = 0.0
    ) -> None:
        self.costs = costs
        self.cost = cost
        self.latencies = latencies
        self.latency = latency


_HEADER: Final = struct.Struct("<BI")
_ARM: Final = struct.Struct("<HQdQd")
_VERSION: Final = 1


class RouteScales:
    """The observed mean cost and latency of a route's arms."""

    __slots__ = ("_arms",)

    def __init__(self) -> None:
        self._arms: dict[str, _Observed] = {}

    def observe(self, arm: str, outcome: Outcome) -> None:
        """Count the cost and the latency of an outcome, where it has them, failed or not."""
        if outcome.cost_usd is None and outcome.latency_ms is None:
            return
        observed = self._arms.get(arm)
        if observed is None:
            observed = self._arms[arm] = _Observed()
        if outcome.cost_usd is not None:
            observed.costs += 1
            observed.cost += outcome.cost_usd
        if outcome.latency_ms is not None:
            observed.latencies += 1
            observed.latency += outcome.latency_ms

    def mean_cost_usd(self, arm: str) -> float | None:
        """The arm's observed mean cost in USD, or None."""
        observed = self._arms.get(arm)
        return observed.cost / observed.costs if observed and observed.costs else None

    def mean_latency_ms(self, arm: str) -> float | None:
        """The arm's observed mean latency in ms, or None."""
        observed = self._arms.get(arm)
        return observed.latency / observed.latencies if observed and observed.latencies else None

    def cost_scale(self, arms: Sequence[ArmSpec], objective: Objective) -> float | None:
        """The cost in USD at which the cost term is 0.

        It is the objective's own, or else that of the dearest of ``arms``, each by its observed
        mean or, before that, by its declared price; None where nothing is known of any.
        """
        if objective.cost_scale_usd is not None:
            return objective.cost_scale_usd
        dearest: float | None = None
        for arm in arms:
            cost = self.mean_cost_usd(arm.id)
            if cost is None and arm.price is not None:
                cost = declared_cost_usd(arm.price)
            if cost is not None and (dearest is None or cost > dearest):
                dearest = cost
        return dearest

    def latency_scale(self, arms: Sequence[ArmSpec], objective: Objective) -> float | None:
        """The latency in ms at which the latency term is 0: as ``cost_scale``, by means alone."""
        if objective.latency_scale_ms is not None:
            return objective.latency_scale_ms
        slowest: float | None = None
        for arm in arms:
            latency = self.mean_latency_ms(arm.id)
            if latency is not None and (slowest is None or latency > slowest):
                slowest = latency
        return slowest

    def retain(self, arms: Collection[str]) -> None:
        """Forget all arms but these."""
        self._arms = {arm: seen for arm, seen in self._arms.items() if arm in arms}

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        parts = [_HEADER.pack(_VERSION, len(self._arms))]
        for arm, seen in sorted(self._arms.items()):
            name = arm.encode()
            parts.append(
                _ARM.pack(len(name), seen.costs, seen.cost, seen.latencies, seen.latency) + name
            )
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> RouteScales:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        scales = cls()
        try:
            version, count = _HEADER.unpack_from(data)
            if version != _VERSION:
                raise ValueError(f"version {version} of the scales' format is not known")
            at = _HEADER.size
            for _ in range(count):
                size, *numbers = _ARM.unpack_from(data, at)
                at += _ARM.size
                scales._arms[data[at : at + size].decode()] = _Observed(*numbers)
                at += size
        except struct.error as error:
            raise ValueError(f"the scales are cut short: {error}") from error
        if at != len(data) or len(scales._arms) != count:
            raise ValueError(f"the scales have {len(data)} bytes, {at} were expected")
        return scales
