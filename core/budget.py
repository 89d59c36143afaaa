"""A budget in USD per request or per time, kept by a price on money: a ledger's dual variable.

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

A budget per time is earned evenly as time goes by, at a rate v in USD per ms, whatever the traffic:

    debt = (Σ c - v time) / w,  with w = v / (requests per ms), a request's worth,

by the same price. The traffic is the mean over about the last period, faded exponentially. With
fewer requests than usual each may cost more, and savings beyond ``carry`` requests' worth are left
unspent for good; with more, each must cost less, and the cheapest arm serves when the debt has
reached ``burst``. So in any stretch of time L the spending is at most v L + (burst + carry) w,
unforeseen costs aside, as long as the cheapest arm costs no more than that rate can bear.
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

_VERSION: Final = 2
_HEAD: Final = struct.Struct("<BQ3dQq3dH")
_ARM: Final = struct.Struct("<H2d")
_FIRST: Final = math.log(0.02)
"""log λ B before the first request: what costs a request's budget must earn 0.02 more."""
_LOW: Final = math.log(1e-6)
_HIGH: Final = math.log(10.0)
"""Bounds of log λ B. Rewards are in [0, 1]: at the low one no cost matters, and at the high one no
reward outweighs a tenth of the budget. Beyond them the level would only wind up."""
_WARM: Final = 10.0
"""Requests before the traffic is measured; until then, a period is taken to have ``_GUESS``."""
_GUESS: Final = 1_000.0
_LONG: Final = 10.0
"""In units of 1 / gain requests, of which a debt takes a few to be repaid."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What to spend, and how fast to react. Raises ValueError for what makes no sense.

    - ``usd``: the budget, on average over all requests, or per period.
    - ``burst``: in requests' worth of it, how much debt a dear arm may lead to.
    - ``carry``: in requests' worth of it, how much debt or saving counts at most. What a route did
      not spend in a quiet year is not spent in one afternoon, nor is it starved for a bad year.
      (Debt of a budget per period: at most a period's, if that is more.)
    - ``gain``: of the price; 2 / gain is about how many requests it takes to react.
    - ``repay``: what share of the budget at most makes up for earlier spending or saving.
    - ``memory``: over about how many of an arm's calls its cost is averaged.
    - ``period_ms``: how long a period is; 0 for a budget per request.
    """

    usd: float
    burst: float = 30.0
    carry: float = 500.0
    gain: float = 0.03
    repay: float = 0.06
    memory: float = 10.0
    period_ms: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 < self.usd < math.inf:
            raise ValueError(f"a budget must be more than 0 USD, and is {self.usd}")
        if not (0.0 <= self.burst <= self.carry < math.inf):
            raise ValueError(f"0 <= burst ({self.burst}) <= carry ({self.carry}) must hold")
        if not (0.0 < self.gain <= 1.0 and 0.0 < self.repay <= 1.0):
            raise ValueError(f"gain ({self.gain}) and repay ({self.repay}) must be in (0, 1]")
        if not 1.0 <= self.memory < math.inf:
            raise ValueError(f"memory ({self.memory}) must be at least 1")
        if self.period_ms < 0:
            raise ValueError(f"a period must not be negative, and is {self.period_ms} ms")


