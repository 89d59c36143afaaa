"""The protocol of every algorithm: a distribution over arms, and a state per arm.

An algorithm is built from the policy and holds no state of its own. The state of an arm is a
small object that the algorithm makes, teaches, encodes and decodes. Everything is a function of
its arguments: the same states and contexts give the same distribution, bit for bit, whether they
come from memory or from bytes, alone or in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.policy import Prior

Floats = NDArray[np.float64]
S = TypeVar("S")


class Bandit(Protocol, Generic[S]):
    """One algorithm with its parameters; ``S`` is its state of one arm."""

    contextual: bool
    """Whether ``distribution`` looks at the contexts. If not, its rows are all the same, and the
    caller may compute one and keep it until a state changes."""
    pooled: bool
    """Whether ``learn`` and ``distribution`` look at ``others``. If not, they may be left out."""
    statistics: str
    """What a state means: algorithms with equal ones read each other's states."""

    def new(self, prior: Prior | None, arm_id: str = "") -> S:
        """The state of an arm that has seen no reward. ``None`` means the algorithm's own prior.

        ``arm_id`` matters only to algorithms that treat arms by name.
        """
        ...

    def learn(self, arm: S, x: Floats, reward: float, others: Sequence[S] = ()) -> None:
        """Count one reward in [0, 1] for the context ``x`` (shape ``(d,)``), in place.

        ``others`` are the states of all other arms of the policy; they stay as they are.
        """
        ...

    def distribution(
        self,
        arms: Sequence[S],
        X: Floats,
        others: Sequence[S] = (),
        penalties: Floats | None = None,
    ) -> Floats:
        """The probability of each arm for each context: shape ``(n, K)`` for ``X`` of ``(n, d)``.

        Rows sum to 1 within 1e-12. Row i depends on row i of ``X`` and on the states alone, bit
        for bit: never on n or on the other rows. K >= 1, n >= 1. ``others`` are the states of the
        policy's arms that cannot be chosen here. ``penalties``, shape ``(K,)``, in units of
        reward, are taken off what each arm is thought to earn, e.g. its price times a budget's
        dual price.
        """
        ...

    def mean(self, arm: S) -> float:
        """The estimated mean reward of the arm (for a contextual one: over its seen contexts)."""
        ...

    def interval(self, arm: S, level: float) -> tuple[float, float]:
        """The central credible interval of the arm's mean reward, clipped to [0, 1].

        ``level`` in (0, 1) is its posterior probability, e.g. .95.
        """
        ...

    def count(self, arm: S) -> float:
        """How many rewards the arm has learned from, as far as they still count (priors not)."""
        ...

    def faded(self, arm: S, weight: float) -> S:
        """A copy in which what the rewards taught weighs ``weight`` in [0, 1] of what it did.

        The prior stays as it is: at 0 the copy is the arm before its first reward.
        """
        ...

    def merged(self, arms: Sequence[S]) -> S:
        """A new state with the rewards of all ``arms`` (at least one) and the first one's prior."""
        ...

    def encode(self, arm: S) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        ...

    def decode(self, data: bytes, arm_id: str = "") -> S:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        ...
