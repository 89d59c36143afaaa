"""Who plays which family of problems, with which settings: ours, then the peers."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.policy import (
    KLUCB,
    UCB1,
    Discount,
    EpsilonGreedy,
    HybridLinUCB,
    KernelThompson,
    LinearThompson,
    LinUCB,
    Prior,
    SlidingWindow,
    Softmax,
    ThompsonBeta,
    ThompsonGaussian,
    TopTwoThompson,
)
from tests.benchmarks.algorithms.agents import Make, ours
from tests.benchmarks.algorithms.peers import (
    contextualbandits,
    mabwiser,
    mabwiser_neighbours,
    pareto,
    river,
    vowpal,
)

Entrants = Mapping[str, Make]
"""By what the tables call them. A peer's name begins with its distribution and a colon."""

_HALF = Prior(mean=0.5, weight=1.0)

OURS: Mapping[str, Entrants] = {
    "yes/no": {
        "thompson_beta": ours(ThompsonBeta()),
        "thompson_gaussian": ours(ThompsonGaussian()),
        "top_two_thompson, beta": ours(TopTwoThompson(posterior="beta", leader_share=0.9)),
        "kl_ucb": ours(KLUCB()),
        "ucb1": ours(UCB1()),
        "epsilon_greedy .1, decaying": ours(EpsilonGreedy(decay_after=50.0)),
        "softmax .1": ours(Softmax()),
    },
    "graded": {
        "thompson_gaussian": ours(ThompsonGaussian()),
        "thompson_beta": ours(ThompsonBeta()),
        "top_two_thompson": ours(TopTwoThompson(leader_share=0.9)),
        "kl_ucb": ours(KLUCB()),
        "ucb1": ours(UCB1()),
        "epsilon_greedy .1, decaying": ours(EpsilonGreedy(decay_after=50.0)),
        "softmax .1": ours(Softmax()),
    },
    "moving": {
        "thompson_beta, discount .99": ours(ThompsonBeta(), Discount(0.99)),
        "thompson_beta, window 200": ours(ThompsonBeta(), SlidingWindow(200)),
        "thompson_beta, restart on drift": ours(ThompsonBeta(), restart=True),
        "thompson_gaussian, discount .99": ours(ThompsonGaussian(), Discount(0.99)),
        "thompson_gaussian, discount .997": ours(ThompsonGaussian(), Discount(0.997)),
        "thompson_gaussian, discount .997 and restart": ours(
            ThompsonGaussian(), Discount(0.997), restart=True
        ),
        "kl_ucb, discount .99": ours(KLUCB(), Discount(0.99)),
        "thompson_beta, nothing forgotten": ours(ThompsonBeta()),
    },
    "linear": {
        "linucb 1": ours(LinUCB()),
        "linucb .25": ours(LinUCB(alpha=0.25)),
        "linucb .25, prior .5": ours(LinUCB(alpha=0.25), prior=_HALF),
        "linear_thompson": ours(LinearThompson()),
        "linear_thompson, std .1": ours(LinearThompson(prior_std=0.1)),
        "hybrid_linucb .25": ours(HybridLinUCB(alpha=0.25)),
    },
    "curved": {
        "kernel_thompson, length .5": ours(KernelThompson(length_scale=0.5)),
        "kernel_thompson, length 1": ours(KernelThompson()),
        "linear_thompson": ours(LinearThompson()),
    },
    "sparse": {
        "linucb 1": ours(LinUCB()),
        "linucb .25": ours(LinUCB(alpha=0.25)),
        "linear_thompson": ours(LinearThompson()),
        "hybrid_linucb .25": ours(HybridLinUCB(alpha=0.25)),
        "linucb .25, prior .5": ours(LinUCB(alpha=0.25), prior=_HALF),
        "linucb .1, prior .5": ours(LinUCB(alpha=0.1), prior=_HALF),
    },
}
"""By family. Defaults where nothing is said."""

_SQUARE, _COVER = "--squarecb -q xa", "--synthcover -q xa"

