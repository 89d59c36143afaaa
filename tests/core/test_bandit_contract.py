"""What core.bandits.base.Bandit promises, asked of every algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.base import Bandit, Floats
from core.bandits.registry import make_bandit
from schemas.policy import Algorithm, LinUCB, Prior, ThompsonBeta, ThompsonGaussian

DIM = 4
ALGORITHMS: list[Algorithm] = [
    ThompsonBeta(),
    ThompsonGaussian(),
    ThompsonGaussian(prior_std=1e-3),
    ThompsonGaussian(prior_std=10.0),
    LinUCB(),
    LinUCB(alpha=0.0, ridge=1e-6),
    LinUCB(alpha=100.0, ridge=1e6),
]
PRIORS = [None, Prior(), Prior(mean=0.0, weight=50.0), Prior(mean=1.0, weight=1e-3)]

Lesson = tuple[Floats, float]

contexts = st.lists(
    st.sampled_from([0.0, 1.0, -1.0, 1 / 3, 0.7, 1e-9, 12.5]), min_size=DIM, max_size=DIM
).map(np.array)
lessons = st.lists(st.tuples(contexts, st.sampled_from([0.0, 1.0, 0.5, 0.1, 1 / 3])), max_size=12)
histories = st.lists(lessons, min_size=1, max_size=5)


@pytest.fixture(params=ALGORITHMS, ids=repr)
def bandit(request: pytest.FixtureRequest) -> Bandit[Any]:
    return make_bandit(request.param, DIM)


def taught(bandit: Bandit[Any], lessons: list[Lesson], prior: Prior | None = None) -> Any:
    arm = bandit.new(prior)
    for x, reward in lessons:
        bandit.learn(arm, x, reward)
    return arm


def random_lessons(seed: int, n: int) -> list[Lesson]:
    rng = np.random.default_rng(seed)
    return [(np.append(1.0, rng.normal(size=DIM - 1)), float(rng.random())) for _ in range(n)]


def is_distribution(rows: Floats, n: int, k: int) -> None:
    assert rows.shape == (n, k)
    assert rows.dtype == np.float64
    assert (rows >= 0.0).all()
    assert np.abs(rows.sum(axis=1) - 1.0).max() <= 1e-12


@settings(deadline=None, max_examples=40)
@given(histories=histories, X=st.lists(contexts, min_size=1, max_size=9).map(np.array))
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_a_batch_is_its_rows_to_the_last_bit_and_rows_sum_to_one(
    algorithm: Algorithm, histories: list[list[Lesson]], X: Floats
) -> None:
    bandit = make_bandit(algorithm, DIM)
    arms = [taught(bandit, lessons) for lessons in histories]
    batch = bandit.distribution(arms, X)
    is_distribution(batch, len(X), len(arms))
    for i in range(len(X)):
        assert bandit.distribution(arms, X[i : i + 1]).tobytes() == batch[i].tobytes()


@settings(deadline=None, max_examples=40)
@given(before=lessons, after=lessons, prior=st.sampled_from(PRIORS))
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_an_arm_from_bytes_goes_on_as_the_one_in_memory(
    algorithm: Algorithm, before: list[Lesson], after: list[Lesson], prior: Prior | None
) -> None:
    bandit = make_bandit(algorithm, DIM)
    arm, rival = taught(bandit, before, prior), taught(bandit, random_lessons(1, 7))
    X = np.eye(DIM)
    bandit.distribution([arm, rival], X)  # what an arm caches must not show
    copy = bandit.decode(bandit.encode(arm))
    for x, reward in [(np.ones(DIM), 0.25), *after]:
        assert bandit.encode(copy) == bandit.encode(arm)
        assert bandit.count(copy) == bandit.count(arm)
        assert bandit.mean(copy) == bandit.mean(arm)
        ours, theirs = (bandit.distribution([it, rival], X) for it in (arm, copy))
        assert ours.tobytes() == theirs.tobytes()
        bandit.learn(arm, x, reward)
        bandit.learn(copy, x, reward)
    assert bandit.encode(copy) == bandit.encode(arm)


@pytest.mark.parametrize("prior", PRIORS)
def test_equal_histories_give_equal_bytes_and_distributions(
    bandit: Bandit[Any], prior: Prior | None
) -> None:
    X = np.array([x for x, _ in random_lessons(0, 5)])
    runs = []
    for _ in range(2):
        arms = [taught(bandit, random_lessons(seed, 50), prior) for seed in range(3)]
        runs.append((bandit.distribution(arms, X).tobytes(), [bandit.encode(arm) for arm in arms]))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("prior", PRIORS)
def test_the_order_of_rewards_does_not_matter(bandit: Bandit[Any], prior: Prior | None) -> None:
    lessons = random_lessons(3, 300)
    rival = taught(bandit, random_lessons(4, 300))
    one, other = taught(bandit, lessons, prior), taught(bandit, lessons[::-1], prior)
    assert bandit.count(one) == bandit.count(other) == 300.0
    assert bandit.mean(one) == pytest.approx(bandit.mean(other), rel=1e-12, abs=1e-15)
    X = np.array([x for x, _ in random_lessons(5, 20)])
    shares = [bandit.distribution([arm, rival], X) for arm in (one, other)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-9)


def test_an_only_arm_is_certain_and_equal_arms_are_equally_likely(bandit: Bandit[Any]) -> None:
    X = np.array([x for x, _ in random_lessons(0, 3)])
    arm = taught(bandit, random_lessons(1, 20))
    assert bandit.distribution([arm], X).tolist() == [[1.0]] * 3
    weak = taught(bandit, [(x, 0.0) for x, _ in random_lessons(2, 20)])
    shares = bandit.distribution([arm, weak, arm, bandit.decode(bandit.encode(arm))], X)
    assert (shares[:, 0] == shares[:, 2]).all()
    assert (shares[:, 0] == shares[:, 3]).all()


def test_the_better_arm_gets_the_larger_share(bandit: Bandit[Any]) -> None:
    X = np.array([x for x, _ in random_lessons(0, 50)])
    good, bad = (taught(bandit, [(x, r) for x in X]) for r in (0.9, 0.1))
    assert (bandit.distribution([bad, good], X)[:, 1] > 0.9).all()
    assert bandit.mean(good) > bandit.mean(bad)


@pytest.mark.parametrize("reward", [0.0, 1.0])
@pytest.mark.parametrize("prior", PRIORS)
def test_a_hundred_thousand_extreme_rewards(
    bandit: Bandit[Any], prior: Prior | None, reward: float
) -> None:
    X = np.vstack([np.zeros(DIM), np.eye(DIM)])
    arm, fresh = bandit.new(prior), bandit.new(prior)
    for i in range(100_000 if prior is None else 1_000):
        bandit.learn(arm, X[i % len(X)], reward)
    is_distribution(bandit.distribution([arm, fresh, bandit.new(None)], X), len(X), 3)
    assert 0.0 <= bandit.mean(arm) <= 1.0
    assert bandit.encode(bandit.decode(bandit.encode(arm))) == bandit.encode(arm)


def test_a_mean_comes_from_the_prior_and_then_from_the_rewards(bandit: Bandit[Any]) -> None:
    prior = Prior(mean=0.8, weight=4.0)
    assert bandit.mean(bandit.new(prior)) == pytest.approx(0.8)
    assert bandit.count(bandit.new(prior)) == 0.0
    arm, means = bandit.new(prior), [0.8]
    for _ in range(20):
        bandit.learn(arm, np.append(1.0, np.zeros(DIM - 1)), 0.25)
        means.append(bandit.mean(arm))
    assert means == sorted(means, reverse=True)
    assert 0.25 < means[-1] < 0.8 - 1e-6
    assert bandit.count(arm) == 20.0


def test_bytes_that_are_no_state_are_refused(bandit: Bandit[Any]) -> None:
    good = bandit.encode(taught(bandit, random_lessons(0, 3)))
    nan = np.full(len(good) // 8, np.nan).tobytes()
    for bad in (b"", good[:1], good[:-1], good + b"\0", b"\0" + good[1:], b"\xff" + good[1:]):
        with pytest.raises(ValueError, match="not a "):
            bandit.decode(bad)
    with pytest.raises(ValueError, match="not a "):
        bandit.decode(good[:1] + nan)
    bandit.decode(good)


def test_only_linucb_looks_at_contexts() -> None:
    bandits = [make_bandit(algorithm, DIM) for algorithm in ALGORITHMS]
    looks = {type(bandit).__name__: bandit.contextual for bandit in bandits}
    assert looks == {
        "ThompsonBetaBandit": False,
        "ThompsonGaussianBandit": False,
        "LinUCBBandit": True,
    }
