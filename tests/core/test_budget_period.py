"""A budget per period: spending follows time, whatever the traffic, and is held over days."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pytest

from core.budget import Pace, Pacer
from tests.core.routing import T0, Driver, R, arms

HOUR = 3_600_000
DAY = 24 * HOUR
COSTS = {"small": 3e-5, "middle": 5e-4, "large": 1.5e-2}
WORTH = {"small": 0.79, "middle": 0.92, "large": 0.935}


class Days:
    """Requests with a daily rhythm, five times as many at noon as at midnight."""

    def __init__(self, pacer: Pacer, requests_per_day: float, seed: int = 1) -> None:
        self.pacer = pacer
        self.per_day = requests_per_day
        self.now = T0 - T0 % DAY
        self.chance = random.Random(seed)
        self.chosen: Counter[str] = Counter()

    def until(self, end: int) -> float:
        """What is spent up to then."""
        spent = 0.0
        while True:
            phase = 2.0 * math.pi * (self.now % DAY) / DAY
            rate = self.per_day / DAY * (1.0 - 2.0 / 3.0 * math.cos(phase))
            wait = self.chance.expovariate(rate)
            if self.now + wait >= end:
                self.now = end
                return spent
            self.now += max(1, round(wait))
            spent += self.one()

    def one(self) -> float:
        pacer, chance = self.pacer, self.chance
        pacer.arrive(self.now)
        expected = pacer.costs(list(COSTS), list(COSTS.values()))
        fine, penalties = pacer.affordable(expected), pacer.penalties(expected)
        score = {
            arm: chance.gauss(WORTH[arm], 0.08) - penalty
            for arm, kept, penalty in zip(COSTS, fine, penalties, strict=True)
            if kept
        }
        arm = max(score, key=lambda name: score[name])
        self.chosen[arm] += 1
        reserved = float(expected[list(COSTS).index(arm)])
        pacer.reserve(reserved)
        cost = COSTS[arm] * chance.gammavariate(2.5, 1.0 / 2.5)
        pacer.settle(arm, reserved, cost)
        return cost


@pytest.mark.parametrize("usd", [0.5, 2.0, 10.0])
def test_each_day_and_all_of_them_keep_to_the_budget(usd: float) -> None:
    pace = Pace(usd, period_ms=DAY)
    days = Days(Pacer(pace), 3_000)
    start = days.now
    spent = [days.until(start + (day + 1) * DAY) for day in range(7)]
    assert 0.97 <= sum(spent[1:]) / (6 * usd) <= 1.01
    for one in spent[1:]:
        assert 0.9 <= one / usd <= 1.1


def test_any_stretch_of_time_is_within_burst_and_carry() -> None:
    pace = Pace(2.0, burst=30.0, carry=200.0, period_ms=DAY)
    pacer = Pacer(pace)
    days = Days(pacer, 3_000)
    start = days.now
    hours = []
    worth = 0.0
    for hour in range(5 * 24):
        hours.append(days.until(start + (hour + 1) * HOUR))
        worth = max(worth, pacer.worth_usd)
    for length in (1, 6, 24):
        for first in range(24, len(hours) - length):
            most = 2.0 * length / 24 + (pace.burst + pace.carry) * worth
            # What calls really cost is known only after them.
            assert sum(hours[first : first + length]) <= 1.02 * most


def test_night_buys_what_noon_cannot_afford() -> None:
    """The budget is earned as time goes by: few requests get more each. Savings are bounded."""
    pacer = Pacer(Pace(2.0, carry=60.0, period_ms=DAY))
    days = Days(pacer, 3_000)
    start = days.now
    days.until(start + 3 * DAY - 3 * HOUR)
    days.chosen.clear()
    days.until(start + 3 * DAY + 3 * HOUR)
    night = days.chosen["large"] / days.chosen.total()
    days.until(start + 3 * DAY + 9 * HOUR)
    days.chosen.clear()
    days.until(start + 3 * DAY + 15 * HOUR)
    assert night > 2.0 * days.chosen["large"] / days.chosen.total()


def test_fewer_requests_than_the_budget_could_buy_leave_it_unspent() -> None:
    """And what was saved is not spent all at once when the requests come back."""
    pacer = Pacer(Pace(2.0, period_ms=DAY))
    days = Days(pacer, 50)
    start = days.now
    quiet = days.until(start + 5 * DAY)
    assert quiet < 5 * 2.0 * 0.6
    assert days.chosen["large"] > 0.3 * days.chosen.total()
    assert pacer.debt >= -500.0
    days.per_day = 30_000
    busy = days.until(start + 7 * DAY)
    # Two days' budget, and the savings: 500 requests' worth of the quiet traffic at the most.
    assert busy <= 1.02 * (4.0 + 500.0 * 2.0 / 50)
    assert days.until(start + 9 * DAY) <= 1.03 * 4.0


def test_more_requests_than_expected_get_the_cheapest_and_the_budget_holds() -> None:
    pacer = Pacer(Pace(2.0, carry=60.0, period_ms=DAY))
    days = Days(pacer, 1_000)
    start = days.now
    days.until(start + 2 * DAY)
    days.per_day = 20_000
    spent = [days.until(start + (day + 1) * DAY) for day in range(2, 5)]
    assert all(0.9 * 2.0 <= one <= 1.05 * 2.0 for one in spent)
    assert pacer.held


def test_a_budget_that_the_cheapest_arm_exceeds_is_said_not_to_be_held() -> None:
    pacer = Pacer(Pace(0.05, carry=60.0, period_ms=DAY))
    days = Days(pacer, 10_000)
    start = days.now
    days.until(start + DAY)
    assert not pacer.held
    assert days.chosen["small"] > 0.98 * days.chosen.total()
    days.per_day = 500
    days.until(start + 7 * DAY)
    assert pacer.held


def test_a_debt_per_request_that_lasts_is_said_and_one_dear_answer_is_not() -> None:
    pacer = Pacer(Pace(1e-3))
    pacer.reserve(0.2)
    for _ in range(250):
        pacer.reserve(2e-4)
    assert pacer.held
    for _ in range(400):
        pacer.reserve(2e-3)
    assert not pacer.held
    again = Pacer.decode(pacer.encode(), Pace(1e-3))
    assert not again.held


def test_time_that_stands_still_or_goes_back_earns_nothing() -> None:
    pacer = Pacer(Pace(2.0, period_ms=DAY))
    for _ in range(20):
        pacer.arrive(T0)
        pacer.reserve(1e-4)
    owed = pacer.debt * pacer.worth_usd
    assert owed == pytest.approx(20e-4)
    pacer.arrive(T0 - HOUR)
    pacer.arrive(T0)
    assert pacer.debt * pacer.worth_usd == owed
    pacer.arrive(T0 + 1_000)
    assert pacer.debt * pacer.worth_usd == pytest.approx(20e-4 - 2.0 * 1_000 / DAY)


def test_the_ledger_from_bytes_goes_on_and_may_change_its_kind() -> None:
    pace = Pace(2.0, period_ms=DAY)
    straight, often = Days(Pacer(pace), 3_000), Days(Pacer(pace), 3_000)
    for hour in range(1, 30):
        assert straight.until(T0 - T0 % DAY + hour * HOUR) == often.until(
            T0 - T0 % DAY + hour * HOUR
        )
        often.pacer = Pacer.decode(often.pacer.encode(), pace)
        assert often.pacer.encode() == straight.pacer.encode()
    per_request = Pacer.decode(straight.pacer.encode(), Pace(1e-3))
    assert (per_request.debt, per_request.worth_usd) == (straight.pacer.debt, 1e-3)
    days = Days(Pacer.decode(per_request.encode(), pace), 3_000)
    start = days.now
    days.until(start + DAY)
    assert 0.95 <= days.until(start + 3 * DAY) / 4.0 <= 1.05


# ---- in the router ----------------------------------------------------------------------------

PRICED = [{**arm, "price": {"per_request": COSTS[arm["id"]]}} for arm in arms(*COSTS)]


def test_the_router_holds_a_budget_per_period_by_the_records_time() -> None:
    driver = Driver()
    driver.policy(
        R,
        arms=PRICED,
        algorithm={"name": "thompson_gaussian"},
        objective={"weights": {"quality": 1.0}},
        budget={"usd_per_period": 1.0, "period": "1h"},
    )
    assert driver.letters() == []
    chance = random.Random(5)
    spent, begin = 0.0, T0
    for number in range(3_000):
        driver.now += round(chance.expovariate(1 / 6_000)) + 1
        arm = driver.request(R, f"q{number}")["arm"]
        cost = COSTS[arm] * chance.uniform(0.5, 1.5)
        spent += cost if number >= 1_000 else 0.0
        if number == 1_000:
            begin = driver.now
        driver.reward(R, f"q{number}", quality=WORTH[arm] + chance.gauss(0, 0.02), cost_usd=cost)
        if number % 500 == 0:
            driver.restart()
    hours = (driver.now - begin) / HOUR
    assert 0.85 <= spent / hours <= 1.05


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, "expected either"),
        ({"usd_per_request": 1.0, "usd_per_period": 1.0, "period": "1d"}, "expected either"),
        ({"usd_per_period": 1.0}, "go together"),
        ({"usd_per_request": 1.0, "period": "1d"}, "go together"),
        ({"usd_per_period": 1.0, "period": "soon"}, "budget.period"),
        ({"usd_per_period": 1.0, "period": "5ms"}, "at least 1s"),
    ],
)
def test_budgets_that_do_not_say_what_they_are_are_refused(
    budget: dict[str, Any], said: str
) -> None:
    driver = Driver()
    driver.policy(R, budget=budget)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]
