"""The algorithms of other libraries, each as its documentation advises.

Where a width of exploration is not given by the documentation, a library gets several, as ours
does, and the table shows all of them. Nothing here is imported before it is needed: a peer that is
not installed is left out, and the report says which.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.benchmarks.algorithms.agents import Agent, Make
from tests.benchmarks.algorithms.problems import Floats

MODULES = {
    "mabwiser": "mabwiser",
    "river": "river",
    "contextualbandits": "contextualbandits",
    "vowpalwabbit": "vowpalwabbit",
    "paretobandit": "pareto_bandit",
}
"""By distribution, the module that it brings."""
INSTALL = "uv sync --group peers"


def missing() -> list[str]:
    """Which peers are not installed."""
    return [name for name, module in MODULES.items() if find_spec(module) is None]


class Mabwiser:
    """mabwiser: its ``fit`` wants data, so every arm comes first ``turns`` times; then online."""

    def __init__(
        self, policy: Any, arms: int, seed: int, *, context: bool, neighbours: Any = None
    ) -> None:
        from mabwiser.mab import MAB

        self._mab = MAB(list(range(arms)), policy, neighbours, seed=seed)
        self._context = context
        self._arms = arms
        self._turns = 20 if neighbours else 1
        self._first: list[tuple[Floats, int, float]] = []

    def choose(self, x: Floats) -> int:
        """See Agent."""
        if len(self._first) < self._arms * self._turns:
            return len(self._first) % self._arms
        return int(self._mab.predict(x[None]) if self._context else self._mab.predict())

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent."""
        full = self._arms * self._turns
        if len(self._first) == full:
            self._mab.partial_fit([arm], [reward], x[None] if self._context else None)
            return
        self._first.append((x, arm, reward))
        if len(self._first) == full:
            X, arms, rewards = (list(column) for column in zip(*self._first, strict=True))
            self._mab.fit(arms, rewards, np.array(X) if self._context else None)


def mabwiser(name: str, **settings: float) -> Make:
    """One of mabwiser's learning policies, e.g. ``UCB1``."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        from mabwiser.mab import LearningPolicy

        policy = getattr(LearningPolicy, name)(**settings)
        return Mabwiser(policy, arms, seed, context=name.startswith("Lin"))

    return make


def mabwiser_neighbours(name: str, **settings: float) -> Make:
    """UCB1 among alike contexts, by one of mabwiser's neighbourhood policies."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        from mabwiser.mab import LearningPolicy, NeighborhoodPolicy

        neighbours = getattr(NeighborhoodPolicy, name)(**settings)
        policy = LearningPolicy.UCB1(1.0)
        return Mabwiser(policy, arms, seed, context=True, neighbours=neighbours)

    return make


class River:
    """river.bandit."""

    def __init__(self, policy: Any, arms: int, *, context: bool) -> None:
        self._policy = policy
        self._arms = range(arms)
        self._context = context
        self._x: dict[int, float] = {}

    def choose(self, x: Floats) -> int:
        """See Agent."""
        if not self._context:
            return int(self._policy.pull(self._arms))
        self._x = dict(enumerate(x.tolist()))
        return int(self._policy.pull(self._arms, context=self._x))

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent."""
        if self._context:
            self._policy.update(arm, self._x, reward)
        else:
            self._policy.update(arm, reward)


def river(name: str, *, window: int = 0, fading: float = 0.0, **settings: Any) -> Make:
    """One of river's policies; with ``window`` its rewards roll, with ``fading`` they fade."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        from river import bandit, proba, stats, utils

        options = dict(settings)
        if name == "ThompsonSampling":
            options["reward_obj"] = getattr(proba, options.pop("posterior", "Beta"))()
        if fading:
            options["reward_obj"] = stats.EWMean(fading)
        policy = getattr(bandit, name)(seed=seed, **options)
        if window:
            # A policy clones its reward object, and the clone of a rolling one does not roll.
            inner = policy._rewards.default_factory
            policy._rewards = defaultdict(lambda: utils.Rolling(inner(), window))
        return River(policy, arms, context=name == "LinUCBDisjoint")

    return make


