"""The KS window: scipy's test on the same windows, and changes that no mean shows."""

from __future__ import annotations

import numpy as np
import pytest
from river import drift
from scipy import stats

from core.drift.ks_window import KsWindow, chance_of_distance, critical_distance
from tests.core.drift_streams import bernoulli, cuts, graded, values


@pytest.mark.parametrize("n", [10, 20, 57, 200, 500])
def test_the_chance_of_a_distance_is_scipys_exact_one(n: int) -> None:
    for h in range(1, n + 1, max(1, n // 25)):
        low = np.arange(n, dtype=float)
        result = stats.ks_2samp(low, low + h - 0.5, method="exact")
        assert round(result.statistic * n) == h
        assert chance_of_distance(n, h) == pytest.approx(result.pvalue, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("n", [10, 200, 2_000])
@pytest.mark.parametrize("alpha", [0.5, 1e-3, 2e-5, 1e-8, 1e-300])
def test_the_critical_distance_is_the_least_that_is_rare_enough(n: int, alpha: float) -> None:
    h = critical_distance(n, alpha)
    assert h == n + 1 or chance_of_distance(n, h) <= alpha
    assert chance_of_distance(n, h - 1) > alpha


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")  # some chances are below 1e-300
@pytest.mark.parametrize("noise", [bernoulli, graded])
@pytest.mark.parametrize("kind", ["stationary", "step", "gradual", "spike"])
@pytest.mark.parametrize(("window", "delta"), [(200, 0.002), (50, 0.1)])
def test_the_first_drift_is_where_scipys_test_of_the_two_windows_says_so(
    kind: str, noise, window: int, delta: float
) -> None:
    clock = max(1, window // 20)
    for seed in (3, 4) if window == 200 else (3,):
        stream = values(kind, noise, seed)[: 20 * window]
        kept = np.round(np.array(stream) * 65_535)
        expected = None
        for end in range(2 * window + clock - 1, len(stream) + 1, clock):
            result = stats.ks_2samp(kept[:window], kept[end - window : end], method="exact")
            if result.pvalue <= delta * clock / 1_000:
                expected = end - 1
                break
        detector = KsWindow(window, delta, 0.5)
        drifts = [at for at, cut in cuts(detector, stream) if cut.level == "drift"]
        assert (drifts or [None])[0] == expected
    assert drifts or kind != "step" or noise is bernoulli or window == 50


def test_a_change_of_shape_with_the_same_mean_is_found() -> None:
    rng = np.random.default_rng(1)
    narrow = rng.normal(0.5, 0.05, 2_000)
    split = np.where(rng.random(400) < 0.5, 0.3, 0.7) + rng.normal(0.0, 0.05, 400)
    found = cuts(KsWindow(), [*narrow.tolist(), *split.tolist()])
    drifts = [(at, cut) for at, cut in found if cut.level == "drift"]
    assert len(drifts) == 1
    at, cut = drifts[0]
    assert 2_000 <= at < 2_200
    assert cut.before_mean == pytest.approx(cut.after_mean, abs=0.05)


def test_the_change_is_placed_within_the_newest_window() -> None:
    rng = np.random.default_rng(2)
    stream = graded(rng, np.repeat([0.3, 0.7], 2_000))
    at, cut = next((at, cut) for at, cut in cuts(KsWindow(), stream) if cut.level == "drift")
    assert at + 1 - cut.after_n == pytest.approx(2_000, abs=15)
    assert cut.after_mean == pytest.approx(0.7, abs=0.05)


def test_it_has_none_of_the_false_drifts_of_rivers_kswin() -> None:
    """KSWIN tests at every value at a fixed level, so that it cuts stationary streams too."""
    ours_false = theirs_false = 0
    ours = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        stream = graded(rng, np.repeat([0.7, 0.5], [1_500, 300]))
        found = [at for at, cut in cuts(KsWindow(), stream) if cut.level == "drift"]
        kswin = drift.KSWIN(alpha=0.005, window_size=200, stat_size=60, seed=1)
        others = []
        for at, value in enumerate(stream):
            kswin.update(value)
            if kswin.drift_detected:
                others.append(at)
        ours_false += sum(at < 1_500 for at in found)
        theirs_false += sum(at < 1_500 for at in others)
        ours.append(next(at for at in found if at >= 1_500) - 1_500)
    assert ours_false == 0
    assert theirs_false >= 1
    assert max(ours) < 150


def test_false_drifts_keep_to_the_bound() -> None:
    """At most delta in 1,000 values: here .2 of 1,000, and 120,000 values."""
    false = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        detector = KsWindow(100, 0.2, 0.5)
        false += sum(cut.level == "drift" for _, cut in cuts(detector, rng.random(8_000).tolist()))
    assert 0 < false < 0.2 * 120


@pytest.mark.parametrize(
    ("parameters", "about"),
    [((9, 0.002, 0.02), "window"), ((200, 0.02, 0.02), "delta"), ((200, 0.0, 0.02), "delta")],
)
def test_parameters_without_meaning_are_refused(parameters, about: str) -> None:
    with pytest.raises(ValueError, match=about):
        KsWindow(*parameters)


def test_a_state_of_another_window_is_refused() -> None:
    with pytest.raises(ValueError, match="of 100 values"):
        KsWindow.decode(KsWindow(200).encode(), 100, 0.002, 0.02)
