"""Experiments, rollouts and shadows that compare what the policy has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from schemas.features import is_context_field, is_number_field
from schemas.fields import duration_ms
from schemas.policy import BanditAlgorithm, Policy, Rollout, Search, Shadow
from schemas.validation.common import repeated


def trial_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the experiment, the rollout or the shadow of a policy."""
    if policy.shadow is not None:
        yield from _shadow(policy, policy.shadow)
    if policy.experiment is None and policy.rollout is None:
        return
    if policy.experiment is not None and policy.rollout is not None:
        yield "experiment and rollout: only one at a time can tell what it was that changed"
    if isinstance(policy.algorithm, Search):
        yield "algorithm: a search cannot be part of an experiment or a rollout"
    if policy.experiment is not None:
        where = "experiment"
        for variant_id in repeated(variant.id for variant in policy.experiment.variants):
            yield f"experiment.variants: the id {variant_id!r} occurs more than once"
        for index, variant in enumerate(policy.experiment.variants):
            yield from _change(policy, f"{where}.variants[{index}]", variant.arms)
        yield from _unit(where, policy.experiment.unit)
        covariate = policy.experiment.covariate
        if covariate is not None and not is_number_field(covariate):
            yield f"experiment.covariate: {covariate!r} is not a context field that holds numbers"
    if policy.rollout is not None:
        yield from _rollout(policy, policy.rollout)


def _rollout(policy: Policy, rollout: Rollout) -> Iterator[str]:
    changed: BanditAlgorithm | list[str] | None = rollout.algorithm or rollout.arms
    if changed is None:
        yield "rollout: expected arms or algorithm, to say what changes"
    yield from _change(policy, "rollout", rollout.arms)
    yield from _unit("rollout", rollout.unit)
    if rollout.steps[-1] != 1.0 or any(a >= b for a, b in pairwise(rollout.steps)):
        yield f"rollout.steps: expected shares that rise to 1, found {rollout.steps}"
    if rollout.max_samples is not None and rollout.max_samples < rollout.min_samples:
        yield (
            f"rollout: max_samples ({rollout.max_samples}) must be at least min_samples "
            f"({rollout.min_samples})"
        )
    try:
        duration_ms(rollout.min_time)
    except ValueError as error:
        yield f"rollout.min_time: {error}"


def _shadow(policy: Policy, shadow: Shadow) -> Iterator[str]:
    if shadow.arms is None and shadow.algorithm is None:
        yield "shadow: expected arms or algorithm, to say what it does in another way"
    if isinstance(policy.algorithm, Search):
        yield "shadow: a search has one arm, so there is nothing that another policy could choose"
    yield from _change(policy, "shadow", shadow.arms)


def _change(policy: Policy, where: str, arms: list[str] | None) -> Iterator[str]:
    if arms is None:
        return
    known = {arm.id: arm for arm in policy.arms}
    for name in arms:
        if name not in known:
            yield f"{where}.arms: {name!r} is not an arm of this policy"
    for name in repeated(arms):
        yield f"{where}.arms: {name!r} occurs more than once"
    if not any(known[name].enabled for name in arms if name in known):
        yield f"{where}.arms: none of them is enabled"


def _unit(where: str, unit: str | None) -> Iterator[str]:
    if unit is not None and not is_context_field(unit):
        yield f"{where}.unit: {unit!r} is not a context field"
