"""The state machine of one partition: policies, requests and rewards in, decisions out.

Everything is a function of (state, input): the same records in the same order give the same state
and the same outputs, bit for bit, however they are cut into parts. Time is the records' own.
The one thing that depends on the cut is when records that nothing can see any more are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from core.routing.deciding import Deciding
from core.routing.held import HeldRewards
from core.routing.learning import Learning
from core.routing.memory import Memory, Read, Scan
from core.routing.observer import Observer
from core.routing.part import InputRecord, Inputs, Part
from core.routing.partition import Partition
from core.routing.policies import Policies
from core.routing.remembered import Remembered
from core.routing.watching.watching import Watching
from core.search import DIRECT, Solver
from schemas.state import STAMP_KEY, decode_stamp

MAX_PART_BYTES: Final = 512 * 1024
MAX_ROUTES: Final = 20_000
NO_NAMES: Final[Mapping[str, str]] = {}
_MAX_DROPS: Final = 5_000


class Router:
    """One partition of the router.

    ``read`` gives the stored value of a key, with all earlier parts of this router applied.
    ``topics`` names the input topics by role, for the dead letters. ``solver`` computes what
    parameter searches propose. ``observer`` looks on.
    """

    def __init__(
        self,
        read: Read,
        *,
        partition: int = 0,
        max_part_bytes: int = MAX_PART_BYTES,
        max_routes: int = MAX_ROUTES,
        topics: Mapping[str, str] = NO_NAMES,
        solver: Solver = DIRECT,
        observer: Observer | None = None,
    ) -> None:
        memory = Memory(read, max_routes, solver)
        self.state = Partition(partition, memory, max_part_bytes, topics, observer)
        self.watching = Watching(self.state)
        self._policies = Policies(self.state, self.watching)
        self._held = HeldRewards(self.state)
        self._learning = Learning(self.state, self._held, self.watching)
        self._remembered = Remembered(self.state)
        self._deciding = Deciding(
            self.state, self._remembered, self._held, self._learning, self.watching
        )

    def restore(self, scan: Scan) -> None:
        """Go on from stored state; before the first ``handle``."""
        stored = self.state.memory.get(STAMP_KEY)
        if stored is not None:
            self.state.resume(decode_stamp(stored))
        self._held.restore(scan)
        self._deciding.sessions.restore(scan)
        self.watching.restore(scan)
        self._remembered.restore(scan, self._learning.expect)

    @property
    def version(self) -> int:
        """How many input records were applied."""
        return self.state.version

    @property
    def positions(self) -> tuple[int, int, int]:
        """The next offset to read of the policy, request and reward topic."""
        return self.state.next_policy, self.state.next_request, self.state.next_reward

    def handle(self, inputs: Inputs, emitted: int) -> Part:
        """Apply records until there are none left or the part is full.

        Takes policies, then requests, then rewards, and counts in ``inputs`` what it took. Records
        below the positions of this router were applied before and are passed over. ``emitted`` is
        the version up to which all outputs were published: only what they no longer need may go.
        """
        state = self.state
        state.emitted = emitted
        if self._run_due():
            self._remembered.forget(_MAX_DROPS)
        inputs.policies_taken = self._each(
            inputs.policies, inputs.policies_taken, self._policies.apply
        )
        if inputs.policies_taken == len(inputs.policies):
            inputs.requests_taken = self._each(
                inputs.requests, inputs.requests_taken, self._deciding.apply
            )
            self._deciding.flush()
            if inputs.requests_taken == len(inputs.requests):
                inputs.rewards_taken = self._each(
                    inputs.rewards, inputs.rewards_taken, self._learning.apply
                )
        return state.end_part()

    def _each(
        self, records: Sequence[InputRecord], taken: int, apply: Callable[[InputRecord], None]
    ) -> int:
        """Apply records from ``taken`` on while the part has room; returns how many are taken."""
        state, count = self.state, len(records)
        while taken < count and not state.full and self._run_due():
            apply(records[taken])
            taken += 1
        self._run_due()
        return taken

    def _run_due(self) -> bool:
        """Do what the clocks have made due: it comes after the record that moved them, and before
        the next one. False if the part was full before all of it was done; then the next goes on.
        """
        state = self.state
        clock = max(state.request_clock, state.reward_clock)
        if clock < state.due_ms:
            return True
        if self.watching.any_due(clock):
            self._deciding.flush()  # what is judged must not lack decisions that only wait
        done = (
            self._held.expire(clock)
            and self._deciding.sessions.expire(state.request_clock)
            and self.watching.expire(clock)
            and self._learning.close_windows(state.reward_clock)
        )
        state.due_ms = min(
            self._held.agenda.next_due,
            self._deciding.sessions.agenda.next_due,
            self.watching.next_due,
            self._learning.agenda.next_due,
        )
        return done

    @property
    def overdue(self) -> bool:
        """Whether something is due that the last part had no room for."""
        state = self.state
        clock = max(state.request_clock, state.reward_clock)
        return (
            self._held.agenda.any_due(clock)
            or self._deciding.sessions.agenda.any_due(state.request_clock)
            or self.watching.any_due(clock)
            or self._learning.agenda.any_due(state.reward_clock)
        )

    def unpublished(self, emitted: int) -> Part:
        """The answers of stored decisions made after version ``emitted``, to publish again."""
        return Part({}, self._remembered.answers_after(emitted), [], self.state.stamp())
