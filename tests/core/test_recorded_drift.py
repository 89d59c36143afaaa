"""Alerts on recorded answers: a degraded model is named soon, and nothing else is ever critical."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.routing.part import Inputs
from tests.core.routing import Driver, R

RECORDED = Path(__file__).parents[2] / "streams" / "demo" / "data" / "llm-replay.csv"
MODELS = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
BATCH = 16
POLICY: dict[str, Any] = {
    "arms": [{"id": name, "model": name} for name in MODELS],
    "algorithm": {"name": "thompson_gaussian"},
    "objective": {"preset": "quality_focused"},
    "guardrails": {"min_share": 0.1},
    "drift": {"on": ["quality", "reward", "cost", "latency"]},
}


def rows() -> list[dict[str, str]]:
    with RECORDED.open(newline="") as file:
        return list(csv.DictReader(file))


def play(seed: int, *, degraded: str = "", after: int = 0) -> Driver:
    """Serve the recorded prompts in random order; one model's quality may fall after a while.

    ``after`` counts the requests of the degraded model; it ends with the 250th after that. Latency
    is not recorded: it is drawn.
    """
    rng = np.random.default_rng(seed)
    driver = Driver()
    driver.policy(R, **POLICY)
    assert not driver.letters()
    data = rows()
    served = 0
    order = rng.permutation(len(data)).tolist()
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        driver.now += 250 * BATCH
        asked = [driver.record(1, {"route": R, "request_id": f"q{row}"}) for row in batch]
        driver.handle(Inputs(requests=asked))
        rewards = []
        for row, decision in zip(batch, driver.decisions[-len(batch) :], strict=True):
            arm = decision["arm"]
            quality = float(data[row][f"{arm}_reward"])
            if arm == degraded:
                served += 1
                if served > after:
                    quality *= 0.6
            event = {
                "route": R,
                "request_id": f"q{row}",
                "quality": quality,
                "cost_usd": float(data[row][f"{arm}_cost_usd"]),
                "latency_ms": float(rng.lognormal(np.log(900), 0.5)),
            }
            rewards.append(driver.record(2, event))
        driver.handle(Inputs(rewards=rewards))
        if degraded and served >= after + 250 - BATCH:
            break
    return driver


@pytest.mark.parametrize("seed", range(5))
def test_a_degraded_model_is_named_within_250_of_its_requests(seed: int) -> None:
    driver = play(seed, degraded="mistral-large", after=300)
    critical = [alert for alert in driver.alerts() if alert["severity"] == "critical"]
    assert critical, "nobody was told"
    assert {alert["arm"] for alert in critical} == {"mistral-large"}
    assert {alert["metric"] for alert in critical} <= {"quality", "reward"}


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_critical_while_nothing_has_changed(seed: int) -> None:
    driver = play(seed)
    assert not [alert for alert in driver.alerts() if alert["severity"] == "critical"]
