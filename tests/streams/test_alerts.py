"""Alerts on the drift topic, from workers that are killed and replaced: each detection has its
alert, a repeated one is the same bytes, and a restart opens no incident again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from pathlib import Path

import orjson

from tests.streams.harness import Bench, Worker, audit_state, bench

ROUTES = ("shop/chat", "shop/code", "shop/search", "shop/ads")
ROUNDS = 8
PER_ROUND = 60
WATCHED = {
    "algorithm": {"name": "thompson_beta"},
    "drift": {"on": ["quality"], "action": "restart_arm", "mix": ["task_type"], "cooldown": "1s"},
    "anomalies": {"on": ["cost"], "min_samples": 20, "cooldown": "1s"},
    "thresholds": [{"metric": "quality", "below": 0.5, "window": "5s", "min_samples": 5}],
}


async def _round(made: Bench, number: int, chance: random.Random) -> None:
    """Requests with a reward each; the later half of all is worse, with another mix."""
    late = number >= ROUNDS // 2
    for one in range(PER_ROUND):
        for route in ROUTES:
            name = f"q{number}-{one}"
            task = "code" if chance.random() < (0.95 if late else 0.1) else "chat"
            await made.request(route, name, context={"task_type": task})
            dear = one == PER_ROUND - 1
            await made.reward(
                route,
                name,
                quality=float(chance.random() < (0.1 if late else 0.95)),
                cost_usd=0.9 if dear else chance.uniform(0.001, 0.0012),
            )
        await asyncio.sleep(0.02)
    await made.producer.flush()


async def _settled(made: Bench, within: float = 120.0) -> list[bytes]:
    """What a replay of the topics says on the drift topic, once all rewards are counted."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        outputs: list[object] = []
        counters = await audit_state(made, outputs)  # type: ignore[arg-type]
        done = sum(record.joined for record in counters.values()) == ROUNDS * PER_ROUND * len(
            ROUTES
        )
        if done or asyncio.get_running_loop().time() > deadline:
            assert done, "every reward is counted"
            return [out.value for out in outputs if out.role == "drift"]  # type: ignore[attr-defined]
        await asyncio.sleep(1)


def test_alerts_survive_kills_and_rebalances(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        chance = random.Random(4)
        async with bench(brokers, topic_prefix) as made:
            first = Worker(brokers, topic_prefix, tmp_path / "w1")
            second = Worker(brokers, topic_prefix, tmp_path / "w2")
            first.start()
            try:
                await first.ready()
                for route in ROUTES:
                    await made.policy(route, **WATCHED)
                for number in range(ROUNDS):
                    running = asyncio.create_task(_round(made, number, chance))
                    await asyncio.sleep(0.5)
                    if number == 2:
                        second.start()
                    if number in (1, 4, 6):
                        first.kill()
                    await running
                    if number in (1, 4, 6):
                        first.start()
                    if number == 5:
                        second.kill()
                wanted = await _settled(made)
                found = await made.read(made.topics.drift)
                seen = [record.value for records in found.values() for record in records]
                # What was emitted at the very end may still be under way.
                for _ in range(60):
                    if set(seen) >= set(wanted):
                        break
                    await asyncio.sleep(0.5)
                    found = await made.read(made.topics.drift)
                    seen = [record.value for records in found.values() for record in records]
            finally:
                first.ensure_dead()
                second.ensure_dead()
        assert set(seen) == set(wanted), "each detection has its alert, and no other is told"
        alerts = [orjson.loads(value) for value in wanted]
        assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
        assert {alert["type"] for alert in alerts} >= {"drift", "anomaly", "threshold"}
        events: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for alert in alerts:
            events[alert["incident_id"]][alert["event"]] += 1
        assert all(counts["opened"] == 1 for counts in events.values())
        assert all(counts["resolved"] <= 1 for counts in events.values())
        assert any(counts["resolved"] for counts in events.values())

    asyncio.run(main())
