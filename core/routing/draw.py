"""One draw per decision: chance is a hash of the decision's identity, so replay repeats it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate


def uniform(route: str, request_id: str, policy_version: int) -> float:
    """A number in [0, 1), uniform over request ids: 53 bits of a BLAKE2b digest."""
    digest = blake2b(f"{route}\0{request_id}\0{policy_version}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


class Distribution:
    """A probability vector over named arms, ready to be drawn from."""

    __slots__ = ("arms", "cumulative", "probabilities")

    def __init__(self, arms: Sequence[str], probabilities: Sequence[float]) -> None:
        self.arms = arms
        self.probabilities = probabilities
        self.cumulative = list(accumulate(probabilities))

    def likeliest(self, arm: str) -> bool:
        """Whether no other arm is likelier than this one."""
        return self.probabilities[self.arms.index(arm)] == max(self.probabilities)

    def pick(self, u: float) -> tuple[str, float]:
        """The arm whose share of [0, 1) holds ``u``, and its exact probability."""
        index = bisect_right(self.cumulative, u)
        if index == len(self.arms):
            # u lies above a total that rounding left just below 1: the last possible arm's share.
            index -= 1
            while self.probabilities[index] == 0.0:
                index -= 1
        return self.arms[index], self.probabilities[index]
