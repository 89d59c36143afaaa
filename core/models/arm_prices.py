"""Arms that declare no price get their model's from the registry."""

from __future__ import annotations

from msgspec.structs import replace

from core.models.registry import Registry
from schemas.models import ModelPrice
from schemas.policy import Policy, Price


def arm_price(price: ModelPrice) -> Price:
    """The price as it stands in a policy, which knows no long-prompt price."""
    return Price(
        input_per_mtok=price.input_per_mtok,
        output_per_mtok=price.output_per_mtok,
        cached_per_mtok=price.cached_per_mtok,
        per_request=price.per_request,
    )


def with_prices(policy: Policy, registry: Registry) -> Policy:
    """The policy in which every arm without a price has its model's, if the registry knows it.

    An arm's own price is kept, also one of 0.
    """
    arms = []
    for arm in policy.arms:
        model = registry.find(arm.model) if arm.price is None else None
        arms.append(arm if model is None else replace(arm, price=arm_price(model.price)))
    return replace(policy, arms=arms)
