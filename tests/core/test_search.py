"""A search from its first set to its end."""

from __future__ import annotations

import math
import pickle
import statistics
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.search import (
    DIRECT,
    Proposal,
    Searcher,
    SearchState,
    Task,
    proposal_arm,
    proposal_number,
    propose,
)
from core.search.proposal import Tally
from schemas.policy import Parameter, Search, Stop

UNIT = {"x": Parameter(low=0.0, high=1.0), "y": Parameter(low=0.0, high=1.0)}
CALL = {
    "temperature": Parameter(low=0.0, high=2.0),
    "max_tokens": Parameter(low=64.0, high=4096.0, type="integer", scale="log"),
}

Params = dict[str, float | int]
Function = Callable[[Params], float]


def hill(params: Params) -> float:
    """Greatest, 0.9, at (0.3, 0.7)."""
    return 0.9 - (params["x"] - 0.3) ** 2 - (params["y"] - 0.7) ** 2


class Traffic:
    """Rewards for a search's sets, each chosen as the candidates say."""

    def __init__(self, searcher: Searcher, function: Function, noise: float = 0.0) -> None:
        self.searcher = searcher
        self.function = function
        self.noise = noise
        self.rng = np.random.default_rng(11)

    def choose(self, state: SearchState) -> int:
        numbers, shares = zip(*self.searcher.candidates(state), strict=True)
        return int(self.rng.choice(numbers, p=shares))

    def reward(self, state: SearchState, number: int | None = None) -> int:
        number = number or self.choose(state)
        value = self.function(self.searcher.params(state, number))
        value += self.noise * float(self.rng.standard_normal())
        assert self.searcher.learn(state, number, value)
        return number

    def finish(self, state: SearchState | None = None) -> SearchState:
        state = state or self.searcher.new()
        while not self.searcher.finished(state):
            self.reward(state)
        return state


class Recorder:
    """A solver that notes what it is asked."""

    def __init__(self) -> None:
        self.prepared: list[Task] = []
        self.solved: list[Task] = []

    def prepare(self, task: Task) -> None:
        self.prepared.append(task)

    def solve(self, task: Task) -> Proposal:
        self.solved.append(task)
        return propose(task)


