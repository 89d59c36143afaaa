"""What experiments promise, by simulation: false findings, power, and where rollouts end.

Each study is a function of its number of runs and prints a table; the tests run short ones.

    python -m tests.benchmarks.experiments            # some minutes on two processors
    python -m tests.benchmarks.experiments --only aa  # one study
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln, lambertw

from core.experiments.comparison import planned_samples
from core.experiments.experiment import Experiment
from core.experiments.ratio import CONCENTRATION
from core.experiments.rollout import Rollout, RolloutSpec
from core.experiments.spec import Guardrail, Metric, Spec
from tests.benchmarks.experiment_units import report_units

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
ALPHA = 0.05
QUALITY = Metric("quality")
OK = Metric("ok", "yes_no")


class Walk(NamedTuple):
    """A two-armed run after each outcome: by arm, counts, means, and variances by n - 1."""

    n: Floats
    mean: Floats
    variance: Floats


def walk(values: Floats, second: NDArray[np.bool_]) -> Walk:
    """The running moments of both arms, by sums about a constant."""
    off = values - values.mean()
    n, mean, variance = [], [], []
    for mine in (~second, second):
        count = np.maximum(np.cumsum(mine), 1)
        total = np.cumsum(np.where(mine, off, 0.0))
        squares = np.cumsum(np.where(mine, off * off, 0.0))
        n.append(np.cumsum(mine))
        mean.append(total / count + values.mean())
        variance.append(np.maximum(squares - total**2 / count, 0.0) / np.maximum(count - 1, 1))
    return Walk(np.array(n, dtype=float), np.array(mean), np.array(variance))


def naive_p(run: Walk) -> Floats:
    """The p-values of a z test after each outcome; 1 where there is none yet."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (run.mean[1] - run.mean[0]) / np.sqrt((run.variance / run.n).sum(axis=0))
        p = 2.0 * stats.norm.sf(np.abs(z))
    return np.where(np.isfinite(p) & (run.n.min(axis=0) >= 2), p, 1.0)


def log_odds(run: Walk, effect: float, yes_no: bool, alpha: float = ALPHA) -> Floats:
    """The mSPRT's log odds after each outcome: written anew, beside core.experiments."""
    n = np.maximum(run.n, 2.0)
    if yes_no:
        share = (run.mean * run.n + 1.0) / (run.n + 2.0)
        variance = share * (1.0 - share)
    else:
        variance = run.variance + effect**2 / (n - 1.0)
    v = (variance / n).sum(axis=0)
    k = -1.0 - lambertw(-(alpha**2) / math.e, -1).real
    tau2 = effect**2 * k / (k + 1.0)
    d = run.mean[1] - run.mean[0]
    return 0.5 * np.log(v / (v + tau2)) + tau2 * d * d / (2.0 * v * (v + tau2))


KINDS: dict[str, tuple[Draw, float, bool]] = {
    "yes/no, .5": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.05, True),
    "yes/no, .02": (lambda rng, n: (rng.random(n) < 0.02).astype(float), 0.01, True),
    "quality, Beta(8, 2)": (lambda rng, n: rng.beta(8.0, 2.0, n), 0.01, False),
    "cost, log-normal, sigma 1": (lambda rng, n: rng.lognormal(0.0, 1.0, n), 0.2, False),
}
"""A draw, the effect that the test is tuned to, and whether outcomes are yes/no."""


