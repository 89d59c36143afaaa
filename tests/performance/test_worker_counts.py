"""What one event costs a whole worker, in counts: tasks, and requests to Kafka.

The worker is the real one on a real Kafka; it only counts what it does (counting.py).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.performance.bounds import within
from tests.streams.harness import Bench, Worker, bench

ROUTES = 8
ROUNDS = 25
BACKLOG = 4_000
BY_TIME = ("Fetcher._proc_fetch_request", "Event.wait")
"""Tasks that come with time, not with records: a fetch at least every 10 ms, and idle waits."""
CLAIMS = 4
"""One per partition, each a cycle without a task of its own."""


class CountingWorker(Worker):
    def __init__(self, brokers: str, prefix: str, data_dir: Path, out: Path) -> None:
        super().__init__(brokers, prefix, data_dir)
        at = self._command.index("worker")
        self._command[:at] = [sys.executable, "-m", "tests.performance.counting", str(out)]


async def feed(bench: Bench) -> int:
    """Small rounds, each of which waits for its answers, then a backlog; how many requests."""
    sent = 0
    for _ in range(ROUNDS):
        for route in range(ROUTES):
            await bench.request(f"route-{route}", f"round-{sent}")
            sent += 1
        await bench.producer.flush()
        await asyncio.sleep(0.05)
    for _ in range(BACKLOG):
        await bench.request(f"route-{sent % ROUTES}", f"backlog-{sent}")
        sent += 1
    await bench.producer.flush()
    answers = await bench.eventually(bench.topics.decisions, sent)
    assert len(answers) == sent
    return sent


async def counts(brokers: str, prefix: str, tmp_path: Path) -> tuple[int, dict[str, Any]]:
    out = tmp_path / "counts.json"
    worker = CountingWorker(brokers, prefix, tmp_path / "data", out)
    async with bench(brokers, prefix) as made:
        worker.start()
        try:
            await worker.ready()
            for route in range(ROUTES):
                await made.policy(f"route-{route}", algorithm={"name": "linucb"})
            sent = await feed(made)
            assert worker.stop() == 0, worker.tail()
        finally:
            worker.ensure_dead()
    return sent, json.loads(out.read_text())


def test_a_worker_makes_few_tasks_per_record_and_two_requests_to_kafka_per_cycle(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    sent, counted = asyncio.run(counts(brokers, topic_prefix, tmp_path))
    tasks = sum(n for name, n in counted["tasks"].items() if name not in BY_TIME)
    cycles = counted["tasks"]["Pipeline._acked"] + CLAIMS
    assert cycles >= ROUNDS / 2
    complaints = (
        within(
            "worker: produce requests per cycle", counted["requests"]["ProduceRequest"] / cycles
        ),
        within("worker: tasks per record", tasks / sent),
    )
    assert not any(complaints), f"{complaints}; {counted}"
