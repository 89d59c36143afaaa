"""The expected improvement of a point, and where it is greatest."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import special

from core.bandits.base import Floats
from core.search.designs import sobol_points
from core.search.gp import Posterior
from core.search.space import Space, Values

_CANDIDATES: Final = 512
_ROUNDS: Final = 12
_RADIUS: Final = 0.15
_SHRINK: Final = 0.6
_CENTRES: Final = 5
_NEIGHBOURS: Final = 32
_HALF_LOG_2PI: Final = 0.5 * math.log(2.0 * math.pi)
_SERIES: Final = -1e3
"""Below, 1 - |z| Φ(z) / φ(z) cancels, and two terms of its series 1/z² - 3/z⁴ + ... are exact."""


def log_expected_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """The log of E[max(Y - best, 0)] of Y ~ N(mean, std²), std > 0, accurate however small it is.

    It is log std + log h(z) with z = (mean - best) / std and h(z) = φ(z) + z Φ(z) (Jones, Schonlau
    and Welch 1998, equation 15; the logarithm as of Ament et al. 2023, equation 9).
    """
    z = (mean - best) / std
    near = np.maximum(z, -1.0)
    upper = np.log(np.exp(-0.5 * near * near - _HALF_LOG_2PI) + near * special.ndtr(near))
    # h(z) = φ(z) (1 + z Φ(z) / φ(z)), and Φ(z) / φ(z) = √(π/2) erfcx(-z / √2) is about 1 / |z|.
    far = np.minimum(z, -1.0)
    mills = -far * math.sqrt(0.5 * math.pi) * special.erfcx(-far * math.sqrt(0.5))
    tail = np.where(
        far > _SERIES,
        np.log1p(-np.minimum(mills, 1.0 - 1e-15)),
        np.log1p(-3.0 / np.minimum(far, _SERIES) ** 2) - 2.0 * np.log(-far),
    )
    lower = -0.5 * z * z - _HALF_LOG_2PI + tail
    return np.asarray(np.log(std) + np.where(z > -1.0, upper, lower))


def propose_by_expected_improvement(
    posterior: Posterior,
    space: Space,
    known: Floats,
    taken: frozenset[Values],
    seed: int,
) -> tuple[Values, float] | None:
    """The set of parameters with the greatest expected improvement that is found, and how much
    that is, in units of reward; None if all that were looked at are ``taken``.

    The improvement is over the greatest posterior mean of the ``known`` points, shape ``(n, d)``:
    with noise, the best reward seen would be luck (the plug-in of Picheny, Wagner and Ginsbourger
    2013, section 3.3). Candidates are a Sobol sequence, shifted by ``seed`` around the torus, and
    neighbours of the best known points; the best of them then move to the best of their ever
    nearer neighbours.
    """
    means = posterior.mean(known)
    best = float(means.max())
    dim = known.shape[1]
    rng = np.random.default_rng([seed, dim])
    spread = np.mod(sobol_points(dim, _CANDIDATES, 0) + rng.random(dim), 1.0)
    leaders = known[np.argsort(-means, kind="stable")[:_CENTRES]]
    around = np.repeat(leaders, _NEIGHBOURS, axis=0)
    around = _clipped(around + 0.05 * rng.standard_normal(around.shape))
    points = space.snapped(np.concatenate([spread, around]))
    scores = log_expected_improvement(*posterior.mean_and_std(points), best)
    found = [(points, scores)]
    top = np.argsort(-scores, kind="stable")[:_CENTRES]
    centres, heights = points[top], scores[top]
    radius = _RADIUS
    for _ in range(_ROUNDS):
        steps = radius * rng.standard_normal((len(centres), _NEIGHBOURS, dim))
        points = space.snapped(_clipped(centres[:, None, :] + steps).reshape(-1, dim))
        scores = log_expected_improvement(*posterior.mean_and_std(points), best)
        found.append((points, scores))
        grid = scores.reshape(len(centres), _NEIGHBOURS)
        pick = grid.argmax(axis=1)
        rows = np.arange(len(centres))
        better = grid[rows, pick] > heights
        chosen = points.reshape(len(centres), _NEIGHBOURS, dim)[rows, pick]
        centres = np.where(better[:, None], chosen, centres)
        heights = np.where(better, grid[rows, pick], heights)
        radius *= _SHRINK
    points = np.concatenate([found_points for found_points, _ in found])
    scores = np.concatenate([found_scores for _, found_scores in found])
    for i in np.argsort(-scores, kind="stable").tolist():
        values = space.values(points[i].tolist())
        if values not in taken:
            return values, math.exp(float(scores[i]))
    return None


def _clipped(points: Floats) -> Floats:
    return np.clip(points, 0.0, 1.0)
