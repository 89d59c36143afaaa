"""A budget that can be kept."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.policy import FixedSplit, Policy, Search


def budget_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the budget of a policy."""
    budget = policy.budget
    if budget is None:
        return
    if budget.burst > budget.carry:
        yield f"budget: burst ({budget.burst:g}) must not be more than carry ({budget.carry:g})"
    if isinstance(policy.algorithm, Search | FixedSplit):
        yield (
            "budget: this algorithm's shares do not depend on what arms earn or cost; choose "
            "another algorithm, or leave the budget out"
        )
