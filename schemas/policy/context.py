"""Which state a request meets, and how it becomes a feature vector."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.fields import Label, Positive
from schemas.policy.strict import Strict

ContextField = Literal[
    "input_tokens",
    "input_chars",
    "output_length_category",
    "priority",
    "task_type",
    "user_id",
    "region",
    "language",
    "hour",
    "weekday",
]


class LogFeature(Strict, frozen=True, tag_field="encode", tag="log"):
    """log(1 + value) / log(1 + high), for counts and sizes; clipped to [0, 1]."""

    field: Label
    """input_tokens, input_chars, priority or ``metadata.<key>``; what is no number is missing."""
    high: Positive = 131_072.0


class ScaledFeature(Strict, frozen=True, tag_field="encode", tag="linear"):
    """(value - low) / (high - low), clipped to [0, 1]."""

    field: Label
    """input_tokens, input_chars, priority or ``metadata.<key>``; what is no number is missing."""
    low: float = 0.0
    high: float = 10.0


class OneHotFeature(Strict, frozen=True, tag_field="encode", tag="one_hot"):
    """One component per declared value and one for all others."""

    field: Label
    """A context field or ``metadata.<key>``."""
    values: Annotated[list[Label], Meta(min_length=1, max_length=64)]


class HashedFeature(Strict, frozen=True, tag_field="encode", tag="hashed"):
    """Signed feature hashing (Weinberger et al. 2009), for fields with many values."""

    field: Label
    """A context field or ``metadata.<key>``."""
    buckets: Annotated[int, Meta(ge=2, le=128)] = 16


class VocabularyFeature(Strict, frozen=True, tag_field="encode", tag="vocabulary"):
    """As one_hot, for values that are not known beforehand: the first ``size`` distinct ones that
    the route's requests bring get a component each, in that order; all later ones share one more.
    """

    field: Label
    """A context field or ``metadata.<key>``."""
    size: Annotated[int, Meta(ge=1, le=64)] = 16


class CyclicalFeature(Strict, frozen=True, tag_field="encode", tag="cyclical"):
    """Cosine and sine of the hour of the day or the day of the week, in UTC."""

    field: Literal["hour", "weekday"]


class EmbeddingFeature(Strict, frozen=True, tag_field="encode", tag="embedding"):
    """The request's ``context.embedding``, scaled to length 1."""

    dim: Annotated[int, Meta(ge=1, le=4_096)]
    """How many numbers it has; a request whose embedding has another length is refused."""
    project: Annotated[int, Meta(ge=2, le=128)] | None = None
    """How many components a fixed random projection leaves of it. Default: all stay."""


SimpleFeature = (
    LogFeature
    | ScaledFeature
    | OneHotFeature
    | HashedFeature
    | VocabularyFeature
    | CyclicalFeature
    | EmbeddingFeature
)


class InteractionFeature(Strict, frozen=True, tag_field="encode", tag="interaction"):
    """All products of a component of ``left`` and one of ``right``, so that a linear model can
    weigh e.g. the length of the prompt differently for each type of task.
    """

    left: SimpleFeature
    right: SimpleFeature


Feature = (
    LogFeature
    | ScaledFeature
    | OneHotFeature
    | HashedFeature
    | VocabularyFeature
    | CyclicalFeature
    | EmbeddingFeature
    | InteractionFeature
)


class ContextSpec(Strict, frozen=True):
    """Which state a request meets (``segment_by``), and how it becomes a feature vector."""

    segment_by: Annotated[list[Label], Meta(max_length=4)] = field(default_factory=list)
    """Context fields or ``metadata.<key>``; requests that differ in one share no state."""
    features: Annotated[list[Feature], Meta(max_length=64)] | None = None
    """Default: input_tokens (log), output_length_category (one_hot of short, medium, long),
    priority (linear), task_type (vocabulary of 16), hour and weekday: 28 components."""
    preset: Literal["fixed_10"] | None = None
    """In place of features. fixed_10, for those who come from a system that had it, is 10
    components: 1; log of input_tokens; output_length_category short 0, medium 0.5, long 1;
    priority / 10; cosine and sine of the hour; those of the weekday; a hash of task_type in
    [0, 1]; 0. It is inferior: its categories lie in an order that means nothing, which misleads
    a linear model."""
    max_segments: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    """Segments beyond that many share the state of one that is called ``*``."""