class Threaded:
    """A solver that computes in another thread, from a pickled task."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.running: dict[Task, Future[Proposal]] = {}

    def prepare(self, task: Task) -> None:
        copy = pickle.loads(pickle.dumps(task))
        self.running[copy] = self.pool.submit(propose, copy)

    def solve(self, task: Task) -> Proposal:
        return self.running.pop(task).result(timeout=60)


def spec(**fields: Any) -> Search:
    return Search(**{"space": UNIT, "evaluations": 14, "rewards_per_evaluation": 4, **fields})


def test_sets_in_play_share_the_requests_and_finished_ones_make_room() -> None:
    searcher = Searcher(spec(method="random", parallel=3))
    state = searcher.new()
    assert searcher.candidates(state) == [(1, 1 / 3), (2, 1 / 3), (3, 1 / 3)]
    for _ in range(4):
        assert searcher.candidates(state) == [(1, 1 / 3), (2, 1 / 3), (3, 1 / 3)]
        searcher.learn(state, 2, 0.5)
    assert searcher.candidates(state) == [(1, 1 / 3), (3, 1 / 3), (4, 1 / 3)]


METHODS = ["bayesian", "grid", "random", "latin_hypercube", "sobol"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_its_evaluations_within_the_bounds_and_ends(method: str) -> None:
    searcher = Searcher(spec(method=method, space=CALL, evaluations=16))
    state = Traffic(
        searcher, lambda p: 0.5 + 0.1 * p["temperature"] + 1e-5 * p["max_tokens"], 0.01
    ).finish()
    report = searcher.report(state)
    assert report.evaluations == report.planned == len(state.sets) == 16
    assert report.ended == ("exhausted" if method == "grid" else "evaluations")
    assert searcher.candidates(state) == [(state.best, 1.0)]
    seen = [searcher.params(state, number) for number in range(1, 17)]
    assert len({tuple(params.items()) for params in seen}) == 16
    for params in seen:
        assert list(params) == ["temperature", "max_tokens"]
        assert isinstance(params["temperature"], float)
        assert isinstance(params["max_tokens"], int)
        assert 0.0 <= params["temperature"] <= 2.0
        assert 64 <= params["max_tokens"] <= 4096
    assert all(tally.rewards >= 4 for tally in state.tallies)


@pytest.mark.parametrize("method", ["grid", "random", "latin_hypercube", "sobol"])
def test_without_a_model_the_best_is_the_set_with_the_best_mean(method: str) -> None:
    searcher = Searcher(spec(method=method))
    state = Traffic(searcher, hill, 0.1).finish()
    means = [tally.mean for tally in state.tallies]
    assert searcher.best(state) == means.index(max(means)) + 1


def test_the_model_finds_the_top_of_a_hill() -> None:
    searcher = Searcher(spec(evaluations=20, rewards_per_evaluation=1, parallel=1))
    state = Traffic(searcher, hill).finish()
    assert hill(searcher.params(state, searcher.best(state))) > 0.9 - 1e-3


def test_with_noise_the_model_is_not_fooled_by_luck() -> None:
    chosen, lucky, believed = [], [], []
    for seed in range(6):
        searcher = Searcher(spec(evaluations=24, seed=seed))
        state = Traffic(searcher, hill, noise=0.2).finish()
        report = searcher.report(state)
        luckiest = max(range(24), key=lambda i: state.tallies[i].mean)
        chosen.append(hill(report.params))
        lucky.append(hill(searcher.params(state, luckiest + 1)))
        believed.append((report.mean - chosen[-1], state.tallies[luckiest].mean - lucky[-1]))
        assert 0.0 <= report.low < report.mean < report.high <= 1.0
    assert statistics.fmean(chosen) > max(0.85, statistics.fmean(lucky))
    by_model, by_luck = map(statistics.fmean, zip(*believed, strict=True))
    assert abs(by_model) < 0.05 < by_luck


def test_of_whole_numbers_each_is_tried_once_and_then_the_search_is_over() -> None:
    space = {"n": Parameter(low=1.0, high=5.0, type="integer")}
    for method in ("bayesian", "random", "latin_hypercube", "sobol"):
        searcher = Searcher(spec(space=space, method=method, initial=None))
        state = Traffic(searcher, lambda p: 1.0 - (p["n"] - 4) ** 2 / 20).finish()
        report = searcher.report(state)
        assert sorted(state.sets) == [(1.0,), (2.0,), (3.0,), (4.0,), (5.0,)]
        assert (report.ended, report.planned, report.params) == ("exhausted", 5, {"n": 4})


def test_the_space_filling_sets_are_as_many_as_asked_and_at_least_those_in_play() -> None:
    eight = {f"p{i}": Parameter(low=0.0, high=1.0) for i in range(8)}
    assert Searcher(spec(evaluations=40)).initial == 8
    assert Searcher(spec(evaluations=40, space=eight)).initial == 16
    assert Searcher(spec(evaluations=20, space=eight)).initial == 10
    assert Searcher(spec(evaluations=40, initial=5)).initial == 5
    assert Searcher(spec(evaluations=40, initial=5, parallel=9)).initial == 9
    assert Searcher(spec(evaluations=4, initial=2, parallel=9)).initial == 4


def test_a_freed_place_is_filled_later_by_what_was_known_when_it_became_free() -> None:
    solver = Recorder()
    searcher = Searcher(spec(rewards_per_evaluation=20, parallel=2, initial=3), solver)
    state = searcher.new()
    for number in (1, 2):
        for _ in range(20):
            searcher.learn(state, number, 0.1 * number)
        assert number == 2 or searcher.candidates(state) == [(2, 0.5), (3, 0.5)]
    assert len(solver.prepared) == 1
    assert solver.prepared[0].number == 4
    for i in range(10):  # half of 20
        assert searcher.candidates(state) == [(3, 1.0)]
        assert solver.solved == []
        searcher.learn(state, 1 if i % 2 else 3, 0.9)
    assert searcher.candidates(state) == [(3, 0.5), (4, 0.5)]
    assert solver.solved == solver.prepared
    assert [tally.rewards for tally in solver.solved[0].tallies] == [20, 20, 0]


def test_the_next_place_is_looked_at_when_the_one_before_it_is_filled() -> None:
    solver = Recorder()
    searcher = Searcher(spec(rewards_per_evaluation=20, parallel=3, initial=3), solver)
    state = searcher.new()
    for number in (1, 2):
        for _ in range(20):
            searcher.learn(state, number, 0.5)
    assert len(solver.solved) == 1  # waited for while the second set got its rewards
    assert [task.number for task in solver.prepared] == [4, 5]
    assert searcher.candidates(state) == [(3, 0.5), (4, 0.5)]
    assert solver.prepared[1].sets[3] == state.sets[3]


def test_a_place_is_filled_at_once_when_nothing_else_is_in_play() -> None:
    solver = Recorder()
    searcher = Searcher(spec(rewards_per_evaluation=20, parallel=1, initial=2), solver)
    state = searcher.new()
    for number in (1, 2):
        for _ in range(20):
            searcher.learn(state, number, 0.5)
    assert len(solver.solved) == 1
    assert searcher.candidates(state) == [(3, 1.0)]


@pytest.mark.parametrize("seed", range(4))
def test_a_proposal_keeps_away_from_one_that_is_in_play(seed: int) -> None:
    solver = Recorder()
    searcher = Searcher(spec(evaluations=12, initial=10, parallel=1, seed=seed), solver)
    Traffic(searcher, lambda p: math.sin(9.0 * p["x"]) * math.cos(7.0 * p["y"])).finish()
    task = solver.solved[0]

    def propose_at(number: int, *in_play: tuple[float, ...]) -> tuple[float, ...]:
        sets, tallies = (*task.sets, *in_play), (*task.tallies, *(Tally() for _ in in_play))
        return propose(Task(task.space, number, 4, sets, tallies, ())).point

    first = propose_at(11)
    assert math.dist(propose_at(12), first) < 0.02  # whatever the candidates
    assert math.dist(propose_at(12, first), first) > 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_solver_in_another_thread_changes_nothing(seed: int) -> None:
    fields = spec(seed=seed, parallel=3, initial=4)
    direct, threaded = Searcher(fields), Searcher(fields, Threaded())
    one = Traffic(direct, hill, 0.1).finish()
    other = Traffic(threaded, hill, 0.1).finish()
    assert direct.encode(one) == threaded.encode(other)


def test_another_seed_is_another_search() -> None:
    one, other = (Searcher(spec(seed=seed)).new() for seed in (1, 2))
    assert one.sets != other.sets
    assert one.sets == Searcher(spec(seed=1)).new().sets


specs = st.builds(
    spec,
    space=st.sampled_from([UNIT, CALL]),
    method=st.sampled_from(["bayesian", "bayesian", "random", "grid"]),
    evaluations=st.integers(4, 9),
    rewards_per_evaluation=st.integers(1, 5),
    parallel=st.integers(1, 4),
    stop=st.sampled_from([None, Stop(patience=3, min_improvement=0.1)]),
)


@settings(deadline=None, max_examples=25)
@given(fields=specs, before=st.integers(0, 40), seed=st.integers(0, 999))
def test_a_search_from_bytes_goes_on_as_the_one_in_memory(
    fields: Search, before: int, seed: int
) -> None:
    solver = Recorder()
    searcher, other = Searcher(fields), Searcher(fields, solver)
    rng = np.random.default_rng(seed)

    def rewards() -> tuple[int, float]:
        numbers = [number for number, _ in searcher.candidates(state)]
        late = [int(rng.integers(1, len(state.sets) + 1))]
        return int(rng.choice(numbers * 4 + late)), float(rng.random())

    state = searcher.new()
    for _ in range(before):
        searcher.learn(state, *rewards())
    data = searcher.encode(state)
    again = other.decode(data)
    assert solver.prepared == ([] if state.pending is None else [state.pending])
    assert other.encode(again) == data
    for _ in range(40):
        number, reward = rewards()
        assert searcher.learn(state, number, reward) == other.learn(again, number, reward)
        assert searcher.encode(state) == other.encode(again)
        assert searcher.candidates(state) == other.candidates(again)
    assert searcher.report(state) == other.report(again)


def test_late_rewards_count_and_unknown_ones_do_not() -> None:
    searcher = Searcher(spec(method="random", parallel=2))
    state = searcher.new()
    for reward in (0.5, 0.5, 0.5, 0.5, 1.0):
        assert searcher.learn(state, 1, reward)
    assert state.tallies[0].mean == 0.6
    before = searcher.encode(state)
    for unknown in (0, -1, 4, 999):
        assert not searcher.learn(state, unknown, 1.0)
        with pytest.raises(KeyError):
            searcher.params(state, unknown)
    assert searcher.encode(state) == before


def test_after_the_end_the_best_set_stays_and_goes_on_learning() -> None:
    searcher = Searcher(spec(method="sobol", evaluations=4))
    state = Traffic(searcher, hill).finish()
    best = state.best
    for _ in range(50):
        assert searcher.learn(state, best, 0.0)
        assert searcher.candidates(state) == [(best, 1.0)]
    report = searcher.report(state)
    assert (report.best, report.rewards) == (best, 54)
    assert report.mean < 0.1
    assert report.evaluations == 4


def test_patience_ends_a_search_that_does_not_get_better() -> None:
    values = [0.5, 0.55, 0.6, 0.71, 0.7, 0.7, 0.7, 0.9]
    searcher = Searcher(
        spec(
            method="random",
            parallel=1,
            rewards_per_evaluation=1,
            stop=Stop(patience=3, min_improvement=0.1),
        )
    )
    state = searcher.new()
    for i, value in enumerate(values):
        if searcher.finished(state):
            break
        searcher.learn(state, i + 1, value)
    # 0.55 and 0.6 are not more than 0.1 above 0.5; 0.71 is; then three are not.
    report = searcher.report(state)
    assert (report.ended, report.evaluations, report.best) == ("patience", 7, 4)
    assert report.in_play == 0


def test_patience_does_not_end_the_space_filling_part() -> None:
    searcher = Searcher(spec(initial=8, parallel=1, stop=Stop(patience=2)))
    report = searcher.report(Traffic(searcher, lambda _: 0.5).finish())
    assert (report.ended, report.evaluations) == ("patience", 8)


def test_a_small_expected_improvement_ends_the_search_after_the_sets_in_play() -> None:
    searcher = Searcher(
        spec(
            evaluations=60,
            rewards_per_evaluation=1,
            parallel=3,
            stop=Stop(expected_improvement=1e-3),
        )
    )
    report = searcher.report(state := Traffic(searcher, hill).finish())
    assert report.ended == "expected_improvement"
    assert 8 < report.evaluations < 40
    assert report.evaluations == len(state.sets)
    assert hill(report.params) > 0.9 - 0.01


def test_a_report_without_a_model_has_students_interval_with_the_noise_of_all_sets() -> None:
    searcher = Searcher(spec(method="random", evaluations=3, rewards_per_evaluation=3, parallel=1))
    state = searcher.new()
    assert searcher.report(state).low == 0.0
    assert searcher.report(state).high == 1.0
    groups = [(0.5, 0.6, 0.7), (0.4, 0.2, 0.3), (0.1, 0.15, 0.05)]
    for number, group in enumerate(groups, 1):
        for reward in group:
            searcher.learn(state, number, reward)
    report = searcher.report(state, level=0.9)
    pooled = statistics.fmean(statistics.variance(group) for group in groups)
    low, high = stats.t(6, loc=0.6, scale=math.sqrt(pooled / 3)).interval(0.9)
    assert (report.low, report.high) == pytest.approx((low, high))
    assert report.mean == pytest.approx(0.6)


def test_a_proposal_is_a_function_of_its_task_and_is_proposed_even_where_no_model_fits() -> None:
    solver = Recorder()
    Traffic(Searcher(spec(evaluations=10, initial=8), solver), hill, 0.1).finish()
    assert len(solver.solved) == 2
    for task in solver.solved:
        assert propose(pickle.loads(pickle.dumps(task))) == DIRECT.solve(task)
    broken = [tally._replace(total=math.nan) for tally in task.tallies]
    wild = Task(task.space, task.number, task.rewards, task.sets, tuple(broken), task.theta)
    proposal = propose(wild)
    assert all(0.0 <= u <= 1.0 for u in proposal.point)
    assert proposal.theta == task.theta


def test_beyond_sixty_sets_the_hyperparameters_are_learned_for_every_fifth() -> None:
    rng = np.random.default_rng(0)
    searcher = Searcher(spec(evaluations=256))
    task = searcher._task(searcher.new())
    sets = tuple((float(x), float(y)) for x, y in rng.random((74, 2)).round(5))
    tallies = tuple(Tally(1, hill({"x": x, "y": y}), 0.0) for x, y in sets)
    theta = (-1.0, -1.0, 0.0, -8.0)
    for n, learned in ((58, True), (71, False), (72, False), (73, False), (74, True)):
        at = Task(task.space, n + 1, 1, sets[:n], tallies[:n], theta)
        assert (propose(at).theta != theta) == learned


@given(data=st.binary(max_size=80), cut=st.integers(0, 10_000))
def test_bytes_that_are_no_state_are_refused(data: bytes, cut: int) -> None:
    searcher = Searcher(spec(parallel=2))
    good = searcher.encode(searcher.new())
    for wrong in (b"", bytes([0]) + data, bytes([2]) + data, good[: cut % len(good)], good + b"x"):
        with pytest.raises(ValueError, match="not the state"):
            searcher.decode(wrong)
    with pytest.raises(ValueError, match="not the state"):
        Searcher(spec(space={"x": UNIT["x"]})).decode(good)


def test_a_set_is_an_arm_with_a_name_of_its_own() -> None:
    assert proposal_arm("gpt-5", 12) == "gpt-5@12"
    assert proposal_number("gpt-5", "gpt-5@12") == 12
    assert proposal_number("a@1", proposal_arm("a@1", 256)) == 256
    for name in ("gpt-5", "gpt-5@", "gpt-5@0", "gpt-5@01", "gpt-5@1x", "gpt@1", "gpt-5@²"):
        assert proposal_number("gpt-5", name) is None
