"""The language of a reward expression, and what is wrong with one.

It is the part of Python's expressions that computes a number: numbers, names, + - * / **,
comparisons, and, or, not, ``x if condition else y``, and calls of a few functions. There is no
text, no attribute, no loop and no assignment, so an expression costs at most its length. What is
accepted here is in force for as long as its policy is: the language may grow, but not shrink.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Final

NAMES: Final = (
    "quality",
    "cost_usd",
    "latency_ms",
    "success",
    "rating",
    "completed",
    "retried",
    "edited",
    "dwell_s",
    "saved",
    "shared",
    "signal_score",
    "cost_scale",
    "latency_scale",
    "cost_saved",
    "latency_saved",
)
EITHER: Final = "either"
"""The function that gives the first of its arguments that uses only what was measured."""
FUNCTIONS: Final[dict[str, tuple[int, int | None]]] = {
    "min": (2, None),
    "max": (2, None),
    "abs": (1, 1),
    "sqrt": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "clip": (3, 3),
    EITHER: (2, None),
}
"""Each with the least and the greatest number of its arguments; None for any."""
MAX_NESTING: Final = 64
"""Deeper than any formula a person writes, and far from the interpreter's own limits: those
depend on how deep the caller's stack is, and the same text must always get the same answer."""

OPERATORS: Final = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or),
    *(ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)
NODES: Final = (
    *(ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call),
)
"""All that a checked tree is made of, besides the operators."""

