"""A proxy fleet under load: requests on many routes, and one reward for each decision read."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from tests.streams.harness import Bench

ROUTES = [f"shop/{name}" for name in ("chat", "search", "code", "mail", "legal", "ads")]
LINUCB = {"name": "linucb", "alpha": 0.5}
ALGORITHMS: list[dict[str, Any]] = [
    {"algorithm": {"name": "thompson_gaussian"}},
    {"algorithm": {"name": "thompson_beta"}},
    {"algorithm": LINUCB},
    {"algorithm": {"name": "thompson_gaussian"}, "context": {"segment_by": ["task_type"]}},
    {"algorithm": LINUCB, "context": {"segment_by": ["region"]}},
    {"algorithm": {"name": "thompson_beta"}, "drift": {"action": "restart_arm"}},
]
TASKS = ("summary", "code", "chat")
REGIONS = ("eu", "us")


class Load:
    """Sends ``total`` requests at ``rate`` a second; rewards follow the decisions."""

    def __init__(self, bench: Bench, total: int, rate: float, seed: int) -> None:
        self.bench = bench
        self.total = total
        self._rate = rate
        self._chance = random.Random(seed)
        self.sent: dict[str, str] = {}
        self.rewarded: set[str] = set()
        self._done = asyncio.Event()

    async def policies(self) -> None:
        for route, changes in zip(ROUTES, ALGORITHMS, strict=True):
            await self.bench.policy(route, 1, **changes)

    async def requests(self) -> None:
        chance = self._chance
        for number in range(self.total):
            route = chance.choice(ROUTES)
            request_id = f"q{number}"
            self.sent[request_id] = route
            await self.bench.request(
                route,
                request_id,
                context={
                    "input_tokens": chance.randrange(10, 9_000),
                    "task_type": chance.choice(TASKS),
                    "region": chance.choice(REGIONS),
                },
            )
            if chance.random() < 0.02:  # a proxy that sends its request twice
                await self.bench.request(route, request_id)
            if chance.random() < 0.1:  # a reward that does not wait for the decision
                await self._reward(request_id, "large")
            if number % 20 == 0:
                await asyncio.sleep(20 / self._rate)
        await self.bench.producer.flush()

    async def rewards(self) -> None:
        consumer = AIOKafkaConsumer(
            self.bench.topics.decisions,
            bootstrap_servers=self.bench.brokers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while not self._done.is_set() or len(self.rewarded) < self.total:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        answer = orjson.loads(record.value)
                        if answer["status"] == "decided":
                            await self._reward(answer["request_id"], answer["arm"])
        finally:
            await consumer.stop()

    async def _reward(self, request_id: str, arm: str) -> None:
        if request_id in self.rewarded:
            return
        self.rewarded.add(request_id)
        chance = random.Random(request_id)
        quality = {"small": 0.5, "medium": 0.7, "large": 0.8}[arm] + chance.uniform(-0.2, 0.2)
        await self.bench.reward(
            self.sent[request_id],
            request_id,
            quality=round(quality, 3),
            cost_usd=round(chance.uniform(1e-4, 1e-2), 6),
            latency_ms=round(chance.uniform(100, 3_000), 1),
        )

    async def run(self) -> None:
        rewards = asyncio.create_task(self.rewards())
        await self.requests()
        self._done.set()
        await asyncio.wait_for(rewards, timeout=180)
        await self.bench.producer.flush()
