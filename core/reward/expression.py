"""A policy's own formula for the reward, evaluated by simpleeval over floats alone."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from simpleeval import NameNotDefined, SimpleEval  # type: ignore[import-untyped]

from core.reward.scales import saved
from core.reward.signals import SignalScore
from schemas.expression import EITHER, FUNCTIONS, NAMES, NODES, names_in, parse_expression
from schemas.reward import Outcome

_Operation = Callable[..., float]


def _finite(operation: _Operation) -> _Operation:
    """The operation, but failing where floats would go on with infinity."""

    def checked(a: float, b: float) -> float:
        result = operation(a, b)
        if math.isfinite(result):
            return result
        raise OverflowError

    return checked


def _truth(operation: Callable[..., bool]) -> _Operation:
    """The operation, with 1.0 for true and 0.0 for false."""
    return lambda *operands: 1.0 if operation(*operands) else 0.0


def _clip(x: float, low: float, high: float) -> float:
    return max(low, min(x, high))


_OPERATORS: Final[dict[type, _Operation]] = {
    ast.Add: _finite(operator.add),
    ast.Sub: _finite(operator.sub),
    ast.Mult: _finite(operator.mul),
    ast.Div: _finite(operator.truediv),
    # The power of floats, which fails where Python's ** would give a complex number.
    ast.Pow: _finite(math.pow),
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: _truth(operator.not_),
    ast.Lt: _truth(operator.lt),
    ast.LtE: _truth(operator.le),
    ast.Gt: _truth(operator.gt),
    ast.GtE: _truth(operator.ge),
    ast.Eq: _truth(operator.eq),
    ast.NotEq: _truth(operator.ne),
}
_FUNCTIONS: Final[dict[str, _Operation]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "clip": _clip,
}
assert _FUNCTIONS.keys() | {EITHER} == FUNCTIONS.keys()


class _Seen(NamedTuple):
    """Where the values of names come from."""

    outcome: Outcome
    score: SignalScore
    cost_scale: float | None
    latency_scale: float | None


_Getter = Callable[[_Seen], float | None]


def _field(name: str) -> _Getter:
    """What the outcome has under that name."""
    get: Callable[[Outcome], float | None] = operator.attrgetter(name)
    return lambda seen: get(seen.outcome)


def _signal(name: str) -> _Getter:
    """What the user's signals have under that name."""
    get: Callable[[Any], float | None] = operator.attrgetter(name)
    return lambda seen: None if seen.outcome.signals is None else get(seen.outcome.signals)


def _signal_score(seen: _Seen) -> float | None:
    signals = seen.outcome.signals
    return None if signals is None else seen.score(signals)


def _saved(value: float | None, scale: float | None) -> float | None:
    return None if value is None or scale is None else saved(value, scale)


_GETTERS: Final[dict[str, _Getter]] = {
    **{name: _field(name) for name in ("quality", "cost_usd", "latency_ms", "success")},
    **{
        name: _signal(name)
        for name in ("rating", "completed", "retried", "edited", "dwell_s", "saved", "shared")
    },
    "signal_score": _signal_score,
    "cost_scale": lambda seen: seen.cost_scale,
    "latency_scale": lambda seen: seen.latency_scale,
    "cost_saved": lambda seen: _saved(seen.outcome.cost_usd, seen.cost_scale),
    "latency_saved": lambda seen: _saved(seen.outcome.latency_ms, seen.latency_scale),
}
assert _GETTERS.keys() == set(NAMES)


class RewardExpression:
    """A formula as a function of an outcome.

    Names stand for what was measured, as the reward event has it: floats, with 1 for true and 0
    for false; ``signal_score`` is the policy's mean of the signals, ``cost_saved`` and
    ``latency_saved`` are ``1 - min(1, value / scale)`` as in the weighted mean. The result is
    clipped to [0, 1]. It is None, and nothing is learned, where

    - a name that the evaluation meets was not measured. ``either(x, y, ...)`` is its first
      argument that meets only measured names; branches not taken need nothing;
    - an operation fails: a division by 0, a root or logarithm of what has none, an overflow.

    ``success`` False is 0, whatever the rest, unless the formula itself speaks of ``success``.

    Every value is a finite float, so each of at most 1,000 steps takes constant time and memory.
    """

    __slots__ = ("_evaluator", "_getters", "_judges_failures", "_score", "_tree")

    def __init__(self, text: str, score: SignalScore) -> None:
        """Parse ``text``. Raises ExpressionError, which validation has ruled out."""
        self._tree = parse_expression(text)
        names = names_in(self._tree)
        self._getters = [(name, _GETTERS[name]) for name in NAMES if name in names]
        self._judges_failures = "success" in names
        self._score = score
        evaluator = SimpleEval(operators=_OPERATORS, functions=_FUNCTIONS, names={})
        evaluator.nodes = {kind: evaluator.nodes[kind] for kind in NODES}
        evaluator.nodes[ast.Call] = self._call
        self._evaluator = evaluator

    def __call__(
        self, outcome: Outcome, cost_scale: float | None, latency_scale: float | None
    ) -> float | None:
        """The reward in [0, 1], or None; scales in USD and ms, not negative."""
        if outcome.success is False and not self._judges_failures:
            return 0.0
        seen = _Seen(outcome, self._score, cost_scale, latency_scale)
        self._evaluator.names = {
            name: float(value) for name, get in self._getters if (value := get(seen)) is not None
        }
        try:
            value = self._evaluator.eval("", self._tree)
        except (NameNotDefined, ArithmeticError, ValueError):
            return None
        return _clip(value, 0.0, 1.0)

    def _call(self, node: ast.Call) -> float:
        """The value of a call; ``either`` looks at its arguments one by one."""
        assert isinstance(node.func, ast.Name), "the tree was checked"
        evaluate: Callable[[ast.expr], float] = self._evaluator._eval
        name = node.func.id
        if name != EITHER:
            return _FUNCTIONS[name](*map(evaluate, node.args))
        for argument in node.args[:-1]:
            try:
                return evaluate(argument)
            except NameNotDefined:
                continue
        return evaluate(node.args[-1])
