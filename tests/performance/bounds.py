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
    "calls per request, linucb": Bound(141.82),
    "calls per reward, linucb": Bound(180.12),
    "calls per lone request, linucb": Bound(333.42),
    "calls per lone reward, linucb": Bound(380.80),
    "changelog records per decision, linucb": Bound(1.02),
    "changelog bytes per decision, linucb": Bound(140.18),
    "changelog records per reward, linucb": Bound(1.30),
    "changelog bytes per reward, linucb": Bound(201.03),
    "changelog records per lone decision, linucb": Bound(3.00),
    "changelog bytes per lone decision, linucb": Bound(502.55),
    "changelog records per lone reward, linucb": Bound(7.00),
    "changelog bytes per lone reward, linucb": Bound(1847.73),
    "answer bytes, linucb": Bound(251.86),
    "blocks per open decision, linucb": Bound(2.99),
    "bytes per open decision, linucb": Bound(107.46),
    "calls per request, thompson_gaussian": Bound(121.49),
    "calls per reward, thompson_gaussian": Bound(174.59),
    "calls per lone request, thompson_gaussian": Bound(248.06),
    "calls per lone reward, thompson_gaussian": Bound(374.23),
    "changelog records per decision, thompson_gaussian": Bound(1.02),
    "changelog bytes per decision, thompson_gaussian": Bound(100.18),
    "changelog records per reward, thompson_gaussian": Bound(1.25),
    "changelog bytes per reward, thompson_gaussian": Bound(156.50),
    "changelog records per lone decision, thompson_gaussian": Bound(3.00),
    "changelog bytes per lone decision, thompson_gaussian": Bound(462.55),
    "changelog records per lone reward, thompson_gaussian": Bound(7.00),
    "changelog bytes per lone reward, thompson_gaussian": Bound(1615.69),
    "answer bytes, thompson_gaussian": Bound(267.12),
    "blocks per open decision, thompson_gaussian": Bound(2.99),
    "bytes per open decision, thompson_gaussian": Bound(107.45),
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
