"""A search that can be carried out: a space with ranges, and a budget that fits the method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from schemas.policy import Parameter, Policy, Search
from schemas.policy.search import level_counts

MAX_ARM_ID: Final = 124
"""Of the arm of a search: ``@256`` must fit behind it."""
_LEAST_SPAN: Final = 0.01
"""Floats have 6 significant digits. So two bounds must differ by enough to give 1,000 values."""


def search_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with a policy whose algorithm is a search; nothing for other algorithms."""
    search = policy.algorithm
    if not isinstance(search, Search):
        return
    if len(policy.arms) != 1:
        yield (
            f"arms: a search needs exactly one, whose params it varies, found {len(policy.arms)}; "
            "give every model a route of its own, or choose another algorithm"
        )
    for index, arm in enumerate(policy.arms):
        if len(arm.id) > MAX_ARM_ID:
            yield (
                f"arms[{index}].id: {len(arm.id)} characters, at most {MAX_ARM_ID} are allowed for "
                "a search, which appends @ and a number"
            )
    yield from _inapplicable(policy)
    sound = True
    for name, parameter in search.space.items():
        for problem in _parameter(parameter):
            sound = False
            yield f"algorithm.space[{name!r}]: {problem}"
    yield from _method(search)
    if sound and search.method == "grid":
        yield from _grid(search)


def _inapplicable(policy: Policy) -> Iterator[str]:
    """Parts of a policy that a search would not heed."""
    parts = [
        ("forgetting", policy.forgetting is not None),
        ("cold_start", bool(policy.cold_start.pulls) or policy.cold_start.prior is not None),
        *((f"arms[{i}].prior", arm.prior is not None) for i, arm in enumerate(policy.arms)),
        *(
            (f"arms[{i}].warm_start", arm.warm_start is not None)
            for i, arm in enumerate(policy.arms)
        ),
    ]
    for where, given in parts:
        if given:
            yield f"{where}: has no meaning for a search; leave it out"


def _parameter(parameter: Parameter) -> Iterator[str]:
    low, high = parameter.low, parameter.high
    if not low < high:
        yield f"low ({low:g}) must be less than high ({high:g})"
        return
    if parameter.scale == "log" and low <= 0.0:
        yield f"low ({low:g}) must be greater than 0 on a log scale"
    if parameter.type == "integer":
        for name, value in (("low", low), ("high", high)):
            if not value.is_integer():
                yield f"{name} ({value:g}) must be a whole number, as the type is integer"
    elif high - low < _LEAST_SPAN * max(abs(low), abs(high)):
        yield f"low ({low!r}) and high ({high!r}) must differ by at least 1 % of the larger"


def _method(search: Search) -> Iterator[str]:
    bayesian = search.method == "bayesian"
    if search.initial is not None:
        if not bayesian:
            yield f"algorithm.initial: is for bayesian, and the method is {search.method}"
        elif search.initial > search.evaluations:
            yield (
                f"algorithm.initial: {search.initial} is more than the {search.evaluations} "
                "evaluations"
            )
    if search.grid_levels is not None and search.method != "grid":
        yield f"algorithm.grid_levels: is for grid, and the method is {search.method}"
    stop = search.stop
    if stop is None:
        return
    if search.method == "grid":
        yield "algorithm.stop: a grid is tried as a whole, as its first sets are all on one side"
    if stop.patience is None and stop.expected_improvement is None:
        yield "algorithm.stop: expected patience or expected_improvement"
    if stop.patience is None and stop.min_improvement:
        yield "algorithm.stop.min_improvement: has no meaning without patience"
    if stop.expected_improvement is not None and not bayesian:
        yield (
            f"algorithm.stop.expected_improvement: is for bayesian, and the method is "
            f"{search.method}"
        )


def _grid(search: Search) -> Iterator[str]:
    levels = search.grid_levels
    if isinstance(levels, dict):
        for name in levels:
            if name not in search.space:
                yield f"algorithm.grid_levels: {name!r} is not a parameter of the space"
        for name in search.space:
            if name not in levels:
                yield f"algorithm.grid_levels: {name!r} is missing; give every parameter its own"
    size = math.prod(level_counts(search).values())
    if size > search.evaluations:
        yield (
            f"algorithm.evaluations: the grid has {size} sets, and {search.evaluations} "
            "evaluations are allowed; use fewer grid_levels, or a method that fills a space better"
        )
    elif size < 2:
        yield "algorithm.grid_levels: the grid has one set only; nothing can be compared"
