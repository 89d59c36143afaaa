"""An objective that can be computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas.expression import ExpressionError, parse_expression
from schemas.policy import Objective

_DEFAULT: Final = Objective()


def objective_problems(objective: Objective) -> Iterator[str]:
    """What is wrong with an objective."""
    weights = objective.weights
    if weights is not None and not (weights.quality or weights.cost or weights.latency):
        yield "objective.weights: all are 0; at least one must be positive"
    signals = objective.signals
    if not (
        signals.rating
        or signals.completed
        or signals.retried
        or signals.edited
        or signals.dwell
        or signals.saved
        or signals.shared
    ):
        yield "objective.signals: all weights are 0; at least one must be positive"
    if objective.expression is not None:
        yield from _expression_problems(objective, objective.expression)


def _expression_problems(objective: Objective, expression: str) -> Iterator[str]:
    if objective.weights is not None:
        yield "objective: an expression replaces weights; give one of the two"
    elif objective.preset != _DEFAULT.preset:
        yield "objective: an expression replaces a preset; give one of the two"
    try:
        parse_expression(expression)
    except ExpressionError as error:
        for problem in error.problems:
            yield f"objective.expression: {problem}"
