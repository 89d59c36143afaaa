"""Arms with ids of their own, of which one can be chosen, and that begin where they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from schemas.policy import ArmSpec
from schemas.validation.common import repeated

MAX_PARAMS_BYTES: Final = 16 * 1024


def arm_problems(arms: list[ArmSpec]) -> Iterator[str]:
    """What is wrong with the arms of a policy."""
    for arm_id in repeated(arm.id for arm in arms):
        yield f"arms: the id {arm_id!r} occurs more than once; give every arm its own"
    if not any(arm.enabled for arm in arms):
        yield "arms: all are disabled; at least one must be enabled"
    for index, arm in enumerate(arms):
        where = f"arms[{index}].params"
        try:
            size = len(orjson.dumps(arm.params))
        except orjson.JSONEncodeError as error:
            yield f"{where}: cannot be written as JSON again ({error}); integers must fit 64 bits"
            continue
        if size > MAX_PARAMS_BYTES:
            yield f"{where}: {size} bytes of JSON, at most {MAX_PARAMS_BYTES} are allowed"
    yield from _warm_starts(arms)


def _warm_starts(arms: list[ArmSpec]) -> Iterator[str]:
    ids = {arm.id for arm in arms}
    likes = {}
    for index, arm in enumerate(arms):
        where = f"arms[{index}].warm_start"
        start = arm.warm_start
        if start is None:
            continue
        if (start.like is None) == (start.evidence is None):
            yield f"{where}: expected exactly one of like and evidence"
        if start.like is not None:
            likes[arm.id] = start.like
            if start.like not in ids:
                yield f"{where}.like: {start.like!r} is not an arm of this policy"
    for arm_id in likes:
        at, steps = arm_id, 0
        while at in likes and steps <= len(likes):
            at, steps = likes[at], steps + 1
        if steps > len(likes):
            yield (
                f"arms: the warm start of {arm_id!r} leads in a circle; one arm of it must begin "
                "with a prior"
            )
            return
