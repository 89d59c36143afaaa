"""The types of a registry file: what is publicly known of models before anything was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Raw, field

from schemas.fields import NO_CONTROL, Milliseconds, Usd
from schemas.policy.strict import Strict

Tier = Literal["economy", "standard", "premium", "reasoning"]
Capability = Literal["text", "vision", "audio", "video", "tools", "json", "reasoning"]
Status = Literal["available", "deprecated", "retired"]
Tokens = Annotated[int, Meta(ge=1, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_CONTROL)]
Source = Annotated[str, Meta(min_length=1, max_length=1_024)]


class LongPromptPrice(Strict, frozen=True):
    """What every token of a request costs once its prompt is longer than ``above_tokens``."""

    above_tokens: Tokens
    input_per_mtok: Usd
    output_per_mtok: Usd
    cached_per_mtok: Usd | None = None
    """Default: as other input tokens."""


class ModelPrice(Strict, frozen=True):
    """A list price in USD: per million tokens, and per request where there is such a fee."""

    input_per_mtok: Usd
    output_per_mtok: Usd
    cached_per_mtok: Usd | None = None
    """Of input tokens that the provider had cached. Default: as other input tokens."""
    per_request: Usd = 0.0
    long_prompt: LongPromptPrice | None = None


class Latency(Strict, frozen=True):
    """How long calls take, in ms, as far as it was published."""

    p50_ms: Milliseconds | None = None
    """The median time of a whole call."""
    p95_ms: Milliseconds | None = None
    first_token_ms: Milliseconds | None = None
    """The time until an answer begins."""
    ms_per_output_token: Milliseconds | None = None


class Availability(Strict, frozen=True):
    """Whether calls are answered, and where and when that changes."""

    status: Status = "available"
    """On the day of the entry; the dates say what holds on other days."""
    available_from: date | None = None
    deprecated_from: date | None = None
    """From when its retirement is announced; it still answers."""
    retired_from: date | None = None
    """The first day on which it no longer answers."""
    regions: list[Name] = field(default_factory=list)
    """Where it is served. Default: not restricted."""


class ModelEntry(Strict, frozen=True):
    """One model, as its provider describes it."""

    id: Annotated[str, Meta(min_length=1, max_length=256, pattern=NO_CONTROL)]
    """What an arm's ``model`` says, e.g. openai/gpt-5.4."""
    provider: Name
    tier: Tier
    price: ModelPrice
    sources: Annotated[list[Source], Meta(min_length=1)]
    """Where the entry's figures stand."""
    as_of: date
    """The day on which they stood there."""
    context_window: Tokens | None = None
    """Tokens of prompt and answer together."""
    max_output_tokens: Tokens | None = None
    latency: Latency = Latency()
    capabilities: list[Capability] = field(default_factory=lambda: ["text"])
    availability: Availability = Availability()
    note: str = ""


class RegistryFile(Strict, frozen=True):
    """A registry file whose entries are still to be decoded, one by one as a ``ModelEntry``."""

    as_of: date
    """The day of entries that give none of their own."""
    models: list[Raw]
    note: str = ""
    sources: dict[str, Source] = field(default_factory=dict)
    """Names for sources: an entry may give a name instead of the source itself."""


def model_problems(entry: ModelEntry) -> Iterator[str]:
    """What is wrong with an entry as a whole, each as a sentence that names the field."""
    window, output = entry.context_window, entry.max_output_tokens
    if window is not None and output is not None and output > window:
        yield f"max_output_tokens: {output} is more than the context_window of {window}"
    median, high = entry.latency.p50_ms, entry.latency.p95_ms
    if median is not None and high is not None and high < median:
        yield f"latency: p95_ms ({high}) is less than p50_ms ({median})"
    if len(set(entry.capabilities)) < len(entry.capabilities):
        yield "capabilities: one occurs more than once"
    yield from _availability_problems(entry.availability, entry.as_of)


def _availability_problems(availability: Availability, as_of: date) -> Iterator[str]:
    dates = [
        (name, day)
        for name in ("available_from", "deprecated_from", "retired_from")
        if (day := getattr(availability, name)) is not None
    ]
    for (earlier, day), (later, next_day) in pairwise(dates):
        if next_day < day:
            yield f"availability: {later} ({next_day}) is before {earlier} ({day})"
    retired = availability.retired_from
    if retired is not None and (availability.status == "retired") != (retired <= as_of):
        yield (
            f"availability: the status is {availability.status!r}, but retired_from is {retired} "
            f"and the entry of {as_of}"
        )
