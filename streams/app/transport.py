"""Faust's aiokafka transport, reading for batches and from the stamps' positions.

What differs from Faust's own: the consumer has no thread of its own; a fetch waits at the broker
for milliseconds, not 1.5 seconds; what is fetched goes on as whole batches, without two tasks and
an interval tree per event; after a rebalance the inputs are read from where the state says, not
from the group's offsets, and those are committed to what the state says for monitoring.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar, Protocol

import aiokafka
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.transports import ConsumerT
from mode.services import Service
from mode.utils.futures import maybe_async

from streams.app.batches import FetchedRecords

Offsets = Mapping[tuple[str, int], int]


class Reader(Protocol):
    """What knows where the inputs must be read from: the engine."""

    def positions(self) -> Offsets:
        """By topic and partition, the next offset to read."""
        ...

    def committable(self) -> Offsets:
        """By topic and partition, what may be committed for monitoring."""
        ...

    def accept(self, generation: int) -> None:
        """From this generation on, fetched records follow the positions."""
        ...


class InLoopConsumer(driver.AIOKafkaConsumerThread):
    """Faust's Kafka consumer without its thread: it runs in the event loop of the worker.

    A thread of its own makes two hand-overs of every fetch, each of which may wait for the
    interpreter's lock. Cycles are short, and what is long (restoring a partition) runs in another
    thread, so that heartbeats are in time here too.
    """

    generation = 0
    fetch_max_wait_ms = 10
    wait_for_shutdown = False

    def __init__(self, *args: Any, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(*args, loop=loop, thread_loop=loop, **kwargs)

    async def start(self) -> None:
        """Start as any service does."""
        self._thread_started.set()
        await Service.start(self)

    async def stop(self) -> None:
        """Stop as any service does."""
        await Service.stop(self)

    async def on_stop(self) -> None:
        """Leave the group, and disconnect."""
        await self.on_thread_stop()

    def _stopped_set(self) -> None:
        self._stopped.set()

    def set_shutdown(self) -> None:
        """Tell who waits for the end."""
        self._shutdown.set()

    _stop_children = Service._stop_children
    _stop_futures = Service._stop_futures
    _stop_exit_stacks = Service._stop_exit_stacks

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it here: there is no thread."""
        return await maybe_async(fun(*args, **kwargs))

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.fetch_max_wait_ms
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> FetchedRecords:
        fetched = FetchedRecords(await super()._fetch_records(*args, **kwargs))
        fetched.behind = frozenset(
            tp
            for tp, records in fetched.items()
            if records and (self.highwater(tp) or 0) > records[-1].offset + 1
        )
        # No await stands between taking the records and reading the generation, and seeks run in
        # this loop too: so the number says exactly from which seek on the records were read.
        fetched.generation = self.generation
        return fetched

    async def seek_inputs(self, positions: Offsets) -> None:
        """Read the inputs from these offsets on; what follows is of the next generation."""
        await self.call_thread(self._seek_inputs, positions)

    async def _seek_inputs(self, positions: Offsets) -> None:
        consumer = self._ensure_consumer()
        for (topic, partition), offset in positions.items():
            consumer.seek(TopicPartition(topic, partition), offset)
        self.generation += 1

    async def committed_offsets(self, tps: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The group's committed offsets, where there are any."""
        result: dict[tuple[str, int], int] = await self.call_thread(self._committed_offsets, tps)
        return result

    async def _committed_offsets(self, tps: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        consumer = self._ensure_consumer()
        found: dict[tuple[str, int], int] = {}
        for topic, partition in tps:
            offset = await consumer.committed(TopicPartition(topic, partition))
            if offset is not None:
                found[topic, partition] = offset
        return found


class Consumer(driver.Consumer):
    """Delivers batches; seeks and commits what its reader says."""

    _thread: InLoopConsumer
    reader: Reader

    def _new_consumer_thread(self) -> InLoopConsumer:
        return InLoopConsumer(self, loop=self.loop, beacon=self.beacon)

    def follow(self, reader: Reader, fetch_wait: float) -> None:
        """Read where ``reader`` says; a fetch waits ``fetch_wait`` seconds for data."""
        self.reader = reader
        self._seeking = asyncio.Lock()
        self._thread.fetch_max_wait_ms = int(fetch_wait * 1000)

    async def perform_seek(self) -> None:
        """Read the inputs from the reader's positions."""
        async with self._seeking:
            positions = self.reader.positions()
            if positions:
                # The reader must know before the first record of the new generation can arrive.
                self.reader.accept(self._thread.generation + 1)
                await self._thread.seek_inputs(positions)

    async def committed_offsets(self, tps: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The group's committed offsets, where there are any."""
        return await self._thread.committed_offsets(tps)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        """What one fetch brought, as batches."""
        records, _ = await self._wait_next_records(timeout)
        if not records or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, batch in self.scheduler.iterate(records):
            if self.flow_active:
                yield tp, self._to_message(tp, batch)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                async for _, message in self.getmany(timeout=1.0):
                    await self.callback(message)
                await asyncio.sleep(0)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002
        """Commit the reader's positions. Nothing is ever read from there."""
        offsets = self.reader.committable()
        if not offsets:
            return False
        return bool(await self._commit({TP(*tp): offset for tp, offset in offsets.items()}))


class Transport(driver.Transport):
    """Faust's aiokafka transport with the consumer above."""

    Consumer: ClassVar[type[ConsumerT]] = Consumer
