"""Faust's aiokafka transport, reading for batches and from the stamps' positions.

What differs from Faust's own: a fetch waits at the broker for milliseconds, not 1.5 seconds; what
is fetched goes on as whole batches, without two tasks and an interval tree per event; after a
rebalance the inputs are read from where the state says, not from the group's offsets, and those
are committed to what the state says for monitoring.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar

import aiokafka
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.app.batches import FetchedRecords

Positions = Mapping[TP, int]


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread of the Kafka consumer; every method that touches records runs in its loop."""

    generation = 0

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = int(self.app.thalweg.fetch_wait * 1000)
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> FetchedRecords:
        fetched = FetchedRecords(await super()._fetch_records(*args, **kwargs))
        # No await stands between taking the records and reading the generation, and seeks run in
        # this loop too: so the number says exactly from which seek on the records were read.
        fetched.generation = self.generation
        return fetched

    async def seek_inputs(self, positions: Positions) -> int:
        """Read the inputs from these offsets on; returns the generation of what follows."""
        result: int = await self.call_thread(self._seek_inputs, positions)
        return result

    async def _seek_inputs(self, positions: Positions) -> int:
        consumer = self._ensure_consumer()
        for tp, offset in positions.items():
            consumer.seek(TopicPartition(tp.topic, tp.partition), offset)
        self.generation += 1
        return self.generation

    async def committed_offsets(self, tps: list[TP]) -> dict[TP, int]:
        """The group's committed offsets, where there are any."""
        result: dict[TP, int] = await self.call_thread(self._committed_offsets, tps)
        return result

    async def _committed_offsets(self, tps: list[TP]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        found: dict[TP, int] = {}
        for tp in tps:
            offset = await consumer.committed(TopicPartition(tp.topic, tp.partition))
            if offset is not None:
                found[tp] = offset
        return found


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Delivers batches; seeks and commits what the engine says."""

    _thread: ConsumerThread

    positions: Callable[[], Positions]
    """The engine's: where the inputs must be read from."""
    committable: Callable[[], Positions]
    """The engine's: what may be committed for monitoring."""
    on_seek: Callable[[int], None]
    """Told the generation from which on fetched records follow the engine's positions."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Read the inputs from the engine's positions."""
        positions = self.positions()
        if positions:
            self.on_seek(await self._thread.seek_inputs(positions))

    async def committed_offsets(self, tps: list[TP]) -> dict[TP, int]:
        """The group's committed offsets, where there are any."""
        return await self._thread.committed_offsets(tps)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """What one fetch brought, as batches."""
        records, _ = await self._wait_next_records(timeout)
        if not records or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        track = self.app.monitor.track_tp_end_offset
        for tp in records:
            highwater = self.highwater(tp)
            if highwater is not None:
                track(tp, highwater)
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
        """Commit the engine's positions. Nothing is ever read from there."""
        positions = self.committable()
        if not positions:
            return False
        return bool(await self._commit(positions))


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the consumer above."""

    Consumer: ClassVar[type[Consumer]] = Consumer
