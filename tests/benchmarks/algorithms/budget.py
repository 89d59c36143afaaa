"""The budget experiment: mean quality and spending of routers that are given USD per request."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from core.bandits.registry import make_bandit
from core.budget import Pace, Pacer
from schemas.policy import Algorithm, Discount, LinUCB, Prior
from streams.demo.data import ARMS
from tests.benchmarks.algorithms.entrants import library
from tests.benchmarks.algorithms.paired import Difference, difference
from tests.benchmarks.algorithms.peers import missing
from tests.benchmarks.algorithms.regret import Run
from tests.benchmarks.algorithms.replay import (
    SCENARIOS,
    Floats,
    Replay,
    Scenario,
    replay,
    static_mix,
)

BUDGETS = (3.0e-4, 6.62e-4, 1.87e-3)
"""USD per request: the paper's tight, moderate and loose one."""
_HOPEFUL = Prior(mean=1.0, weight=1.0)


class Router(Protocol):
    """Chooses an arm within a budget."""

    def choose(self, x: Floats) -> int:
        """An arm for the context ``x``."""
        ...

    def learn(self, arm: int, quality: float, cost: float) -> None:
        """What came of the last choice."""
        ...

    def prices(self, *, cut: bool) -> None:
        """The dearest model's list price has been cut, or raised again."""
        ...


class Ours:
    """An algorithm of the registry with the pacer: it is told no prices, and sees costs."""

    def __init__(
        self,
        algorithm: Algorithm,
        forgetting: Discount | None,
        budget: float,
        dim: int,
        seed: int,
    ) -> None:
        self._bandit = make_bandit(algorithm, dim, forgetting)
        self._states = [self._bandit.new(_HOPEFUL, arm) for arm in ARMS]
        self._pacer = Pacer(Pace(budget))
        self._random = np.random.default_rng([seed, 3])
        self._x = np.zeros(dim)
        self._reserved = 0.0

    def choose(self, x: Floats) -> int:
        """See Router."""
        pacer, states = self._pacer, self._states
        costs = pacer.costs(ARMS, [None] * len(ARMS))
        allowed = np.flatnonzero(pacer.affordable(costs)).tolist()
        shares = self._bandit.distribution(
            [states[arm] for arm in allowed],
            x[None],
            [state for arm, state in enumerate(states) if arm not in allowed],
            pacer.penalties(costs[allowed]),
        )[0]
        place = int(np.searchsorted(shares.cumsum(), self._random.random(), side="right"))
        arm = allowed[min(place, len(allowed) - 1)]
        self._x, self._reserved = x, float(costs[arm])
        pacer.reserve(self._reserved)
        return arm

    def learn(self, arm: int, quality: float, cost: float) -> None:
        """See Router."""
        states = self._states
        others = [state for other, state in enumerate(states) if other != arm]
        self._bandit.learn(states[arm], self._x, quality, others)
        self._pacer.settle(ARMS[arm], self._reserved, cost)

    def prices(self, *, cut: bool) -> None:
        """See Router: it is not told."""


class Pareto:
    """pareto_bandit's router and pacer, set up as its demonstration does without prior data."""

    def __init__(self, alpha: float, budget: float, dim: int, seed: int) -> None:
        from pareto_bandit import BanditRouter
        from pareto_bandit.budget_pacer import BudgetPacer, PacingMode
        from pareto_bandit.config import BEST_K3_TABULA_RASA_HPARAMS as BEST
        from pareto_bandit.feature_service import FeatureService

        prices = ((0.1, 0.1), (0.5, 1.5), (1.25, 10.0))
        self._router = BanditRouter.create(
            {
                arm: {"input_cost_per_m": read, "output_cost_per_m": written}
                for arm, (read, written) in zip(ARMS, prices, strict=True)
            },
            feature_service=FeatureService.for_precomputed(dim),
            priors="none",
            alpha=alpha,
            forgetting_factor=BEST["forgetting_factor"],
            cost_penalty=0.0,
            budget_pacer=BudgetPacer(budget, mode=PacingMode.ADAPTIVE),
            bandit_seed=seed,
        )

    def choose(self, x: Floats) -> int:
        """See Router; its vectors have the constant at the end."""
        model, self._log = self._router.route(np.roll(x, -1))
        return ARMS.index(model)

    def learn(self, arm: int, quality: float, cost: float) -> None:
        """See Router; a true cost takes the place of the estimate, as in the demonstration."""
        self._log.cost_usd = cost
        self._router.process_feedback(self._log.request_id, reward=quality)

    def prices(self, *, cut: bool) -> None:
        """See Router."""
        read, written = (0.1, 0.1) if cut else (1.25, 10.0)
        self._router.update_model_pricing(ARMS[2], input_cost_per_m=read, output_cost_per_m=written)


Make = Callable[[float, int, int], Router]


_NARROW = LinUCB(alpha=0.05, ridge=4.0)
ROUTERS: Mapping[str, Make] = {
    "linucb .05": partial(Ours, _NARROW, None),
    "linucb .05, discount .998": partial(Ours, _NARROW, Discount(0.998)),
    "paretobandit: alpha .05": partial(Pareto, 0.05),
    "paretobandit: alpha .5": partial(Pareto, 0.5),
}
"""paretobandit's own alpha for a start without prior data is .05; it was found for embeddings, and
on contexts as short as these a wider one does better."""
_PEER = "paretobandit: alpha .5"


