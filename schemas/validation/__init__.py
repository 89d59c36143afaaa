"""What a policy must fulfil as a whole, beyond the types of its fields."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.fields import duration_ms
from schemas.policy import Policy
from schemas.validation.algorithm import algorithm_problems
from schemas.validation.arms import arm_problems
from schemas.validation.budget import budget_problems
from schemas.validation.context import context_problems
from schemas.validation.guardrails import guardrail_problems
from schemas.validation.objective import objective_problems
from schemas.validation.search import search_problems
from schemas.validation.sticky import sticky_problems
from schemas.validation.trial import trial_problems
from schemas.validation.watching import watching_problems


def policy_problems(policy: Policy) -> list[str]:
    """All that is wrong with a policy, each as one sentence that names the field; [] if nothing.

    The policy's fields must already have the right types and ranges (``decode_policy``).
    """
    return [
        *_version(policy.version),
        *arm_problems(policy.arms),
        *algorithm_problems(policy),
        *search_problems(policy),
        *objective_problems(policy.objective),
        *context_problems(policy.context),
        *guardrail_problems(policy),
        *budget_problems(policy),
        *trial_problems(policy),
        *sticky_problems(policy),
        *_durations(policy),
        *watching_problems(policy),
    ]


def _version(version: int) -> Iterator[str]:
    if version < 1:
        yield f"version: expected 1 or more, found {version}"


def _durations(policy: Policy) -> Iterator[str]:
    for name, value in (("window", policy.reward.window), ("hold", policy.reward.hold)):
        try:
            duration_ms(value)
        except ValueError as error:
            yield f"reward.{name}: {error}"
