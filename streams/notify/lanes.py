"""What waits for a receiver: one queue per incident, of which only the first may be sent."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from schemas.alert import Alert


@dataclass(slots=True, eq=False)
class Delivery:
    """One alert for one receiver."""

    record: Any
    """As the consumer gave it."""
    alert: Alert
    since: float
    """Since when it could have been delivered: seconds since 1970."""
    attempts: int = 0
    alone: bool = False
    """Send it in a request of its own, since one with others was refused."""


class Lanes:
    """Deliveries in order per incident, whatever becomes of those of other incidents.

    The first of each incident is *ready*, or waits for its time, or is *taken*, until ``finish`` or
    ``retry`` is called for it.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Delivery]] = {}
        self._ready: deque[str] = deque()
        self._waiting: list[tuple[float, int, str]] = []
        self._taken: set[str] = set()
        self._numbers = count()

    def __len__(self) -> int:
        """How many are not finished."""
        return sum(map(len, self._lanes.values()))

    def __contains__(self, incident_id: object) -> bool:
        """Whether anything of the incident is not finished."""
        return incident_id in self._lanes

    def add(self, delivery: Delivery) -> None:
        """Put one at the end of its incident's queue."""
        incident = delivery.alert.incident_id
        if incident in self._lanes:
            self._lanes[incident].append(delivery)
        else:
            self._lanes[incident] = deque([delivery])
            self._ready.append(incident)

    def take(self, most: int, now: float) -> list[Delivery]:
        """At most that many that may be sent together, each of another incident."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        taken: list[Delivery] = []
        while self._ready and len(taken) < most:
            head = self._lanes[self._ready[0]][0]
            if head.alone and taken:
                break
            self._taken.add(self._ready.popleft())
            taken.append(head)
            if head.alone:
                break
        return taken

    def take_if(self, condition: Callable[[Delivery], bool]) -> list[Delivery]:
        """All first ones, ready or waiting, that fulfil the condition."""
        heads = [
            lane[0]
            for incident, lane in self._lanes.items()
            if incident not in self._taken and condition(lane[0])
        ]
        if heads:
            gone = {head.alert.incident_id for head in heads}
            self._taken |= gone
            self._ready = deque(one for one in self._ready if one not in gone)
            self._waiting = [one for one in self._waiting if one[2] not in gone]
            heapq.heapify(self._waiting)
        return heads

    def finish(self, delivery: Delivery) -> None:
        """A taken one is over; the next of its incident becomes ready."""
        incident = delivery.alert.incident_id
        self._taken.remove(incident)
        lane = self._lanes[incident]
        if lane.popleft() is not delivery:
            raise AssertionError("only the first of an incident is ever taken")
        if lane:
            self._ready.append(incident)
        else:
            del self._lanes[incident]

    def retry(self, delivery: Delivery, at: float) -> None:
        """A taken one failed; it is ready again at that time."""
        incident = delivery.alert.incident_id
        self._taken.remove(incident)
        heapq.heappush(self._waiting, (at, next(self._numbers), incident))

    def hurry(self) -> None:
        """All that wait for their time are ready now."""
        self._ready.extend(incident for _, _, incident in sorted(self._waiting))
        self._waiting.clear()

    def next_time(self) -> float | None:
        """When the next one becomes ready by time alone."""
        return self._waiting[0][0] if self._waiting else None