def aa(kind: str, runs: int, n: int = 8_000, share: float = 0.5, seed: int = 1) -> list[float]:
    """The false-winner rates of one kind: naive at 80 looks, always-valid at those and at all."""
    draw, effect, yes_no = KINDS[kind]
    rng = np.random.default_rng(seed)
    looks = np.arange(n // 80, n + 1, n // 80) - 1
    found = np.zeros(4)
    for _ in range(runs):
        run = walk(draw(rng, n), rng.random(n) < share)
        enough = run.n.min(axis=0) >= (max(200, 5.0 / effect) if yes_no else 200)
        p = np.where(enough, naive_p(run), 1.0)
        odds = np.where(enough, log_odds(run, effect, yes_no), 0.0)
        threshold = -math.log(ALPHA)
        found += [
            p[-1] <= ALPHA,
            p[looks].min() <= ALPHA,
            odds[looks].max() >= threshold,
            odds.max() >= threshold,
        ]
    return [float(rate) for rate in found / runs]


class Power(NamedTuple):
    """What the sequential test does where the fixed one has planned ``n`` outcomes."""

    n: int
    fixed: float
    found: dict[float, float]
    """Its power by most samples, as a multiple of n."""
    mean_samples: dict[float, float]
    """How many outcomes it takes on average, by the same, as a multiple of n."""


TIMES = (1.0, 1.5, 2.0, 2.5)


def power(runs: int, ratio: float = 1.0, seed: int = 2) -> Power:
    """Shares of .5 and .5 + ratio · .05, planned for the latter at ratio 1 with power .8."""
    effect = 0.05
    spec = Spec(
        variants=("a", "b"),
        shares=(0.5, 0.5),
        primary=OK,
        method="fixed",
        minimum_effect=effect,
        baseline=0.5,
    )
    planned = sum(planned_samples(spec))
    most = int(max(TIMES) * planned)
    rng = np.random.default_rng(seed)
    fixed = 0
    stops = []
    for _ in range(runs):
        second = rng.random(most) < 0.5
        values = (rng.random(most) < 0.5 + ratio * effect * second).astype(float)
        run = walk(values, second)
        fixed += naive_p(run)[planned - 1] <= ALPHA
        odds = np.where(run.n.min(axis=0) >= 200, log_odds(run, effect, yes_no=True), 0.0)
        crossed = np.flatnonzero(odds >= -math.log(ALPHA))
        stops.append(crossed[0] + 1 if len(crossed) else math.inf)
    stop = np.array(stops) / planned
    return Power(
        planned,
        fixed / runs,
        {times: float((stop <= times).mean()) for times in TIMES},
        {times: float(np.minimum(stop, times).mean()) for times in TIMES},
    )


class Ratio(NamedTuple):
    """A sample-ratio test looked at after every assignment."""

    naive: float
    sequential: float
    strict: float
    """At alpha .001."""
    median: float
    """Assignments until the strict one is sure; infinite if most runs never are."""


def ratio(shares: list[float], true: list[float], runs: int, n: int, seed: int = 3) -> Ratio:
    """How often each test alarms at any of ``n`` assignments; naive: chi-square at 80 looks."""
    rng = np.random.default_rng(seed)
    pi = np.array(shares)
    prior = CONCENTRATION * pi[:, None]
    steps = np.arange(1.0, n + 1.0)
    looks = np.arange(n // 80, n + 1, n // 80) - 1
    found = np.zeros(3)
    stops = []
    for _ in range(runs):
        chosen = rng.choice(len(pi), size=n, p=true)
        counts = np.cumsum(chosen == np.arange(len(pi))[:, None], axis=1).astype(float)
        odds = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + steps)
        odds = odds + (gammaln(prior + counts) - gammaln(prior)).sum(axis=0)
        odds -= (counts * np.log(pi)[:, None]).sum(axis=0)
        expected = pi[:, None] * steps[looks]
        chi = ((counts[:, looks] - expected) ** 2 / expected).sum(axis=0)
        crossed = np.flatnonzero(odds >= -math.log(0.001))
        stops.append(crossed[0] + 1 if len(crossed) else math.inf)
        found += [
            stats.chi2.sf(chi.max(), len(pi) - 1) <= ALPHA,
            odds.max() >= -math.log(ALPHA),
            bool(len(crossed)),
        ]
    rates = [float(rate) for rate in found / runs]
    return Ratio(*rates, float(np.median(stops)))


def cuped(
    correlation: float, effect: float, adjust: bool, runs: int, seed: int = 4
) -> Counter[str]:
    """Whole experiments on a mean with a covariate, with and without its use: verdicts."""
    rng = np.random.default_rng(seed)
    metric = Metric("quality", covariate=adjust)
    spec = Spec(
        variants=("a", "b"),
        shares=(0.5, 0.5),
        primary=metric,
        minimum_effect=0.2,
        max_samples=1_500,
        look_every=10,
    )
    return Counter(played(spec, rng, [0.0, effect], correlation).split(":")[0] for _ in range(runs))


def played(
    spec: Spec, rng: np.random.Generator, effects: list[float], correlation: float = 0.0
) -> str:
    """One experiment to its end, on normal outcomes of deviation 1: its verdict and variant."""
    experiment = Experiment(spec)
    noise = math.sqrt(1.0 - correlation**2)
    while True:
        variant = int(rng.choice(len(effects), p=spec.shares))
        x = rng.normal()
        y = effects[variant] + correlation * x + noise * rng.normal()
        found = experiment.assign(variant) or experiment.observe(
            variant, {"quality": y}, {"quality": x}
        )
        if found is not None:
            return f"{found.verdict}:{found.variant}"


def several(effects: list[float], runs: int, seed: int = 5) -> Counter[str]:
    """Whole experiments with several variants, in even shares, with Holm's correction."""
    rng = np.random.default_rng(seed)
    names = tuple("abcdef"[: len(effects)])
    spec = Spec(
        variants=names,
        shares=(1.0 / len(names),) * len(names),
        primary=QUALITY,
        minimum_effect=0.2,
        max_samples=1_200 * len(names),
        look_every=10,
    )
    return Counter(played(spec, rng, effects) for _ in range(runs))


class Candidate(NamedTuple):
    """What a rollout meets: quality is Beta with 10 pseudo-counts, ok a coin."""

    quality: float = 0.8
    ok: float = 0.98
    late: float = 0.0
    """How much quality it loses once it has a quarter of the traffic."""
    trend: float = 0.0
    """How much quality both sides lose per step."""


CONTROL = Candidate()
CANDIDATES = {
    "worse by three margins": Candidate(quality=0.71),
    "worse by one and a half margins": Candidate(quality=0.755),
    "failing in 8 % rather than 2 %": Candidate(ok=0.92),
    "failing in 12 % rather than 2 %": Candidate(ok=0.88),
    "worse from 25 % on, by four margins": Candidate(late=0.12),
    "worse by the margin": Candidate(quality=0.77),
    "the same": Candidate(),
    "the same, both worse at each step": Candidate(trend=0.05),
    "better by one margin": Candidate(quality=0.83),
}
ROLLOUT = RolloutSpec(
    control="old",
    candidate="new",
    guardrails=(Guardrail(QUALITY, 0.03), Guardrail(OK, 0.03)),
    min_ms=1_000,
)


class End(NamedTuple):
    """Where a rollout ended, after how many requests, of them with the candidate, and its step."""

    status: str
    requests: int
    exposed: int
    step: int


def rolled_out(name: str, seed: int, spec: RolloutSpec = ROLLOUT, most: int = 40_000) -> End:
    """One rollout of a candidate, with a request each ms and outcomes 20 requests late."""
    candidate = CANDIDATES[name]
    rng = np.random.default_rng(seed)
    rollout = Rollout(spec, 0)
    late: list[tuple[int, bool]] = []
    exposed = 0
    now = 0
    while now < most and rollout.status == "running":
        now += 1
        chosen = bool(rng.random() < rollout.share)
        exposed += chosen
        late.append((rollout.step, chosen))
        rollout.assign(now, candidate=chosen)
        if len(late) > 20:
            step, was = late.pop(0)
            mean = (candidate if was else CONTROL).quality - candidate.trend * step
            mean -= candidate.late if was and step >= 2 else 0.0
            ok = (candidate if was else CONTROL).ok
            values = {
                "quality": rng.beta(10.0 * mean, 10.0 * (1.0 - mean)),
                "ok": float(rng.random() < ok),
            }
            rollout.observe(now, step, values, candidate=was)
    return End(rollout.status, now, exposed, rollout.step)


def report_aa(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    yield (
        "| outcomes | share of b | fixed, one look | naive, 80 looks | always-valid, 80 looks "
        "| always-valid, every outcome |"
    )
    yield "|---|---|---|---|---|---|"
    cases = [(kind, share) for kind in KINDS for share in (0.5, 0.1)]
    results = pool.map(aa_of, cases, [runs] * len(cases))
    for (kind, share), rates in zip(cases, results, strict=True):
        yield f"| {kind} | {share:g} | " + " | ".join(f"{rate:.2%}" for rate in rates) + " |"


def aa_of(case: tuple[str, float], runs: int) -> list[float]:
    return aa(case[0], runs, share=case[1])


def report_power(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    head = " | ".join(f"sequential, most {times:g} n" for times in TIMES)
    yield f"| true effect | fixed at n | {head} |"
    yield "|---|---|" + "---|" * len(TIMES)
    ratios = (0.0, 0.5, 1.0, 1.5, 2.0)
    n = 0
    for ratio_, found in zip(ratios, pool.map(partial(power, runs), ratios), strict=True):
        n = found.n
        cells = " | ".join(
            f"{found.found[times]:.1%}, {found.mean_samples[times]:.2f} n" for times in TIMES
        )
        yield f"| {0.05 * ratio_:g} | {found.fixed:.1%} | {cells} |"
    yield ""
    yield f"n = {n} outcomes of both variants."


def report_ratio(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    yield (
        "| shares | true shares | chi-square at .05, 80 looks | sequential at .05 "
        "| sequential at .001 | median assignments to .001 |"
    )
    yield "|---|---|---|---|---|---|"
    cases = [
        ([0.5, 0.5], [0.5, 0.5], runs),
        ([0.95, 0.05], [0.95, 0.05], runs),
        ([0.4, 0.3, 0.3], [0.4, 0.3, 0.3], runs),
        ([0.5, 0.5], [0.52, 0.48], runs // 10),
        ([0.5, 0.5], [0.55, 0.45], runs // 10),
        ([0.95, 0.05], [0.96, 0.04], runs // 10),
    ]
    lists = list(zip(*cases, strict=True))
    for (shares, true, _), found in zip(
        cases, pool.map(ratio, *lists, [20_000] * len(cases)), strict=True
    ):
        median = "-" if math.isinf(found.median) else f"{found.median:,.0f}"
        names = (", ".join(f"{one:g}" for one in row) for row in (shares, true))
        yield (
            f"| {' | '.join(names)} | {found.naive:.1%} | {found.sequential:.2%} | "
            f"{found.strict:.2%} | {median} |"
        )


def report_whole(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    yield "| experiment | verdicts |"
    yield "|---|---|"
    jobs = {
        "correlation .7, no effect, plain": pool.submit(cuped, 0.7, 0.0, False, runs),
        "correlation .7, no effect, CUPED": pool.submit(cuped, 0.7, 0.0, True, runs),
        "correlation .7, effect .2, plain": pool.submit(cuped, 0.7, 0.2, False, runs),
        "correlation .7, effect .2, CUPED": pool.submit(cuped, 0.7, 0.2, True, runs),
        "a, b, c, d all the same": pool.submit(several, [0.0] * 4, runs),
        "a, b, c the same, d better by .2": pool.submit(several, [0.0, 0.0, 0.0, 0.2], runs),
        "a best, b, c, d worse by .2": pool.submit(several, [0.2, 0.0, 0.0, 0.0], runs),
    }
    for name, job in jobs.items():
        counts = ", ".join(
            f"{verdict.removesuffix(':None')} {count / runs:.1%}"
            for verdict, count in sorted(job.result().items())
        )
        yield f"| {name} | {counts} |"


def report_rollout(pool: ProcessPoolExecutor, runs: int) -> Iterator[str]:
    yield (
        "| candidate | done | rolled back | still held | median requests "
        "| of them with the candidate |"
    )
    yield "|---|---|---|---|---|---|"
    for name in CANDIDATES:
        ends = list(pool.map(partial(rolled_out, name), range(runs), chunksize=5))
        status = Counter(end.status for end in ends)
        rates = " | ".join(
            f"{status[one] / runs:.1%}" for one in ("done", "rolled_back", "running")
        )
        requests = np.median([end.requests for end in ends])
        exposed = np.median([end.exposed for end in ends])
        yield f"| {name} | {rates} | {requests:,.0f} | {exposed:,.0f} |"


STUDIES = {
    "aa": (report_aa, 2_000),
    "power": (report_power, 2_000),
    "ratio": (report_ratio, 2_000),
    "whole": (report_whole, 400),
    "rollout": (report_rollout, 200),
    "units": (report_units, 600),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(STUDIES))
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for name, (report, runs) in STUDIES.items():
            if arguments.only in (None, name):
                print(f"\n### {name}, {runs:,} runs each\n", flush=True)
                for line in report(pool, runs):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
