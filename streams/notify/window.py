"""Which alerts of a partition are done, out of order, as one offset and a few bytes beside it.

A group's committed offset says that everything below it is done. Alerts of different incidents are
done in any order, so some above it are done as well: which ones stands in the metadata that Kafka
keeps with the offset. A restart then repeats only what was under way.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

LIMIT: Final = 1_000
"""Offsets from the first that is not done to the last that was begun: 168 characters of metadata,
where brokers allow 4,096 (offset.metadata.max.bytes)."""
_FORM: Final = "1:"


class Window:
    """The offsets of one partition from the first that is not done."""

    def __init__(self, committed: int, metadata: str = "") -> None:
        self._start = committed
        self._begun: dict[int, None] = {}
        self._read_to = committed
        self._before = _decoded(committed, metadata)

    def begin(self, offset: int) -> bool:
        """The next record's offset: whether there is anything left to do.

        False for what is done already; otherwise ``done`` must follow, some time.
        """
        if offset < self._start:
            return False
        self._read_to = offset + 1
        if offset in self._before:
            return False
        self._begun[offset] = None
        return True

    def done(self, offset: int) -> None:
        """What was begun there is accepted, or a dead letter, or unwanted."""
        del self._begun[offset]

    @property
    def full(self) -> bool:
        """Whether no more may be begun until the oldest is done."""
        return self._read_to - self.committed >= LIMIT

    @property
    def pending(self) -> int:
        """How many have been begun and are not done."""
        return len(self._begun)

    @property
    def committed(self) -> int:
        """The first offset that is not done."""
        return next(iter(self._begun), self._read_to)

    @property
    def metadata(self) -> str:
        """Which offsets after ``committed`` are done."""
        first = self.committed
        ahead = {at for at in self._before if at >= self._read_to or at not in self._begun}
        ahead.update(at for at in range(first, self._read_to) if at not in self._begun)
        return _encoded(first, ahead)


def _encoded(first: int, done: set[int]) -> str:
    bits = 0
    for offset in done:
        if offset >= first:
            bits |= 1 << (offset - first)
    if not bits:
        return ""
    return _FORM + b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "little")).decode()


def _decoded(first: int, metadata: str) -> set[int]:
    """Empty for metadata that is not ours: then more is repeated, and nothing lost."""
    if not metadata.startswith(_FORM):
        return set()
    try:
        bits = int.from_bytes(b64decode(metadata.removeprefix(_FORM), validate=True), "little")
    except ValueError:
        return set()
    return {first + place for place in range(bits.bit_length()) if bits >> place & 1}
