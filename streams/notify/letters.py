"""What a receiver was not told goes to the dead-letter topic."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.dead_letter import DeadLetter
from schemas.encode import encode_dead_letter

log = logging.getLogger(__name__)

_MOST_VALUE: Final = 64 * 1024
_AGAIN: Final = 5.0


class Letters(Protocol):
    """Where undeliverable alerts go."""

    async def send(self, record: Any, message: str) -> None:
        """Returns when the dead letter is durable, not before."""


class KafkaLetters:
    """The dead-letter topic."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def send(self, record: Any, message: str) -> None:
        """Send it, however long Kafka takes: without it, the alert would be lost."""
        value = encode_dead_letter(letter_of(record, message, round(time.time() * 1_000)))
        while True:
            try:
                await self._producer.send_and_wait(self._topic, value, key=record.key)
            except KafkaError as error:
                name = type(error).__name__
                log.error("a dead letter cannot be written to %r (%s)", self._topic, name)  # noqa: TRY400 - the trace says nothing more
                await asyncio.sleep(_AGAIN)
            else:
                return


def letter_of(record: Any, message: str, now_ms: int) -> DeadLetter:
    """The dead letter about a record of the drift topic."""
    value: bytes = record.value or b""
    return DeadLetter(
        reason="undeliverable_alert",
        message=message,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=now_ms,
        key=None if record.key is None else record.key.decode(errors="replace"),
        value=value[:_MOST_VALUE].decode(errors="replace"),
        size=len(value),
    )
