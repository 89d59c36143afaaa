"""How much one event may cost, counted: all bounds of these tests in one place.

``python -m tests.performance.measure`` prints every figure as it is now, beside what is noted here.
After a change that makes something cheaper, note the new figure, so that it stays cheap. A figure
that must go up needs a reason in the commit.

The figures are of CPython 3.11; newer ones inline calls and count fewer. Each count is the same on
every run and every machine, so the slack is for small honest changes, not for noise.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Bound(NamedTuple):
    """What was measured, and which part of it more is still right."""

    measured: float
    slack: float = 0.15

    @property
    def most(self) -> float:
        """The greatest value that is right."""
        return self.measured * (1.0 + self.slack)


BOUNDS: Final[dict[str, Bound]] = {
    "calls per request, linucb": Bound(127.23),
    "calls per reward, linucb": Bound(137.37),
    "calls per lone request, linucb": Bound(239.42),
    "calls per lone reward, linucb": Bound(255.84),
    "changelog records per decision, linucb": Bound(1.02),
    "changelog bytes per decision, linucb": Bound(137.02),
    "changelog records per reward, linucb": Bound(1.36),
    "changelog bytes per reward, linucb": Bound(205.15),
    "changelog records per lone decision, linucb": Bound(3.00),
    "changelog bytes per lone decision, linucb": Bound(300.55),
    "changelog records per lone reward, linucb": Bound(8.12),
    "changelog bytes per lone reward, linucb": Bound(1663.90),
    "answer bytes, linucb": Bound(251.86),
    "blocks per open decision, linucb": Bound(2.99),
    "bytes per open decision, linucb": Bound(107.44),
    "calls per request, thompson_gaussian": Bound(106.90),
    "calls per reward, thompson_gaussian": Bound(132.84),
    "calls per lone request, thompson_gaussian": Bound(154.06),
    "calls per lone reward, thompson_gaussian": Bound(249.48),
    "changelog records per decision, thompson_gaussian": Bound(1.02),
    "changelog bytes per decision, thompson_gaussian": Bound(97.02),
    "changelog records per reward, thompson_gaussian": Bound(1.32),
    "changelog bytes per reward, thompson_gaussian": Bound(162.10),
    "changelog records per lone decision, thompson_gaussian": Bound(3.00),
    "changelog bytes per lone decision, thompson_gaussian": Bound(260.55),
    "changelog records per lone reward, thompson_gaussian": Bound(8.11),
    "changelog bytes per lone reward, thompson_gaussian": Bound(1129.29),
    "answer bytes, thompson_gaussian": Bound(267.12),
    "blocks per open decision, thompson_gaussian": Bound(2.99),
    "bytes per open decision, thompson_gaussian": Bound(107.43),
    # At most one batch request for the changelog and one for the outputs.
    "worker: produce requests per cycle": Bound(2.0),
    # Start and stop are in it, whose number depends on how the group forms; one task per record
    # would be far beyond.
    "worker: tasks per record": Bound(0.1, slack=3.0),
}


def within(name: str, found: float) -> str:
    """An empty text if ``found`` is within the bound of that name, else what to do."""
    bound = BOUNDS[name]
    if found <= bound.most:
        return ""
    return (
        f"{name}: {found:,.2f}, noted {bound.measured:,.2f}, at most {bound.most:,.2f}. Something "
        "on the way of every event has become dearer. Profile it (docs/performance.md); if it is "
        "worth it, note the new figure in tests/performance/bounds.py with the reason"
    )
