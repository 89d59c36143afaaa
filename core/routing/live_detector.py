"""Detectors and windows of one partition as live objects, made from stored bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from core.watching.panes import Panes
from schemas.state import ArmRecord, decode_arm, encode_state


class Encodable(Protocol):
    """What can be stored."""

    def encode(self) -> bytes:
        """Bytes, the same for equal states."""


D = TypeVar("D", bound=Encodable)


class LiveDetector(Generic[D]):
    """One detector. It starts afresh when the meaning of what it sees has changed (as told by
    ``fingerprint``), or when the policy names a detector that cannot read its state.
    """

    __slots__ = ("_make", "detector", "dirty", "fingerprint", "key", "size")

    def __init__(
        self,
        key: bytes,
        fingerprint: bytes,
        make: Callable[[], D],
        decode: Callable[[bytes], D],
        stored: bytes | None,
    ) -> None:
        self.key = key
        self.fingerprint = fingerprint
        self.dirty = False
        self._make = make
        self.detector: D = make()
        record = None if stored is None else decode_arm(stored)
        if record is not None and record.fingerprint == fingerprint:
            with suppress(ValueError):
                self.detector = decode(record.state)
        self.size = len(key) + len(stored if stored is not None else self.encode())

    def restart(self) -> None:
        """Forget every value: what comes next is compared with itself alone."""
        self.detector = self._make()

    def encode(self) -> bytes:
        """The bytes to store."""
        return encode_state(ArmRecord(self.fingerprint, self.detector.encode()))


class LiveWindow:
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
