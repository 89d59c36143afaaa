"""The scales that cost and latency are measured by: what a route's own arms cost and take."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final

from schemas.policy import ArmSpec, Objective, Price
from schemas.reward import Outcome

TYPICAL_INPUT_TOKENS: Final = 1_000
TYPICAL_OUTPUT_TOKENS: Final = 500
_PER_MTOK: Final = 1e-6


def declared_cost_usd(price: Price, input_tokens: float = TYPICAL_INPUT_TOKENS) -> float:
    """The price in USD of a request with a typical answer, of 500 output tokens.

    That of a typical one, with 1,000 input tokens, stands for an arm's mean cost until costs were
    observed.
    """
    return (
        input_tokens * _PER_MTOK * price.input_per_mtok
        + TYPICAL_OUTPUT_TOKENS * _PER_MTOK * price.output_per_mtok
        + price.per_request
    )


def saved(value: float, scale: float) -> float:
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

    __slots__ = ("_arms", "changed")

    def __init__(self) -> None:
        self._arms: dict[str, _Observed] = {}
        self.changed = False
        """Whether something was observed, or forgotten, that was not stored yet."""

    def observe(self, arm: str, outcome: Outcome) -> None:
        """Count the cost and the latency of an outcome, where it has them, failed or not."""
        if outcome.cost_usd is None and outcome.latency_ms is None:
            return
        self.changed = True
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
        self.changed = self.changed or not self._arms.keys() <= set(arms)
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
