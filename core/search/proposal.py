"""The next set of parameters of a Bayesian search, as a pure function of all that it looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from core.bandits.base import Floats
from core.search import gp
from core.search.acquisition import propose_by_expected_improvement
from core.search.gp import Groups, Posterior, Theta
from core.search.space import Space, Values

_ALWAYS: Final = 60
"""Up to that many points the hyperparameters are learned anew for every proposal."""
_EVERY: Final = 5
"""Beyond, for every fifth, from where they were. A fit grows with the cube of the points."""


class Tally(NamedTuple):
    """The rewards of one set of parameters: how many, their sum and the sum of their squares."""

    rewards: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """The mean reward; there must be a reward."""
        return self.total / self.rewards

    @property
    def within(self) -> float:
        """The sum of squared deviations from the mean."""
        if self.rewards < 2:
            return 0.0
        return max(self.squares - self.total * self.total / self.rewards, 0.0)


@dataclass(frozen=True, slots=True)
class Task:
    """All that a proposal depends on. Tasks can be pickled, compared and used as keys."""

    space: Space
    number: int
    """Of the set that is to be proposed, from 1."""
    rewards: int
    """How many rewards a set gets."""
    sets: tuple[Values, ...]
    """Numbers 1 to ``number`` - 1, finished or in play."""
    tallies: tuple[Tally, ...]
    """Their rewards when the task was made; at least one set has some."""
    theta: Theta
    """The hyperparameters of the last proposal; () before the first."""


class Proposal(NamedTuple):
    """What a task leads to; kept in the state."""

    point: tuple[float, ...]
    """The proposed set in the unit cube."""
    theta: Theta
    """The hyperparameters by which it was found."""
    improvement: float
    """What it is expected to improve the best mean by, in units of reward; infinity where no
    model could be fitted."""


class Solver(Protocol):
    """Where proposals are computed. Whatever it does, the result is that of ``propose``."""

    def prepare(self, task: Task) -> None:
        """A hint that ``solve`` will be asked for this task: it may be begun elsewhere.

        Must not block and must not raise. It may be called more than once for a task, and for
        tasks that are never solved.
        """
        ...

    def solve(self, task: Task) -> Proposal:
        """``propose(task)``, bit for bit; blocks until it is there."""
        ...


class Direct:
    """Computes when the proposal is needed, and not before."""

    def prepare(self, task: Task) -> None:
        """Nothing."""

    def solve(self, task: Task) -> Proposal:
        """The proposal, computed here."""
        return propose(task)


DIRECT: Final = Direct()


def propose(task: Task) -> Proposal:
    """The set with the greatest expected improvement, and what led to it. A pure function.

    Where the model fails (numbers without a Cholesky factor), a random unused set; the caller sees
    to it that there is one.
    """
    taken = frozenset(task.sets)
    theta, found = task.theta, None
    try:
        groups, _ = groups_of(task.space, task.sets, task.tallies)
        theta = _theta(groups, task)
        posterior, known = _posterior(task, theta)
        found = propose_by_expected_improvement(posterior, task.space, known, taken, task.number)
    except ArithmeticError:
        theta = task.theta
    if found is None:
        values = task.space.unused(taken, task.number)
        assert values is not None
        found = values, math.inf
    values, improvement = found
    return Proposal(task.space.point(values), theta, improvement)


def groups_of(
    space: Space, sets: tuple[Values, ...], tallies: tuple[Tally, ...]
) -> tuple[Groups, list[int]]:
    """The sets with rewards, as the model takes them, and their indices."""
    seen = [i for i, tally in enumerate(tallies) if tally.rewards]
    return Groups(
        np.array([space.point(sets[i]) for i in seen]),
        np.array([float(tallies[i].rewards) for i in seen]),
        np.array([tallies[i].mean for i in seen]),
        math.fsum(tallies[i].within for i in seen),
    ), seen


def _theta(groups: Groups, task: Task) -> Theta:
    standard, _, _ = groups.standardised()
    default = gp.default_theta(standard)
    if not task.theta:
        return gp.fit(standard, [default])
    if len(groups.X) <= _ALWAYS:
        return gp.fit(standard, [task.theta, default])
    return gp.fit(standard, [task.theta]) if task.number % _EVERY == 0 else task.theta


def _posterior(task: Task, theta: Theta) -> tuple[Posterior, Floats]:
    """The posterior with all sets in play believed to become what it says, and all sets' points."""
    groups, seen = groups_of(task.space, task.sets, task.tallies)
    planned = np.maximum(groups.counts, float(task.rewards))
    unseen = sorted(set(range(len(task.sets))) - set(seen))
    ahead = np.array([task.space.point(task.sets[i]) for i in unseen])
    ahead = ahead.reshape(len(unseen), groups.X.shape[1])
    posterior = Posterior(theta, groups, planned, ahead, np.full(len(unseen), float(task.rewards)))
    return posterior, np.concatenate([groups.X, ahead])
