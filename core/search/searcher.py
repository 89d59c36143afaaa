"""A search over the parameters of a call, reward by reward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from core.search.designs import design_point, grid
from core.search.gp import Posterior
from core.search.proposal import DIRECT, Proposal, Solver, Tally, Task, groups_of
from core.search.space import Space, Values
from core.search.state import Ending, SearchState, decode, encode
from schemas.policy import Search
from schemas.policy.search import level_counts

_LEAST_WAIT: Final = 8


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a person wants to know of a search."""

    evaluations: int
    """Sets that have had all their rewards, of at most ``planned``."""
    planned: int
    in_play: int
    best: int
    """The number of the best set so far."""
    params: dict[str, float | int]
    mean: float
    """What the best set is thought to earn."""
    low: float
    high: float
    """The interval in which that lies with the asked probability."""
    rewards: int
    """How many rewards the best set has had itself."""
    ended: Ending | None


class Searcher:
    """One search, as a policy specifies it; it holds no state but what the specification says.

    ``parallel`` sets of parameters are in play, each as likely as the others. A set that has had
    ``rewards_per_evaluation`` rewards is finished and makes room for the next one. After the last
    one the search ends for good, and the best set is the only candidate.

    A set of a design takes a free place at once. One of the model takes longer to compute than a
    decision may wait, so it comes later, at a moment that depends on the rewards alone: what it
    looks at is fixed, and the solver told (``prepare``), when a place becomes free; it is asked for
    the result when half as many rewards as make an evaluation were learned since (8 at least, and
    no more than make an evaluation), or when nothing else is in play. Only then is the next free
    place looked at. So the solver may compute elsewhere and at any speed, and nothing depends on
    how fast it is.

    Everything is a function of the state and the rewards in their order. The states of equal
    histories are equal bit for bit on one machine with one set of libraries; elsewhere a newly
    computed proposal may differ in its last bits (core.search.gp). What was proposed is in the
    state, so no decision changes by moving it.
    """

    def __init__(self, spec: Search, solver: Solver = DIRECT) -> None:
        self._spec = spec
        self._solver = solver
        self._names = list(spec.space)
        self._integer = [parameter.type == "integer" for parameter in spec.space.values()]
        self._space = Space.of(list(spec.space.values()))
        self._rewards = spec.rewards_per_evaluation
        self._wait = min(self._rewards, max(_LEAST_WAIT, (self._rewards + 1) // 2))
        self._grid: list[Values] = []
        size = self._space.size
        if spec.method == "grid":
            self._grid = grid(self._space, list(level_counts(spec).values()))
            size = len(self._grid)
        self._most = int(min(spec.evaluations, size))
        self._last: Ending = "exhausted" if self._most == size else "evaluations"
        self._initial = self._most
        if spec.method == "bayesian":
            wanted = spec.initial or min(max(8, 2 * len(self._names)), spec.evaluations // 2)
            self._initial = min(max(wanted, spec.parallel, 1), self._most)

    @property
    def initial(self) -> int:
        """How many sets are proposed without looking at rewards: all, unless bayesian."""
        return self._initial

    def new(self) -> SearchState:
        """A search before its first reward, with its first sets in play."""
        state = SearchState()
        self._refill(state)
        return state

    def candidates(self, state: SearchState) -> list[tuple[int, float]]:
        """The numbers of the sets that may serve a request now, each with its probability.

        Never empty. In ascending order.
        """
        if state.ended is not None:
            return [(state.best, 1.0)]
        return [(number, 1.0 / len(state.in_play)) for number in state.in_play]

    def params(self, state: SearchState, number: int) -> dict[str, float | int]:
        """The parameters of a set, within their bounds: floats of at most 6 significant digits
        (or bounds), integers whole.

        Raises KeyError for a number that was never proposed.
        """
        if not 1 <= number <= len(state.sets):
            raise KeyError(number)
        return {
            name: int(value) if integer else value
            for name, integer, value in zip(
                self._names, self._integer, state.sets[number - 1], strict=True
            )
        }

    def learn(self, state: SearchState, number: int, reward: float) -> bool:
        """Count one reward in [0, 1] for a set, in place; False, and nothing, if it is unknown.

        A finished set learns too, and so does the best one after the end: its mean gets better,
        the search goes on as it would.
        """
        if not 1 <= number <= len(state.sets):
            return False
        old = state.tallies[number - 1]
        tally = Tally(old.rewards + 1, old.total + reward, old.squares + reward * reward)
        state.tallies[number - 1] = tally
        if state.ended is not None:
            return True
        if state.pending is not None:
            state.waited += 1
        if tally.rewards == self._rewards:
            state.in_play.remove(number)
            self._evaluated(state, tally.mean)
        self._refill(state)
        return True

    def finished(self, state: SearchState) -> bool:
        """Whether the search has ended."""
        return state.ended is not None

    def best(self, state: SearchState) -> int:
        """The number of the best set; after the end, the one that was it at the end.

        Of the finished sets, the one with the greatest posterior mean (bayesian, as soon as there
        is a model; with the hyperparameters of the last proposal) or the greatest mean reward. Of
        equal ones the first. Before any is finished: of all with a reward, or else the first set.
        """
        if state.ended is not None:
            return state.best
        numbers = [
            i for i, tally in enumerate(state.tallies, 1) if tally.rewards >= self._rewards
        ] or [i for i, tally in enumerate(state.tallies, 1) if tally.rewards]
        if not numbers:
            return 1
        means = self._means(state, numbers)
        return numbers[means.index(max(means))]

    def report(self, state: SearchState, level: float = 0.95) -> SearchReport:
        """How the search stands. ``level`` in (0, 1) is the probability of the interval.

        Mean and interval of the best set are the model's, where there is one, which takes into
        account that the best mean seen was lucky as well; otherwise those of its rewards, with
        the noise estimated from all sets (Student's t). Within [0, 1].
        """
        best = self.best(state)
        tally = state.tallies[best - 1]
        mean, low, high = self._estimate(state, best, level)
        return SearchReport(
            evaluations=state.evaluations,
            planned=self._most,
            in_play=len(state.in_play),
            best=best,
            params=self.params(state, best),
            mean=mean,
            low=max(low, 0.0),
            high=min(high, 1.0),
            rewards=tally.rewards,
            ended=state.ended,
        )

    def encode(self, state: SearchState) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        return encode(state)

    def decode(self, data: bytes) -> SearchState:
        """The inverse of ``encode``, bit for bit, for the same specification. A pending proposal
        is prepared again. Raises ValueError for bytes that are not one.
        """
        state = decode(data, self._space, self._rewards)
        if state.pending is not None:
            self._solver.prepare(state.pending)
        return state

    def _evaluated(self, state: SearchState, mean: float) -> None:
        """Count an evaluation, and end the search if it has been patient for long enough."""
        state.evaluations += 1
        stop = self._spec.stop
        if stop is None or stop.patience is None:
            return
        if state.record is None or mean > state.record + stop.min_improvement:
            state.record, state.since = mean, 0
        else:
            state.since += 1
        designed = self._initial if self._spec.method == "bayesian" else 0
        if state.since >= stop.patience and state.evaluations >= designed:
            self._end(state, "patience")

    def _end(self, state: SearchState, why: Ending) -> None:
        state.best = self.best(state)
        state.ended = why
        state.in_play.clear()
        state.pending, state.waited = None, 0

    def _refill(self, state: SearchState) -> None:
        """Put sets into free places, as far as it is time; end the search when all is done."""
        while state.ended is None:
            if state.done or len(state.sets) == self._most:
                if not state.in_play:
                    self._end(state, "expected_improvement" if state.done else self._last)
                return
            if state.pending is None:
                if len(state.in_play) >= self._spec.parallel:
                    return
                if len(state.sets) < self._initial:
                    self._place(state, self._designed(state))
                    continue
                state.pending, state.waited = self._task(state), 0
                self._solver.prepare(state.pending)
            if state.in_play and state.waited < self._wait:
                return
            proposal = self._solver.solve(state.pending)
            state.pending, state.waited = None, 0
            self._take(state, proposal)

    def _take(self, state: SearchState, proposal: Proposal) -> None:
        state.theta = proposal.theta
        stop = self._spec.stop
        least = stop.expected_improvement if stop is not None else None
        if least is not None and proposal.improvement < least:
            state.done = True
        else:
            self._place(state, self._space.values(proposal.point))

    def _place(self, state: SearchState, values: Values) -> None:
        state.sets.append(values)
        state.tallies.append(Tally())
        state.in_play.append(len(state.sets))

    def _task(self, state: SearchState) -> Task:
        return Task(
            self._space,
            len(state.sets) + 1,
            self._rewards,
            tuple(state.sets),
            tuple(state.tallies),
            state.theta,
        )

    def _designed(self, state: SearchState) -> Values:
        """The next set of the design; another one where that was there already."""
        index, method, seed = len(state.sets), self._spec.method, self._spec.seed
        if method == "grid":
            return self._grid[index]
        design = "sobol" if method == "bayesian" else method
        point = design_point(design, len(self._names), self._initial, index, seed)
        values, taken = self._space.values(point.tolist()), frozenset(state.sets)
        if values not in taken:
            return values
        other = self._space.unused(taken, index)
        assert other is not None  # there are fewer than self._most
        return other

    def _posterior(self, state: SearchState) -> tuple[Posterior, list[int]] | None:
        """The model of all rewards so far, by the last hyperparameters, and the sets it knows."""
        if not state.theta:
            return None
        groups, seen = groups_of(self._space, tuple(state.sets), tuple(state.tallies))
        nothing = np.empty((0, len(self._names)))
        try:
            return Posterior(state.theta, groups, groups.counts, nothing, np.empty(0)), seen
        except ArithmeticError:
            return None

    def _points(self, state: SearchState, numbers: list[int]) -> np.ndarray[tuple[int, int]]:
        return np.array([self._space.point(state.sets[number - 1]) for number in numbers])

    def _means(self, state: SearchState, numbers: list[int]) -> list[float]:
        fitted = self._posterior(state)
        if fitted is None:
            return [state.tallies[number - 1].mean for number in numbers]
        means: list[float] = fitted[0].mean(self._points(state, numbers)).tolist()
        return means

    def _estimate(
        self, state: SearchState, number: int, level: float
    ) -> tuple[float, float, float]:
        tally = state.tallies[number - 1]
        if not tally.rewards:
            return 0.5, 0.0, 1.0
        fitted = self._posterior(state)
        if fitted is not None:
            means, stds = fitted[0].mean_and_std(self._points(state, [number]))
            half = float(special.ndtri(0.5 + 0.5 * level)) * float(stds[0])
            return float(means[0]), float(means[0]) - half, float(means[0]) + half
        free = sum(max(t.rewards - 1, 0) for t in state.tallies)
        if not free:
            return tally.mean, 0.0, 1.0
        noise = math.fsum(t.within for t in state.tallies) / free
        half = float(special.stdtrit(free, 0.5 + 0.5 * level)) * math.sqrt(noise / tally.rewards)
        return tally.mean, tally.mean - half, tally.mean + half
