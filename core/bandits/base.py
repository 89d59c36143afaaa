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

    def new(self, prior: Prior | None) -> S:
        """The state of an arm that has seen no reward. ``None`` means the algorithm's own prior."""
        ...

    def learn(self, arm: S, x: Floats, reward: float) -> None:
        """Count one reward in [0, 1] for the context ``x`` (shape ``(d,)``), in place."""
        ...

    def distribution(self, arms: Sequence[S], X: Floats) -> Floats:
        """The probability of each arm for each context: shape ``(n, K)`` for ``X`` of ``(n, d)``.

        Rows sum to 1 within 1e-12. Row i depends on row i of ``X`` and on the states alone, bit
        for bit: never on n or on the other rows. K >= 1, n >= 1.
        """
        ...

    def mean(self, arm: S) -> float:
        """The estimated mean reward of the arm (for a contextual one: over its seen contexts)."""
        ...

    def count(self, arm: S) -> float:
        """How many rewards the arm has learned from (priors not counted)."""
        ...

    def encode(self, arm: S) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        ...

    def decode(self, data: bytes) -> S:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        ...
