"""A budget on recorded answers, through a drop in quality and a change of prices."""

from __future__ import annotations

import pytest

from schemas.policy import LinUCB
from tests.benchmarks.algorithms.budget import BUDGETS, Ours, Task, play
from tests.benchmarks.algorithms.replay import Scenario


@pytest.mark.parametrize("scenario", ["quality", "price"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_the_budget_is_kept_and_the_static_mix_is_matched(
    scenario: Scenario, budget: float
) -> None:
    """One seed; the mean of 20 is the benchmark's, which keeps within 0.003 of the mix."""
    task = Task("linucb", scenario, warm=False, budget=budget, seed=0, phase=608)
    found = play(task, lambda usd, dim, seed: Ours(LinUCB(0.05, 4.0), None, usd, dim, seed))
    assert 0.97 <= found.spent <= 1.02
    assert found.quality > found.mix - 0.01
