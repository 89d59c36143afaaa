from math import log1p
from typing import Any

import numpy as np
import pytest

from core.bandits.linucb import LinUCBBandit
from core.context.encoder import Encoder
from core.context.vocabulary import Vocabularies
from schemas.features import DEFAULT_FEATURES
from schemas.policy import ContextSpec, HashedFeature, LinUCB, VocabularyFeature
from tests.core.contexts import NOON_ON_MONDAY, request

SPEC = ContextSpec(preset="fixed_10")


def encoded(**context: Any) -> list[float]:
    encoder = Encoder(SPEC)
    return [float(x) for x in encoder.unpack(encoder.encode(request(**context), NOON_ON_MONDAY))]


def test_the_order_of_the_ten_components() -> None:
    x = encoded(input_tokens=255, output_length_category="medium", priority=7, task_type="code")
    length = np.float32(log1p(255) / log1p(131_072))
    assert x[:8] == [1, length, 0.5, np.float32(0.7), -1, 0, 1, 0]
    assert x[9] == 0
    assert len(x) == Encoder(SPEC).dim == 10
    assert encoded() == [1, 0, 0, 0, -1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("category", "place"), [("short", 0), ("medium", 0.5), ("long", 1), ("endless", 0.5)]
)
def test_lengths_are_ordinal(category: str, place: float) -> None:
    assert encoded(output_length_category=category)[2] == place


def test_types_of_task_are_numbers_that_never_change() -> None:
    places = [encoded(task_type=str(number))[8] for number in range(2_000)]
    # Uniform on [0, 1]: the mean of 2,000 has a standard deviation of 0.0065.
    assert np.mean(places) == pytest.approx(0.5, abs=0.025)
    assert np.std(places) == pytest.approx(12**-0.5, abs=0.02)
    assert len(set(places)) > 800  # of 1,024; 879 are expected
    assert encoded(task_type="code_generation")[8] == np.float32(479 / 1_023)
    assert encoded(task_type="chat")[8] == np.float32(881 / 1_023)


def regret(spec: ContextSpec, steps: int) -> float:
    """LinUCB's, where each of six types of task has one of three arms that is good for it."""
    generator = np.random.default_rng(3)
    encoder, known = Encoder(spec), Vocabularies()
    tasks = [f"task-{number}" for number in range(6)]
    good = [number % 3 for number in range(6)]
    bandit = LinUCBBandit(LinUCB(alpha=0.5), encoder.dim)
    arms = [bandit.new(None) for _ in range(3)]
    lost = 0.0
    for _ in range(steps):
        task = int(generator.integers(6))
        x = encoder.unpack(
            encoder.encode(
                request(task_type=tasks[task], input_tokens=int(generator.integers(1, 4_000))),
                int(generator.integers(0, 2**41)),
                known,
            )
        )
        arm = int(np.argmax(bandit.distribution(arms, x[None])[0]))
        best = arm == good[task]
        bandit.learn(arms[arm], x, float(generator.random() < (0.8 if best else 0.3)))
        lost += 0.0 if best else 0.5
    return lost


def test_an_order_that_is_not_there_misleads_a_linear_model() -> None:
    one_hot = ContextSpec(
        features=[
            VocabularyFeature(field="task_type") if isinstance(feature, HashedFeature) else feature
            for feature in DEFAULT_FEATURES
        ]
    )
    steps = 2_000
    ordinal, learned = regret(SPEC, steps), regret(one_hot, steps)
    # Blind choice loses 1/3 a step; each of the two has its own exploration in it.
    assert learned < 0.25 * ordinal
    assert ordinal > 0.15 * steps
