"""What is to be watched, and whether it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas.features import is_context_field
from schemas.fields import duration_ms
from schemas.policy import Policy, Search, Threshold
from schemas.validation.common import repeated


def watching_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with a policy's drift, anomalies, thresholds and join."""
    yield from _drift(policy)
    if policy.anomalies is not None:
        for metric in repeated(policy.anomalies.on):
            yield f"anomalies.on: {metric!r} occurs more than once"
        yield from _duration("anomalies.cooldown", policy.anomalies.cooldown)
        yield from _duration("anomalies.repeat", policy.anomalies.repeat)
    for index, threshold in enumerate(policy.thresholds):
        yield from _threshold(policy, f"thresholds[{index}]", threshold)
    asked = Counter((t.name, t.metric, t.arm, t.above, t.below) for t in policy.thresholds)
    named = Counter(t.name for t in policy.thresholds if t.name is not None)
    if any(count > 1 for count in (*asked.values(), *named.values())):
        yield "thresholds: two have the same name, or ask the same without one: name them apart"
    if policy.join is not None:
        yield from _duration("join.window", policy.join.window)


def _drift(policy: Policy) -> Iterator[str]:
    drift = policy.drift
    if not drift.warning_delta > drift.delta:
        yield (
            f"drift: warning_delta ({drift.warning_delta}) must be greater than delta "
            f"({drift.delta}), so that a warning comes before its drift"
        )
    for metric in repeated(drift.on):
        yield f"drift.on: {metric!r} occurs more than once"
    for field in repeated(drift.mix):
        yield f"drift.mix: {field!r} occurs more than once"
    for field in drift.mix:
        if not is_context_field(field):
            yield (
                f"drift.mix: {field!r} is not a context field; those of your own are written "
                f"metadata.{field}"
            )
    if drift.action == "explore_arm" and not policy.cold_start.pulls:
        yield (
            "drift.action: explore_arm owes the arm its cold_start.pulls again, and those are 0: "
            "set cold_start.pulls"
        )
    if drift.action == "discount_arm" and isinstance(policy.algorithm, Search):
        yield "drift.action: what a search has learned cannot be discounted; use restart_arm"
    yield from _duration("drift.cooldown", drift.cooldown)
    yield from _duration("drift.repeat", drift.repeat)


def _threshold(policy: Policy, where: str, threshold: Threshold) -> Iterator[str]:
    above, below, clear = threshold.above, threshold.below, threshold.clear
    if (above is None) == (below is None):
        yield f"{where}: expected either above or below"
    elif clear is not None and above is not None and clear > above:
        yield f"{where}.clear: {clear:g} is not below the limit ({above:g})"
    elif clear is not None and below is not None and clear < below:
        yield f"{where}.clear: {clear:g} is not above the limit ({below:g})"
    if threshold.arm is not None and threshold.arm not in {arm.id for arm in policy.arms}:
        yield f"{where}.arm: {threshold.arm!r} is not an arm of this policy"
    if threshold.metric == "arm_share" and threshold.arm is None:
        yield f"{where}: arm_share needs an arm, to say whose share"
    yield from _duration(f"{where}.window", threshold.window)


def _duration(where: str, value: str | float) -> Iterator[str]:
    try:
        duration_ms(value)
    except ValueError as error:
        yield f"{where}: {error}"
