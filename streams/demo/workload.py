"""What will be asked, and what each model will answer: fixed before the first request is sent.

The proxy and the baselines play the same workload, so they meet the same prompts, the same drop in
quality and the same latencies.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from streams.demo.data import Prompt

LATENCY: Final[Mapping[str, tuple[float, float]]] = {
    "llama-3.1-8b": (450.0, 0.35),
    "mistral-large": (1_100.0, 0.40),
    "gemini-2.5-pro": (6_000.0, 0.45),
}
"""The made-up latency of each arm: log-normal, by its median in ms and its sigma."""


class Played(NamedTuple):
    """What one arm's answer to one request is: recorded, but for the drop and the latency."""

    quality: float
    cost_usd: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Drop:
    """From request ``first`` on, the quality of every answer of ``arm`` is times ``factor``."""

    arm: str
    factor: float
    first: int


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """One request, with what every arm would answer."""

    index: int
    """Its place among all requests, from 0."""
    request_id: str
    route: str
    prompt: Prompt
    played: Mapping[str, Played]


def workload(
    prompts: Sequence[Prompt], routes: Sequence[str], count: int, seed: int, drop: Drop
) -> list[DemoRequest]:
    """``count`` requests, dealt to the routes in turn; the same for the same arguments.

    Each route sees the recorded prompts in an order of its own, and all of them before any again.
    """
    decks = [_deck(prompts, f"{seed}/{route}") for route in routes]
    latencies = random.Random(f"{seed}/latency")  # noqa: S311 - a simulation
    requests = []
    for index in range(count):
        prompt = next(decks[index % len(routes)])
        played = {
            arm: Played(
                answer.quality * (drop.factor if arm == drop.arm and index >= drop.first else 1.0),
                answer.cost_usd,
                _latency(latencies, arm),
            )
            for arm, answer in prompt.answers.items()
        }
        route = routes[index % len(routes)]
        requests.append(DemoRequest(index, f"demo-{seed}-{index}", route, prompt, played))
    return requests


def _deck(prompts: Sequence[Prompt], seed: str) -> Iterator[Prompt]:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    while True:
        yield from chance.sample(prompts, len(prompts))


def _latency(chance: random.Random, arm: str) -> float:
    median, sigma = LATENCY[arm]
    return median * math.exp(sigma * chance.gauss(0.0, 1.0))
