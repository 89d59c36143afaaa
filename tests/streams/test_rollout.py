"""A staged rollout through a real worker: worse is rolled back with its alert, better completes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from tests.streams.harness import Bench, audit_state, serving

ROLLOUT = {
    "name": "to-large",
    "arms": ["large"],
    "margins": {"quality": 0.1},
    "min_time": "1ms",
    "min_samples": 30,
    "steps": [0.3, 1.0],
}
SMALL = {"algorithm": {"name": "fixed_split", "shares": {"small": 1}}}
QUALITY = {"shop/better": 0.8, "shop/worse": 0.2}
"""Of the candidate; the small arm's is 0.6."""


async def _served(made: Bench, number: int, chance: random.Random) -> Counter[tuple[str, str]]:
    """A round of requests with rewards; how often each arm of each route served."""
    for route in QUALITY:
        for one in range(60):
            await made.request(route, f"{number}-{one}")
    await made.producer.flush()
    found: Counter[tuple[str, str]] = Counter()
    for answer in await made.eventually(made.topics.decisions, 120 * (number + 1)):
        if answer["request_id"].startswith(f"{number}-"):
            found[answer["route"], answer["arm"]] += 1
            mean = 0.6 if answer["arm"] == "small" else QUALITY[answer["route"]]
            quality = round(mean + chance.uniform(-0.15, 0.15), 3)
            await made.reward(answer["route"], answer["request_id"], quality=quality)
    await made.producer.flush()
    return found


def test_a_rollout_ends_as_it_should(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w") as (made, worker):
            chance = random.Random(2)
            for route in QUALITY:
                await made.policy(route, **SMALL, rollout=ROLLOUT)
            await asyncio.sleep(1)
            rounds = [await _served(made, number, chance) for number in range(5)]
            alerts = await made.eventually(made.topics.drift, 2)
            told: dict[str, dict[str, Any]] = {
                alert["route"]: alert for alert in alerts if alert["type"] == "rollout"
            }
            assert told["shop/worse"]["action"] == "rolled_back"
            assert told["shop/worse"]["severity"] == "critical"
            assert told["shop/better"]["action"] == "completed"
            worker.kill()
            worker.start()
            await worker.ready()
            last = await _served(made, 5, chance)
            assert rounds[0]["shop/worse", "large"] > 0
            assert (last["shop/worse", "small"], last["shop/better", "large"]) == (60, 60)
            again = [
                one for one in await made.messages(made.topics.drift) if one["type"] == "rollout"
            ]
            assert len({one["alert_id"] for one in again}) == 2
            await audit_state(made)

    asyncio.run(main())
