"""Each rule is needed: an owner that breaks it breaks an invariant within the same small bounds.

A wrong epoch or dirty set is not held against a mutant until it does harm (``strict``).
"""

from __future__ import annotations

from typing import Any

import pytest

from streams.durable import local
from streams.durable.owner import Owner
from tests.model import mutants
from tests.model.bounds import EXHAUSTED
from tests.model.explore import Result, exhaust
from tests.model.incarnation import Copy
from tests.model.model import Model

MUTANTS = [
    ("NoContinuityCheck", "two owners", "I9"),
    ("NoClaimCheck", "two owners", "epoch"),
    ("PublishBeforeAck", "two owners", "I9"),
    ("EmittedEarly", "two owners", "I1"),
    ("NoLiveRepair", "three owners, two requests", "I9"),
    ("NaiveSplit", "two owners", "I3"),
    ("NoStoredEpoch", "two owners", "epoch"),
    ("NoStoredDirtySet", "three owners, two requests", "I9"),
    ("TombstoneInsteadOfMarker", "tombstones", "I9"),
    ("MissingOffsetsIgnored", "three owners", "I9"),
    ("ClaimCarriesStamp", "two owners", "I3"),
    ("SameEpochAgain", "two owners", "epoch"),
    ("DroppedBeforeEmitted", "given up", "I1"),
    ("OutboxDeletedBeforeAck", "outbox", "I1"),
    ("BatchWithoutStamp", "two owners", "I3"),
    ("StampSkipped", "two owners", "I3"),
    ("NoRepairAfterRecovery", "three owners", "I9"),
    ("RepairSkipsAbsentKeys", "three owners", "I9"),
    ("OutboxNotPublishedAgain", "outbox", "I1"),
    ("DecisionsNotPublishedAgain", "two owners", "I1"),
    ("CommitsWhatWasApplied", "two owners", "I4"),
]


def explore(mutant: Any, bounds: str, **changes: Any) -> Result:
    """Go through the worlds with one part replaced."""
    limits = EXHAUSTED[bounds]._replace(strict=False, **changes)
    if issubclass(mutant, Owner):
        return exhaust(Model(limits, owner=mutant))
    if issubclass(mutant, Copy):
        return exhaust(Model(limits, copy=mutant))
    return exhaust(mutant(limits))


@pytest.mark.parametrize(("name", "bounds", "invariant"), MUTANTS)
def test_a_mutant_breaks_an_invariant(name: str, bounds: str, invariant: str) -> None:
    result = explore(getattr(mutants, name), bounds)
    assert result.violation is not None, f"{name} survives: {result}"
    print(result)
    assert result.violation.invariant == invariant, str(result)


def test_every_mutant_is_tried() -> None:
    classes = {name for name, found in vars(mutants).items() if isinstance(found, type)}
    here = {name for name in classes if getattr(mutants, name).__module__ == mutants.__name__}
    assert {name for name, *_ in MUTANTS} == {name for name in here if not name.startswith("_")}


def test_reading_without_the_ignore_rule_breaks_an_invariant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "read_on", mutants.read_on_without_ignoring)
    result = explore(Model, "two owners")
    assert result.violation is not None
    assert result.violation.invariant == "I9", str(result)


def test_compaction_beyond_the_lag_breaks_an_invariant() -> None:
    result = explore(Model, "three owners", lag=False)
    assert result.violation is not None
    assert result.violation.invariant == "I9", str(result)


def test_a_copy_older_than_the_tombstones_is_outside_the_promise() -> None:
    """Deleted keys come back in a copy that was away for longer than delete.retention.ms."""
    result = explore(Model, "outbox", tombstones="dropped")
    assert result.violation is not None
    assert result.violation.invariant == "I3", str(result)
