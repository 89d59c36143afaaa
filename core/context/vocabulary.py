"""One-hot encodings whose categories are learned from the stream: the values, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

MAX_BYTES: Final = 256 * 1024
"""How much a route's vocabularies may hold; beyond it, no value gets a component any more."""
_PER_VALUE: Final = 8
"""What a value or a field counts beside its UTF-8."""
_VERSION: Final = 1
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, list[str]]).decode


class Vocabularies:
    """The values that a route's requests have brought, by field, each in the order of appearance.

    They are a function of the sequence of encoded requests. A value never loses its place, also
    when another policy no longer reads the field: what arms have learned refers to places, and an
    earlier policy may come back. So all policies of a route share one vocabulary per field.
    """

    __slots__ = ("_places", "_size", "grown")

    def __init__(self) -> None:
        self._places: dict[str, dict[str, int]] = {}
        self._size = 0
        self.grown = False
        """Whether there are values that the last ``encode`` has not seen."""

    def place(self, field: str, value: str, size: int) -> int:
        """The place of a value among the first ``size`` of its field, or ``size`` for all others.

        A new value takes the next free place below ``size``, while there is one.
        """
        places = self._places.get(field)
        place = None if places is None else places.get(value)
        if place is None:
            place = self._add(field, value, size)
        return place if place < size else size

    def _add(self, field: str, value: str, size: int) -> int:
        places = self._places.get(field, {})
        place = len(places)
        cost = _cost(value) + (0 if places else _cost(field))
        if place >= size or self._size + cost > MAX_BYTES:
            return size
        self._places[field] = places
        places[value] = place
        self._size += cost
        self.grown = True
        return place

    def values(self, field: str) -> Sequence[str]:
        """The known values of a field, in the order of their places."""
        return tuple(self._places.get(field, ()))

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version.

        ``grown`` is False from then on.
        """
        self.grown = False
        listed = {field: list(places) for field, places in sorted(self._places.items())}
        return bytes([_VERSION]) + _encode(listed)

    @classmethod
    def decode(cls, data: bytes) -> Vocabularies:
        """The inverse of ``encode``. Raises ValueError for bytes that are not one."""
        if not data or data[0] != _VERSION:
            raise ValueError(f"not vocabularies of version {_VERSION}: {data[:32]!r}")
        try:
            listed = _decode(memoryview(data)[1:])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"not vocabularies: {error}") from error
        self = cls()
        for field, values in listed.items():
            places = {value: place for place, value in enumerate(values)}
            if not values or len(places) != len(values):
                raise ValueError(f"not a vocabulary: {field!r} has no values or one of them twice")
            self._places[field] = places
            self._size += _cost(field) + sum(map(_cost, values))
        if self._size > MAX_BYTES:
            raise ValueError(f"vocabularies of {self._size} bytes, at most {MAX_BYTES} can be")
        return self


def _cost(text: str) -> int:
    return len(text.encode(errors="surrogatepass")) + _PER_VALUE
