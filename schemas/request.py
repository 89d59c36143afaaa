"""A proxy's question: which arm should serve this request?"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ArmId, Count, Label, RequestId, Route, Timestamp


class Context(Struct, frozen=True, omit_defaults=True):
    """What is known of a request before deciding. Every field may be missing."""

    input_tokens: Count | None = None
    output_length_category: Label | None = None
    priority: Annotated[float, Meta(ge=0.0, le=10.0)] | None = None
    task_type: Label | None = None
    user_id: Label | None = None
    region: Label | None = None
    language: Label | None = None
    metadata: Annotated[dict[Label, Label | bool | int | float | None], Meta(max_length=64)] = {}


class Request(Struct, frozen=True, omit_defaults=True):
    """One request event, on ``llm.requests``, keyed by its route."""

    request_id: RequestId
    route: Route
    timestamp: Timestamp | None = None
    context: Context = Context()
    candidates: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    """Only these arms may be chosen. On a route without a policy they are its arms."""
