"""Batches in: one event per topic and fetch instead of one per record.

Faust's ``ConsumerScheduler`` decides in which order fetched records are delivered. This one
delivers all fetched records of an input topic as one event, whose value is a ``Fetch``, and all
fetched records of a changelog partition as one event, whose value is their list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aiokafka.structs import ConsumerRecord
from faust.serializers.codecs import Codec, register
from faust.types import TP
from faust.types.transports import SchedulingStrategyT

Records = list[ConsumerRecord[bytes | None, bytes | None]]


class Fetch(NamedTuple):
    """What one fetch brought of one topic, by partition."""

    topic: str
    generation: int
    """How often the consumer had been told to read from elsewhere when these were fetched."""
    partitions: dict[int, Records]
    behind: frozenset[int]
    """Partitions of which the topic had more records than were fetched."""


class FetchedRecords(dict[TP, Records]):
    """What one fetch brought, with the consumer's generation at that moment."""

    generation: int = 0
    behind: frozenset[TP] = frozenset()
    """Those with more records at the broker than are here."""


class _Batch(NamedTuple):
    """A record that stands for many; it has the attributes that Faust's consumer reads."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    headers: tuple[()]
    key: None
    value: Any
    checksum: None
    serialized_key_size: int
    serialized_value_size: int


def _batch(tp: TP, last: ConsumerRecord[Any, Any], value: object) -> _Batch:
    return _Batch(
        tp.topic, tp.partition, last.offset, last.timestamp, 0, (), None, value, None, -1, -1
    )


class BatchScheduler(SchedulingStrategyT):
    """Delivers whole fetches; ``changelogs`` names the topics that keep their partitions apart."""

    changelogs: frozenset[str] = frozenset()

    def iterate(self, records: Mapping[TP, Records]) -> Iterator[tuple[TP, Any]]:
        """One event per changelog partition, then one per input topic."""
        by_topic: dict[str, list[TP]] = {}
        for tp, messages in records.items():
            if not messages:
                continue
            if tp.topic in self.changelogs:
                yield tp, _batch(tp, messages[-1], messages)
            else:
                by_topic.setdefault(tp.topic, []).append(tp)
        told = records if isinstance(records, FetchedRecords) else FetchedRecords()
        for topic, tps in by_topic.items():
            behind = frozenset(tp.partition for tp in tps if tp in told.behind)
            fetched = {tp.partition: records[tp] for tp in tps}
            fetch = Fetch(topic, told.generation, fetched, behind)
            yield tps[0], _batch(tps[0], records[tps[0]][-1], fetch)


class _AsItIs(Codec):
    """A codec for values that are objects already."""

    def _loads(self, s: Any) -> Any:
        return s

    def _dumps(self, s: Any) -> Any:
        return s


CODEC = "thalweg-batch"
register(CODEC, _AsItIs())
