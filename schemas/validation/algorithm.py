"""An algorithm that fits the arms of its policy."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.policy import FixedSplit, KernelThompson, Policy


def algorithm_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the algorithm of a policy."""
    algorithm = policy.algorithm
    if isinstance(algorithm, KernelThompson) and algorithm.components % 2:
        yield f"algorithm.components: {algorithm.components} is not an even number"
    if isinstance(algorithm, FixedSplit) and algorithm.shares is not None:
        ids = {arm.id for arm in policy.arms}
        for name in algorithm.shares:
            if name not in ids:
                yield f"algorithm.shares: {name!r} is not an arm of this policy"
        if not any(algorithm.shares.get(arm.id) for arm in policy.arms if arm.enabled):
            yield "algorithm.shares: no enabled arm has a positive share"
