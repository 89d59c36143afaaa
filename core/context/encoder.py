"""What is known of a request, as a feature vector and as the segment that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.context.features import Write, writer
from core.context.fields import Reader, reader, text_of
from schemas.features import context_dim, feature_dim, features_of, features_text
from schemas.policy import ContextSpec
from schemas.request import Request

VERSION: Final = 1
"""Of the encoding itself: raise it when the same features would give other vectors."""

MISSING: Final = "?"
"""The value of a segment's field that the request does not have."""
_SPECIAL: Final = re.compile(r"[%|=?\x00-\x1f]")


class Encoder:
    """Turns the context of a request into ``dim`` float32 numbers in [-1, 1].

    Component 0 is the constant 1 (bias). The features follow in the policy's order:

    - log, linear: one component in [0, 1]; 0 where the value is missing;
    - one_hot: one component per declared value, then one for all others; all 0 where missing;
    - hashed: +1 or -1 in one of the buckets (Weinberger et al. 2009); all 0 where missing;
    - cyclical: cosine and sine of the whole hour or the weekday (Monday 0), in UTC.

    No value makes it fail, whether seen before or not. The vector is stored as float32, so it is
    the same from memory and from bytes.
    """

    __slots__ = ("_pack", "_size", "_writers", "_zero", "dim", "signature")

    def __init__(self, spec: ContextSpec) -> None:
        """Raise ValueError for a field that no request has; a validated policy names none."""
        self.dim = context_dim(spec)
        """The number of components, d."""
        self.signature = f"{VERSION}:{features_text(spec)}"
        """All that determines the vector: two encoders with equal signatures encode alike."""
        self._pack = Struct(f"<{self.dim}f").pack
        self._size = 4 * self.dim
        self._zero = [1.0] + [0.0] * (self.dim - 1)
        writers = []
        at = 1
        for feature in features_of(spec):
            writers.append(writer(feature, at))
            at += feature_dim(feature)
        self._writers: Sequence[Write] = tuple(writers)

    def encode(self, request: Request, at_ms: int) -> bytes:
        """The vector as ``dim`` little-endian float32; ``at_ms`` is the request's time (UTC)."""
        values = self._zero.copy()
        context = request.context
        for write in self._writers:
            write(values, context, at_ms)
        return self._pack(*values)

    def unpack(self, data: bytes) -> Floats:
        """The vector, shape ``(d,)``. Raises ValueError where the length is not this encoder's."""
        if len(data) != self._size:
            raise ValueError(f"a context of {len(data)} bytes; {self._size} were expected")
        return np.frombuffer(data, dtype="<f4").astype(np.float64)

    def matrix(self, rows: Sequence[bytes]) -> Floats:
        """The vectors as rows, shape ``(n, d)``. Raises ValueError as ``unpack`` does."""
        size = self._size
        for row in rows:
            if len(row) != size:
                raise ValueError(f"a context of {len(row)} bytes; {size} were expected")
        flat = np.frombuffer(b"".join(rows), dtype="<f4")
        return flat.astype(np.float64).reshape(len(rows), self.dim)


def segment_of(spec: ContextSpec, request: Request, at_ms: int) -> str:
    """E.g. ``task_type=code|region=eu``; "" where the policy has no ``segment_by``.

    A missing value is ``?``. In names and values ``%``, ``|``, ``=``, ``?`` and control characters
    are percent-encoded, so different categories never give the same string, and none holds a
    control character. ``at_ms`` is the request's time (UTC), for hour and weekday. Raises
    ValueError for a field that no request has; a validated policy names none.
    """
    if not spec.segment_by:
        return ""
    context = request.context
    parts = []
    for field in spec.segment_by:
        label, read = _compiled(field)
        value = read(context, at_ms)
        parts.append(label + (MISSING if value is None else _escaped(text_of(value))))
    return "|".join(parts)


@lru_cache(maxsize=4_096)
def _compiled(field: str) -> tuple[str, Reader]:
    return f"{_escaped(field)}=", reader(field)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", text)
