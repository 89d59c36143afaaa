"""What core.bandits.base.Bandit promises of choices and states, asked of every algorithm."""

from __future__ import annotations

import typing
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.bandits.base import Floats
from core.routing.draw import Distribution, uniform
from schemas.policy import (
    BanditAlgorithm,
    EpsilonGreedy,
    FixedSplit,
    Prior,
    TopTwoThompson,
)
from tests.core.bandit_cases import (
    CASES,
    DIM,
    PRIORS,
    STATIONARY,
    Case,
    Lesson,
    contexts,
    histories,
    is_distribution,
    lessons,
    random_lessons,
    taught,
    taught_together,
)

every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_stationary_case = pytest.mark.parametrize("case", STATIONARY, ids=repr)


def test_every_algorithm_that_chooses_among_arms_is_asked() -> None:
    assert {type(case.algorithm) for case in CASES} == set(typing.get_args(BanditAlgorithm))


@settings(deadline=None, max_examples=20)
@given(histories=histories, X=st.lists(contexts, min_size=1, max_size=9).map(np.array))
@every_case
def test_a_batch_is_its_rows_to_the_last_bit_and_rows_sum_to_one(
    case: Case, histories: list[list[Lesson]], X: Floats
) -> None:
    bandit = case.make()
    arms = [taught(bandit, lessons) for lessons in histories]
    batch = bandit.distribution(arms, X)
    is_distribution(batch, len(X), len(arms))
    for i in range(len(X)):
        assert bandit.distribution(arms, X[i : i + 1]).tobytes() == batch[i].tobytes()


@settings(deadline=None, max_examples=20)
@given(before=lessons, after=lessons, prior=st.sampled_from(PRIORS))
@every_case
def test_an_arm_from_bytes_goes_on_as_the_one_in_memory(
    case: Case, before: list[Lesson], after: list[Lesson], prior: Prior | None
) -> None:
    bandit = case.make()
    arm, rival = taught(bandit, before, prior, "a"), taught(bandit, random_lessons(1, 7), None, "b")
    X = np.eye(DIM)
    bandit.distribution([arm, rival], X)  # what an arm caches must not show
    copy = bandit.decode(bandit.encode(arm), "a")
    for x, reward in [(np.ones(DIM), 0.25), *after]:
        assert bandit.encode(copy) == bandit.encode(arm)
        assert bandit.count(copy) == bandit.count(arm)
        assert bandit.mean(copy) == bandit.mean(arm)
        ours, theirs = (bandit.distribution([it, rival], X) for it in (arm, copy))
        assert ours.tobytes() == theirs.tobytes()
        bandit.learn(arm, x, reward, [rival])
        bandit.learn(copy, x, reward, [rival])
    assert bandit.interval(copy, 0.9) == bandit.interval(arm, 0.9)
    assert bandit.encode(copy) == bandit.encode(arm)


@every_case
def test_equal_histories_give_equal_bytes_and_distributions(case: Case) -> None:
    bandit = case.make()
    X = np.array([x for x, _ in random_lessons(0, 5)])
    for prior in PRIORS:
        runs = []
        for _ in range(2):
            arms = [taught(bandit, random_lessons(seed, 50), prior) for seed in range(3)]
            states = [bandit.encode(arm) for arm in arms]
            runs.append((bandit.distribution(arms, X).tobytes(), states))
        assert runs[0] == runs[1]


@every_stationary_case
@pytest.mark.parametrize("prior", PRIORS)
def test_the_order_of_rewards_does_not_matter(case: Case, prior: Prior | None) -> None:
    bandit, lessons = case.make(), random_lessons(3, 300)
    rival = taught(bandit, random_lessons(4, 300))
    one, other = taught(bandit, lessons, prior), taught(bandit, lessons[::-1], prior)
    assert bandit.count(one) == bandit.count(other) == 300.0
    assert bandit.mean(one) == pytest.approx(bandit.mean(other), rel=1e-12, abs=1e-15)
    X = np.array([x for x, _ in random_lessons(5, 20)])
    shares = [bandit.distribution([arm, rival], X) for arm in (one, other)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-9)


