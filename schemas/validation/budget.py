"""A budget that can be kept."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.fields import duration_ms
from schemas.policy import Budget, FixedSplit, Policy, Search


def budget_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the budget of a policy."""
    budget = policy.budget
    if budget is None:
        return
    yield from _amount(budget)
    if budget.burst > budget.carry:
        yield f"budget: burst ({budget.burst:g}) must not be more than carry ({budget.carry:g})"
    if isinstance(policy.algorithm, Search | FixedSplit):
        yield (
            "budget: this algorithm's shares do not depend on what arms earn or cost; choose "
            "another algorithm, or leave the budget out"
        )


def _amount(budget: Budget) -> Iterator[str]:
    if (budget.usd_per_request is None) == (budget.usd_per_period is None):
        yield (
            "budget: expected either usd_per_request, or usd_per_period with a period such as "
            '"1d"; not both and not neither'
        )
    if (budget.usd_per_period is None) != (budget.period is None):
        yield 'budget: usd_per_period and period go together, such as 50 and "1d"'
    if budget.period is None:
        return
    try:
        if duration_ms(budget.period) < 1_000:
            yield f"budget.period: expected at least 1s, found {budget.period!r}"
    except ValueError as error:
        yield f"budget.period: {error}"
