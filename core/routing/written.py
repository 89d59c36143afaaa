"""How live objects become puts."""

from __future__ import annotations

from abc import abstractmethod


class Written:
    """A live object that is one record of the state."""

    __slots__ = ()
    key: bytes

    @abstractmethod
    def encode(self) -> bytes:
        """The bytes to store."""

    def write(self, puts: dict[bytes, bytes | None]) -> int:
        """Put the object as it is now; returns about how many bytes that takes."""
        value = puts[self.key] = self.encode()
        return len(self.key) + len(value) + 16