@every_case
def test_an_only_arm_is_certain_and_equal_arms_are_equally_likely(case: Case) -> None:
    bandit = case.make()
    X = np.array([x for x, _ in random_lessons(0, 3)])
    arm = taught(bandit, random_lessons(1, 20))
    assert bandit.distribution([arm], X).tolist() == [[1.0]] * 3
    weak = taught(bandit, [(x, 0.0) for x, _ in random_lessons(2, 20)])
    shares = bandit.distribution([arm, weak, arm, bandit.decode(bandit.encode(arm))], X)
    assert (shares[:, 0] == shares[:, 2]).all()
    assert (shares[:, 0] == shares[:, 3]).all()


def greediest(case: Case, k: int) -> float:
    """The share of the best of ``k`` arms once its algorithm has no doubt of it."""
    match case.algorithm:
        case EpsilonGreedy(epsilon=epsilon, decay_after=None):
            return 1.0 - epsilon * (k - 1) / k
        case TopTwoThompson(leader_share=share):
            return share
    return 1.0


@every_case
def test_the_better_arm_gets_the_larger_share(case: Case) -> None:
    bandit = case.make()
    X = np.array([x for x, _ in random_lessons(0, 50)])
    good, bad = (taught(bandit, [(x, r) for x in X]) for r in (0.9, 0.1))
    assert bandit.mean(good) > bandit.mean(bad)
    if not isinstance(case.algorithm, FixedSplit):
        shares = bandit.distribution([bad, good], X)[:, 1]
        assert (shares > 0.95 * greediest(case, 2)).all()


@every_case
def test_arms_are_drawn_as_often_as_their_probabilities_say(
    case: Case, uniforms: list[float]
) -> None:
    bandit = case.make()
    arms = taught_together(bandit, 5, 4, 40)
    shares = bandit.distribution(arms, random_lessons(6, 1)[0][0][None])[0]
    drawn = Distribution("abcd", shares.tolist())
    counts = dict.fromkeys("abcd", 0)
    for u in uniforms:
        arm, probability = drawn.pick(u)
        assert probability == shares["abcd".index(arm)]
        counts[arm] += 1
    seen, likely = np.array(list(counts.values())), shares > 0.0
    assert (seen[~likely] == 0).all()
    if likely.sum() > 1:
        expected = shares[likely] / shares[likely].sum() * len(uniforms)
        assert stats.chisquare(seen[likely], expected).pvalue > 1e-3


@pytest.fixture(scope="module")
def uniforms() -> list[float]:
    return [uniform("acme/chat", f"r-{i}", 3) for i in range(5_000)]


@every_case
def test_penalties_that_are_equal_change_nothing(case: Case) -> None:
    bandit = case.make()
    arms = taught_together(bandit, 0, 4, 30)
    X = np.array([x for x, _ in random_lessons(1, 4)])
    free = bandit.distribution(arms, X)
    for much in (0.0, 0.3, 100.0):
        paid = bandit.distribution(arms, X, (), np.full(4, much))
        assert paid == pytest.approx(free, abs=1e-9)
        assert paid.tobytes() == free.tobytes()


@every_case
def test_a_large_penalty_leaves_an_arm_the_least_share_there_is(case: Case) -> None:
    """But for a fixed split, which is what was asked for at any price."""
    bandit = case.make()
    arms = taught_together(bandit, 0, 3, 90)
    X = np.array([x for x, _ in random_lessons(1, 4)])
    free = bandit.distribution(arms, X)
    paid = bandit.distribution(arms, X, (), np.array([0.0, 1e3, 0.0]))
    is_distribution(paid, len(X), 3)
    if isinstance(case.algorithm, FixedSplit):
        assert paid.tobytes() == free.tobytes()
    elif isinstance(case.algorithm, EpsilonGreedy):
        assert (paid[:, 1] <= case.algorithm.epsilon / 3 + 1e-12).all()
    else:
        assert (paid[:, 1] <= 1e-6).all()


@every_case
def test_choosing_and_learning_leave_the_other_arms_as_they_are(case: Case) -> None:
    """Also when an arm is added or taken away: the others' states are only theirs."""
    bandit = case.make()
    arms = taught_together(bandit, 0, 4, 30)
    before = [bandit.encode(arm) for arm in arms]
    X = np.array([x for x, _ in random_lessons(1, 4)])
    shares = bandit.distribution(arms, X)
    bandit.distribution([*arms, bandit.new(None, "e")], X)
    bandit.distribution(arms[1:], X, arms[:1])
    newcomer = bandit.new(Prior(), "e")
    bandit.learn(newcomer, X[0], 1.0, arms)
    assert [bandit.encode(arm) for arm in arms] == before
    assert bandit.distribution(arms, X).tobytes() == shares.tobytes()
    if not bandit.pooled:
        with_others = bandit.distribution(arms[:3], X, [arms[3], newcomer])
        assert with_others.tobytes() == bandit.distribution(arms[:3], X).tobytes()


