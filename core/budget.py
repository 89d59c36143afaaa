"""A budget in USD per request, kept by a price on money: a dual variable steered by a ledger.

The best policy under a budget B maximises E[r] subject to E[c] <= B for rewards r and costs c. By
Lagrangian duality it takes, for each request, the arm with the largest r - λ c, for the one λ, in
reward per USD, at which the budget is just spent (Agrawal and Devanur 2016, "Linear contextual
bandits with knapsacks"). λ is not known and moves with traffic and prices, so it is learned.

The gradient of the dual in log λ is c / B - 1, and mirror descent with the entropy as its
regulariser is log λ <- log λ + η (c / B - 1) (Balseiro, Lu and Mirrokni 2023, "The best of many
worlds: dual mirror descent for online allocation problems"; Balseiro and Gur 2019, "Learning in
repeated auctions with budgets", for pacing one route's spending). In logs, one step size serves
prices of all magnitudes. Summed up, that is log λ = log λ₁ + η debt with the ledger's

    debt = Σ (c / B - 1),  in requests' worth of the budget:

what was learned of λ is the very amount that was over- or underspent, and stays so for good. So
the target is not B but what repays the debt, B (1 - repaid), in the same descent:

    log λ <- log λ + gain (c / B - 1 + repaid),    repaid = gain / 4 · debt, in [-repay, repay].

That is a controller with proportional and integral action on the debt: log λ = gain · debt +
level, where the level sums up gain · repaid. Where spending falls by g of itself per unit of
log λ, debt'' + g gain debt' + g gain² / 4 debt = 0 for small debts: critically damped at g = 1,
and debt returns to 0 within a few times 2 / gain requests, whatever λ had to become. The bound
``repay`` is for g near 0: where one arm is best at a wide range of prices, spending hardly answers
to the price, a debt from one dear answer takes its time, and the level must not wind up meanwhile.
There is no horizon.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from core.bandits.base import Floats

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BQ3dH")
_ARM: Final = struct.Struct("<H2d")
_FIRST: Final = math.log(0.02)
"""log λ B before the first request: what costs a request's budget must earn 0.02 more."""
_LOW: Final = math.log(1e-6)
_HIGH: Final = math.log(10.0)
"""Bounds of log λ B. Rewards are in [0, 1]: at the low one no cost matters, and at the high one no
reward outweighs a tenth of the budget. Beyond them the level would only wind up."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What to spend, and how fast to react. Raises ValueError for what makes no sense.

    - ``usd_per_request``: the budget B, on average over all requests.
    - ``burst``: in requests' worth of B, how much debt a dear arm may lead to.
    - ``carry``: in requests' worth of B, how much debt or saving counts at most. What a route did
      not spend in a quiet year is not spent in one afternoon, nor is it starved for a bad year.
    - ``gain``: of the price; 2 / gain is about how many requests it takes to react.
    - ``repay``: what share of the budget at most makes up for earlier spending or saving.
    - ``memory``: over about how many of an arm's calls its cost is averaged.
    """

    usd_per_request: float
    burst: float = 30.0
    carry: float = 500.0
    gain: float = 0.03
    repay: float = 0.06
    memory: float = 10.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 < self.usd_per_request < math.inf:
            raise ValueError(f"a budget must be more than 0 USD, and is {self.usd_per_request}")
        if not (0.0 <= self.burst <= self.carry < math.inf):
            raise ValueError(f"0 <= burst ({self.burst}) <= carry ({self.carry}) must hold")
        if not (0.0 < self.gain <= 1.0 and 0.0 < self.repay <= 1.0):
            raise ValueError(f"gain ({self.gain}) and repay ({self.repay}) must be in (0, 1]")
        if not 1.0 <= self.memory < math.inf:
            raise ValueError(f"memory ({self.memory}) must be at least 1")


