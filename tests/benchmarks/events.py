"""The traffic that every program under test gets: policies, requests and rewards.

Everything is made of a few hundred prepared pieces, so that the generator stays cheap; the pieces
come from a fixed seed, so that every program gets the same.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import orjson

Algorithm = Literal["linucb", "thompson_gaussian", "thompson_beta"]
Keys = Literal["uniform", "zipf"]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)
KEYS: tuple[str, ...] = get_args(Keys)
FIXED_DIM = 10
"""Components of a context without an embedding: 1, the log of the tokens, 3 for the expected
length, the priority, 4 for the type of task."""
LENGTHS = ("short", "medium", "long")
TASKS = ("chat", "code_generation", "summary", "extraction")
TOKENS_HIGH = 131_072
PROBE = "probe"
ZIPF_EXPONENT = 1.0
_PIECES = 509
_DRAWS = 65_536


@dataclass(frozen=True)
class Workload:
    """What is asked of a program."""

    algorithm: str = "linucb"
    routes: int = 100
    arms: int = 5
    dim: int = FIXED_DIM
    keys: str = "uniform"
    """How requests spread over the routes: in turn, or with frequencies as 1, 1/2, 1/3, ..."""
    drift: bool = True
    """Whether thalweg's detectors watch the arms, as they do unless a policy says otherwise."""

    def __post_init__(self) -> None:
        if self.dim < FIXED_DIM:
            raise ValueError(f"contexts have at least {FIXED_DIM} components, not {self.dim}")

    def text(self) -> str:
        """For a command line; ``parse`` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Workload:
        """What ``text`` wrote."""
        return cls(**json.loads(text))

    # ---- policies -------------------------------------------------------------------------

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The routes."""
        return tuple(f"acme/route-{number:06}" for number in range(self.routes))

    def policies(self, first: int = 0, last: int | None = None) -> list[tuple[bytes, bytes]]:
        """Key and value of one policy per route."""
        arms = [
            {
                "id": f"arm-{arm}",
                "model": f"acme/model-{arm}",
                "params": {"temperature": 0.7, "max_tokens": 1024},
                "price": {"input_per_mtok": 1.0, "output_per_mtok": 4.0},
            }
            for arm in range(self.arms)
        ]
        policy: dict[str, Any] = {
            "version": 1,
            "arms": arms,
            "algorithm": {"name": self.algorithm},
            "objective": {"weights": {"quality": 1}},
            "context": {"features": self._features()},
        }
        if not self.drift:
            policy["drift"] = {"on": []}
        return [
            (route.encode(), orjson.dumps({"route": route, **policy}))
            for route in self.names[first:last]
        ]

    def _features(self) -> list[dict[str, Any]]:
        embedding = self.dim - FIXED_DIM
        return [
            {"encode": "log", "field": "input_tokens", "high": TOKENS_HIGH},
            {"encode": "one_hot", "field": "output_length_category", "values": LENGTHS[:-1]},
            {"encode": "linear", "field": "priority", "low": 0, "high": 10},
            {"encode": "one_hot", "field": "task_type", "values": TASKS[:-1]},
            *([{"encode": "embedding", "dim": embedding}] if embedding else []),
        ]

    # ---- requests and rewards -------------------------------------------------------------

    @cached_property
    def _draws(self) -> list[int]:
        if self.keys == "uniform":
            return list(range(self.routes))
        shares = 1.0 / np.arange(1, self.routes + 1) ** ZIPF_EXPONENT
        rng = np.random.default_rng(3)
        found: list[int] = rng.choice(self.routes, _DRAWS, p=shares / shares.sum()).tolist()
        return found

    @cached_property
    def _keys(self) -> tuple[bytes, ...]:
        return tuple(name.encode() for name in self.names)

    @cached_property
    def _contexts(self) -> list[bytes]:
        rng = random.Random(1)
        found = []
        for _ in range(_PIECES):
            context: dict[str, Any] = {
                "input_tokens": int(rng.lognormvariate(6.0, 1.0)),
                "output_length_category": rng.choice(LENGTHS),
                "priority": rng.randrange(10),
                "task_type": rng.choice(TASKS),
                "user_id": f"u{rng.randrange(10_000)}",
                "region": rng.choice(("eu", "us", "ap")),
                "language": rng.choice(("en", "de", "python")),
                "metadata": {"framework": rng.choice(("torch", "jax"))},
            }
            if self.dim > FIXED_DIM:
                context["embedding"] = [
                    round(rng.gauss(0.0, 1.0), 4) for _ in range(self.dim - FIXED_DIM)
                ]
            found.append(orjson.dumps(context))
        return found

    @cached_property
    def _outcomes(self) -> dict[str, list[bytes]]:
        rng = random.Random(2)
        found: dict[str, list[bytes]] = {}
        for arm in range(self.arms):
            share = arm / max(1, self.arms - 1)
            quality, cost, latency = 0.86 - 0.15 * share, 0.009 * (1.05 - share), 1400 - 900 * share
            found[f"arm-{arm}"] = [
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

    def request(self, run: str, number: int) -> tuple[bytes, bytes]:
        """Key and value of a request; its id is ``run-number``."""
        draws = self._draws
        return self.request_of(draws[number % len(draws)], run, number)

    def request_of(self, route: int, run: str, number: int) -> tuple[bytes, bytes]:
        """The same, of one route."""
        key = self._keys[route]
        return key, b'{"request_id":"%s-%d","route":"%s","timestamp":%d,"context":%s}' % (
            run.encode(),
            number,
            key,
            int(time.time() * 1000),
            self._contexts[number % _PIECES],
        )

    def reward(self, request_id: str, number: int, key: bytes, arm: str) -> bytes:
        """The value of the reward of a decided request."""
        return b'{"request_id":"%s","route":"%s","timestamp":%d,%s' % (
            request_id.encode(),
            key,
            int(time.time() * 1000),
            self._outcomes[arm][number % _PIECES],
        )


def split_id(request_id: str) -> tuple[str, int]:
    """Run and number of a request id."""
    run, _, number = request_id.rpartition("-")
    return run, int(number)


def decided(answer: dict[str, Any]) -> bool:
    """Whether an answer names an arm."""
    return answer.get("status") == "decided"