class Pacer:
    """The ledger of one budget, the price of money that follows from it, and the arms' costs.

    For each request, in order: ``arrive``, ``costs`` of the candidates, ``affordable`` of them,
    ``penalties`` for the algorithm's distribution over those, and ``reserve`` for the chosen arm.
    When its true cost is known, now or after many other requests, ``settle``. A decision whose cost
    never becomes known stays charged with what was reserved. Everything is a function of these
    calls.
    """

    __slots__ = (
        "_beyond",
        "_clock",
        "_costs",
        "_debt",
        "_level",
        "_pace",
        "_seen",
        "_span",
        "_worth",
        "requests",
        "spent_usd",
    )

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._debt = 0.0
        self._level = _FIRST
        self._costs: dict[str, tuple[float, float]] = {}
        self._beyond = 0
        self._worth = pace.usd / _GUESS if pace.period_ms else pace.usd
        self._clock = 0
        """The latest time in ms since the epoch; of a budget per period, as are the next two."""
        self._seen = 0.0
        self._span = 0.0
        """Faded sums: of requests, and of the ms in which they came."""
        self.requests = 0
        """How many were reserved for."""
        self.spent_usd = 0.0
        """What they cost, as far as it is known, and else as it was reserved."""

    @property
    def debt(self) -> float:
        """What was spent beyond the budget, in requests' worth of it; negative for savings."""
        return self._debt

    @property
    def worth_usd(self) -> float:
        """A request's worth of the budget: of one per period, by the present traffic."""
        return self._worth

    @property
    def held(self) -> bool:
        """Whether the budget is kept: not, while the debt has been beyond ``burst`` for so long.

        10 / gain requests in a row are several times what it takes to repay a debt that can be
        repaid. Then even the cheapest arm that floors, guardrails, probes and sessions leave costs
        more than the budget, or true costs are far above the expected ones.
        """
        return self._beyond <= _LONG / self._pace.gain

    @property
    def price(self) -> float:
        """λ: the reward that one USD must bring, in reward per USD."""
        log_price = self._level + self._pace.gain * self._debt
        return math.exp(min(_HIGH, max(_LOW, log_price))) / self._worth

    def arrive(self, at_ms: int) -> None:
        """Note the time of a request, in ms since the epoch: a budget per period earns by it.

        Of a time that is not later than the latest one, nothing is earned. Calling it twice is as
        good as once.
        """
        pace = self._pace
        if not pace.period_ms or at_ms <= self._clock:
            return
        passed = at_ms - self._clock if self._clock else 0
        self._clock = at_ms
        fade = math.exp(-passed / pace.period_ms)
        self._span = self._span * fade + pace.period_ms * (1.0 - fade)
        self._seen *= fade
        rate = pace.usd / pace.period_ms
        debt = self._debt * self._worth - rate * passed
        if self._seen >= _WARM:
            self._worth = rate * max(1.0, self._span) / self._seen
        self._owe(debt / self._worth)

    def costs(self, arms: Sequence[str], declared: Sequence[float | None]) -> Floats:
        """What a request is expected to cost with each arm, in USD: shape ``(K,)``.

        The mean over its latest calls; before the first one, what is ``declared`` of it, and
        without that, the budget. Where costs become known late, declare them: until then, an
        arm without a price is taken to be affordable.
        """
        unknown = self._worth
        return np.array(
            [
                self._costs[arm][0] if arm in self._costs else (unknown if price is None else price)
                for arm, price in zip(arms, declared, strict=True)
            ]
        )

    def affordable(self, costs: Floats) -> NDArray[np.bool_]:
        """Which arms may be chosen at these expected costs: shape ``(K,)``, at least one.

        Those that do not cost more than what the request itself brings in, those that leave a debt
        of at most ``burst``, and the cheapest. So a dear arm must have been saved for, whatever the
        algorithm thinks of it, and unforeseen costs aside the spending is at most that of the
        budget and ``burst`` requests' worth as long as some arm costs no more than one.
        """
        worth = costs / self._worth
        brought = 0.0 if self._pace.period_ms else 1.0  # time has been earned by ``arrive``
        fine: NDArray[np.bool_] = (
            (worth <= brought) | (self._debt + worth <= self._pace.burst) | (costs == costs.min())
        )
        return fine

    def penalties(self, costs: Floats) -> Floats:
        """What the expected costs are worth in units of reward, λ c: shape ``(K,)``."""
        return self.price * costs

    def reserve(self, cost: float) -> None:
        """Charge a decision with its expected cost in USD, and move the price."""
        pace = self._pace
        self.requests += 1
        self._seen += 1.0 if pace.period_ms else 0.0
        self._charge(cost, 0.0 if pace.period_ms else -1.0)
        self._beyond = self._beyond + 1 if self._debt > pace.burst else 0
        repaid = min(pace.repay, max(-pace.repay, pace.gain / 4.0 * self._debt))
        self._level = min(_HIGH, max(_LOW, self._level + pace.gain * repaid))

    def settle(self, arm: str, reserved: float, cost: float) -> None:
        """Put the true cost in USD of a call to ``arm`` in the place of what was reserved for it.

        ``arm`` is the one that served: its expected cost learns. The first calls are averaged
        evenly, later ones with weights that fall by 1 / memory per call.
        """
        self.correct(reserved, cost)
        mean, n = self._costs.get(arm, (0.0, 0.0))
        n = min(n + 1.0, self._pace.memory)
        self._costs[arm] = (mean + (cost - mean) / n, n)

    def correct(self, reserved: float, cost: float) -> None:
        """Put a true cost in USD in the place of what was reserved, and learn nothing of it."""
        self._charge(cost - reserved, 0.0)

    def _charge(self, usd: float, requests: float) -> None:
        self.spent_usd += usd
        self._owe(self._debt + usd / self._worth + requests)

    def _owe(self, debt: float) -> None:
        pace = self._pace
        most = max(pace.carry, pace.usd / self._worth) if pace.period_ms else pace.carry
        self._debt = min(most, max(-pace.carry, debt))

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the pace is not part of it.

        The version, the number of requests, spending, debt, level, for how many requests the debt
        has been beyond the burst, clock, requests and ms of the traffic, a request's worth, then
        each arm in order of its name. All numbers are little-endian.
        """
        head = (
            *(self.requests, self.spent_usd, self._debt, self._level, self._beyond),
            *(self._clock, self._seen, self._span, self._worth, len(self._costs)),
        )
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
        _, self.requests, self.spent_usd, self._debt, self._level, self._beyond, *rest = (
            _HEAD.unpack_from(data)
        )
        clock, seen, span, worth, count = rest
        if pace.period_ms:
            self._clock, self._seen, self._span, self._worth = clock, seen, span, worth
        at = _HEAD.size
        for _ in range(count):
            if len(data) < at + _ARM.size:
                raise ValueError(f"a pacer's state ends early, at byte {len(data)}")
            length, mean, n = _ARM.unpack_from(data, at)
            at += _ARM.size + length
            self._costs[data[at - length : at].decode()] = (mean, n)
        numbers = [self.spent_usd, self._debt, self._level, seen, span, worth]
        numbers += sum(self._costs.values(), ())
        broken = not all(map(math.isfinite, numbers)) or worth <= 0.0
        if at != len(data) or len(self._costs) != count or broken:
            raise ValueError(f"not a pacer's state: {len(data)} bytes, {at} were expected")
        return self
