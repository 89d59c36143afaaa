"""What falls due when the records' clocks have passed a moment, earliest first."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

from core.routing.partition import Partition

_NEVER: Final = 1 << 62
T = TypeVar("T")


class Agenda(Generic[T]):
    """The things of one kind that wait for their time, in ms since the epoch.

    It is an index of what is stored, not state: those who keep one rebuild it from the store.
    """

    __slots__ = ("_heap", "_state")

    def __init__(self, state: Partition) -> None:
        self._state = state
        self._heap: list[tuple[int, T]] = []

    def add(self, due_ms: int, what: T) -> None:
        """Something is due once a clock has passed ``due_ms``; of equal times, the lesser first."""
        heappush(self._heap, (due_ms, what))
        self._state.look_at(due_ms)

    @property
    def next_due(self) -> int:
        """The time that a clock must reach before anything can be due."""
        return self._heap[0][0] if self._heap else _NEVER

    def any_due(self, clock: int) -> bool:
        """Whether ``run`` has something to do."""
        return bool(self._heap) and self._heap[0][0] < clock

    def run(self, clock: int, act: Callable[[int, T, int], None]) -> bool:
        """Call ``act`` with the time, the thing and the clock for all that ``clock`` has passed.

        Returns False if the part was full before that was done.
        """
        while self.any_due(clock):
            if self._state.full:
                return False
            due_ms, what = heappop(self._heap)
            act(due_ms, what, clock)
        return True
