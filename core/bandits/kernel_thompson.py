"""Contextual Thompson sampling for rewards that no line fits, on random Fourier features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import shake_256
from typing import Final

import numpy as np
from scipy import special

from core.bandits.base import Floats
from core.bandits.linear import LinearArm, products
from core.bandits.linear_thompson import LinearThompsonBandit
from schemas.policy import KernelThompson, LinearThompson

_SEED: Final = b"thalweg: frequencies of the Gaussian kernel"


class KernelThompsonBandit(LinearThompsonBandit):
    """Linear Thompson sampling on features in which a line is a smooth function of the context.

    The features are a bias and ``components`` random Fourier features, whose dot products are
    those of a Gaussian kernel, exp(-|x - y|² / 2 length_scale²), up to an error of at most about
    1 / sqrt(components). Priors are those of the linear algorithms: about the bias.
    """

    def __init__(self, config: KernelThompson, dim: int) -> None:
        linear = LinearThompson(prior_std=config.prior_std, ridge=config.ridge)
        super().__init__(linear, config.components + 1)
        self.statistics = (
            f"kernel components={config.components} length_scale={config.length_scale!r} dim={dim}"
        )
        self._frequencies = frequencies(config.components // 2, dim) / config.length_scale
        self._amplitude = math.sqrt(2.0 / config.components)

    def learn(
        self,
        arm: LinearArm,
        x: Floats,
        reward: float,
        others: Sequence[LinearArm] = (),  # noqa: ARG002
    ) -> None:
        """See Bandit."""
        arm.add(self.features(x[None])[0], reward)

    def posteriors(
        self, arms: Sequence[LinearArm], X: Floats, penalties: Floats | None = None
    ) -> Floats:
        """See LinearThompsonBandit; ``X`` are contexts, not features."""
        return super().posteriors(arms, self.features(X), penalties)

    def features(self, X: Floats) -> Floats:
        """A bias of 1, then sqrt(2 / D) times all cosines and all sines: ``(n, D + 1)``.

        D is the number of components (Rahimi and Recht 2007, section 3, with a cosine and a sine
        in place of a cosine with a random phase). Rounded to float32: what C libraries and
        processors see differently is gone with few exceptions, so that sums replay elsewhere.
        """
        phases = products([self._frequencies], X)[:, 0]
        # By math, a number at a time: an array's functions may treat a number by its neighbours.
        waves = [
            [f(phase) for f in (math.cos, math.sin) for phase in row] for row in phases.tolist()
        ]
        found = np.ones((len(X), self._dim))
        found[:, 1:] = np.float32(self._amplitude * np.array(waves))
        return found


def frequencies(count: int, dim: int) -> Floats:
    """Draws from the spectrum of the Gaussian kernel of length scale 1: shape ``(count, dim)``.

    Each row is standard normal but for its component 0, which is 0: the bias tells no contexts
    apart. As many rows at a time as there are features are orthogonal to each other, which halves
    the error of independent ones or better where the kernel is wide (Yu et al. 2016, "Orthogonal
    random features").

    Chance is the output of SHAKE-256, which is the same everywhere and for ever, where the streams
    of a library's generators change with its versions. Rounded to float32, as the features are.
    """
    features = dim - 1
    found = np.zeros((count, dim))
    if features == 0:
        return found
    stream = np.frombuffer(shake_256(_SEED).digest(8 * count * dim), "<u8").reshape(count, dim)
    uniform = ((stream >> np.uint64(12)) + 0.5) / 2.0**52
    normal = special.ndtri(uniform[:, 1:])
    lengths = np.sqrt(2.0 * special.gammaincinv(features / 2.0, uniform[:, 0]))
    for start in range(0, count, features):
        rows = slice(start, start + features)
        q, r = np.linalg.qr(normal[rows].T)
        found[rows, 1:] = np.float32((q * np.sign(r.diagonal()) * lengths[rows]).T)
    return found
