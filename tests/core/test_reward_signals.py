import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reward import RewardFunction
from core.reward.signals import SignalScore
from schemas.policy import Objective, SignalSpec, Weights
from schemas.reward import Outcome, Signals

QUALITY = Weights(quality=1)


def spec(**weights: float) -> SignalSpec:
    """Weights of 0, but for those given."""
    none = dict.fromkeys(SignalSpec.__struct_fields__[:7], 0.0)
    return SignalSpec(**{**none, **weights})


@pytest.mark.parametrize(
    ("signals", "own", "score"),
    [
        (Signals(rating=1), "rating", 0.0),
        (Signals(rating=4), "rating", 0.75),
        (Signals(rating=5), "rating", 1.0),
        (Signals(completed=True), "completed", 1.0),
        (Signals(completed=False), "completed", 0.0),
        (Signals(retried=True), "retried", 0.0),
        (Signals(retried=False), "retried", 1.0),
        (Signals(edited=True), "edited", 0.0),
        (Signals(edited=False), "edited", 1.0),
        (Signals(dwell_s=0), "dwell", 0.0),
        (Signals(dwell_s=30), "dwell", 0.5),
        (Signals(dwell_s=90), "dwell", 0.75),
        (Signals(saved=True), "saved", 1.0),
        (Signals(saved=False), "saved", 0.0),
        (Signals(shared=True), "shared", 1.0),
        (Signals(shared=False), "shared", 0.0),
    ],
)
def test_each_signal_has_a_score_and_a_weight(signals: Signals, own: str, score: float) -> None:
    assert SignalScore(spec(**{own: 3.0}))(signals) == pytest.approx(score)
    assert SignalScore(SignalSpec())(signals) == pytest.approx(score)
    others = {name: 1.0 for name in SignalSpec.__struct_fields__[:7] if name != own}
    assert SignalScore(spec(**others))(signals) is None


def test_the_dwell_scale_is_what_scores_one_half() -> None:
    assert SignalScore(SignalSpec(dwell_scale_s=5))(Signals(dwell_s=5)) == 0.5


def test_the_score_is_the_weighted_mean_of_what_is_there() -> None:
    score = SignalScore(SignalSpec())
    everything = Signals(4, True, False, True, 30, False, True)
    terms = [0.75, 1, 1, 0, 0.5, 0, 1]
    assert score(everything) == pytest.approx(
        np.average(terms, weights=[4, 1, 2, 1, 0.5, 0.5, 0.5])
    )
    assert score(Signals(rating=2, retried=True)) == pytest.approx(4 * 0.25 / 6)
    assert score(Signals()) is None


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(signals=Signals(rating=4)), 0.75),
        (Outcome(success=True, signals=Signals(rating=4)), 0.75),
        (Outcome(quality=0.5, signals=Signals(rating=4)), 0.8 * 0.5 + 0.2 * 0.75),
        (Outcome(quality=0.5, signals=Signals()), 0.5),
        (Outcome(success=True, signals=Signals()), 1.0),
        (Outcome(success=False, quality=1.0, signals=Signals(rating=5)), 0.0),
        (Outcome(reward=0.1, signals=Signals(rating=5)), 0.1),
        (Outcome(signals=Signals()), None),
    ],
)
def test_the_score_stands_for_quality_or_mixes_with_it(
    outcome: Outcome, expected: float | None
) -> None:
    assert RewardFunction(Objective(weights=QUALITY))(outcome, None, None) == pytest.approx(
        expected
    )


def test_the_policy_sets_the_share_of_signals_in_a_measured_quality() -> None:
    outcome = Outcome(quality=0.5, signals=Signals(rating=5))
    for share in (0.0, 0.3, 1.0):
        reward = RewardFunction(Objective(weights=QUALITY, signals=SignalSpec(share=share)))
        assert reward(outcome, None, None) == pytest.approx((1 - share) * 0.5 + share)
        assert reward.quality(outcome) == reward(outcome, None, None)


def test_quality_is_what_was_measured_whatever_the_success() -> None:
    reward = RewardFunction(Objective())
    assert reward.quality(Outcome(quality=0.5, success=False)) == 0.5
    assert reward.quality(Outcome(success=True, cost_usd=1.0)) is None
    assert reward.quality(Outcome(signals=Signals(saved=True))) == 1.0


def test_a_signal_whose_weight_is_zero_says_nothing() -> None:
    only_ratings = Objective(weights=QUALITY, signals=spec(rating=1))
    reward = RewardFunction(only_ratings)
    assert reward(Outcome(success=True, signals=Signals(retried=True)), None, None) == 1.0
    assert reward(Outcome(quality=0.3, signals=Signals(retried=True)), None, None) == 0.3


def test_the_default_share_is_the_mix_of_least_variance_for_twice_the_noise() -> None:
    share = SignalSpec().share
    shares = np.linspace(0, 1, 101)
    variances = (1 - shares) ** 2 * 1.0**2 + shares**2 * 2.0**2
    assert shares[np.argmin(variances)] == pytest.approx(share)


weight = st.floats(0, 1e9)
specs = st.builds(
    SignalSpec,
    **dict.fromkeys(SignalSpec.__struct_fields__[:7], weight),
    dwell_scale_s=st.floats(0, 1e9, exclude_min=True),
    share=st.floats(0, 1),
)
seen = st.none() | st.booleans()
some_signals = st.builds(
    Signals,
    rating=st.none() | st.floats(1, 5),
    completed=seen,
    retried=seen,
    edited=seen,
    dwell_s=st.none() | st.floats(0, 1e9),
    saved=seen,
    shared=seen,
)
better = {"retried": False, "edited": False, "completed": True, "saved": True, "shared": True}


@given(specs, some_signals, st.floats(0, 1), st.data())
def test_better_signals_never_score_less(
    own: SignalSpec, signals: Signals, quality: float, data: st.DataObject
) -> None:
    score = SignalScore(own)
    before = score(signals)
    assert before is None or 0.0 <= before <= 1.0
    mixed = score.mixed(quality, signals)
    assert mixed is not None
    assert 0.0 <= mixed <= 1.0
    there = [name for name, value in msgspec.structs.asdict(signals).items() if value is not None]
    if not there:
        assert before is None
        assert mixed == quality
        return
    name = data.draw(st.sampled_from(there))
    old = getattr(signals, name)
    most = {"rating": 5.0, "dwell_s": 1e9}
    new = data.draw(st.floats(old, most[name])) if name in most else better[name]
    improved = msgspec.structs.replace(signals, **{name: new})
    after, mixed_after = score(improved), score.mixed(quality, improved)
    assert (after is None) == (before is None)
    assert after is None or before is None or after >= before
    assert mixed_after is not None
    assert mixed_after >= mixed
