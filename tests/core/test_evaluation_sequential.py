"""Learning policies on a log: their replayed histories are those that they would have lived."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from core.bandits.base import Floats
from core.evaluation.sequential import acceptance_of, progressive

MEANS = (0.3, 0.8)


def play_the_winner(history: tuple[tuple[int, int], ...]) -> list[float]:
    """Even at first; then mostly the arm with the most wins less losses."""
    score = [0, 0]
    for arm, reward in history:
        score[arm] += 1 if reward else -1
    if score[0] == score[1]:
        return [0.5, 0.5]
    best = int(score[1] > score[0])
    return [0.9 if arm == best else 0.1 for arm in range(2)]


def exact_value(steps: int) -> list[float]:
    """The expected reward of each step online, by going through all histories."""
    values = []
    for step in range(steps):
        total = 0.0
        for path in product(product((0, 1), (0, 1)), repeat=step + 1):
            chance = 1.0
            for at, (arm, reward) in enumerate(path):
                chance *= play_the_winner(path[:at])[arm]
                chance *= MEANS[arm] if reward else 1.0 - MEANS[arm]
            total += chance * path[-1][1]
        values.append(total)
    return values


class Player:
    """The policy on one log."""

    def __init__(self, chosen: Floats, rewards: Floats) -> None:
        self._rows = list(zip(chosen.tolist(), rewards.tolist(), strict=True))
        self.history: tuple[tuple[int, int], ...] = ()

    def probabilities(self, row: int) -> Floats:
        return np.array(play_the_winner(self.history))

    def learn(self, row: int) -> None:
        self.history = (*self.history, self._rows[row])


@pytest.mark.parametrize("logging", [(0.5, 0.5), (0.75, 0.25)])
def test_accepted_rows_are_the_steps_of_the_policy_itself(logging: tuple[float, float]) -> None:
    rng = np.random.default_rng(31)
    steps, repeats = 3, 1_500
    acceptance = min(logging)
    first = np.zeros((repeats, steps))
    weighted = []
    accepted = rows = 0
    for repeat in range(repeats):
        n = 80
        chosen = (rng.uniform(size=n) > logging[0]).astype(int)
        rewards = (rng.uniform(size=n) < np.array(MEANS)[chosen]).astype(int)
        p = np.array(logging)[chosen]
        player = Player(chosen, rewards)
        found = progressive(player, chosen, p, acceptance, seed=repeat)
        assert not found.clipped.any()
        own = rewards[found.accepted]
        assert [reward for _, reward in player.history] == own.tolist()
        assert len(own) >= steps
        first[repeat] = own[:steps]
        accepted += len(own)
        rows += n
        # The first row meets the empty history, whatever is accepted later.
        weighted.append(found.candidate[0, chosen[0]] / p[0] * rewards[0])
    expected = exact_value(steps)
    error = 4.5 * np.sqrt(0.25 / repeats)
    assert first.mean(axis=0) == pytest.approx(expected, abs=error)
    assert expected[2] > expected[0] + 0.1
    assert np.mean(weighted) == pytest.approx(expected[0], abs=3 * error)
    assert accepted / rows == pytest.approx(acceptance, abs=0.01)


def test_all_rows_together_tell_the_value_along_the_history() -> None:
    """The mean of w r over all rows is the mean of the accepted ones, with less variance."""
    rng = np.random.default_rng(5)
    by_weights, by_replay = [], []
    for seed in range(250):
        n = 200
        chosen = rng.integers(0, 2, size=n)
        rewards = (rng.uniform(size=n) < np.array(MEANS)[chosen]).astype(int)
        p = np.full(n, 0.5)
        found = progressive(Player(chosen, rewards), chosen, p, 0.5, seed=seed)
        weights = found.candidate[np.arange(n), chosen] / p
        by_weights.append(float(np.sum(weights * rewards) / np.sum(weights)))
        by_replay.append(float(rewards[found.accepted].mean()))
    assert np.mean(by_weights) == pytest.approx(np.mean(by_replay), abs=0.01)
    assert np.std(by_weights) < np.std(by_replay)


def test_on_a_uniform_log_it_is_the_replay_of_li_et_al() -> None:
    """A policy that is certain accepts a row exactly if the log chose as it does."""

    class Certain:
        def probabilities(self, row: int) -> Floats:
            return np.eye(4)[row % 4]

        def learn(self, row: int) -> None:
            pass

    chosen = np.random.default_rng(3).integers(0, 4, size=500)
    p = np.full(500, 0.25)
    assert acceptance_of(p, 0.05) == 0.25
    found = progressive(Certain(), chosen, p, 0.25)
    assert np.array_equal(found.accepted, chosen == np.arange(500) % 4)
    assert not found.clipped.any()


def test_rows_that_would_count_more_than_once_are_clipped() -> None:
    chosen = np.zeros(10, dtype=int)
    p = np.where(np.arange(10) == 4, 0.05, 0.5)
    found = progressive(Player(chosen, np.ones(10, dtype=int)), chosen, p, 0.2)
    assert np.flatnonzero(found.clipped).tolist() == [4]
    assert found.accepted[4]


def test_the_acceptance_is_a_propensity_of_the_log() -> None:
    p = np.array([0.9, 0.2, 0.4, 0.8, 0.6])
    assert acceptance_of(p, 0.0) == 0.2
    assert acceptance_of(p, 0.3) == 0.4
    assert acceptance_of(p, 1.0) == 0.9


def test_the_same_seed_gives_the_same_history() -> None:
    chosen = np.random.default_rng(1).integers(0, 2, size=100)
    rewards = np.ones(100, dtype=int)
    p = np.full(100, 0.5)
    ticks: list[int] = []
    one, same, other = (
        progressive(Player(chosen, rewards), chosen, p, 0.5, seed=seed, tick=ticks.append)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one.accepted, same.accepted)
    assert not np.array_equal(one.accepted, other.accepted)
    assert ticks == list(range(100)) * 3


@pytest.mark.parametrize("acceptance", [0.0, 1.5])
def test_an_acceptance_that_is_none_is_refused(acceptance: float) -> None:
    with pytest.raises(ValueError, match="expected rows"):
        progressive(Player(np.zeros(1), np.zeros(1)), np.zeros(1, int), np.ones(1), acceptance)


def test_rows_that_the_candidate_would_not_decide_are_left_out() -> None:
    class Choosy(Player):
        def probabilities(self, row: int) -> Floats | None:
            return None if row % 3 == 0 else super().probabilities(row)

    chosen = np.zeros(9, dtype=int)
    found = progressive(Choosy(chosen, np.ones(9, dtype=int)), chosen, np.full(9, 0.5), 0.5)
    assert found.rows.tolist() == [1, 2, 4, 5, 7, 8]
    assert found.candidate.shape == (6, 2)
    assert found.accepted.shape == found.clipped.shape == (6,)
