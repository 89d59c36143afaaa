"""The header of every changelog record: who wrote it, under which claim."""

from __future__ import annotations

from typing import Any, Final

from streams.durable.reading import LogRecord

_NAME: Final = "e"


def epoch_header(epoch: int, owner: str) -> list[tuple[str, bytes]]:
    """The header that an owner's records carry."""
    return [(_NAME, epoch.to_bytes(4, "big") + owner.encode())]


def log_record(record: Any) -> LogRecord:
    """A changelog record as a Kafka client gives it, with its epoch."""
    epoch = 0
    for name, value in record.headers:
        if name == _NAME:
            epoch = int.from_bytes(value[:4], "big")
    return LogRecord(record.offset, record.key, record.value, epoch, record.timestamp)
