"""Python's own ``eval`` is the oracle of what an expression is worth."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reward import RewardFunction
from schemas.expression import NAMES, ExpressionError
from schemas.policy import Objective, SignalSpec
from schemas.reward import Outcome, Signals
from tests.core.expression_oracle import oracle, our_text, texts

FULL = Outcome(
    quality=0.8,
    cost_usd=0.005,
    latency_ms=750.0,
    success=True,
    signals=Signals(4, True, False, True, 30, True, False),
)
VALUES = {
    "quality": 0.8,
    "cost_usd": 0.005,
    "latency_ms": 750.0,
    "success": 1.0,
    "rating": 4.0,
    "completed": 1.0,
    "retried": 0.0,
    "edited": 1.0,
    "dwell_s": 30.0,
    "saved": 1.0,
    "shared": 0.0,
    "signal_score": (4 * 0.75 + 1 + 2 + 0 + 0.25 + 0.5 + 0) / 9.5,
    "cost_scale": 0.01,
    "latency_scale": 1_000.0,
    "cost_saved": 0.5,
    "latency_saved": 0.25,
}
"""Of FULL, with scales of 0.01 USD and 1,000 ms."""


def value(text: str, outcome: Outcome = FULL) -> float | None:
    return RewardFunction(Objective(expression=text))(outcome, 0.01, 1_000.0)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_its_value(name: str) -> None:
    assert value(f"{name} / 1000") == pytest.approx(VALUES[name] / 1_000)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_measured_leaves_nothing_to_learn(name: str) -> None:
    reward = RewardFunction(Objective(expression=f"0 * {name} + 0.5"))
    other = Outcome(quality=0.5) if name != "quality" else Outcome(cost_usd=0.5)
    assert reward(other, None, None) is None
    assert reward(FULL, 0.01, 1_000.0) == 0.5
    fallback = RewardFunction(Objective(expression=f"either(0 * {name} + 0.5, 0.25)"))
    assert fallback(other, None, None) == 0.25
    assert fallback(FULL, 0.01, 1_000.0) == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.7 * quality + 0.3 * (1 - min(1, cost_usd / 0.01)) - 0.2 * retried", 0.71),
        ("quality ** 2", 0.64),
        ("-quality + 1", 0.2),
        ("+quality", 0.8),
        ("not quality", 0.0),
        ("not retried", 1.0),
        ("quality if latency_ms < 1000 else 0", 0.8),
        ("quality if latency_ms < 100 else 0.1", 0.1),
        ("0.5 * (0.1 < quality <= 0.8)", 0.5),
        ("(quality > 0.5) + (quality < 0.5)", 1.0),
        ("(quality == 0.8) / 4", 0.25),
        ("(quality != 0.8) / 4", 0.0),
        ("(quality >= 0.9) / 4", 0.0),
        ("retried or quality", 0.8),
        ("quality and 0.3", 0.3),
        ("abs(quality - 1)", 0.2),
        ("sqrt(quality - 0.16)", 0.8),
        ("exp(-latency_ms / 1000)", math.exp(-0.75)),
        ("-log(quality)", -math.log(0.8)),
        ("clip(rating / 10, 0.1, 0.3)", 0.3),
        ("clip(rating / 100, 0.1, 0.3)", 0.1),
        ("max(0.1, 0.2, quality / 4, 0)", 0.2),
        ("  min(quality,\n\t0.3)\n", 0.3),
        (".5e-1 * quality", 0.04),
        ("either(quality, signal_score, success)", 0.8),
    ],
)
def test_formulas_are_worth_what_they_say(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, abs=1e-15)


def test_a_result_is_clipped() -> None:
    assert value("quality + 7") == 1.0
    assert value("quality - 7") == 0.0
    assert math.copysign(1.0, value("-0.0 * quality") or 0.0) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "quality / 0",
        "quality / (rating - 4)",
        "0 ** -rating",
        "sqrt(-quality)",
        "log(retried)",
        "(-quality) ** 0.5",
        "exp(latency_ms)",
        "9 ** 9 ** 9 ** quality",
        "9 ** 9 ** 9 + quality",
        "1e300 * 1e300 * quality",
        "min(1, 1e300 * 1e300 * quality)",
        "1e308 + 1e308 + quality",
        "-1e308 - 1e308 - quality",
        "quality / 1e-320 * 1e300",
        "either(quality / 0, 0.5)",
    ],
)
def test_what_cannot_be_computed_leaves_nothing_to_learn(text: str) -> None:
    assert value(text) is None


def test_a_failure_earns_nothing_unless_the_formula_speaks_of_success() -> None:
    failed = Outcome(quality=0.9, success=False)
    assert value("quality", failed) == 0.0
    assert value("cost_usd", failed) == 0.0
    assert value("quality * either(success, 1)", failed) == 0.0
    assert value("quality * (1 if success else 0.5)", failed) == 0.45
    assert value("0.25 + success", Outcome(quality=1.0)) is None


def test_a_reward_of_its_own_is_taken_as_it_is() -> None:
    assert value("quality", Outcome(reward=0.3, quality=0.9)) == 0.3
    assert value("quality / 0", Outcome(reward=0.3, success=False)) == 0.3


def test_either_takes_the_first_that_was_measured() -> None:
    text = "either(quality, either(signal_score * 0.5, cost_saved), 0.125)"
    assert value(text, Outcome(quality=0.5)) == 0.5
    assert value(text, Outcome(signals=Signals(rating=5))) == 0.5
    assert value(text, Outcome(cost_usd=0.0)) == 1.0
    assert value(text, Outcome(latency_ms=1.0)) == 0.125
    assert value("either(quality, rating)", Outcome(latency_ms=1.0)) is None


def test_a_branch_that_is_not_taken_needs_nothing() -> None:
    only = Outcome(quality=0.5)
    assert value("quality if quality > 0 else rating", only) == 0.5
    assert value("quality or rating", only) == 0.5
    assert value("rating if quality > 0 else quality", only) is None


def test_signals_are_weighted_by_the_policy() -> None:
    outcome = Outcome(signals=Signals(rating=1, saved=True))
    for rating, saved in ((1.0, 1.0), (0.0, 2.0), (3.0, 1.0)):
        spec = SignalSpec(rating=rating, saved=saved)
        reward = RewardFunction(Objective(expression="signal_score", signals=spec))
        assert reward(outcome, None, None) == pytest.approx(saved / (rating + saved))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Outcome, dict[str, float]]:
    """A text, an outcome with some of FULL's parts, and the names that it measures."""
    text = draw(texts())
    there = draw(st.sets(st.sampled_from(NAMES[:11]))) if draw(st.booleans()) else set(NAMES)
    signals = {name: getattr(FULL.signals, name) for name in NAMES[4:11] if name in there}
    outcome = Outcome(
        **{name: getattr(FULL, name) for name in NAMES[:4] if name in there},
        signals=Signals(**signals) if signals else None,
    )
    known = {name: VALUES[name] for name in NAMES[:11] if name in there}
    known.update(cost_scale=0.01, latency_scale=1_000.0)
    spec = SignalSpec()
    terms = {
        "rating": 0.75,
        "completed": 1.0,
        "retried": 1.0,
        "edited": 0.0,
        "dwell_s": 0.5,
        "saved": 1.0,
        "shared": 0.0,
    }
    if signals:
        weights = {name: getattr(spec, name.removesuffix("_s")) for name in signals}
        total = weight = 0.0
        for name in signals:
            total += weights[name] * terms[name]
            weight += weights[name]
        known["signal_score"] = total / weight
    if "cost_usd" in there:
        known["cost_saved"] = 0.5
    if "latency_ms" in there:
        known["latency_saved"] = 0.25
    return text, outcome, known


