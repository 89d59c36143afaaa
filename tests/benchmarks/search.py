"""The search against scikit-optimize, and against its own simpler methods.

Equal problems, budgets, noise and (for the two with a model) initial sets; one set in play at a
time, as scikit-optimize has it. A row is a method on a problem: the regret of what it recommends
at the end, and the processor's time for a proposal. Paired differences are of log10(regret + 1e-6)
over seeds: below 0, thalweg is better.

    python -m tests.benchmarks.search --seeds 20 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from core.search import Proposal, Searcher, Task, propose
from schemas.policy import Search
from tests.benchmarks.search_problems import Params, Problem, problems

EVALUATIONS = 40
FLOOR = 1e-6
"""Regrets below are all the same: the model of neither is that fine."""


class Trial(NamedTuple):
    """One search."""

    regret: float
    proposals_ms: list[float]


class Stopwatch:
    """A solver that computes at once, and notes how long it takes."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def prepare(self, task: Task) -> None:
        """Nothing."""

    def solve(self, task: Task) -> Proposal:
        begun = time.process_time()
        proposal = propose(task)
        self.ms.append((time.process_time() - begun) * 1e3)
        return proposal


class Noise:
    """The rewards of the i-th evaluation: the same errors for every method."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.errors = np.random.default_rng([seed, 4711]).normal(
            scale=problem.noise or 1.0, size=(EVALUATIONS, problem.rewards)
        ) * bool(problem.noise)

    def rewards(self, i: int, params: Params) -> list[float]:
        return [self.problem.reward(params) + float(error) for error in self.errors[i]]


def thalweg(problem: Problem, seed: int, method: str = "bayesian") -> Trial:
    clock = Stopwatch()
    searcher = specified(problem, seed, method, clock)
    noise = Noise(problem, seed)
    state = searcher.new()
    while not searcher.finished(state):
        [(number, _)] = searcher.candidates(state)
        for reward in noise.rewards(state.evaluations, searcher.params(state, number)):
            searcher.learn(state, number, reward)
    return Trial(problem.regret(searcher.params(state, searcher.best(state))), clock.ms)


def specified(problem: Problem, seed: int, method: str, clock: Stopwatch) -> Searcher:
    spec = Search(
        space=problem.space,
        method=method,
        evaluations=EVALUATIONS,
        rewards_per_evaluation=problem.rewards,
        parallel=1,
        seed=seed,
    )
    return Searcher(spec, clock)


def scikit_optimize(problem: Problem, seed: int) -> Trial:
    """skopt.Optimizer with its defaults; of the evaluated sets, the best by its last model."""
    from skopt import Optimizer
    from skopt.space import Integer, Real

    warnings.simplefilter("ignore")
    dimensions = []
    for name, p in problem.space.items():
        prior = "log-uniform" if p.scale == "log" else "uniform"
        if p.type == "integer":
            dimensions.append(Integer(int(p.low), int(p.high), prior=prior, name=name))
        else:
            dimensions.append(Real(p.low, p.high, prior=prior, name=name))
    optimizer = Optimizer(dimensions, base_estimator="GP", n_initial_points=0, random_state=seed)
    searcher = specified(problem, seed, "bayesian", Stopwatch())
    noise = Noise(problem, seed)
    tried: list[Params] = []
    times: list[float] = []
    state = searcher.new()
    xs, ys = [], []
    for i in range(EVALUATIONS):
        if i < searcher.initial:
            [(number, _)] = searcher.candidates(state)
            params = searcher.params(state, number)
            for reward in noise.rewards(i, params):
                if i + 1 < searcher.initial:
                    searcher.learn(state, number, reward)
            x = [params[name] for name in problem.space]
        else:
            begun = time.process_time()
            if xs:
                optimizer.tell(xs, ys)
            x = optimizer.ask()
            times.append((time.process_time() - begun) * 1e3)
            xs, ys = [], []
            params = dict(zip(problem.space, x, strict=True))
        tried.append(params)
        xs.append(x)
        ys.append(-float(np.mean(noise.rewards(i, params))))
    optimizer.tell(xs, ys)
    all_x = optimizer.space.transform(optimizer.Xi)
    best = int(np.argmin(optimizer.models[-1].predict(all_x)))
    return Trial(problem.regret(tried[best]), times)


METHODS = ("thalweg", "skopt", "sobol", "random")


def run(job: tuple[str, int, int]) -> Trial:
    method, index, seed = job
    problem = problems()[index]
    with threadpool_limits(1):
        if method == "skopt":
            return scikit_optimize(problem, seed)
        return thalweg(problem, seed, "bayesian" if method == "thalweg" else method)


def cached(pool: ProcessPoolExecutor, jobs: list[tuple[str, int, int]], path: Path) -> list[Trial]:
    """The trials of the jobs, of which those in the file are not run again."""
    known = json.loads(path.read_text()) if path.exists() else {}
    missing = [job for job in jobs if repr(job) not in known]
    for job, trial in zip(missing, pool.map(run, missing), strict=True):
        known[repr(job)] = trial
        path.write_text(json.dumps(known))
    return [Trial(*known[repr(job)]) for job in jobs]


def paired(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """The mean difference of log10 regrets, and its 95 % interval (Student's t)."""
    difference = np.log10(np.array(ours) + FLOOR) - np.log10(np.array(theirs) + FLOOR)
    half = (
        float(stats.t.ppf(0.975, len(difference) - 1))
        * float(difference.std(ddof=1))
        / math.sqrt(len(difference))
    )
    mean = float(difference.mean())
    return mean, mean - half, mean + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keeps skopt's trials, which take long")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    print(
        "| problem | method | regret: median | mean | log10, thalweg's minus its (95 %) "
        "| ms of CPU per proposal: median | 95 % |\n|---|---|--:|--:|--:|--:|--:|"
    )
    with ProcessPoolExecutor(args.jobs) as pool:
        for index, problem in enumerate(problems()):
            ours: list[float] = []
            for method in args.methods:
                jobs = [(method, index, seed) for seed in seeds]
                path = args.cache if method == "skopt" else None
                trials = list(pool.map(run, jobs)) if path is None else cached(pool, jobs, path)
                regrets = [trial.regret for trial in trials]
                ms = [t for trial in trials for t in trial.proposals_ms]
                times = f"{np.median(ms):.1f} | {np.quantile(ms, 0.95):.1f}" if ms else "| "
                if method == "thalweg":
                    ours, versus = regrets, ""
                else:
                    versus = (
                        "{:+.2f} ({:+.2f} to {:+.2f})".format(*paired(ours, regrets))
                        if ours
                        else ""
                    )
                print(
                    f"| {problem.name} | {method} | {np.median(regrets):.2g} "
                    f"| {np.mean(regrets):.2g} | {versus} | {times} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
