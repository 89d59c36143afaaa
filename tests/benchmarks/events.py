"""The traffic that every program under test gets: policies, requests and rewards.

Everything is made of a few hundred prepared pieces, so that the generator stays cheap; the pieces
come from a fixed seed, so that every program gets the same.
"""

from __future__ import annotations

import random
import time
from typing import Any

import orjson

ROUTES = tuple(f"acme/route-{number:02}" for number in range(20))
ARMS = (
    ("large", 0.86, 0.0090, 1400.0),
    ("medium", 0.80, 0.0030, 700.0),
    ("small", 0.71, 8e-4, 350.0),
)
"""Id, then the means of quality, cost in USD and latency in ms."""
ALGORITHMS = ("thompson_gaussian", "thompson_beta", "linucb")
PROBE = "probe"
_PIECES = 509

_KEYS = tuple(route.encode() for route in ROUTES)


def policies(algorithm: str) -> list[tuple[bytes, bytes]]:
    """Key and value of one policy per route."""
    arms = [
        {
            "id": arm,
            "model": f"acme/{arm}-1",
            "params": {"temperature": 0.7, "max_tokens": 1024},
            "price": {"input_per_mtok": 1.0, "output_per_mtok": 4.0},
        }
        for arm, *_ in ARMS
    ]
    return [
        (
            route.encode(),
            orjson.dumps(
                {"route": route, "version": 1, "arms": arms, "algorithm": {"name": algorithm}}
            ),
        )
        for route in ROUTES
    ]


def _contexts() -> list[bytes]:
    rng = random.Random(1)
    return [
        orjson.dumps(
            {
                "input_tokens": int(rng.lognormvariate(6.0, 1.0)),
                "output_length_category": rng.choice(("short", "medium", "long")),
                "priority": rng.randrange(10),
                "task_type": rng.choice(("code_generation", "chat", "summary", "extraction")),
                "user_id": f"u{rng.randrange(10_000)}",
                "region": rng.choice(("eu", "us", "ap")),
                "language": rng.choice(("en", "de", "python")),
                "metadata": {"framework": rng.choice(("torch", "jax"))},
            }
        )
        for _ in range(_PIECES)
    ]


def _outcomes() -> dict[str, list[bytes]]:
    rng = random.Random(2)
    found: dict[str, list[bytes]] = {}
    for arm, quality, cost, latency in ARMS:
        found[arm] = [
            orjson.dumps(
                {
                    "quality": round(min(1.0, max(0.0, rng.gauss(quality, 0.1))), 4),
                    "cost_usd": round(cost * rng.lognormvariate(0.0, 0.3), 6),
                    "latency_ms": round(latency * rng.lognormvariate(0.0, 0.3), 1),
                    "success": True,
                }
            )[1:]
            for _ in range(_PIECES)
        ]
    return found


_CONTEXTS = _contexts()
_OUTCOMES = _outcomes()


def request(run: str, number: int) -> tuple[bytes, bytes]:
    """Key and value of a request; its id is ``run-number``."""
    key = _KEYS[number % len(_KEYS)]
    return key, b'{"request_id":"%s-%d","route":"%s","timestamp":%d,"context":%s}' % (
        run.encode(),
        number,
        key,
        int(time.time() * 1000),
        _CONTEXTS[number % _PIECES],
    )


def reward(request_id: str, number: int, key: bytes, arm: str) -> bytes:
    """The value of the reward of a decided request."""
    outcomes = _OUTCOMES.get(arm) or _OUTCOMES[ARMS[0][0]]
    return b'{"request_id":"%s","route":"%s","timestamp":%d,%s' % (
        request_id.encode(),
        key,
        int(time.time() * 1000),
        outcomes[number % _PIECES],
    )


def split_id(request_id: str) -> tuple[str, int]:
    """Run and number of a request id."""
    run, _, number = request_id.rpartition("-")
    return run, int(number)


def decided(answer: dict[str, Any]) -> bool:
    """Whether an answer names an arm."""
    return answer.get("status") == "decided"
