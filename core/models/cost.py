"""What a request to a model will cost and how long it will take, by what the provider declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.models import Latency, LongPromptPrice, ModelPrice

_PER_MTOK: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request. Raises ValueError for numbers that cannot be."""

    input_tokens: int
    """All tokens of the prompt, the cached ones among them."""
    output_tokens: int
    """All tokens of the answer, those of its reasoning among them."""
    cached_tokens: int = 0
    """How many of the prompt's tokens the provider had cached."""

    def __post_init__(self) -> None:
        if min(self.input_tokens, self.output_tokens, self.cached_tokens) < 0:
            raise ValueError("numbers of tokens cannot be negative")
        if self.cached_tokens > self.input_tokens:
            raise ValueError(
                f"{self.cached_tokens} cached tokens of {self.input_tokens} input tokens: the "
                "cached ones are a part of the input"
            )


def predicted_cost_usd(price: ModelPrice, usage: Usage) -> float:
    """The price in USD of one request.

    A prompt longer than a long-prompt price's threshold is charged with it as a whole, not only
    for the tokens beyond it; the fee per request is the same.
    """
    rates: ModelPrice | LongPromptPrice = price
    if price.long_prompt is not None and usage.input_tokens > price.long_prompt.above_tokens:
        rates = price.long_prompt
    cached_rate = rates.cached_per_mtok
    if cached_rate is None:
        cached_rate = rates.input_per_mtok
    fresh = usage.input_tokens - usage.cached_tokens
    return price.per_request + _PER_MTOK * (
        fresh * rates.input_per_mtok
        + usage.cached_tokens * cached_rate
        + usage.output_tokens * rates.output_per_mtok
    )


def predicted_latency_ms(latency: Latency, output_tokens: int) -> float | None:
    """The typical time of a call in ms, or None where too little was published.

    By the time per token where that is known, since it follows the length of the answer; by the
    published median otherwise.
    """
    if latency.ms_per_output_token is not None:
        return (latency.first_token_ms or 0.0) + latency.ms_per_output_token * output_tokens
    return latency.p50_ms