class ContextualBandits:
    """contextualbandits.online: ``partial_fit`` one by one, or ``fit`` of everything at times."""

    def __init__(self, policy: Any, every: int) -> None:
        self._policy = policy
        self._every = every
        self._seen: list[tuple[Floats, int, float]] = []

    def choose(self, x: Floats) -> int:
        """See Agent."""
        return int(self._policy.predict(x[None])[0])

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent."""
        if self._every == 1:
            self._policy.partial_fit(x[None], np.array([arm]), np.array([reward]))
            return
        self._seen.append((x, arm, reward))
        if len(self._seen) % self._every == 0:
            X, a, r = (np.array(column) for column in zip(*self._seen, strict=True))
            self._policy.fit(X, a, r)


def contextualbandits(name: str, *, base: str = "", every: int = 1, **settings: Any) -> Make:
    """One of its policies; ``base`` is the classifier of those that need one."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        import contextualbandits.online as library

        options = dict(settings, nchoices=arms, random_state=seed + 1)
        if base:
            options |= {"base_algorithm": _classifier(base), "njobs_arms": 1}
        else:
            options["fit_intercept"] = False
        policy = getattr(library, name)(**options)
        if every == 1:
            warnings.filterwarnings("ignore", module="contextualbandits")
        return ContextualBandits(policy, every)

    return make


def _classifier(base: str) -> Any:
    if base == "tree":
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(min_samples_leaf=5)
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="lbfgs", max_iter=200)


class VowpalWabbit:
    """Vowpal Wabbit's ``--cb_explore_adf``, with one draw from its distribution.

    The context is the shared namespace x, the arm's number the namespace a; ``-q xa`` gives every
    arm weights of its own, as VW's tutorial on contextual bandits does.
    """

    def __init__(self, arguments: str, arms: int, seed: int) -> None:
        import vowpalwabbit

        self._vw = vowpalwabbit.Workspace(
            f"--cb_explore_adf {arguments} --quiet --random_seed {seed + 1}"
        )
        self._random = np.random.default_rng([seed, 1])
        self._arms = [f"|a {arm}" for arm in range(arms)]
        self._shared = ""
        self._share = 1.0

    def choose(self, x: Floats) -> int:
        """See Agent; component 0 is the constant that VW has of its own."""
        features = " ".join(f"{j}:{x[j]:.6g}" for j in np.flatnonzero(x[1:]) + 1)
        self._shared = f"shared |x {features}"
        shares = np.array(self._vw.predict([self._shared, *self._arms]))
        shares /= shares.sum()
        arm = int(self._random.choice(len(shares), p=shares))
        self._share = float(shares[arm])
        return arm

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent: a cost is a reward's negative."""
        lines = [self._shared, *self._arms]
        lines[1 + arm] = f"0:{-reward}:{self._share} {lines[1 + arm]}"
        self._vw.learn(lines)


def vowpal(arguments: str) -> Make:
    """VW with these arguments."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        return VowpalWabbit(arguments, arms, seed)

    return make


class Pareto:
    """pareto_bandit's whole router, with vectors of our own and equal prices."""

    def __init__(self, arms: int, dim: int, seed: int, alpha: float, forgetting: float) -> None:
        import logging

        from pareto_bandit import BanditRouter
        from pareto_bandit.feature_service import FeatureService

        logging.getLogger("pareto_bandit").setLevel(logging.ERROR)
        price = {"input_cost_per_m": 1.0, "output_cost_per_m": 1.0}
        self._router = BanditRouter.create(
            {str(arm): dict(price) for arm in range(arms)},
            feature_service=FeatureService.for_precomputed(dim),
            priors="none",
            alpha=alpha,
            forgetting_factor=forgetting,
            cost_penalty=0.0,
            bandit_seed=seed,
        )
        self._request = ""

    def choose(self, x: Floats) -> int:
        """See Agent; its vectors have the constant at the end."""
        model, log = self._router.route(np.roll(x, -1))
        self._request = log.request_id
        return int(model)

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent."""
        self._router.process_feedback(self._request, reward=reward)


def pareto(alpha: float, forgetting: float) -> Make:
    """pareto_bandit at this width and forgetting."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        return Pareto(arms, dim, seed, alpha, forgetting)

    return make
