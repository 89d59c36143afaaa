"""kill -9 under load, RocksDB wiped, workers that join, leave and freeze: the audit must hold."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from pathlib import Path

from streams.app.store import PartitionState
from tests.chaos.load import ALGORITHMS, ROUTES, Load
from tests.streams.harness import Worker, audit_state, bench, logical

ROUNDS = int(os.environ.get("THALWEG_CHAOS_ROUNDS", "5"))
SEED = int(os.environ.get("THALWEG_CHAOS_SEED", "7"))


async def _audit(load: Load, settle: float = 90.0) -> None:
    """Every request one distinct decision, every reward counted once, state as replayed."""
    answers = await load.bench.answers(within=settle, until=load.total)
    assert set(answers) == set(load.sent), "every request is answered"
    different = {name: found for name, found in answers.items() if len(found) > 1}
    assert not different, "every request has one distinct decision"
    counters = await _until_joined(load, settle)
    assert sum(record.joined for record in counters.values()) == load.total
    assert sum(record.decided for record in counters.values()) == load.total
    assert not await load.bench.messages(load.bench.topics.dead_letters)
    assert set(counters) == set(ROUTES)
    assert len(ROUTES) == len(ALGORITHMS)


async def _until_joined(load: Load, within: float) -> dict[str, object]:
    deadline = asyncio.get_running_loop().time() + within
    while True:
        counters = await audit_state(load.bench)
        joined = sum(record.joined for record in counters.values())
        if joined >= load.total or asyncio.get_running_loop().time() > deadline:
            return counters
        await asyncio.sleep(1)


async def _load_while_killing(worker: Worker, load: Load) -> None:
    chance = random.Random(SEED)
    await worker.ready()
    await load.policies()
    running = asyncio.create_task(load.run())
    for number in range(ROUNDS):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        worker.kill()
        if number % 3 == 1:
            shutil.rmtree(worker.data_dir)
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        worker.start()
        if number % 2:
            await worker.ready()  # otherwise the next kill may hit the recovery
    await running


def test_kill_under_load(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(brokers, topic_prefix) as made:
            worker = Worker(brokers, topic_prefix, tmp_path / "w1")
            worker.start()
            load = Load(made, total=600 * ROUNDS, rate=120, seed=SEED)
            try:
                await _load_while_killing(worker, load)
                await _audit(load)
                assert worker.stop() == 0
                await _audit_local(load, worker)
            finally:
                worker.ensure_dead()

    asyncio.run(main())


async def _audit_local(load: Load, worker: Worker) -> None:
    """After a clean stop, RocksDB holds what the changelog holds."""
    import rocksdict

    from streams.durable.headers import log_record
    from streams.durable.local import MemoryState, follow

    changelog = await load.bench.read(load.bench.settings.changelog)
    checked = 0
    for partition, records in changelog.items():
        local = MemoryState()
        follow(local, map(log_record, records))
        path = next(worker.data_dir.rglob(f"*-{partition}.db"))
        stored = PartitionState(path, rocksdict.Cache(1 << 20))
        items = {key: value for key, value in stored.scan(b"") if not key.startswith(b"\0")}
        stored.close()
        assert logical(items.items()) == logical(local.items.items())
        checked += len(items)
    assert checked > load.total


def test_a_second_worker_joins_freezes_and_leaves(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with bench(brokers, topic_prefix) as made:
            first = Worker(brokers, topic_prefix, tmp_path / "w1")
            second = Worker(brokers, topic_prefix, tmp_path / "w2")
            first.start()
            load = Load(made, total=2_400, rate=60, seed=SEED)
            try:
                await first.ready()
                await load.policies()
                running = asyncio.create_task(load.run())
                await asyncio.sleep(2)
                second.start()
                await second.ready()
                await asyncio.sleep(2)
                # A zombie: frozen for longer than the session timeout, then awake again.
                first.pause()
                await asyncio.sleep(12)
                first.resume()
                await asyncio.sleep(4)
                assert second.stop() == 0
                await running
                await _audit(load)
            finally:
                first.ensure_dead()
                second.ensure_dead()

    asyncio.run(main())
