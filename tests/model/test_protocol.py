"""The ownership and redelivery rules hold in every world that small bounds allow, and in others."""

from __future__ import annotations

import pytest

from tests.model.bounds import EXHAUSTED, WALKED
from tests.model.explore import exhaust, walk
from tests.model.model import Model


@pytest.mark.parametrize("name", EXHAUSTED)
def test_every_world_within_the_bounds_keeps_the_invariants(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = exhaust(Model(EXHAUSTED[name]))
    with capsys.disabled():
        print(f"\n  {name}: {result}", end=" ")
    assert result.violation is None, str(result)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WALKED)
def test_random_walks_keep_the_invariants(
    name: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    result = walk(Model(WALKED[name]), seed, walks=120)
    with capsys.disabled():
        print(f"\n  {name}, seed {seed}: {result}", end=" ")
    assert result.violation is None, str(result)