class Task(NamedTuple):
    """One seed of one router."""

    router: str
    scenario: Scenario
    warm: bool
    budget: float
    seed: int
    phase: int


class Judged(NamedTuple):
    """What it came to; the means are over the judged requests."""

    task: Task
    quality: float
    spent: float
    """In budgets."""
    phases: tuple[float, ...]
    """Mean quality."""
    shares: tuple[tuple[float, ...], ...]
    """Of each arm in each phase."""
    mix: float
    """The static mix over all phases."""
    phase_mix: float
    """The mean of one static mix per phase: it knows when what changes."""


def run_task(task: Task) -> Judged:
    """Route one replay with the router that the task names."""
    logging.disable(logging.WARNING)
    return play(task, ROUTERS[task.router])


def play(task: Task, make: Make) -> Judged:
    """Route one replay."""
    found = replay(task.scenario, task.seed, warm=task.warm, phase=task.phase)
    router = make(task.budget, found.X.shape[1], task.seed)
    phases = found.phases()
    chosen = []
    for step, x in enumerate(found.X):
        if task.scenario == "price" and step in (phases[1].start, phases[2].start):
            router.prices(cut=step == phases[1].start)
        arm = router.choose(x)
        router.learn(arm, float(found.quality[step, arm]), float(found.cost[step, arm]))
        chosen.append(arm)
    return judge(task, found, np.array(chosen))


def judge(task: Task, found: Replay, chosen: Floats) -> Judged:
    """The figures of a replay that went as ``chosen``."""
    rows = np.arange(len(chosen))
    quality, cost = found.quality[rows, chosen], found.cost[rows, chosen]
    phases, rest = found.phases(), slice(found.judged, None)
    return Judged(
        task,
        float(quality[rest].mean()),
        float(cost[rest].mean() / task.budget),
        tuple(float(quality[phase].mean()) for phase in phases),
        tuple(
            tuple(float((chosen[phase] == arm).mean()) for arm in range(len(ARMS)))
            for phase in phases
        ),
        static_mix(found.quality[rest], found.cost[rest], task.budget)[0],
        statistics.fmean(
            static_mix(found.quality[phase], found.cost[phase], task.budget)[0] for phase in phases
        ),
    )


@dataclass(frozen=True)
class Row:
    """One router at one budget."""

    router: str
    scenario: Scenario
    warm: bool
    budget: float
    quality: float
    against_mix: Difference
    against_phase_mix: Difference
    against_pareto: Difference | None
    spent: float
    spent_range: tuple[float, float]
    phases: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]


def study(
    seeds: int, phase: int, run: Run, say: Callable[[str], None], *, all_settings: bool = True
) -> list[Row]:
    """Every router in every setting, or in the first one."""
    absent = missing()
    routers = [name for name in ROUTERS if library(name) not in absent]
    settings: list[tuple[Scenario, bool]] = [(scenario, False) for scenario in SCENARIOS]
    settings.insert(1, ("quality", True))
    if not all_settings:
        del settings[1:]
    todo = [
        Task(router, scenario, warm, budget, seed, phase)
        for scenario, warm in settings
        for budget in BUDGETS
        for router in routers
        for seed in range(seeds)
    ]
    by_setting: dict[tuple[Scenario, bool, float, str], list[Judged]] = {}
    for done, judged in enumerate(run(run_task, todo), 1):
        task = judged.task
        key = (task.scenario, task.warm, task.budget, task.router)
        by_setting.setdefault(key, []).append(judged)
        if done % 200 == 0 or done == len(todo):
            say(f"budget: {done} of {len(todo)} replays")
    for results in by_setting.values():
        results.sort(key=lambda judged: judged.task.seed)
    rows = []
    for scenario, warm in settings:
        for budget in BUDGETS:
            peer = by_setting.get((scenario, warm, budget, _PEER))
            for router in routers:
                rows.append(_row(by_setting[scenario, warm, budget, router], peer))
    return rows


def _row(results: Sequence[Judged], peer: Sequence[Judged] | None) -> Row:
    task = results[0].task
    quality = [judged.quality for judged in results]
    spent = [judged.spent for judged in results]
    return Row(
        router=task.router,
        scenario=task.scenario,
        warm=task.warm,
        budget=task.budget,
        quality=statistics.fmean(quality),
        against_mix=difference(quality, [judged.mix for judged in results]),
        against_phase_mix=difference(quality, [judged.phase_mix for judged in results]),
        against_pareto=(
            difference(quality, [judged.quality for judged in peer])
            if peer and not library(task.router)
            else None
        ),
        spent=statistics.fmean(spent),
        spent_range=(min(spent), max(spent)),
        phases=tuple(np.mean([judged.phases for judged in results], axis=0).tolist()),
        shares=tuple(map(tuple, np.mean([judged.shares for judged in results], axis=0).tolist())),
    )
