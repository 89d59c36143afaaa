"""How a worker is, put together from Faust's recovery, the consumer, the engine and the state."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from faust.types import TP

from streams.engine.outlook import lag, open_decisions, open_incidents
from streams.monitor.view import Phase, WorkerView

if TYPE_CHECKING:
    from streams.app.worker import WorkerApp

TURNS_WITHIN: Final = 60.0
"""Seconds in which the engine's loop turns, whatever it does: an idle one turns every second, and
a broker that does not answer for so long ends the worker."""
_VERSION: Final = version("thalweg")
_REASONS: Final[dict[Phase, str]] = {
    "starting": "waiting for the consumer group to assign partitions",
    "claiming": "claiming the partitions in the changelog",
    "ready": "",
    "rebalancing": "the consumer group assigns its partitions anew",
    "stopping": "the worker is stopping",
}


class Recovery:
    """What the recovery of one assignment has read, and how long it took."""

    def __init__(self, starts: dict[int, int]) -> None:
        self._starts = starts
        """By partition, the next offset to read at its beginning."""
        self._began = time.monotonic()

    def read(self, app: WorkerApp, partitions: set[int]) -> int:
        """How many changelog records of these partitions were read by now, by their offsets."""
        return sum(
            app.state_table.local(number).progress().next_offset - self._starts.get(number, 0)
            for number in partitions
        )

    @property
    def seconds(self) -> float:
        """Since its beginning."""
        return time.monotonic() - self._began


def status_of(app: WorkerApp) -> WorkerView:
    """How the worker is now. Never waits."""
    engine = app.engine
    age = time.monotonic() - engine.turned_at
    phase: Phase = "stopping" if app.should_stop else engine.phase
    left = _left(app) if phase == "recovering" else 0
    if age > TURNS_WITHIN:
        phase = "failed"
        reason = f"the engine's loop has not turned for {age:.0f} s"
    elif phase == "recovering":
        reason = "reading the changelog" + (f": {left} records are left" if left else "")
    else:
        reason = _REASONS[phase]
    keys, size = _state_size(app)
    return WorkerView(
        phase=phase,
        reason=reason,
        partitions=engine.partitions,
        topic_partitions=int(app.conf.topic_partitions),
        recovery_left=left,
        recovered=app.recovered,
        loop_age_s=age,
        lag=lag(engine, app.thalweg.topics, app.highwater),
        inbox_records=len(engine.inbox),
        inbox_bytes=engine.inbox.size,
        open_decisions=open_decisions(engine),
        routes=len(engine.monitor),
        state_keys=keys,
        state_bytes=size,
        incidents=open_incidents(engine),
        version=_VERSION,
    )


def changelog_partitions(app: WorkerApp, assigned: set[TP]) -> set[int]:
    """Those of the changelog among what the group has assigned."""
    return {tp.partition for tp in assigned if tp.topic == app.thalweg.changelog}


def _left(app: WorkerApp) -> int:
    tables: Any = app.tables
    return max(0, int(tables.recovery.active_remaining_total()))


def _state_size(app: WorkerApp) -> tuple[int, int]:
    """Keys and bytes of the local copies of the worker's partitions, as RocksDB estimates them."""
    keys = size = 0
    for number in app.engine.partitions:
        own_keys, own_size = app.state_table.local(number).size()
        keys += own_keys
        size += own_size
    return keys, size
