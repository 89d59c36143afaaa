"""What alerts say: figures with units, counts that can be read, and no more than is known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift.base import Cut
from core.routing.watching.arms import _change
from core.routing.watching.incidents import About
from core.routing.watching.scale import number, share, span
from schemas.alert import Severity
from tests.core.routing import Driver, R, arms
from tests.core.test_router_watching import serve, shown, steps

QUALITY = About(R, "drift", "", "gpt", "quality")
LATENCY = About(R, "drift", "", "gpt", "latency")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.91, "0.91"),
        (1.2345e-5, "0.00001234"),
        (9_119.6, "9120"),
        (9_999.6, "10,000"),
        (60_000.0, "60,000"),
        (-0.5, "-0.5"),
    ],
)
def test_figures_have_four_digits_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(1e-9, 1e12))
def test_a_figure_is_what_it_shows(value: float) -> None:
    text = number(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=5.1e-4)


@pytest.mark.parametrize(
    ("value", "text"), [(0.12, "12.0 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (0.0012, "0.12 %")]
)
def test_shares_are_in_per_cent(value: float, text: str) -> None:
    assert share(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(5, "5 ms"), (20_000, "20 s"), (90_000, "1.5 min"), (7_200_000, "2 h"), (86_400_000, "1 d")],
)
def test_stretches_of_time_have_a_fitting_unit(ms: int, text: str) -> None:
    assert span(ms) == text


@pytest.mark.parametrize(
    ("about", "level", "after", "text", "severity"),
    [
        (QUALITY, "drift", 0.5, "quality of arm gpt on route acme/chat fell: 0.9", "critical"),
        (QUALITY, "warning", 0.5, "acme/chat may have fallen: 0.9", "warning"),
        (QUALITY, "warning", 0.95, "acme/chat may have risen: 0.9", "info"),
        (QUALITY, "drift", 0.95, "acme/chat rose: 0.9", "info"),
        (LATENCY, "drift", 0.95, "acme/chat rose: ", "critical"),
        (LATENCY, "warning", 0.5, "acme/chat may have fallen: ", "info"),
    ],
)
def test_a_change_of_the_mean_says_which_way(
    about: About, level: Any, after: float, text: str, severity: Severity
) -> None:
    found = _change(about, Cut(level, 0.9, 12_345, after, 678), "adwin", "alert")
    assert text in found.message
    assert " over 12,345 rewards, then " in found.message
    assert found.severity == severity


@pytest.mark.parametrize(
    ("about", "level", "after", "severity"),
    [
        (QUALITY, "drift", 0.5, "critical"),
        (QUALITY, "drift", 0.9, "warning"),
        (QUALITY, "drift", 0.95, "warning"),
        (LATENCY, "drift", 0.9, "warning"),
        (LATENCY, "drift", 0.95, "critical"),
        (QUALITY, "warning", 0.5, "warning"),
        (QUALITY, "warning", 0.95, "info"),
    ],
)
def test_a_change_of_the_distribution_is_not_called_one_of_the_mean(
    about: About, level: Any, after: float, severity: Severity
) -> None:
    found = _change(about, Cut(level, 0.9, 400, after, 200), "ks_window", "alert")
    verb = "may have changed" if level == "warning" else "changed"
    what = f"the distribution of {about.metric} of arm gpt on route {R}"
    assert found.message.startswith(f"{what} {verb}: mean ")
    assert found.severity == severity


def test_an_anomaly_tells_what_is_usual() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), anomalies={"on": ["latency"]}, drift={"on": []}, join=None)
    rng = np.random.default_rng(3)

    def outcome(number: int) -> dict[str, Any]:
        return {"latency_ms": 9_120.0 if number == 300 else float(rng.uniform(400, 700))}

    serve(driver, 301, outcome)
    (alert,) = shown(driver, type="anomaly")
    pattern = (
        rf"latency of arm a on route {R} was 9120 ms; "
        r"usual is [\d.]+ to [\d.]+ ms \(centre [\d.]+ ms\)"
    )
    assert re.fullmatch(pattern, alert["message"]), alert["message"]


def test_a_suspicion_that_came_to_nothing_ends_as_one() -> None:
    driver = Driver()
    spec = {"on": ["quality"], "cooldown": "20s", "warning_delta": 0.02, "delta": 1e-200}
    driver.policy(R, arms=arms("a"), drift=spec, join=None)
    serve(driver, 2_000, steps(1, 0.9, 0.6, 500))
    ended = [a for a in shown(driver, event="resolved") if a["type"] == "warning"]
    assert ended
    assert (
        f"quality of arm a on route {R}: no further suspected drift for 20 s; "
        in (ended[0]["message"])
    )


def test_a_threshold_of_a_share_speaks_of_per_cent() -> None:
    driver = Driver()
    spec = {"metric": "error_rate", "above": 0.125, "window": "10m", "min_samples": 20}
    driver.policy(R, arms=arms("a"), thresholds=[spec], drift={"on": []}, join=None)
    serve(driver, 1_500, lambda number: {"success": number % 2 == 0}, every_ms=1_000)
    serve(driver, 2_000, lambda _: {"success": True}, every_ms=1_000)
    opened, *_, resolved = shown(driver, type="threshold")
    pattern = rf"error_rate on route {R} is \d+\.\d % over the last 10 min \(n = \d+\), above "
    assert re.fullmatch(pattern + "12.5 %", opened["message"]), opened["message"]
    assert f"error_rate on route {R} is back: " in resolved["message"]
    assert resolved["message"].endswith(", limit 12.5 %")


def test_a_broken_feedback_loop_is_told_route_first() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": []})
    serve(driver, 900, lambda _: {"quality": 1.0}, every_ms=2_000)
    serve(driver, 900, None, every_ms=2_000)
    serve(driver, 900, lambda _: {"quality": 1.0}, every_ms=2_000)
    opened, resolved = driver.alerts()[0], driver.alerts()[-1]
    assert re.match(rf"route {R}: only \d+\.\d % of \d+ decisions got a reward", opened["message"])
    assert re.match(rf"route {R}: \d+\.\d % of the decisions get a reward", resolved["message"])


def test_a_moved_request_mix_is_told_in_per_cent_and_ends_by_its_name() -> None:
    driver = Driver()
    drift = {"on": [], "mix": ["task_type"], "cooldown": "1m"}
    driver.policy(R, arms=arms("a"), drift=drift, join=None)
    rng = np.random.default_rng(8)
    for count in range(2_400):
        task = "code" if rng.random() < (0.9 if count >= 600 else 0.2) else "chat"
        serve(driver, 1, None, context={"task_type": task})
    moved = shown(driver, metric="mix", event="opened")[0]["message"]
    share_of = r"share of '(code|chat)' in task_type (may have )?(fell|fallen|rose|risen)"
    figures = r"\d+\.\d % of [\d,]+ requests, then \d+\.\d % of the last [\d,]+"
    assert re.fullmatch(rf"request mix of route {R}: the {share_of}: {figures}", moved), moved
    driver.now += 120_000
    driver.request(R, "last")
    driver.reward(R, "last", quality=1.0)
    assert shown(driver, metric="mix")[-1]["message"].startswith(
        f"task_type in the request mix of route {R}: no further change for 1 min; over after "
    )