@given(cases())
def test_expressions_equal_python_s_own_evaluation(
    case: tuple[str, Outcome, dict[str, float]],
) -> None:
    text, outcome, known = case
    expected = oracle(text, known)
    try:
        reward = RewardFunction(Objective(expression=our_text(text)))
    except ExpressionError:
        # The only reason why a text that was made like this is refused.
        assert not any(name in text for name in NAMES)
        return
    assert reward(outcome, 0.01, 1_000.0) == expected


@given(texts())
def test_evaluating_leaves_no_trace(text: str) -> None:
    try:
        used = RewardFunction(Objective(expression=our_text(text)))
    except ExpressionError:
        return
    outcomes = [FULL, Outcome(quality=0.5), Outcome(cost_usd=1.0, success=True), FULL]
    for outcome in outcomes + outcomes[::-1]:
        fresh = RewardFunction(Objective(expression=our_text(text)))
        assert used(outcome, 0.01, None) == fresh(outcome, 0.01, None)


@given(texts().map(our_text), st.data())
def test_any_text_is_refused_or_gives_a_reward(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        instead = data.draw(st.sampled_from(["", "", "(", ")", "-", "9", ".", "e9", " ", ",", "*"]))
        text = text[:at] + instead + text[at + 1 :]
    try:
        reward = value(text)
    except ExpressionError:
        return
    assert reward is None or 0.0 <= reward <= 1.0


@pytest.mark.parametrize(
    "text",
    [
        "*".join(["quality"] * 60),
        "**".join(["9"] * 60) + "*quality",
        "quality*" + "(" * 60 + "9**9" + "**9)" * 60,
        "either(" * 60 + "quality/0" + ", 1)" * 60,
        "either(" * 60 + "shared*dwell_s" + ", 1)" * 60,
        "min(" + ", ".join(["quality"] * 110) + ")",
        "(quality>0)" + "*(quality<9)" * 60,
    ],
)
def test_the_longest_formulas_are_answered_too(text: str) -> None:
    assert len(text) <= 1_000
    whole = RewardFunction(Objective(expression=text))(FULL, 0.01, 1_000.0)
    assert whole is None or 0.0 <= whole <= 1.0


def test_the_objective_s_expression_is_part_of_its_wire_form() -> None:
    objective = Objective(expression="quality")
    assert msgspec.json.decode(msgspec.json.encode(objective), type=Objective) == objective
