"""The local copy of one partition's state: what every store of it must do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from streams.durable.reading import LogRecord, Progress, read_on


class LocalState(Protocol):
    """A key-value store whose writes are atomic, and which may lose a suffix of them in a crash.

    It must never keep a later write and lose an earlier one.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All items whose key begins with ``prefix``, in key order."""
        ...

    def progress(self) -> Progress:
        """How far the changelog has been read into this copy."""
        ...

    def write(self, puts: Mapping[bytes, bytes | None], progress: Progress) -> None:
        """Apply puts (None deletes) and the progress, atomically."""
        ...


def follow(local: LocalState, records: Iterable[LogRecord]) -> None:
    """Read records of the changelog into a local copy."""
    puts, progress = read_on(local.progress(), records)
    local.write(puts, progress)


class MemoryState:
    """A local copy in a dictionary."""

    def __init__(self) -> None:
        self.items: dict[bytes, bytes] = {}
        self._progress = Progress()

    def get(self, key: bytes) -> bytes | None:
        """See LocalState."""
        return self.items.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See LocalState."""
        return iter(sorted(item for item in self.items.items() if item[0].startswith(prefix)))

    def progress(self) -> Progress:
        """See LocalState."""
        return self._progress

    def write(self, puts: Mapping[bytes, bytes | None], progress: Progress) -> None:
        """See LocalState."""
        for key, value in puts.items():
            if value is None:
                self.items.pop(key, None)
            else:
                self.items[key] = value
        self._progress = progress
