"""Experiments of users and with covariates, from the wire to the verdict."""

from __future__ import annotations

import random
from collections import defaultdict
from statistics import mean
from typing import Any

import pytest

from core.experiments.clusters import Clusters
from core.experiments.evidence import evidence
from core.experiments.experiment import Experiment
from core.experiments.tally import Moments
from core.routing.compiled import CompiledPolicy
from core.routing.trial import trial_of
from schemas.state import decode_decision
from tests.core.routing import Driver, R, arms

SPLIT = {"name": "fixed_split"}
AB: dict[str, Any] = {
    "name": "a-or-b",
    "variants": [{"id": "control", "arms": ["a"]}, {"id": "treatment", "arms": ["b"]}],
    "metric": "quality",
    "min_samples": 30,
}


def tried(**changes: Any) -> Driver:
    driver = Driver()
    driver.policy(R, algorithm=SPLIT, arms=arms("a", "b"), experiment={**AB, **changes})
    assert driver.letters() == []
    return driver


def state(driver: Driver) -> Experiment:
    memory = driver.router.state.memory
    route = memory.route(R)
    assert route is not None
    compiled = memory.current(route)
    assert isinstance(compiled, CompiledPolicy)
    trial = trial_of(compiled)
    assert trial is not None
    found = memory.trial(route, trial, driver.now)._state
    assert isinstance(found, Experiment)
    return found


def serve(driver: Driver, count: int, seed: int = 1, users: int = 50, effect: float = 0.0) -> None:
    """Half of an outcome is known before, by ``metadata.foreseen``; users differ, too."""
    chance = random.Random(seed)
    own = [chance.uniform(-0.15, 0.15) for _ in range(users)]
    for number in range(count):
        driver.now += 10
        user, foreseen = chance.randrange(users), chance.uniform(-0.2, 0.2)
        context = {"user_id": f"u{user}", "metadata": {"foreseen": foreseen, "rest": "x"}}
        name = f"q{seed}-{number}"
        arm = driver.request(R, name, context=context)["arm"]
        quality = 0.5 + own[user] + foreseen + chance.uniform(-0.1, 0.1)
        driver.reward(R, name, quality=quality + effect * (arm == "b"))


def test_a_covariate_narrows_the_difference_and_does_not_move_it() -> None:
    plain, adjusted = [], []
    for seed in range(12):
        for found, covariate in ((plain, None), (adjusted, "metadata.foreseen")):
            driver = tried(covariate=covariate)
            serve(driver, 250, seed, users=250, effect=0.02)
            control, treatment = state(driver)._tallies["quality"]
            assert isinstance(control, Moments)
            known = evidence([(control, treatment)])
            assert known is not None
            found.append((known.difference, known.information))
    assert mean(i for _, i in adjusted) > 1.7 * mean(i for _, i in plain)
    for found in (plain, adjusted):
        error = mean(1 / i for _, i in found) ** 0.5 / len(found) ** 0.5
        assert abs(mean(d for d, _ in found) - 0.02) < 3.5 * error


def test_the_covariate_is_kept_with_the_decision() -> None:
    driver = tried(covariate="metadata.foreseen")
    for name, metadata, kept in (
        ("q", {"foreseen": 3}, 3.0),
        ("none", {}, None),
        ("text", {"foreseen": "much"}, None),
        ("wild", {"foreseen": -1e300}, -1e9),
    ):
        driver.request(R, name, context={"metadata": metadata})
        record = decode_decision(driver.items[f"D{R}\0{name}".encode()])
        assert record.covariate == kept
        driver.restart()
        driver.reward(R, name, quality=0.5)


def test_success_is_adjusted_as_a_number() -> None:
    driver = tried(metric="success", covariate="input_tokens", guardrails={"cost": 0.1})
    for number in range(40):
        driver.request(R, f"q{number}", context={"input_tokens": 100 * number})
        driver.reward(R, f"q{number}", success=number > 20, cost_usd=0.001)
    assert state(driver).levels("success")[0][0] == pytest.approx(0.5, abs=0.3)
    assert all(isinstance(tally, Moments) for tally in state(driver)._tallies["success"])


def test_the_outcomes_of_a_user_are_in_one_bucket_whatever_the_variant() -> None:
    driver = tried(unit="user_id", minimum_effect=0.1)
    serve(driver, 300)
    buckets = defaultdict(set)
    chance = random.Random(1)
    _ = [chance.uniform(-0.15, 0.15) for _ in range(50)]
    for number in range(300):
        user = chance.randrange(50)
        chance.uniform(-0.2, 0.2)
        chance.uniform(-0.1, 0.1)
        record = decode_decision(driver.items[f"D{R}\0q1-{number}".encode()])
        buckets[user].add(record.cluster)
    assert all(len(found) == 1 for found in buckets.values())
    assert len(set.union(*buckets.values())) > 20
    control, treatment = state(driver)._tallies["quality"]
    assert isinstance(control, Clusters)
    assert isinstance(treatment, Clusters)
    assert control.n + treatment.n == 300


def test_few_heavy_users_make_no_winner_of_nothing_and_no_mismatch() -> None:
    """Two users in three make all the difference between the sides: chance, and known as such."""
    driver = tried(unit="user_id", max_samples=1_000)
    serve(driver, 1_050, users=20)
    (news,) = [alert for alert in driver.alerts() if alert["type"] == "experiment"]
    assert "no variant" in news["message"]


def test_an_effect_on_users_is_found_and_restarts_change_nothing() -> None:
    once, often = (
        tried(unit="user_id", minimum_effect=0.15, covariate="metadata.foreseen") for _ in range(2)
    )
    for part in range(12):
        serve(once, 60, part, users=60, effect=0.25)
        serve(often, 60, part, users=60, effect=0.25)
        often.restart()
    assert once.visible() == often.visible()
    assert once.outputs == often.outputs
    (news,) = [alert for alert in once.alerts() if alert["type"] == "experiment"]
    assert news["arm"] == "treatment"


def test_the_fallback_serves_in_a_variant_that_does_not_name_it() -> None:
    """It was looked for among the variant's arms alone, which ended the worker."""
    driver = Driver()
    driver.policy(
        R,
        algorithm=SPLIT,
        arms=arms("a", "b"),
        experiment=AB,
        guardrails={"min_quality": 0.9, "min_rewards": 3, "probe_share": 0.0, "fallback": "a"},
    )
    for number in range(60):
        driver.request(R, f"q{number}")
        driver.reward(R, f"q{number}", quality=0.1 + number % 3 / 10)
    late = [driver.request(R, f"r{number}") for number in range(30)]
    assert {answer["variant"] for answer in late} == {"control", "treatment"}
    assert {(answer["arm"], answer["propensity"]) for answer in late} == {("a", 1.0)}


@pytest.mark.parametrize("covariate", ["shoe_size", "task_type"])
def test_covariates_that_are_no_numbers_are_refused(covariate: str) -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a", "b"), experiment={**AB, "covariate": covariate})
    assert driver.letters() == ["invalid_policy"]
    assert "experiment.covariate" in driver.outputs[-1][1]["message"]
