"""What the harness itself does with Kafka: topics, filling them, reading them back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from streams.settings import Settings, Topics
from streams.topics import wanted
from tests.benchmarks.peers import Place

Ends = dict[TopicPartition, int]


def settings_of(place: Place) -> Settings:
    """thalweg's settings for a place; they name its topics."""
    return Settings(
        brokers=place.brokers,
        name=place.name,
        topics=Topics.prefixed(place.prefix),
        partitions=place.partitions,
    )


class Client:
    """A connection of the harness to the topics of one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.settings = settings_of(place)
        self.admin = AIOKafkaAdminClient(bootstrap_servers=place.brokers)
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=place.brokers,
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )

    async def start(self) -> None:
        """Connect, and create the topics.

        They are as thalweg creates them, for every peer. Decisions get the broker's time, so that
        the times of answers are taken by one clock, beside no program under test.
        """
        await self.admin.start()
        await self.consumer.start()
        specs = wanted(self.settings)
        specs[self.settings.topics.decisions] = {"message.timestamp.type": "LogAppendTime"}
        response: Any = await self.admin.create_topics(
            [
                NewTopic(name, self.place.partitions, 1, topic_configs=spec)
                for name, spec in specs.items()
            ]
        )
        failed = [error for error in response.topic_errors if error[1]]
        if failed:
            raise RuntimeError(f"the topics could not be created: {failed}")

    async def stop(self) -> None:
        """Delete the topics, and disconnect."""
        ours = set(wanted(self.settings))
        theirs = {topic for topic in await self.admin.list_topics() if self.place.name in topic}
        await self.admin.delete_topics(sorted(ours | theirs))
        await self.consumer.stop()
        await self.admin.close()

    async def changelogs(self) -> list[str]:
        """The changelogs that the program has made, and the one that stands from the beginning."""
        return sorted(
            topic
            for topic in await self.admin.list_topics()
            if self.place.name in topic and "changelog" in topic
        )

    def partitions(self, topic: str) -> list[TopicPartition]:
        """All partitions of a topic."""
        return [TopicPartition(topic, number) for number in range(self.place.partitions)]

    async def ends(self, *topics: str) -> Ends:
        """The end offsets of topics."""
        tps = [tp for topic in topics for tp in self.partitions(topic)]
        found: Ends = await self.consumer.end_offsets(tps)
        return found

    async def count(self, topic: str) -> int:
        """How many records a topic has."""
        return sum((await self.ends(topic)).values())

    async def read(
        self, topic: str, since: Ends | None = None, until: Ends | None = None
    ) -> AsyncIterator[Any]:
        """All records of a topic, from some offsets on to the present end or ``until``."""
        ends = await self.ends(topic) if until is None else until
        left = {tp for tp, end in ends.items() if end > (since or {}).get(tp, 0)}
        if not left:
            return
        self.consumer.assign(list(left))
        for tp in left:
            self.consumer.seek(tp, (since or {}).get(tp, 0))
        while left:
            for tp, records in (await self.consumer.getmany(timeout_ms=1000)).items():
                for record in records:
                    if record.offset < ends[tp]:
                        yield record
            left = {tp for tp in left if await self.consumer.position(tp) < ends[tp]}

    async def fill(self, topic: str, events: Iterable[tuple[bytes, bytes]]) -> int:
        """Produce events as fast as possible; returns how many."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.place.brokers, acks=1, linger_ms=5, max_batch_size=64 * 1024
        )
        await producer.start()
        count = 0
        try:
            for key, value in events:
                await producer.send(topic, key=key, value=value)
                count += 1
                if count % 500 == 0:
                    await asyncio.sleep(0)
            await producer.flush()
        finally:
            await producer.stop()
        return count
