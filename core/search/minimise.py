"""The least value of a smooth function of a few variables in a box, by BFGS with projection.

The quasi-Newton method with a line search of Nocedal and Wright 2006, algorithm 6.1, in which the
variables that are held by a bound stand still (Bertsekas 1982). scipy's L-BFGS-B does the same,
but solves its small systems with a routine of LAPACK for which OpenBLAS starts threads, whatever
the size: on a busy machine each of its steps then takes milliseconds, and not microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from core.bandits.base import Floats

_SUFFICIENT: Final = 1e-4
"""The part of the decrease that the slope promises with which a step is accepted."""
_LONGEST: Final = 2.0
"""No step changes a variable by more."""
_GRADIENT: Final = 1e-3
_DECREASE: Final = 1e-7
"""Done when the projected gradient, or two steps' relative decrease, is below."""


def minimise(
    function: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    low: Floats,
    high: Floats,
    curvature: Floats,
    evaluations: int,
) -> tuple[Floats, float]:
    """The best point that was found from ``start`` in that many evaluations, and its value.

    ``function`` gives a value and its gradient; the value may be infinite, but not at ``start``.
    ``curvature``, all positive, is a guess of the second derivatives.
    """
    x = np.clip(start, low, high)
    value, gradient = function(x)
    used, small = 1, 0
    H = np.diag(1.0 / curvature)
    while used < evaluations:
        free = ~(((x <= low) & (gradient > 0.0)) | ((x >= high) & (gradient < 0.0)))
        if not free.any() or float(np.abs(gradient[free]).max()) < _GRADIENT:
            break
        step = np.where(free, -(H @ np.where(free, gradient, 0.0)), 0.0)
        step *= min(1.0, _LONGEST / float(np.abs(step).max()))
        length, accepted = 1.0, False
        while used < evaluations and not accepted:
            trial = np.clip(x + length * step, low, high)
            new, slope = function(trial)
            used += 1
            promised = float(gradient @ (trial - x))
            accepted = new <= value + _SUFFICIENT * promised
            if not accepted:
                # The least point of the parabola through what is known, within a safe range.
                rise = new - value - promised
                length *= min(max(-0.5 * promised / rise, 0.1), 0.5) if np.isfinite(rise) else 0.1
                if length < 1e-10:
                    return x, value
        if not accepted:
            break
        s, y = trial - x, slope - gradient
        small = small + 1 if value - new <= _DECREASE * max(1.0, abs(value)) else 0
        x, value, gradient = trial, new, slope
        if small == 2:
            break
        bend = float(s @ y)
        if bend > 1e-10 * float(y @ y):
            Hy = H @ y
            H += np.outer(s, s) * ((bend + float(y @ Hy)) / bend**2)
            H -= (np.outer(Hy, s) + np.outer(s, Hy)) / bend
    return x, value
