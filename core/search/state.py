"""The state of a search, and its bytes."""

from __future__ import annotations

import struct
from typing import Final, Literal

from core.search.gp import Theta
from core.search.proposal import Tally, Task
from core.search.space import Space, Values

Ending = Literal["evaluations", "exhausted", "patience", "expected_improvement"]
"""Why a search ended: all evaluations are made, every set of a small space or of the grid was
tried, or one of the two stop rules."""

_ENDINGS: Final[tuple[Ending | None, ...]] = (
    None,
    "evaluations",
    "exhausted",
    "patience",
    "expected_improvement",
)
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBBBHHHHId")
"""Version, ending, flags, parameters, sets, the best one, evaluations, those since the record,
rewards waited, the record."""
_TALLY: Final = struct.Struct("<Qdd")
_CHANGED: Final = struct.Struct("<H")
_DONE, _RECORD, _THETA, _PENDING = 1, 2, 4, 8


class SearchState:
    """Everything that one search has learned. Changed by Searcher alone."""

    __slots__ = (
        "best",
        "done",
        "ended",
        "evaluations",
        "in_play",
        "pending",
        "record",
        "sets",
        "since",
        "tallies",
        "theta",
        "waited",
    )

    def __init__(self) -> None:
        self.sets: list[Values] = []
        """The parameters of the sets 1, 2, ... Values, not points of the cube: another machine
        must not round them another way."""
        self.tallies: list[Tally] = []
        self.in_play: list[int] = []
        """Their numbers, ascending."""
        self.evaluations = 0
        """How many sets have had all their rewards."""
        self.pending: Task | None = None
        """Decided, but not computed or not to be shown yet."""
        self.waited = 0
        """Rewards since ``pending`` was decided."""
        self.theta: Theta = ()
        self.record: float | None = None
        """The mean that an evaluation must exceed to be an improvement."""
        self.since = 0
        """Evaluations since the last improvement."""
        self.done = False
        """Whether the stop rule on the expected improvement has been met: no more proposals."""
        self.ended: Ending | None = None
        self.best = 0
        """The set that serves all requests, once the search has ended."""


def encode(state: SearchState) -> bytes:
    """Compact bytes, the same for equal states; the first byte is the format's version."""
    task = state.pending
    flags = (
        _DONE * state.done
        + _RECORD * (state.record is not None)
        + _THETA * bool(state.theta)
        + _PENDING * (task is not None)
    )
    dim = len(state.sets[0])
    head = _HEAD.pack(
        _VERSION,
        _ENDINGS.index(state.ended),
        flags,
        dim,
        len(state.sets),
        state.best,
        state.evaluations,
        state.since,
        state.waited,
        state.record or 0.0,
    )
    parts = [head, struct.pack(f"<{len(state.theta)}d", *state.theta)]
    for values, tally in zip(state.sets, state.tallies, strict=True):
        parts += (struct.pack(f"<{dim}d", *values), _TALLY.pack(*tally))
    if task is not None:
        # A pending task has the sets and theta of the state, and the tallies of some time ago.
        for i, old in enumerate(task.tallies):
            if old != state.tallies[i]:
                parts += (_CHANGED.pack(i), _TALLY.pack(*old))
    return b"".join(parts)


def decode(data: bytes, space: Space, rewards: int) -> SearchState:
    """The inverse of ``encode``, bit for bit, for the same space and rewards per evaluation.

    Raises ValueError for bytes that are not one.
    """
    dim = len(space.dimensions)
    wrong = f"not the state, of version {_VERSION}, of a search over {dim} parameters"
    if not data or data[0] != _VERSION:
        raise ValueError(f"{wrong}: {data[:32]!r}")
    state = SearchState()
    try:
        _, ending, flags, found, n, *numbers, record = _HEAD.unpack_from(data)
        state.best, state.evaluations, state.since, state.waited = numbers
        if found != dim or ending >= len(_ENDINGS) or not max(1, state.best) <= n:
            raise ValueError(f"{wrong}: {data[:32]!r}")
        at = _HEAD.size
        if flags & _THETA:
            state.theta = struct.unpack_from(f"<{dim + 2}d", data, at)
            at += 8 * (dim + 2)
        for _ in range(n):
            state.sets.append(struct.unpack_from(f"<{dim}d", data, at))
            state.tallies.append(Tally(*_TALLY.unpack_from(data, at + 8 * dim)))
            at += 8 * dim + _TALLY.size
        old = list(state.tallies)
        while flags & _PENDING and at < len(data):
            (i,) = _CHANGED.unpack_from(data, at)
            old[i] = Tally(*_TALLY.unpack_from(data, at + _CHANGED.size))
            at += _CHANGED.size + _TALLY.size
    except (struct.error, IndexError) as error:
        raise ValueError(f"{wrong}: {error}") from error
    if at != len(data):
        raise ValueError(f"{wrong}: {len(data)} bytes, {at} were expected")
    state.ended = _ENDINGS[ending]
    state.done = bool(flags & _DONE)
    state.record = record if flags & _RECORD else None
    if state.ended is None:
        state.in_play = [i for i, tally in enumerate(state.tallies, 1) if tally.rewards < rewards]
    if flags & _PENDING:
        state.pending = Task(space, n + 1, rewards, tuple(state.sets), tuple(old), state.theta)
    return state
