"""The bounds within which every world is visited; the mutants must fail in one of them."""

from __future__ import annotations

from tests.model.fake_log import feed
from tests.model.world import Bounds

EXHAUSTED = {
    "two owners": Bounds(),
    "heartbeats": Bounds(feed(1, 1), heartbeats=1),
    "three owners": Bounds(feed(1, 0), owners=3, batch=1),
    "three owners, two requests": Bounds(feed(2, 0), owners=3, claims=1, batch=1),
    "step by step": Bounds(feed(1, 1), window=2, fine=True),
    "outbox": Bounds(feed(1, 0, rejected=True), heartbeats=1, window=2, tombstones="aged"),
    "duplicate": Bounds(feed(1, 0, duplicate=True), window=2),
    "given up": Bounds(feed(2, 1, max_open=1), compactions=0, window=2),
    "standby": Bounds(feed(1, 0), heartbeats=1, standbys=1),
    "tombstones": Bounds(
        feed(1, 0), owners=3, claims=1, batch=1, compactions=2, standbys=1, tombstones="dropped"
    ),
}

_EVERYTHING = feed(2, 2, duplicate=True, rejected=True, early=True)
_LONG = Bounds(
    _EVERYTHING,
    owners=4,
    claims=3,
    compactions=3,
    heartbeats=3,
    standbys=2,
    batch=3,
    window=3,
    fine=True,
)
WALKED = {
    "everything": _LONG,
    "tombstones": _LONG._replace(tombstones="aged"),
    "given up": _LONG._replace(feed=feed(3, 2, max_open=1), tombstones="aged"),
    "contextual": _LONG._replace(feed=feed(2, 2, duplicate=True, algorithm="linucb")),
}
