"""Detectors and windows of one partition as live objects, made from stored bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from core.drift.adwin import Adwin
from core.routing.written import Written
from core.watching.panes import Panes
from schemas.state import ArmRecord, decode_arm, encode_state, tail_key


class Encodable(Protocol):
    """What can be stored."""

    def encode(self) -> bytes:
        """Bytes, the same for equal states."""


D = TypeVar("D", bound=Encodable)


class LiveDetector(Generic[D]):
    """One detector. It starts afresh when the meaning of what it sees has changed (as told by
    ``fingerprint``), or when the policy names a detector that cannot read its state.

    The state of an ADWIN is stored in two records, since only each 32nd value changes the greater
    one: see ``Adwin.base`` and ``Adwin.tail``.
    """

    __slots__ = ("_make", "_merges", "detector", "dirty", "fingerprint", "key", "size")

    def __init__(
        self,
        key: bytes,
        fingerprint: bytes,
        make: Callable[[], D],
        decode: Callable[[bytes], D],
        read: Callable[[bytes], bytes | None],
    ) -> None:
        self.key = key
        self.fingerprint = fingerprint
        self.dirty = False
        self.size = len(key) + 128
        self._make = make
        self._merges = -1
        """Of the ADWIN, when its base was last written; -1: it was not."""
        self.detector: D = make()
        stored = read(key)
        record = None if stored is None else decode_arm(stored)
        if record is not None and record.fingerprint == fingerprint:
            two = isinstance(self.detector, Adwin)
            tail = (read(tail_key(key)) or b"") if two else b""
            with suppress(ValueError):
                self.detector = decode(record.state + tail)
                self._merges = 0

    def restart(self) -> None:
        """Forget every value: what comes next is compared with itself alone."""
        self.detector = self._make()
        self._merges = -1

    def write(self, puts: dict[bytes, bytes | None]) -> int:
        """Put what has changed; returns about how many bytes that takes."""
        size = 0
        detector = self.detector
        if isinstance(detector, Adwin):
            tail = puts[tail_key(self.key)] = detector.tail()
            size = len(self.key) + len(tail) + 16
            if detector.merges == self._merges:
                return size
            self._merges = detector.merges
            state = detector.base()
        else:
            state = detector.encode()
        value = puts[self.key] = encode_state(ArmRecord(self.fingerprint, state))
        return size + len(self.key) + len(value) + 16


class LiveWindow(Written):
    """What the thresholds of one scope look at."""

    __slots__ = ("dirty", "key", "panes", "size")

    def __init__(self, key: bytes, window_ms: int, stored: bytes | None) -> None:
        self.key = key
        self.dirty = False
        self.panes = Panes(window_ms) if stored is None else Panes.decode(stored, window_ms)
        self.size = len(key) + (64 if stored is None else len(stored))

    def encode(self) -> bytes:
        """The bytes to store."""
        return self.panes.encode()
