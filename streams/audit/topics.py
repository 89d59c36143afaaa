"""Reads single partitions of topics, each once from front to back, up to ends fixed beforehand."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition

from streams.settings import Settings

_FETCH_MS: Final = 500
_MOST_EMPTY: Final = 120
"""Fetches in a row without a record, before the end counts as out of reach."""


class AuditError(Exception):
    """The topics cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Span:
    """What there was of a topic's partition when the audit began."""

    first: int
    """The offset of the oldest record that was kept."""
    end: int
    """The offset after the newest one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The spans of one partition of all topics that an audit reads.

    An answer is published after the changelog has what it follows from. So what is published below
    ``settled`` must follow from the changelog, and what the changelog's last stamp counts as
    published must stand in ``decisions``.
    """

    inputs: tuple[Span, Span, Span]
    """Policies, requests, rewards."""
    changelog: Span
    decisions: Span
    settled: int
    """Where the decision topic ended before the changelog's end was looked up."""


async def partition_count(settings: Settings) -> int:
    """How many partitions all topics have. Raises AuditError where one is not there."""
    names = [*settings.topics.inputs, settings.topics.decisions, settings.changelog]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    try:
        await admin.start()
        known = set(await admin.list_topics())
        described = await admin.describe_topics([name for name in names if name in known])
    except (KafkaError, OSError, ValueError) as error:
        raise AuditError(
            f"no Kafka answers at {settings.brokers} ({type(error).__name__}): name the right "
            "servers with --brokers host:port,host:port"
        ) from error
    finally:
        await admin.close()
    if absent := [name for name in names if name not in known]:
        listed = ", ".join(map(repr, absent))
        raise AuditError(
            f"there is no topic {listed} at {settings.brokers}: give the --name and the "
            "--topic-prefix of the workers"
        )
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        raise AuditError(f"the topics differ in their number of partitions: {listed}")
    return counts.popitem()[1]


def partition_of(route: str, count: int) -> int:
    """Where Kafka's own clients put a route's events, of ``count`` partitions."""
    numbers = list(range(count))
    return int(DefaultPartitioner()(route.encode(), numbers, numbers))


async def snapshots(settings: Settings, partitions: Iterable[int]) -> dict[int, Snapshot]:
    """What is there of each partition now. Raises AuditError."""
    topics = settings.topics
    numbers = list(partitions)
    outputs = [TopicPartition(topics.decisions, number) for number in numbers]
    logs = [TopicPartition(settings.changelog, number) for number in numbers]
    inputs = [TopicPartition(topic, number) for topic in topics.inputs for number in numbers]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.brokers,
        enable_auto_commit=False,
        fetch_max_wait_ms=1,  # what it fetches is of no use, and must not keep the rest waiting
    )
    try:
        await consumer.start()
        # So that it asks for the metadata of all of them at once, and does not wait for each.
        consumer.assign(outputs + logs + inputs)
        # In this order: see Snapshot.
        settled = await consumer.end_offsets(outputs)
        ends = await consumer.end_offsets(logs)
        ends |= await consumer.end_offsets(outputs + inputs)
        firsts = await consumer.beginning_offsets(outputs + logs + inputs)
    except KafkaError as error:
        raise AuditError(f"the topics at {settings.brokers} cannot be read: {error}") from error
    finally:
        await consumer.stop()

    def span(topic: str, number: int) -> Span:
        tp = TopicPartition(topic, number)
        return Span(firsts[tp], ends[tp])

    return {
        number: Snapshot(
            inputs=(
                span(topics.policies, number),
                span(topics.requests, number),
                span(topics.rewards, number),
            ),
            changelog=span(settings.changelog, number),
            decisions=span(topics.decisions, number),
            settled=settled[TopicPartition(topics.decisions, number)],
        )
        for number in numbers
    }


