"""Trials whose requests come in units, such as users: false findings, by simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from core.experiments.clusters import bucket_of
from core.experiments.experiment import Experiment
from core.experiments.rollout import Rollout, RolloutSpec
from core.experiments.spec import Guardrail, Metric, Spec

N = 4_000
LOOKS = 80
QUALITY = Metric("quality")
How = Literal["fixed", "sequential"]


class World(NamedTuple):
    """Who asks: outcomes vary by 1 within a user, whose own mean varies by ``spread``."""

    users: int
    spread: float
    tail: float = 0.0
    """Of the users' shares of the traffic, which are Pareto's; 0: all ask alike often."""


WORLDS = {
    "alike": World(200, 1.0),
    "few": World(60, 1.0),
    "many": World(2_000, 0.5, 2.0),
    "unequal": World(1_000, 1.0, 2.0),
    "heavy": World(500, 1.0, 1.5),
}


class Traffic:
    """The requests of one run, in order: each one's user, and the outcome without any effect."""

    def __init__(self, world: World, rng: np.random.Generator, n: int = N) -> None:
        own = rng.normal(0.0, world.spread, world.users)
        often = np.ones(world.users)
        if world.tail:
            often = rng.pareto(world.tail, world.users) + 0.1
        self.hashes = rng.random(world.users)
        self.draws = rng.random(world.users)
        """By which a user meets a variant."""
        self.users = rng.choice(world.users, n, p=often / often.sum())
        self.values = own[self.users] + rng.normal(0.0, 1.0, n)


def unit_run(
    world: World, method: How, seed: int, *, clustered: bool, effect: float = 0.0, tuned: bool
) -> str:
    """The verdict of one experiment of two variants, in which b is better by ``effect``."""
    traffic = Traffic(world, np.random.default_rng(seed))
    spec = Spec(
        variants=("a", "b"),
        shares=(0.5, 0.5),
        primary=QUALITY,
        method=method,
        minimum_effect=0.2 if tuned else None,
        # The fixed test is to end whatever the heavier users meet.
        max_samples=N if method == "sequential" else N // 2,
        min_samples=200,
        look_every=N // LOOKS,
        clustered=clustered,
    )
    experiment = Experiment(spec)
    for user, value in zip(traffic.users.tolist(), traffic.values.tolist(), strict=True):
        variant, unit = int(traffic.draws[user] < 0.5), float(traffic.hashes[user])
        # What single requests would find of the ratio is not what is asked here.
        final = experiment.assign(variant, unit) if clustered else None
        outcome = {"quality": value + effect * variant}
        final = final or experiment.observe(variant, outcome, bucket=bucket_of(unit))
        if final is not None:
            return final.verdict
    return "running"


def unit_runs(
    world: str,
    method: How,
    *,
    clustered: bool,
    runs: int,
    seed: int,
    effect: float = 0.0,
    tuned: bool = True,
) -> list[str]:
    """The verdicts of as many runs."""
    return [
        unit_run(WORLDS[world], method, seed + run, clustered=clustered, effect=effect, tuned=tuned)
        for run in range(runs)
    ]


def unit_rollout(world: World, harm: float, seed: int) -> str:
    """The end of a rollout whose candidate is worse by ``harm``, with a margin of .3."""
    traffic = Traffic(world, np.random.default_rng(seed), 3 * N)
    spec = RolloutSpec(
        control="a",
        candidate="b",
        guardrails=(Guardrail(QUALITY, 0.3),),
        steps=(0.3, 0.6, 1.0),
        min_ms=500,
        min_samples=200,
        clustered=True,
    )
    rollout = Rollout(spec, 0)
    pairs = zip(traffic.users.tolist(), traffic.values.tolist(), strict=True)
    for now, (user, value) in enumerate(pairs, 1):
        if rollout.status != "running":
            break
        candidate, unit = bool(traffic.draws[user] < rollout.share), float(traffic.hashes[user])
        step = rollout.step
        if rollout.assign(now, unit, candidate=candidate) is None and now % 20 == 0:
            outcome = {"quality": value - harm * candidate}
            rollout.observe(now, step, outcome, bucket=bucket_of(unit), candidate=candidate)
    return rollout.status


def report_units(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    """Tables for docs/experiments.md."""
    yield (
        "| users | spread | shares | single outcomes, sequential | buckets, one look "
        "| buckets, 80 looks | the same, without a planned effect |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, world in WORLDS.items():
        cells = []
        for method, clustered, tuned in (
            ("sequential", False, True),
            ("fixed", True, False),
            ("sequential", True, True),
            ("sequential", True, False),
        ):
            job = partial(unit_run, world, method, clustered=clustered, tuned=tuned)
            verdicts = Counter(pool.map(job, range(runs), chunksize=10))
            cells.append(f"{verdicts['winner'] / runs:.2%}")
        shares = f"Pareto, {world.tail:g}" if world.tail else "equal"
        yield f"| {world.users:,} ({name}) | {world.spread:g} | {shares} | {' | '.join(cells)} |"
    yield ""
    yield "| users | candidate's harm, with a margin of .3 | done | rolled back | still held |"
    yield "|---|---|---|---|---|"
    for name in ("alike", "unequal"):
        for harm in (0.0, 0.3, 1.0):
            job = partial(unit_rollout, WORLDS[name], harm)
            ends = Counter(pool.map(job, range(runs // 3), chunksize=10))
            rates = " | ".join(
                f"{ends[end] / (runs // 3):.1%}" for end in ("done", "rolled_back", "running")
            )
            yield f"| {WORLDS[name].users:,} ({name}) | {harm:g} | {rates} |"
