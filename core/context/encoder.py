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
from core.context.fields import Category, category
from core.context.fixed_ten import fixed_ten_writer
from core.context.vocabulary import Vocabularies
from schemas.features import (
    FixedTen,
    context_dim,
    feature_dim,
    features_of,
    features_text,
    simple_features,
)
from schemas.policy import ContextSpec, EmbeddingFeature, VocabularyFeature
from schemas.request import Context, Request

VERSION: Final = 1
"""Of the encoding itself: raise it when the same features would give other vectors."""

MISSING: Final = "?"
"""The value of a segment's field that the request does not have."""
_SPECIAL: Final = re.compile(r"[%|=?\x00-\x1f]")


class ContextError(ValueError):
    """A request's context does not fit its policy. ``str()`` says what its sender must change."""


class Encoder:
    """Turns the context of a request into ``dim`` float32 numbers in [-1, 1].

    Component 0 is the constant 1 (bias). The features follow in the policy's order:

    - log, linear: one component in [0, 1]; 0 where the value is missing or no number;
    - one_hot: one component per declared value, then one for all others; all 0 where missing;
    - vocabulary: the same for the values that the route's requests have brought first;
    - hashed: +1 or -1 in one of the buckets (Weinberger et al. 2009); all 0 where missing;
    - cyclical: cosine and sine of the whole hour or the weekday (Monday 0), in UTC;
    - embedding: scaled to length 1, projected if the policy says so; all 0 where missing;
    - interaction: the products of two features' components, those of the left one's first
      component first.

    No value makes it fail, whether seen before or not, but for an embedding of another length.
    The vector is stored as float32, so it is the same from memory and from bytes.
    """

    __slots__ = (
        "_embedding_dim",
        "_pack",
        "_size",
        "_writers",
        "_zero",
        "dim",
        "learns",
        "signature",
    )

    def __init__(self, spec: ContextSpec) -> None:
        """Raise ValueError for a field that no request has; a validated policy names none."""
        features = features_of(spec)
        simple = [feature for _, feature in simple_features(features)]
        self.dim = context_dim(spec)
        """The number of components, d."""
        self.signature = f"{VERSION}:{features_text(spec)}"
        """All that determines the vector, but for the vocabularies: two encoders with equal
        signatures encode alike."""
        self.learns = any(isinstance(feature, VocabularyFeature) for feature in simple)
        """Whether ``encode`` needs vocabularies, and may extend them."""
        self._embedding_dim = next(
            (feature.dim for feature in simple if isinstance(feature, EmbeddingFeature)), None
        )
        self._pack = Struct(f"<{self.dim}f").pack
        self._size = 4 * self.dim
        self._zero = [1.0] + [0.0] * (self.dim - 1)
        writers = []
        at = 1
        for feature in features:
            writers.append(
                fixed_ten_writer(at) if isinstance(feature, FixedTen) else writer(feature, at)
            )
            at += feature_dim(feature)
        self._writers: Sequence[Write] = tuple(writers)

    def encode(
        self, request: Request, at_ms: int, vocabularies: Vocabularies | None = None
    ) -> bytes:
        """The vector as ``dim`` little-endian float32; ``at_ms`` is the request's time (UTC).

        ``vocabularies`` are those of the request's route. An encoder that ``learns`` reads and
        extends them, and raises ValueError where they are None. Raises ContextError for an
        embedding of another length than the policy's, and then leaves them as they are.
        """
        context = request.context
        if self._embedding_dim is not None:
            _check_embedding(context, self._embedding_dim)
        values = self._zero.copy()
        for write in self._writers:
            write(values, context, at_ms, vocabularies)
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


def _check_embedding(context: Context, expected: int) -> None:
    given = context.embedding
    if given is not None and len(given) != expected:
        raise ContextError(
            f"context.embedding: expected {expected} numbers, found {len(given)}; the route's "
            f"policy encodes embeddings with dim {expected}: send one by the same model, or none"
        )


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
        parts.append(label + (MISSING if value is None else _escaped(value)))
    return "|".join(parts)


@lru_cache(maxsize=4_096)
def _compiled(field: str) -> tuple[str, Category]:
    return f"{_escaped(field)}=", category(field)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", text)
