"""Random expressions, and what Python's own ``eval`` makes of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from schemas.expression import NAMES


class Strict(float):
    """A float whose operations fail where they are not finite, or not real."""

    def __add__(self, other: float) -> Strict:
        return _strict(float(self) + float(other))

    def __sub__(self, other: float) -> Strict:
        return _strict(float(self) - float(other))

    def __mul__(self, other: float) -> Strict:
        return _strict(float(self) * float(other))

    def __truediv__(self, other: float) -> Strict:
        return _strict(float(self) / float(other))

    def __pow__(self, other: float) -> Strict:  # type: ignore[override]
        return _strict(float(self) ** float(other))

    def __radd__(self, other: float) -> Strict:
        return Strict(other) + self

    def __rsub__(self, other: float) -> Strict:
        return Strict(other) - self

    def __rmul__(self, other: float) -> Strict:
        return Strict(other) * self

    def __rtruediv__(self, other: float) -> Strict:
        return Strict(other) / self

    def __rpow__(self, other: float) -> Strict:  # type: ignore[override]
        return Strict(other) ** self

    def __neg__(self) -> Strict:
        return Strict(-float(self))


def _strict(result: complex) -> Strict:
    if isinstance(result, complex) or not math.isfinite(result):
        raise ArithmeticError
    return Strict(result)


def _wrapped(function: Callable[..., float]) -> Callable[..., Strict]:
    return lambda *values: _strict(function(*map(float, values)))


def _either(*arguments: Callable[[], float]) -> float:
    for argument in arguments[:-1]:
        try:
            return argument()
        except NameError:
            continue
    return arguments[-1]()


ORACLE_FUNCTIONS = {
    "abs": _wrapped(abs),
    "sqrt": _wrapped(math.sqrt),
    "exp": _wrapped(math.exp),
    "log": _wrapped(math.log),
    "min": _wrapped(min),
    "max": _wrapped(max),
    "clip": _wrapped(lambda x, low, high: max(low, min(x, high))),
    "either": _either,
    "Strict": Strict,
}


def python_text(text: str) -> str:
    """The same for Python's ``eval``: strict numbers, and late arguments of ``either``."""
    return re.sub(r"\b\d+\.\d+(e[+-]\d+)?", r"Strict(\g<0>)", text).replace("@", "lambda: ")


def our_text(text: str) -> str:
    return text.replace("@", "")


leaves = st.sampled_from(NAMES) | st.sampled_from(
    ["0.0", "0.5", "1.0", "2.0", "3.25", "1.5e-05", "100.0", "1.0e+200"]
)


binary = st.sampled_from(
    ["+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!=", "and", "or"]
).map("{{}} {} {{}}".format)
shapes = st.one_of(
    binary,
    binary,
    binary,
    st.sampled_from(["({})", "-{}", "(not {})", "({} if {} else {})", "clip({}, {}, {})"]),
    st.sampled_from(["abs({})", "sqrt({})", "exp({})", "log({})", "min({}, {})", "max({}, {})"]),
    # The mark stands where Python needs a lambda to evaluate an argument late.
    st.just("either(@{}, @{})"),
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """An expression with up to ten operations, grown at its leaves."""
    text = "{}"
    for _ in range(draw(st.integers(0, 10))):
        text = text.replace("{}", draw(shapes), 1)
        # Else the first place alone would grow.
        if draw(st.booleans()):
            text = text.replace("{}", draw(leaves), 1)
        if "{}" not in text:
            break
    while "{}" in text:
        text = text.replace("{}", draw(leaves), 1)
    return text


def oracle(text: str, known: Mapping[str, float]) -> float | None:
    """What ``text`` is worth where only ``known`` was measured, clipped to [0, 1]."""
    scope = {name: Strict(number) for name, number in known.items()}
    try:
        result = eval(python_text(text), {"__builtins__": {}, **ORACLE_FUNCTIONS, **scope})
    except (NameError, ArithmeticError, ValueError):
        return None
    return max(0.0, min(1.0, float(result)))
