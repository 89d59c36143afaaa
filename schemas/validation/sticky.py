"""Sessions that can be told apart."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.features import is_context_field
from schemas.fields import duration_ms
from schemas.policy import Policy, Search
from schemas.validation.common import not_a_field


def sticky_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the sessions of a policy."""
    sticky = policy.sticky
    if sticky is None:
        return
    if not is_context_field(sticky.by):
        yield not_a_field("sticky.by", sticky.by)
    if isinstance(policy.algorithm, Search):
        yield "sticky: a search tries one parameter set after another, so nothing can stay"
    try:
        duration_ms(sticky.ttl)
    except ValueError as error:
        yield f"sticky.ttl: {error}"
