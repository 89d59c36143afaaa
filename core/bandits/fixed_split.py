"""A fixed split of the traffic, as A/B tests and baselines need it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import GaussianArm, MomentsBandit, for_each_row
from schemas.policy import FixedSplit


class FixedSplitBandit(MomentsBandit):
    """Chooses each arm with its share, in proportion to those of the arms that are given.

    Arms are known by their ids, which ``new`` and ``decode`` are told. Without declared shares, or
    if no given arm has one above 0, all given arms share evenly.
    """

    def __init__(self, config: FixedSplit) -> None:
        super().__init__()
        self._shares = config.shares

    def distribution(
        self,
        arms: Sequence[GaussianArm],
        X: Floats,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,  # noqa: ARG002
    ) -> Floats:
        """See Bandit. Penalties change nothing: the split is what was asked for, at any price."""
        k = len(arms)
        if self._shares is None:
            return for_each_row(np.full(k, 1.0 / k), X)
        given = np.array([self._shares.get(arm.arm_id, 0.0) for arm in arms])
        most = given.max()
        if most <= 0.0:
            return for_each_row(np.full(k, 1.0 / k), X)
        given /= most
        return for_each_row(given / given.sum(), X)