_ALLOWED: Final = (
    "an expression has numbers, names, + - * / **, comparisons, and, or, not, ... if ... else ..., "
    f"and the functions {', '.join(FUNCTIONS)}"
)
_TOKEN: Final = re.compile(
    r"\s+|(?P<number>(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)"
    r"|[a-z_]\w*|[<>=!]=|[-+*/<>(),]",
    re.ASCII | re.IGNORECASE,
)
_HINTS: Final = {
    "^": "a power is written **",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != for a comparison",
    "=": "equality is written ==",
    "%": "a percentage is written as a fraction",
    "'": "there is no text in an expression",
    '"': "there is no text in an expression",
    "[": "group with ( and )",
    "{": "group with ( and )",
    ".": "names have no attributes",
    ":": "write x if condition else y for a choice; nothing can be assigned",
    "?": "write x if condition else y for a choice",
}
_SIGNS: Final = {
    ast.FloorDiv: "//",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_CONSTRUCTS: Final = {
    ast.Tuple: "a list of values",
    ast.GeneratorExp: "a loop",
    ast.Starred: "unpacking",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}
_MOST_PROBLEMS: Final = 8
"""Of one expression in one message: a person reads no more."""
_TOO_DEEP: Final = f"is nested deeper than {MAX_NESTING} levels; write it with fewer steps"


class ExpressionError(ValueError):
    """A text that is no expression; ``problems`` says what is wrong with it, and where."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


def parse_expression(text: str) -> ast.expr:
    """The syntax tree of an expression, made of NODES, OPERATORS, NAMES and FUNCTIONS alone.

    Every number in it is a finite float. Raises ExpressionError.
    """
    problems = list(_token_problems(text))
    if problems:
        raise ExpressionError(problems)
    start = len(text) - len(text.lstrip())
    try:
        # In one line: a line's end means something to Python, and nothing to a formula.
        tree = ast.parse(re.sub(r"\s", " ", text[start:]), mode="eval").body
    except SyntaxError as error:
        at = (error.offset or len(text) + 1) + start
        ended = "at its end: something is missing"
        problem = ended if at > len(text) else f"at character {at}: {error.msg}"
        raise ExpressionError([problem]) from error
    except (RecursionError, MemoryError) as error:
        raise ExpressionError([_TOO_DEEP]) from error
    problems = list(islice(dict.fromkeys(_Check(start).problems(tree)), _MOST_PROBLEMS))
    if not problems and not names_in(tree):
        problems = ["uses nothing of an outcome, so all would earn the same"]
    if problems:
        raise ExpressionError(problems)
    return tree


def names_in(tree: ast.expr) -> frozenset[str]:
    """Which of NAMES a parsed expression uses."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(used.intersection(NAMES))


def _token_problems(text: str) -> Iterator[str]:
    """What is wrong before any grammar: strange characters, run-on numbers, deep brackets."""
    if not text.strip():
        yield "is empty"
        return
    at = depth = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            hint = _HINTS.get(text[at], _ALLOWED)
            yield f"at character {at + 1}: {text[at]!r} has no meaning here; {hint}"
            return
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth > MAX_NESTING:
            yield _TOO_DEEP
            return
        end = token.end()
        if token["number"] and re.match(r"[\w.]", text[end : end + 1]):
            run_on = re.compile(r"[\w.]+").match(text, at)
            assert run_on is not None, "a number is there"
            yield f"at character {at + 1}: {run_on[0][:40]!r} is neither a number nor a name"
            return
        at = end


class _Check:
    """Looks at every node of a tree; ``start`` characters stood before its text."""

    def __init__(self, start: int) -> None:
        self._start = start

    def problems(self, node: ast.expr, depth: int = 1) -> Iterator[str]:
        """What is wrong with ``node`` and all below it."""
        if depth > MAX_NESTING:
            yield _TOO_DEEP
            return
        below: list[ast.expr] = []
        match node:
            case ast.Constant():
                yield from self._number(node)
            case ast.Name():
                yield from self._name(node)
            case ast.UnaryOp():
                below = [node.operand]
                yield from self._operators(node, [node.op])
            case ast.BinOp():
                below = [node.left, node.right]
                yield from self._operators(node, [node.op])
            case ast.BoolOp():
                below = node.values
            case ast.Compare():
                below = [node.left, *node.comparators]
                yield from self._operators(node, node.ops)
            case ast.IfExp():
                below = [node.body, node.test, node.orelse]
            case ast.Call():
                below = node.args
                yield from self._call(node)
            case _:
                what = _CONSTRUCTS.get(type(node), type(node).__name__)
                yield f"{self._at(node)}: {what} is not allowed; {_ALLOWED}"
        for child in below:
            yield from self.problems(child, depth + 1)

    def _at(self, node: ast.expr) -> str:
        return f"at character {self._start + node.col_offset + 1}"

    def _number(self, node: ast.Constant) -> Iterator[str]:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            yield f"{self._at(node)}: {node.value!r} is not a number; true is 1 and false is 0"
            return
        try:
            # Floats alone: the digits of an int would grow without bound.
            node.value = float(node.value)
        except OverflowError:
            node.value = float("inf")
        if node.value == float("inf"):
            yield f"{self._at(node)}: the number is too large"

    def _name(self, node: ast.Name) -> Iterator[str]:
        if node.id in NAMES:
            return
        if node.id in FUNCTIONS:
            yield f"{self._at(node)}: {node.id} is a function; write {node.id}(...)"
            return
        yield f"{self._at(node)}: {node.id!r} is not a name; {_near(node.id, NAMES)}"

    def _operators(
        self, node: ast.expr, operators: Iterable[ast.operator | ast.unaryop | ast.cmpop]
    ) -> Iterator[str]:
        for operator in operators:
            if not isinstance(operator, OPERATORS):
                sign = _SIGNS.get(type(operator), type(operator).__name__)
                yield f"{self._at(node)}: {sign!r} is not allowed; {_ALLOWED}"

    def _call(self, node: ast.Call) -> Iterator[str]:
        at = self._at(node)
        if not isinstance(node.func, ast.Name):
            yield f"{at}: only a function can be called; a product is written with *"
            return
        name = node.func.id
        if name not in FUNCTIONS:
            if name in NAMES:
                yield f"{at}: {name} is not a function; a product is written with *"
            else:
                yield f"{at}: {name!r} is not a function; {_near(name, FUNCTIONS)}"
            return
        if node.keywords:
            yield f"{at}: {name} takes its arguments by their order, without names"
            return
        least, most = FUNCTIONS[name]
        if not least <= len(node.args) <= (len(node.args) if most is None else most):
            expected = str(least) if least == most else f"at least {least}"
            plural = "" if expected == "1" else "s"
            yield f"{at}: {name} takes {expected} argument{plural}, found {len(node.args)}"


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name.lower(), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
