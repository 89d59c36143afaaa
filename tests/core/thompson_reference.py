"""Posteriors of every width, and slow ways to the propensities that share nothing with core's."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy import integrate, special, stats

from core.bandits.base import Floats
from core.bandits.posteriors import LogitBeta, Posteriors, StudentT


def wide_betas(seed: int) -> LogitBeta:
    """2 to 20 arms with up to a million rewards, means at the ends, widths of every size."""
    rng = np.random.default_rng(seed)
    k, kind = int(rng.integers(2, 21)), seed % 5
    n = 10 ** rng.uniform(-0.5, 6.0, k)
    mean = [
        rng.random(k),
        rng.beta(0.3, 0.3, k),
        1.0 - 10 ** rng.uniform(-6, -1, k),
        10 ** rng.uniform(-6, -1, k),
        np.clip(0.7 + 0.5 * rng.normal(size=k) / np.sqrt(n), 0.01, 0.99),
    ][kind]
    parameters = np.maximum(np.array([n * mean, n * (1.0 - mean)]).T, 0.1)
    parameters[rng.integers(k)] = (1.0, 1.0)
    parameters[-1] = parameters[0]
    return LogitBeta(parameters)


def wide_students(seed: int) -> StudentT:
    """2 to 20 arms with up to a million rewards, alike or far apart, widths of every size."""
    rng = np.random.default_rng(seed)
    k, kind = int(rng.integers(2, 21)), seed % 4
    n = np.where(rng.random(k) < 0.2, 0.0, np.floor(10 ** rng.uniform(0.0, 6.0, k)))
    scale = 0.25 / np.sqrt(2.0 + n) if kind < 2 else 10 ** rng.uniform(-6.0, 0.0, k)
    mean = np.full(k, 0.7) if kind == 0 else 0.7 + rng.normal(size=k) * scale
    if kind == 3:
        mean = rng.random(k)
    parameters = np.array([mean - mean.max(), scale, 4.0 + n]).T
    parameters[-1] = parameters[0]
    return StudentT(parameters)


def cdf(posteriors: Posteriors, k: int, y: Floats) -> Floats:
    if isinstance(posteriors, LogitBeta):
        a, b = posteriors.parameters[k]
        left, right = (
            special.betainc(a, b, special.expit(y)),
            special.betaincc(b, a, special.expit(-y)),
        )
        return np.where(y < 0, left, right)
    mean, scale, dof = posteriors.parameters[k]
    return special.stdtr(dof, (y - mean) / scale)


def pdf(posteriors: Posteriors, k: int, y: Floats) -> Floats:
    if isinstance(posteriors, LogitBeta):
        a, b = posteriors.parameters[k]
        log = -a * np.logaddexp(0.0, -y) - b * np.logaddexp(0.0, y) - special.betaln(a, b)
        return np.exp(log)
    mean, scale, dof = posteriors.parameters[k]
    return stats.t.pdf(y, dof, mean, scale)


def brute_force(posteriors: Posteriors) -> Floats:
    """Far more panels and nodes, with scipy's distribution functions at every node."""
    k = len(posteriors.parameters)
    low, high = posteriors.ends(1e-14)
    parts = np.concatenate([np.linspace(0.0, 1.0, 20), np.geomspace(1e-5, 1.0, 20)])
    sides = [np.outer(end - posteriors.centre, parts).T + posteriors.centre for end in (low, high)]
    edges = np.unique(np.clip(sides, low.max(), high.max()))
    points, weights = leggauss(16)
    half = np.diff(edges)[:, None] / 2.0
    y = (edges[:-1, None] + half * (1.0 + points)).ravel()
    weights = (half * weights).ravel()
    below = [cdf(posteriors, j, y) for j in range(k)]
    won = []
    for i in range(k):
        others = np.prod([below[j] for j in range(k) if j != i], axis=0)
        won.append(float((weights * others * pdf(posteriors, i, y)).sum()))
    total = sum(won)
    assert total == pytest.approx(1.0, abs=1e-7)  # scipy's own rounding at a million counts
    return np.array(won) / total


def adaptive(posteriors: Posteriors, k: int) -> float:
    """∫_0^1 Π_{j≠k} F_j(Q_k(u)) du: no density and no tail in it, but a kink at each rival."""
    parameters = posteriors.parameters
    if isinstance(posteriors, LogitBeta):
        frozen = [stats.beta(a, b) for a, b in parameters]
    else:
        frozen = [stats.t(dof, mean, scale) for mean, scale, dof in parameters]
    others = [it for j, it in enumerate(frozen) if j != k]
    kinks = sorted(
        float(frozen[k].cdf(other.ppf(u)))
        for other in others
        for u in (1e-9, 1e-4, 0.02, 0.5, 0.98, 1 - 1e-4, 1 - 1e-9)
    )
    edges = np.unique([0.0, *kinks, 1.0])
    total = 0.0
    for left, right in pairwise(edges):
        total += integrate.quad(
            lambda u: math.prod(other.cdf(frozen[k].ppf(u)) for other in others),
            left,
            right,
            epsabs=1e-11,
            epsrel=1e-11,
            limit=60,
        )[0]
    return total


def first_beats_second(a1: int, b1: int, a2: int, b2: int) -> float:
    """P(X > Y) for integer Betas: Σ_{i<a1} B(a2 + i, b1 + b2) / ((b1 + i) B(1 + i, b1) B(a2, b2)).

    The incomplete Beta function of an integer is a finite sum of binomial terms; see Evan Miller,
    "Formulas for Bayesian A/B testing", eq. 6.
    """
    i = np.arange(a1)
    log = special.betaln(a2 + i, b1 + b2) - np.log(b1 + i)
    return float(np.exp(log - special.betaln(1 + i, b1) - special.betaln(a2, b2)).sum())
