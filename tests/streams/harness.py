"""Workers as processes, and what an audit of their topics must find."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from core.router import Router
from core.routing.part import Inputs
from schemas.state import Output, RouteRecord, decode_route
from streams.audit.changelog import batches_of
from streams.audit.replayer import positions
from streams.audit.state import logical
from streams.durable.headers import log_record
from streams.durable.local import MemoryState, follow
from streams.durable.reading import Progress
from streams.settings import Settings, Topics


class Worker:
    """One ``thalweg worker`` process."""

    def __init__(
        self, brokers: str, prefix: str, data_dir: Path, *options: str, web_port: int | None = None
    ) -> None:
        self.data_dir = data_dir
        self._command = [
            sys.executable,
            "-m",
            "streams.cli",
            "worker",
            f"--brokers={brokers}",
            f"--name={prefix}app",
            f"--topic-prefix={prefix}",
            f"--data-dir={data_dir}",
            "--without-web" if web_port is None else f"--port={web_port}",
            "--partitions=4",
            *options,
        ]
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """kill -9"""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the worker did not stop in 60 s:\n{self.tail()}") from None

    def ensure_dead(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def tail(self, lines: int = 40) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def ready(self, within: float = 90.0) -> None:
        """Wait until the worker has claimed its partitions for the first time since its start."""
        deadline = time.monotonic() + within
        while b"ready: owns" not in self.log.read_bytes()[self._log_start :]:
            if self.process.poll() is not None:
                ended = f"the worker ended with {self.process.returncode}"
                raise AssertionError(f"{ended}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the worker is not ready after {within} s:\n{self.tail()}")
            await asyncio.sleep(0.1)


class Bench:
    """Produces to and reads from the topics of one installation."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.brokers = brokers
        self.topics = Topics.prefixed(prefix)
        self.settings = Settings(brokers=brokers, name=f"{prefix}app", topics=self.topics)
        self.producer: AIOKafkaProducer

    async def send(self, topic: str, key: str | None, event: Any) -> None:
        value = event if isinstance(event, bytes) or event is None else orjson.dumps(event)
        await self.producer.send(topic, key=None if key is None else key.encode(), value=value)

    async def policy(self, route: str, version: int = 1, **changes: Any) -> None:
        arms = [{"id": arm, "model": f"models/{arm}"} for arm in ("small", "medium", "large")]
        event = {"route": route, "version": version, "arms": arms, **changes}
        await self.send(self.topics.policies, route, event)
        await self.producer.flush()

    async def request(self, route: str, request_id: str, **fields: Any) -> None:
        event = {"request_id": request_id, "route": route, **fields}
        await self.send(self.topics.requests, route, event)

    async def reward(self, route: str, request_id: str, **fields: Any) -> None:
        event = {"request_id": request_id, "route": route, **fields}
        await self.send(self.topics.rewards, route, event)

    async def read(self, topic: str) -> dict[int, list[Any]]:
        """All records of a topic up to its present end, by partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.brokers, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = consumer.partitions_for_topic(topic)
            if partitions is None:
                await consumer._client.force_metadata_update()
                partitions = await consumer._client._wait_on_metadata(topic)
            tps = [TopicPartition(topic, number) for number in sorted(partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            # Explicit offsets: a seek to the beginning can lose against the reset after assign().
            for tp, start in (await consumer.beginning_offsets(tps)).items():
                consumer.seek(tp, start)
            found: dict[int, list[Any]] = {tp.partition: [] for tp in tps}
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for records in (await consumer.getmany(tp, timeout_ms=500)).values():
                        found[tp.partition].extend(r for r in records if r.offset < ends[tp])
            return found
        finally:
            await consumer.stop()

    async def messages(self, topic: str) -> list[dict[str, Any]]:
        return [
            orjson.loads(record.value)
            for records in (await self.read(topic)).values()
            for record in records
        ]

    async def answers(self, within: float, until: int) -> dict[str, set[bytes]]:
        """By request id, the distinct answers; waits until there are ``until`` ids."""
        deadline = time.monotonic() + within
        while True:
            found: defaultdict[str, set[bytes]] = defaultdict(set)
            for records in (await self.read(self.topics.decisions)).values():
                for record in records:
                    found[orjson.loads(record.value)["request_id"]].add(record.value)
            if len(found) >= until or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.5)

    async def eventually(
        self, topic: str, count: int, within: float = 60.0
    ) -> list[dict[str, Any]]:
        """The messages of a topic, once there are ``count`` of them."""
        deadline = time.monotonic() + within
        while True:
            found = await self.messages(topic)
            if len(found) >= count or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.3)


@asynccontextmanager
async def bench(brokers: str, prefix: str) -> AsyncIterator[Bench]:
    """A bench with its producer started."""
    made = Bench(brokers, prefix)
    made.producer = AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=2, acks="all")
    await made.producer.start()
    try:
        yield made
    finally:
        await made.producer.stop()


@asynccontextmanager
async def serving(
    brokers: str, prefix: str, data_dir: Path, *, web_port: int | None = None
) -> AsyncIterator[tuple[Bench, Worker]]:
    """A bench with a worker that is ready; it is dead afterwards."""
    async with bench(brokers, prefix) as made:
        worker = Worker(brokers, prefix, data_dir, web_port=web_port)
        worker.start()
        try:
            await worker.ready()
            yield made, worker
        finally:
            worker.ensure_dead()


async def audit_state(bench: Bench, outputs: list[Output] | None = None) -> dict[str, RouteRecord]:
    """The changelog must equal a sequential replay of the topics, bit for bit.

    The order between topics is the one that the stamps tell; everything else follows. Returns the
    counters of all routes, and in ``outputs`` what else the replay has published.
    """
    inputs = [await bench.read(topic) for topic in bench.topics.inputs]
    changelog = await bench.read(bench.settings.changelog)
    counters: dict[str, RouteRecord] = {}
    for partition, records in changelog.items():
        local = MemoryState()
        follow(local, map(log_record, records))
        replayed = MemoryState()
        router = Router(replayed.get, partition=partition)
        taken = [0, 0, 0]
        for batch in batches_of(map(log_record, records)):
            for kind, end in enumerate(positions(batch.stamp)):
                mine = inputs[kind][partition]
                while taken[kind] < len(mine) and mine[taken[kind]].offset < end:
                    one: list[list[Any]] = [[], [], []]
                    one[kind] = [mine[taken[kind]]]
                    part = router.handle(Inputs(*one), emitted=router.version)
                    replayed.write(part.puts, Progress())
                    if outputs is not None:
                        outputs.extend(part.outbox)
                    taken[kind] += 1
        found, wanted = logical(local.items.items()), logical(replayed.items.items())
        different = {
            key: (found.get(key), wanted.get(key))
            for key in found.keys() | wanted.keys()
            if found.get(key) != wanted.get(key)
        }
        assert not different, f"partition {partition}: found and replayed differ: {different}"
        for key, value in local.items.items():
            if key[:1] == b"R":
                counters[key[1:].decode()] = decode_route(value)
    return counters
