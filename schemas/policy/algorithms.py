"""What a policy may choose as its algorithm, and how that forgets."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.fields import ArmId, NonNegative, Positive, Unit
from schemas.policy.search import Search
from schemas.policy.strict import Strict

Width = Annotated[float, Meta(ge=0.0, le=100.0)]
Ridge = Annotated[float, Meta(ge=1e-9, le=1e6)]
RewardStd = Annotated[float, Meta(gt=0.0, le=10.0)]


class ThompsonBeta(Strict, frozen=True, tag_field="name", tag="thompson_beta"):
    """Thompson sampling for yes/no rewards: a Beta posterior per arm."""


class ThompsonGaussian(Strict, frozen=True, tag_field="name", tag="thompson_gaussian"):
    """Thompson sampling for graded rewards: mean and variance unknown, per arm."""

    prior_std: RewardStd = 0.25
    """The standard deviation of a single reward, as believed before the first."""


class TopTwoThompson(Strict, frozen=True, tag_field="name", tag="top_two_thompson"):
    """Top-two Thompson sampling (Russo 2016, algorithm 4), to find the best arm soon."""

    leader_share: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5
    """Russo's beta: how often the leader is played, and not its challenger."""
    posterior: Literal["gaussian", "beta"] = "gaussian"
    """Of graded or of yes/no rewards."""
    prior_std: RewardStd = 0.25
    """As thompson_gaussian's; a Beta posterior needs none."""


class EpsilonGreedy(Strict, frozen=True, tag_field="name", tag="epsilon_greedy"):
    """The arm with the best mean; with probability epsilon, any (Auer et al. 2002, figure 3)."""

    epsilon: Unit = 0.1
    decay_after: Positive | None = None
    """From that many rewards on, epsilon is multiplied by decay_after / rewards. Default: it
    stays."""


class UCB1(Strict, frozen=True, tag_field="name", tag="ucb1"):
    """UCB1 (Auer, Cesa-Bianchi and Fischer 2002): the best mean + width sqrt(ln t / n)."""

    width: Width = 1.4142135623730951
    """The square root of 2 in the paper, for rewards in [0, 1]."""


class KLUCB(Strict, frozen=True, tag_field="name", tag="kl_ucb"):
    """KL-UCB for rewards in [0, 1] (Garivier and Cappé 2011): UCB by the Bernoulli divergence."""

    c: Width = 0.0
    """Of c log log t in the bound: 3 in the paper's proof, 0 in its experiments."""


class Softmax(Strict, frozen=True, tag_field="name", tag="softmax"):
    """Boltzmann exploration: shares in proportion to exp(mean / temperature)."""

    temperature: Annotated[float, Meta(gt=0.0, le=100.0)] = 0.1


class FixedSplit(Strict, frozen=True, tag_field="name", tag="fixed_split"):
    """Fixed shares, whatever the rewards; what was learned is kept and shown."""

    shares: dict[ArmId, NonNegative] | None = None
    """In proportion; arms that are not named get none. Default: even."""


class LinUCB(Strict, frozen=True, tag_field="name", tag="linucb"):
    """LinUCB with disjoint models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

    alpha: Width = 1.0
    """Width of the confidence bound."""
    ridge: Ridge = 1.0
    """A starts as ridge times the identity."""


class HybridLinUCB(Strict, frozen=True, tag_field="name", tag="hybrid_linucb"):
    """LinUCB with hybrid models (Li et al. 2010, algorithm 2): each arm's weights are shared ones
    plus its own, so that what one arm teaches of a context helps all others.
    """

    alpha: Width = 1.0
    ridge: Ridge = 1.0
    """Of the arms' own weights."""
    shared_ridge: Ridge = 1.0
    """Of the shared weights: the greater, the less is shared."""


class LinearThompson(Strict, frozen=True, tag_field="name", tag="linear_thompson"):
    """Contextual Thompson sampling by Bayesian linear regression, noise unknown."""

    prior_std: RewardStd = 0.25
    """The standard deviation of a reward around its line, as believed before the first."""
    ridge: Ridge = 1.0
    """Prior precision of the weights, in units of the noise's."""


class KernelThompson(Strict, frozen=True, tag_field="name", tag="kernel_thompson"):
    """Contextual Thompson sampling for rewards that no line fits: Bayesian linear regression on
    random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).
    """

    components: Annotated[int, Meta(ge=2, le=256)] = 64
    """Random features beside the bias; an even number. The state of an arm grows with its square:
    18 KB at 64, 267 KB at 256, written at each of its rewards."""
    length_scale: Annotated[float, Meta(ge=1e-3, le=1e3)] = 1.0
    """The distance between contexts over which rewards are alike."""
    prior_std: RewardStd = 0.25
    ridge: Ridge = 1.0


BanditAlgorithm = (
    ThompsonGaussian
    | ThompsonBeta
    | TopTwoThompson
    | EpsilonGreedy
    | UCB1
    | KLUCB
    | Softmax
    | FixedSplit
    | LinUCB
    | HybridLinUCB
    | LinearThompson
    | KernelThompson
)
"""What chooses among the arms that a policy declares."""
Algorithm = BanditAlgorithm | Search


class Discount(Strict, frozen=True, tag_field="name", tag="discount"):
    """Every reward of the segment multiplies what was learned before by ``factor``, in all arms
    (Garivier and Moulines 2011): an arm that is not chosen becomes uncertain again.
    """

    factor: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.999
    """About 1 / (1 - factor) rewards count."""


class SlidingWindow(Strict, frozen=True, tag_field="name", tag="sliding_window"):
    """Only the latest rewards of the segment count, in all arms (Garivier and Moulines 2011)."""

    rewards: Annotated[int, Meta(ge=8, le=10_000_000)] = 2_000
    """How many, to within an eighth: they are kept in 8 blocks, of which the oldest is dropped."""


Forgetting = Discount | SlidingWindow
