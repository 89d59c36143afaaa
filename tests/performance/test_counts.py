"""What one event costs the router and the changelog, in counts: no clock, so no flake.

To measure again, run ``python -m tests.performance.measure``; all bounds are in bounds.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.performance.bounds import BOUNDS, within
from tests.performance.measure import changelog, everything, router_calls

OF_WHOLE_WORKERS = tuple(name for name in BOUNDS if name.startswith("worker: "))


@pytest.fixture(scope="module")
def figures() -> Mapping[str, float]:
    return dict(everything())


@pytest.mark.parametrize("name", [name for name in BOUNDS if name not in OF_WHOLE_WORKERS])
def test_an_event_costs_no_more_than_noted(figures: Mapping[str, float], name: str) -> None:
    assert within(name, figures[name]) == ""


def test_everything_that_is_measured_has_a_bound(figures: Mapping[str, float]) -> None:
    assert set(figures) | set(OF_WHOLE_WORKERS) == set(BOUNDS)


def test_the_counts_are_the_same_every_time(figures: Mapping[str, float]) -> None:
    again = dict([*router_calls("linucb"), *changelog("linucb")])
    assert again == {name: figures[name] for name in again}


def test_a_figure_beyond_its_bound_is_refused_with_what_to_do() -> None:
    for name, bound in BOUNDS.items():
        assert within(name, bound.most) == ""
        assert "dearer" in within(name, bound.most * 1.001)
