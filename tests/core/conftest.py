"""Fixtures of the router's tests."""

from __future__ import annotations

import pytest

from tests.core.routing import BETA, Driver, R


@pytest.fixture
def driver() -> Driver:
    """A router whose one route has three arms and yes/no rewards."""
    made = Driver()
    made.policy(R, algorithm=BETA)
    return made