@pytest.mark.parametrize("reward", [0.0, 1.0])
@every_case
def test_ten_thousand_extreme_rewards(case: Case, reward: float) -> None:
    bandit = case.make()
    X = np.vstack([np.zeros(DIM), np.eye(DIM)])
    for prior in PRIORS:
        arm, fresh = bandit.new(prior), bandit.new(prior)
        for i in range(10_000 if prior is None else 500):
            bandit.learn(arm, X[i % len(X)], reward)
        is_distribution(bandit.distribution([arm, fresh, bandit.new(None)], X), len(X), 3)
        low, high = bandit.interval(arm, 0.95)
        assert 0.0 <= low <= bandit.mean(arm) <= high <= 1.0
        assert bandit.encode(bandit.decode(bandit.encode(arm))) == bandit.encode(arm)


@every_case
def test_a_mean_comes_from_the_prior_and_then_from_the_rewards(case: Case) -> None:
    bandit, prior = case.make(), Prior(mean=0.8, weight=4.0)
    assert bandit.mean(bandit.new(prior)) == pytest.approx(0.8)
    assert bandit.count(bandit.new(prior)) == 0.0
    arm, means = bandit.new(prior), [0.8]
    for _ in range(20):
        bandit.learn(arm, np.append(1.0, np.zeros(DIM - 1)), 0.25)
        means.append(bandit.mean(arm))
    assert means == sorted(means, reverse=True)
    assert 0.25 < means[-1] < 0.8 - 1e-6
    weights = 1.0 if case.forgetting is None else getattr(case.forgetting, "factor", 1.0)
    assert bandit.count(arm) == pytest.approx(sum(weights**i for i in range(20)), rel=1e-12)


@every_case
def test_bytes_that_are_no_state_are_refused(case: Case) -> None:
    bandit = case.make()
    good = bandit.encode(taught(bandit, random_lessons(0, 3)))
    nan = np.full(len(good) // 8, np.nan).tobytes()
    for bad in (b"", good[:1], good[:-1], good + b"\0", b"\0" + good[1:], b"\xff" + good[1:]):
        with pytest.raises(ValueError, match="not a "):
            bandit.decode(bad)
    with pytest.raises(ValueError, match="not a "):
        bandit.decode(good[:1] + nan)
    bandit.decode(good)


SHARING = [
    pytest.param(*pair, id=" and ".join(map(repr, pair)))
    for pair in combinations(CASES, 2)
    if pair[0].make().statistics == pair[1].make().statistics
]


@pytest.mark.parametrize(("one", "other"), SHARING)
def test_algorithms_with_equal_statistics_read_each_others_states(one: Case, other: Case) -> None:
    x, reward = random_lessons(1, 1)[0]
    for writer, reader in ((one.make(), other.make()), (other.make(), one.make())):
        arm = taught_together(writer, 0, 2, 20)[0]
        data = writer.encode(arm)
        read = reader.decode(data, "a")
        assert reader.encode(read) == data
        assert reader.count(read) == writer.count(arm)
        if one.forgetting == other.forgetting:
            writer.learn(arm, x, reward)
            reader.learn(read, x, reward)
            assert reader.encode(read) == writer.encode(arm)


def test_only_linear_models_look_at_contexts_and_only_hybrid_ones_and_forgetting_at_all_arms() -> (
    None
):
    contextual, pooled = set(), set()
    for case in CASES:
        bandit, name = case.make(), type(case.algorithm).__name__
        contextual |= {name} if bandit.contextual else set()
        pooled |= {name} if bandit.pooled and case.forgetting is None else set()
        assert bandit.pooled or case.forgetting is None
    assert contextual == {"LinUCB", "HybridLinUCB", "LinearThompson", "KernelThompson"}
    assert pooled == {"HybridLinUCB"}