PEERS: Mapping[str, Entrants] = {
    "yes/no": {
        "mabwiser: ThompsonSampling": mabwiser("ThompsonSampling"),
        "mabwiser: UCB1": mabwiser("UCB1", alpha=1.0),
        "river: ThompsonSampling(Beta)": river("ThompsonSampling"),
        "river: UCB(1)": river("UCB", delta=1.0),
        "river: BayesUCB": river("BayesUCB"),
        "vowpalwabbit: squarecb": vowpal(_SQUARE),
    },
    "graded": {
        "mabwiser: UCB1": mabwiser("UCB1", alpha=1.0),
        "mabwiser: EpsilonGreedy .1": mabwiser("EpsilonGreedy", epsilon=0.1),
        "river: ThompsonSampling(Gaussian)": river("ThompsonSampling", posterior="Gaussian"),
        "river: UCB(1)": river("UCB", delta=1.0),
        "river: BayesUCB": river("BayesUCB"),
        "vowpalwabbit: squarecb": vowpal(_SQUARE),
    },
    "moving": {
        "river: ThompsonSampling(Beta), window 50": river("ThompsonSampling", window=50),
        "river: EpsilonGreedy .1, EWMean .05": river("EpsilonGreedy", fading=0.05, epsilon=0.1),
        "river: EpsilonGreedy .05, window 50": river("EpsilonGreedy", window=50, epsilon=0.05),
        "paretobandit: forgetting .997": pareto(0.05, 0.997),
        "paretobandit: forgetting .99, alpha .25": pareto(0.25, 0.99),
        "vowpalwabbit: squarecb, power_t 0": vowpal(f"{_SQUARE} --power_t 0"),
    },
    "linear": {
        "mabwiser: LinUCB 1": mabwiser("LinUCB", alpha=1.0),
        "mabwiser: LinUCB .25": mabwiser("LinUCB", alpha=0.25),
        "mabwiser: LinTS .25": mabwiser("LinTS", alpha=0.25),
        "contextualbandits: LinUCB 1": contextualbandits("LinUCB"),
        "contextualbandits: LinUCB .25": contextualbandits("LinUCB", alpha=0.25),
        "contextualbandits: LinTS, v² .0625": contextualbandits("LinTS", v_sq=0.0625),
        "river: LinUCBDisjoint": river("LinUCBDisjoint"),
        "vowpalwabbit: squarecb": vowpal(_SQUARE),
        "vowpalwabbit: synthcover": vowpal(_COVER),
        "paretobandit: alpha .05": pareto(0.05, 1.0),
        "paretobandit: alpha .25": pareto(0.25, 1.0),
    },
    "curved": {
        "mabwiser: TreeBandit(UCB1)": mabwiser_neighbours("TreeBandit"),
        "mabwiser: KNearest 20(UCB1)": mabwiser_neighbours("KNearest", k=20),
        "contextualbandits: BootstrappedTS(tree)": contextualbandits(
            "BootstrappedTS", base="tree", every=50
        ),
        "vowpalwabbit: squarecb, cubic": vowpal(f"{_SQUARE} --interactions xxa"),
        "vowpalwabbit: synthcover, cubic": vowpal(f"{_COVER} --interactions xxa"),
    },
    "sparse": {
        "mabwiser: LinUCB .25": mabwiser("LinUCB", alpha=0.25),
        "contextualbandits: LinUCB .25": contextualbandits("LinUCB", alpha=0.25),
        "contextualbandits: BootstrappedTS(logistic)": contextualbandits(
            "BootstrappedTS", base="logistic", every=200
        ),
        "vowpalwabbit: squarecb": vowpal(_SQUARE),
        "vowpalwabbit: synthcover": vowpal(_COVER),
        "paretobandit: alpha .05": pareto(0.05, 1.0),
        "paretobandit: alpha .25": pareto(0.25, 1.0),
    },
}


def library(name: str) -> str:
    """The distribution that an entrant is from; "" for ours."""
    return name.partition(": ")[0] if ": " in name else ""
