"""``thalweg sample-size`` as people type it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from core.statistics.design import Design
from core.statistics.sample_size import means_power, proportions_sample_size
from streams.cli import main


def run(*words: str) -> str:
    result = CliRunner().invoke(main, ["sample-size", *words])
    assert result.exit_code == 0, result.output
    return result.output


def as_json(*words: str) -> dict[str, Any]:
    found = json.loads(run(*words, "--json"))
    assert isinstance(found, dict)
    return found


def refused(*words: str) -> str:
    result = CliRunner().invoke(main, ["sample-size", *words])
    assert result.exit_code == 2
    return result.output


def test_an_absolute_and_a_relative_effect_say_the_same() -> None:
    absolute = run("proportions", "--baseline", "0.10", "--effect", "0.02", "--absolute")
    relative = run("proportions", "--baseline", "0.10", "--effect", "0.2", "--relative")
    assert absolute == relative
    first = absolute.splitlines()[0]
    assert first.startswith("3,841 requests per arm, 7,682 in all, tell a share of 10 %")
    assert "12 % (+2 points, +20 %)" in first
    assert "pooled variance, two-sided, alpha 0.05" in absolute


def test_an_effect_without_its_unit_is_never_guessed() -> None:
    message = refused("proportions", "--baseline", "0.1", "--effect", "0.02")
    assert "0.1 + 0.02 (--absolute) or 0.1 x 1.02 (--relative)" in message
    assert "give both" in refused("proportions", "--baseline", "0.1", "--relative", "--n", "100")


def test_unpooled_variance_and_how_long_it_takes() -> None:
    words = ("--baseline", "0.1", "--effect", "0.02", "--absolute", "--variance", "unpooled")
    text = run("proportions", *words, "--per-day", "1000")
    assert "before rounding up: 3,838.09" in text
    assert "at 1,000 requests a day this takes 8 days" in text
    assert "this takes 18.4 hours" in run("proportions", *words, "--per-day", "10000")


def test_all_options_reach_the_statistics() -> None:
    found = as_json(
        "proportions", "--baseline", "0.3", "--effect", "-0.1", "--relative", "--alpha", "0.1",
        "--power", "0.9", "--one-sided", "--ratio", "0.5", "--comparisons", "3",
        "--correction", "sidak", "--per-day", "500",
    )  # fmt: skip
    design = Design(alpha=0.1, power=0.9, sides=1, ratio=0.5, comparisons=3, correction="sidak")
    size = proportions_sample_size(0.3, 0.27, design)
    assert (found["first"], found["second"], found["total"]) == (
        size.first,
        size.second,
        size.total,
    )
    assert found["power"] == size.power
    assert found["alpha_each"] == design.alpha_each
    assert found["days"] == size.total / 500
    assert found["other"] == pytest.approx(0.27)
    assert found["absolute"] == pytest.approx(-0.03)


def test_the_power_of_a_sample_and_the_effect_that_it_finds() -> None:
    power = as_json("means", "--std", "0.25", "--effect", "0.1", "--n", "100", "--ratio", "2")
    assert (power["sought"], power["first"], power["second"]) == ("power", 100, 200)
    assert power["power"] == pytest.approx(means_power(0.1, 0.25, 100, 200, Design(ratio=2.0)))
    effect = as_json("means", "--std", "0.25", "--n", "100")
    assert means_power(effect["absolute"], 0.25, 100, 100) == pytest.approx(0.8)
    up = as_json("proportions", "--baseline", "0.1", "--n", "3841")
    assert up["other"] == pytest.approx(0.12, abs=1e-5)
    down = as_json("proportions", "--baseline", "0.1", "--n", "3841", "--direction", "down")
    assert down["other"] < 0.1


def test_means() -> None:
    text = run("means", "--std", "0.25", "--effect", "0.125")
    assert text.startswith("64 requests per arm, 128 in all")  # Cohen's d of one half
    relative = as_json(
        "means", "--std", "0.25", "--effect", "0.25", "--relative", "--baseline", "0.5"
    )
    assert relative["first"] == 64
    assert "--baseline" in refused("means", "--std", "1", "--effect", "0.1", "--relative")
    other = as_json("means", "--std", "0.25", "--std-other", "0.5", "--effect", "0.125")
    assert other["first"] > 64


def test_few_expected_successes_are_a_caution() -> None:
    words = ("proportions", "--baseline", "0.01", "--effect", "0.5", "--absolute")
    assert "caution: fewer than 5" in run(*words)
    assert as_json(*words)["caution"]
    assert not as_json("proportions", "--baseline", "0.5", "--n", "1000")["caution"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("proportions", "--baseline", "0.9", "--effect", "0.2", "--absolute"), "1.1"),
        (("proportions", "--baseline", "10", "--effect", "2", "--absolute"), "baseline"),
        (("proportions", "--baseline", "0.1"), "--effect"),
        (("proportions", "--baseline", "0.9", "--n", "5"), "more samples"),
        (("means", "--std", "-1", "--effect", "0.1"), "standard deviations"),
        (("means", "--std", "1", "--effect", "0"), "other than 0"),
        (("means", "--std", "1", "--effect", "0.1", "--alpha", "5"), "alpha"),
    ],
)
def test_impossible_questions_say_what_is_wrong(words: tuple[str, ...], named: str) -> None:
    message = refused(*words)
    assert named in message
    assert "Traceback" not in message