class Pacer:
    """The ledger of one budget, the price of money that follows from it, and the arms' costs.

    For each request, in order: ``costs`` of the candidates, ``affordable`` of them, ``penalties``
    for the algorithm's distribution over those, and ``reserve`` for the chosen arm. When its true
    cost is known, now or after many other requests, ``settle``. A decision whose cost never
    becomes known stays charged with what was reserved. Everything is a function of these calls.
    """

    __slots__ = ("_costs", "_debt", "_level", "_pace", "requests", "spent_usd")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._debt = 0.0
        self._level = _FIRST
        self._costs: dict[str, tuple[float, float]] = {}
        self.requests = 0
        """How many were reserved for."""
        self.spent_usd = 0.0
        """What they cost, as far as it is known, and else as it was reserved."""

    @property
    def debt(self) -> float:
        """What was spent beyond the budget, in requests' worth of it; negative for savings."""
        return self._debt

    @property
    def price(self) -> float:
        """λ: the reward that one USD must bring, in reward per USD."""
        log_price = self._level + self._pace.gain * self._debt
        return math.exp(min(_HIGH, max(_LOW, log_price))) / self._pace.usd_per_request

    def costs(self, arms: Sequence[str], declared: Sequence[float | None]) -> Floats:
        """What a request is expected to cost with each arm, in USD: shape ``(K,)``.

        The mean over its latest calls; before the first one, what is ``declared`` of it, and
        without that, the budget. Where costs become known late, declare them: until then, an
        arm without a price is taken to be affordable.
        """
        unknown = self._pace.usd_per_request
        return np.array(
            [
                self._costs[arm][0] if arm in self._costs else (unknown if price is None else price)
                for arm, price in zip(arms, declared, strict=True)
            ]
        )

    def affordable(self, costs: Floats) -> NDArray[np.bool_]:
        """Which arms may be chosen at these expected costs: shape ``(K,)``, at least one.

        Those that do not cost more than the budget, those that leave a debt of at most ``burst``,
        and the cheapest. So a dear arm must have been saved for, whatever the algorithm thinks of
        it, and unforeseen costs aside the spending is at most B (requests + burst) as long as
        some arm costs no more than B.
        """
        worth = costs / self._pace.usd_per_request
        fine: NDArray[np.bool_] = (
            (worth <= 1.0) | (self._debt + worth <= self._pace.burst) | (costs == costs.min())
        )
        return fine

    def penalties(self, costs: Floats) -> Floats:
        """What the expected costs are worth in units of reward, λ c: shape ``(K,)``."""
        return self.price * costs

    def reserve(self, cost: float) -> None:
        """Charge a decision with its expected cost in USD, and move the price."""
        self.requests += 1
        self._charge(cost, -1.0)
        pace = self._pace
        repaid = min(pace.repay, max(-pace.repay, pace.gain / 4.0 * self._debt))
        self._level = min(_HIGH, max(_LOW, self._level + pace.gain * repaid))

    def settle(self, arm: str, reserved: float, cost: float) -> None:
        """Put the true cost in USD of a call to ``arm`` in the place of what was reserved for it.

        ``arm`` is the one that served: its expected cost learns. The first calls are averaged
        evenly, later ones with weights that fall by 1 / memory per call.
        """
        self._charge(cost - reserved, 0.0)
        mean, n = self._costs.get(arm, (0.0, 0.0))
        n = min(n + 1.0, self._pace.memory)
        self._costs[arm] = (mean + (cost - mean) / n, n)

    def _charge(self, usd: float, requests: float) -> None:
        self.spent_usd += usd
        debt = self._debt + usd / self._pace.usd_per_request + requests
        self._debt = min(self._pace.carry, max(-self._pace.carry, debt))

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the pace is not part of it.

        The version, the number of requests, spending, debt, level, then each arm in order of its
        name. All numbers are little-endian.
        """
        head = (self.requests, self.spent_usd, self._debt, self._level, len(self._costs))
        parts = [_HEAD.pack(_VERSION, *head)]
        for arm, (mean, n) in sorted(self._costs.items()):
            name = arm.encode()
            parts += (_ARM.pack(len(name), mean, n), name)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, pace: Pace) -> Self:
        """The pacer that ``encode`` saw, at this pace: it goes on bit for bit.

        With another budget, debt and price keep their meaning in requests' worth of it. Raises
        ValueError for bytes that are no state of a pacer.
        """
        if len(data) < _HEAD.size or data[0] != _VERSION:
            raise ValueError(f"not a pacer's state of version {_VERSION}: {data[:48]!r}")
        self = cls(pace)
        _, self.requests, self.spent_usd, self._debt, self._level, count = _HEAD.unpack_from(data)
        at = _HEAD.size
        for _ in range(count):
            if len(data) < at + _ARM.size:
                raise ValueError(f"a pacer's state ends early, at byte {len(data)}")
            length, mean, n = _ARM.unpack_from(data, at)
            at += _ARM.size + length
            self._costs[data[at - length : at].decode()] = (mean, n)
        numbers = [self.spent_usd, self._debt, self._level, *sum(self._costs.values(), ())]
        if at != len(data) or len(self._costs) != count or not all(map(math.isfinite, numbers)):
            raise ValueError(f"not a pacer's state: {len(data)} bytes, {at} were expected")
        return self
