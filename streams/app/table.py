"""The one Faust table: its store is ours, its recovery, standbys and assignment are Faust's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import faust
from faust.types import TP

from streams.app.batches import CODEC
from streams.app.store import PartitionState, StateStore
from streams.settings import Settings

Recovered = Callable[[set[int]], Awaitable[None]]


class StateTable(faust.Table[bytes, bytes]):
    """The state of all partitions of this worker."""

    on_recovered: Recovered
    """Awaited with the active partitions once their local copies are read to the end."""

    block_cache_bytes: int
    fail: Callable[[BaseException], None]
    """Told what must end the worker."""

    def _new_store(self) -> StateStore:
        store = StateStore(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            value_type=self.value_type,
            loop=self.loop,
            options=self.options,
        )
        store.prepare(self.block_cache_bytes, self.fail)
        return store

    def local(self, partition: int) -> PartitionState:
        """The local copy of an assigned partition."""
        store = self.data
        assert isinstance(store, StateStore), "_new_store made it"
        return store.local(partition)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Hand the recovered partitions to the engine, before any input is read."""
        await super().on_recovery_completed(active_tps, standby_tps)
        await self.on_recovered({tp.partition for tp in active_tps})


def new_table(
    app: faust.App, settings: Settings, partitions: int, fail: Callable[[BaseException], None]
) -> StateTable:
    """The state table of an app."""
    changelog = app.topic(
        settings.changelog,
        key_serializer=CODEC,
        value_serializer=CODEC,
        partitions=partitions,
        compacting=True,
        acks=False,
        allow_empty=True,
    )
    table = StateTable(
        app,
        name=f"{settings.name}-state",
        changelog_topic=changelog,
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
    )
    table.block_cache_bytes = settings.block_cache_bytes
    table.fail = fail
    app.tables.add(table)
    return table
