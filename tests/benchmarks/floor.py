"""The floor: the least that a durable answer costs with the same client, and nothing else.

It reads the same topics in a group of its own, makes as many bytes durable as thalweg does (acks
from all replicas, idempotent, one record batch per partition and cycle), and answers only then. It
decides nothing, learns nothing and remembers nothing; of a request it reads the id and the route,
of a reward nothing. What thalweg needs beyond it is the price of thalweg.

It is tuned as thalweg is: all that was fetched makes one cycle; changelog and answers have a
producer each, since a producer of aiokafka has one request under way per broker; under a backlog
a cycle takes 2,000 records, and the next one is prepared while the last one's acks are due.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections import defaultdict
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

BATCH_BYTES = 2 * 1024 * 1024
ANSWER_BATCH_BYTES = 900_000
BACKLOG = 256
CYCLE_RECORDS = 2_000
COMMIT_EVERY = 5.0
OVERHEAD = 13 + 1
"""Bytes of a record's header and key, which count towards the size."""
HEADERS = [("e", bytes(12))]

Messages = list[tuple[bytes, bytes]]


class Cycle:
    """What one fetch leads to."""

    def __init__(self) -> None:
        self.changes: defaultdict[int, Messages] = defaultdict(list)
        self.answers: defaultdict[int, Messages] = defaultdict(list)
        self.positions: dict[TopicPartition, int] = {}
        self.records = 0


class Floor:
    """The program."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.requests = f"{args.prefix}requests"
        self.rewards = f"{args.prefix}rewards"
        self.decisions = f"{args.prefix}decisions"
        self.changelog = f"{args.name}-state-changelog"
        self.decision = b"d" * max(0, args.decision_bytes - OVERHEAD)
        self.reward = b"w" * max(0, args.reward_bytes - OVERHEAD)
        self.answer_bytes = args.answer_bytes
        self.consumer = AIOKafkaConsumer(
            self.requests,
            self.rewards,
            bootstrap_servers=args.brokers,
            group_id=args.name,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=10,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=2_000,
        )
        self.log = self._producer(args.brokers, BATCH_BYTES)
        self.out = self._producer(args.brokers, ANSWER_BATCH_BYTES)
        self.settled: dict[TopicPartition, int] = {}
        self.publishing: list[asyncio.Future[Any]] = []
        self.waiting: dict[TopicPartition, list[Any]] = {}
        self.committed_at = 0.0
        self.committing: asyncio.Task[None] | None = None
        self.stopping = False

    @staticmethod
    def _producer(brokers: str, size: int) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=brokers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=size,
            max_request_size=2 * size,
        )

    async def run(self) -> None:
        """Until told to stop: fetch, append, await the acks, publish."""
        await self.log.start()
        await self.out.start()
        await self.consumer.start()
        settling: asyncio.Task[None] | None = None
        size = 0
        try:
            while not self.stopping:
                if settling is not None and size < BACKLOG:
                    await settling
                    settling = None
                if not self.waiting:
                    self.waiting = await self.consumer.getmany(timeout_ms=200)
                cycle = self.prepare(self.take())
                if settling is not None:
                    await settling
                    settling = None
                size = cycle.records
                if size:
                    acks = await self.send(self.log, self.changelog, cycle.changes)
                    settling = asyncio.create_task(self.settle(cycle, acks))
                self.commit()
            if settling is not None:
                await settling
            await asyncio.gather(*self.publishing)
            if self.committing is not None:
                await self.committing
            if self.settled:
                await self.consumer.commit(self.settled)
        finally:
            await self.consumer.stop()
            await self.log.stop()
            await self.out.stop()

    def take(self) -> dict[TopicPartition, list[Any]]:
        """The records of the next cycle, a fair share of each partition's."""
        share = CYCLE_RECORDS // max(1, len(self.waiting))
        taken = {tp: records[:share] for tp, records in self.waiting.items()}
        self.waiting = {
            tp: records[share:] for tp, records in self.waiting.items() if len(records) > share
        }
        return taken

    def prepare(self, fetched: dict[TopicPartition, list[Any]]) -> Cycle:
        """The records to write and the answers to give."""
        cycle = Cycle()
        for tp, records in fetched.items():
            cycle.records += len(records)
            cycle.positions[tp] = records[-1].offset + 1
            if tp.topic == self.rewards:
                cycle.changes[tp.partition].extend([(b"w", self.reward)] * len(records))
                continue
            cycle.changes[tp.partition].extend([(b"d", self.decision)] * len(records))
            answers = cycle.answers[tp.partition]
            for record in records:
                answers.append((record.key, self.answer(orjson.loads(record.value))))
        return cycle

    def answer(self, request: dict[str, Any]) -> bytes:
        """An answer of the wanted size."""
        text: bytes = (
            b'{"status":"decided","request_id":"%s","route":"%s","arm":"arm-0","pad":"'
            % (
                request["request_id"].encode(),
                request["route"].encode(),
            )
        )
        return text.ljust(self.answer_bytes - 2, b"x") + b'"}'

    async def settle(self, cycle: Cycle, acks: list[asyncio.Future[Any]]) -> None:
        """Publish once all is durable."""
        await asyncio.gather(*acks)
        before = self.publishing
        self.publishing = await self.send(self.out, self.decisions, cycle.answers)
        await asyncio.gather(*before)
        self.settled.update(cycle.positions)

    @staticmethod
    async def send(
        producer: AIOKafkaProducer, topic: str, by_partition: dict[int, Messages]
    ) -> list[asyncio.Future[Any]]:
        """One record batch per partition, or more where it is full."""
        futures = []
        headers = HEADERS if topic.endswith("changelog") else []
        for partition, messages in by_partition.items():
            builder = producer.create_batch()
            for key, value in messages:
                if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    builder.close()
                    futures.append(await producer.send_batch(builder, topic, partition=partition))
                    builder = producer.create_batch()
                    builder.append(key=key, value=value, timestamp=None, headers=headers)
            builder.close()
            futures.append(await producer.send_batch(builder, topic, partition=partition))
        return futures

    def commit(self) -> None:
        """Commit what is durable, now and then, beside the cycles."""
        now = time.monotonic()
        if self.settled and now - self.committed_at > COMMIT_EVERY:
            self.committed_at = now
            self.committing = asyncio.create_task(self.consumer.commit(self.settled))
            self.settled = {}

    def stop(self) -> None:
        """End after the cycle under way."""
        self.stopping = True


async def main(args: argparse.Namespace) -> None:
    """Run until SIGTERM."""
    program = Floor(args)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, program.stop)
    await program.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--decision-bytes", type=int, required=True)
    parser.add_argument("--reward-bytes", type=int, required=True)
    parser.add_argument("--answer-bytes", type=int, required=True)
    asyncio.run(main(parser.parse_args()))
