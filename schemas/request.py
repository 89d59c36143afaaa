"""A proxy's question: which arm should serve this request?"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ArmId, Count, Label, RequestId, Route, Timestamp

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
MetadataValue = Label | bool | Integer | float | None
Coordinate = Annotated[float, Meta(ge=-1e3, le=1e3)]


class Context(Struct, frozen=True, omit_defaults=True):
    """What is known of a request before deciding. Every field may be missing."""

    input_tokens: Count | None = None
    """Tokens of the prompt, counted or estimated."""
    input_chars: Count | None = None
    """Characters of the prompt, for proxies that do not count tokens. One of the two suffices:
    where input_tokens is missing, it is taken to be a quarter of input_chars."""
    output_length_category: Label | None = None
    """How long an answer is expected, e.g. short, medium, long."""
    priority: Annotated[float, Meta(ge=0.0, le=10.0)] | None = None
    """From 0 to 10, higher is more urgent; what it is worth is learned."""
    task_type: Label | None = None
    user_id: Label | None = None
    region: Label | None = None
    language: Label | None = None
    """Of the text or of the code."""
    embedding: Annotated[list[Coordinate], Meta(min_length=1, max_length=4_096)] | None = None
    """Of the prompt, by a model of the proxy's choice; it must have the length that the policy's
    embedding feature names. It is scaled to length 1, so its own scale does not matter."""
    metadata: Annotated[dict[Label, MetadataValue], Meta(max_length=64)] = {}
    """Anything else; a policy reads it as ``metadata.<key>``."""


class Request(Struct, frozen=True, omit_defaults=True):
    """One request event, on ``llm.requests``, keyed by its route."""

    request_id: RequestId
    route: Route
    timestamp: Timestamp | None = None
    """When it was asked. Default: when the broker or the producer stamped the record."""
    context: Context = Context()
    candidates: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    """Only these arms may be chosen. On a route without a policy they are its arms."""
