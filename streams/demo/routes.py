"""The routes of the demo: one per typical use, each with another policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.decode import decode_policy
from schemas.policy import Policy
from schemas.reward import Outcome
from streams.demo.data import ARMS, TASK_TYPES
from streams.demo.workload import Played

MODELS: Final = {
    "llama-3.1-8b": "meta-llama/llama-3.1-8b-instruct",
    "mistral-large": "mistralai/mistral-large",
    "gemini-2.5-pro": "google/gemini-2.5-pro",
}


@dataclass(frozen=True, slots=True)
class DemoRoute:
    """One route: its policy, and what its proxy observes of an answer."""

    name: str
    story: str
    """What the route wants, and how it decides; for the tables."""
    settings: Mapping[str, Any]
    """The policy, without its route, version and arms."""
    pass_mark: float | None = None
    """If set, nobody grades answers there: they pass from this quality on, or fail."""

    def event(self) -> dict[str, Any]:
        """The policy as it goes to the policy topic."""
        arms = [{"id": arm, "model": MODELS[arm]} for arm in ARMS]
        return {"route": self.name, "version": 1, "arms": arms, **self.settings}

    def policy(self) -> Policy:
        """The policy as a worker reads it. Raises InvalidMessage where a worker would refuse it."""
        return decode_policy(orjson.dumps(self.event()))

    def outcome(self, played: Played) -> Outcome:
        """What the proxy of this route reports of an answer."""
        if self.pass_mark is None:
            return Outcome(played.quality, played.cost_usd, played.latency_ms)
        success = played.quality >= self.pass_mark
        return Outcome(cost_usd=played.cost_usd, latency_ms=played.latency_ms, success=success)


RESTART: Final = {"action": "restart_arm"}

ROUTES: Final = (
    DemoRoute(
        "demo/balanced",
        "a bit of everything (preset balanced); Thompson sampling",
        {
            "algorithm": {"name": "thompson_gaussian"},
            "objective": {"preset": "balanced"},
            "drift": RESTART,
        },
    ),
    DemoRoute(
        "demo/quality",
        "good answers, cost as a tie-breaker (weights 9 : 1); Thompson sampling",
        {
            "algorithm": {"name": "thompson_gaussian"},
            "objective": {"weights": {"quality": 0.9, "cost": 0.1}},
            "drift": RESTART,
        },
    ),
    DemoRoute(
        "demo/cost",
        "cheap answers (preset cost_focused); LinUCB on task type and prompt length",
        {
            "algorithm": {"name": "linucb"},
            "objective": {"preset": "cost_focused"},
            "context": {
                "features": [
                    {"encode": "log", "field": "input_tokens", "high": 2048},
                    {
                        "encode": "one_hot",
                        "field": "task_type",
                        "values": sorted(set(TASK_TYPES.values())),
                    },
                ]
            },
            "drift": RESTART,
        },
    ),
    DemoRoute(
        "demo/tasks",
        "good answers, then cost, then speed (17 : 2 : 1); Thompson sampling per task type",
        {
            "algorithm": {"name": "thompson_gaussian"},
            "objective": {"weights": {"quality": 0.85, "cost": 0.1, "latency": 0.05}},
            "context": {"segment_by": ["task_type"]},
            "drift": RESTART,
        },
    ),
    DemoRoute(
        "demo/yes-no",
        "only pass (quality of 0.8 or more) or fail counts; Thompson sampling, Beta",
        {
            "algorithm": {"name": "thompson_beta"},
            "objective": {"weights": {"quality": 1.0}},
            "drift": {"on": ["reward"], **RESTART},
        },
        pass_mark=0.8,
    ),
)