class TopicLog:
    """One partition of a topic as an async context; its records are taken in order, once each.

    Everything that waits for records raises AuditError where they cannot be had.
    """

    def __init__(self, brokers: str, topic: str, partition: int, span: Span) -> None:
        self.topic = topic
        self.span = span
        self._tp = TopicPartition(topic, partition)
        self._ahead: deque[Any] = deque()
        self._next = span.first
        self._brokers = brokers
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        """The consumer, which exists from the first fetch on."""
        if self._consumer is None:
            # What was deleted meanwhile must not be passed over in silence: no offset reset.
            self._consumer = AIOKafkaConsumer(
                bootstrap_servers=self._brokers, enable_auto_commit=False, auto_offset_reset="none"
            )
            await self._consumer.start()
            self._consumer.assign([self._tp])
            self._consumer.seek(self._tp, self._next)
        return self._consumer

    async def take(self, below: int) -> list[Any]:
        """All records not taken yet whose offset is below ``below``."""
        taken: list[Any] = []
        while True:
            while self._ahead and self._ahead[0].offset < below:
                taken.append(self._ahead.popleft())
            if self._ahead or self._next >= min(below, self.span.end):
                return taken
            await self._fetch()

    async def peek(self, below: int, index: int) -> Any | None:
        """The record that is ``index`` records ahead, if its offset is below ``below``."""
        while len(self._ahead) <= index and self._next < min(below, self.span.end):
            await self._fetch()
        if len(self._ahead) <= index or self._ahead[index].offset >= below:
            return None
        return self._ahead[index]

    async def pop(self) -> Any:
        """Take the record that ``peek`` shows at index 0."""
        return self._ahead.popleft()

    def skip(self, to: int) -> None:
        """Pass over all records whose offset is below ``to``."""
        while self._ahead and self._ahead[0].offset < to:
            self._ahead.popleft()
        if not self._ahead and self._next < to:
            self._next = min(max(to, self.span.first), self.span.end)
            if self._consumer is not None:
                self._consumer.seek(self._tp, self._next)

    async def each(self) -> AsyncIterator[Any]:
        """All records not taken yet."""
        while self._ahead or self._next < self.span.end:
            while self._ahead:
                yield self._ahead.popleft()
            if self._next < self.span.end:
                await self._fetch()

    async def _fetch(self) -> None:
        for _ in range(_MOST_EMPTY):
            try:
                consumer = await self._connected()
                found = await consumer.getmany(self._tp, timeout_ms=_FETCH_MS)
                self._next = await consumer.position(self._tp)
            except OffsetOutOfRangeError as error:
                raise AuditError(
                    f"records of {self.topic!r} were deleted while they were read: try again"
                ) from error
            except KafkaError as error:
                raise AuditError(f"{self.topic!r} cannot be read: {error}") from error
            records: Sequence[Any] = found.get(self._tp, ())
            self._ahead.extend(record for record in records if record.offset < self.span.end)
            if records or self._next >= self.span.end:
                return
        raise AuditError(f"{self.topic!r} does not give its records up to offset {self.span.end}")


@dataclass(frozen=True, slots=True)
class PartitionLogs:
    """The input topics and the changelog of one partition, open."""

    inputs: tuple[TopicLog, TopicLog, TopicLog]
    """Policies, requests, rewards."""
    changelog: TopicLog


@asynccontextmanager
async def open_logs(
    settings: Settings, partition: int, snapshot: Snapshot
) -> AsyncIterator[PartitionLogs]:
    """The logs of one partition, for as long as the context is open."""
    spans: Mapping[str, Span] = dict(zip(settings.topics.inputs, snapshot.inputs, strict=True)) | {
        settings.changelog: snapshot.changelog
    }
    async with AsyncExitStack() as stack:
        policies, requests, rewards, changelog = [
            await stack.enter_async_context(TopicLog(settings.brokers, topic, partition, span))
            for topic, span in spans.items()
        ]
        yield PartitionLogs((policies, requests, rewards), changelog)


async def read_one(settings: Settings, topic: str, partition: int, offset: int) -> Any | None:
    """The record at that offset; None where it is gone."""
    span = Span(offset, offset + 1)
    async with TopicLog(settings.brokers, topic, partition, span) as log:
        records = await log.take(offset + 1)
    return records[0] if records else None
