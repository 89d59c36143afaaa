"""Forgetting, for rewards whose means move: any algorithm, over discounted or recent rewards.

Time is counted in the rewards that the arms of a segment have learned, all arms together: an arm
that is not chosen ages too, becomes uncertain and is tried again (Garivier and Moulines 2011, "On
upper-confidence bound policies for switching bandit problems"). Every arm remembers when it last
learned, and the latest of all arms is the present. Nothing but the arm that learns has to change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

from core.bandits.base import Bandit, Floats
from schemas.policy import Prior

S = TypeVar("S")
BLOCKS: Final = 8
"""In how many blocks a window is kept; with the oldest, so much of it is forgotten at once."""
_VERSION: Final = 1
_DATED: Final = struct.Struct("<BQ")
_WINDOW: Final = struct.Struct("<BQIB")
_BLOCK: Final = struct.Struct("<QI")


class Dated(Generic[S]):
    """An arm's state as of the segment's ``at``-th reward, its own latest; 0 before the first."""

    __slots__ = ("at", "state")

    def __init__(self, state: S, at: int) -> None:
        self.state = state
        self.at = at


class DiscountedBandit(Generic[S]):
    """Weighs a reward that was learned k rewards ago by ``factor`` to the power k."""

    pooled = True

    def __init__(self, bandit: Bandit[S], factor: float) -> None:
        self._bandit = bandit
        self._factor = factor
        self.contextual = bandit.contextual
        self.statistics = f"discounted {bandit.statistics}"

    def new(self, prior: Prior | None, arm_id: str = "") -> Dated[S]:
        """See Bandit."""
        return Dated(self._bandit.new(prior, arm_id), 0)

    def learn(
        self, arm: Dated[S], x: Floats, reward: float, others: Sequence[Dated[S]] = ()
    ) -> None:
        """See Bandit."""
        now = 1 + _latest((arm, *others))
        arm.state = self._bandit.faded(arm.state, self._factor ** (now - arm.at))
        arm.at = now
        pool = self._present(others, now) if self._bandit.pooled else ()
        self._bandit.learn(arm.state, x, reward, pool)

    def distribution(
        self,
        arms: Sequence[Dated[S]],
        X: Floats,
        others: Sequence[Dated[S]] = (),
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit."""
        now = _latest((*arms, *others))
        pool = self._present(others, now) if self._bandit.pooled else ()
        return self._bandit.distribution(self._present(arms, now), X, pool, penalties)

    def _present(self, arms: Sequence[Dated[S]], now: int) -> Sequence[S]:
        """The states as they weigh at ``now``."""
        return [
            arm.state
            if arm.at == now
            else self._bandit.faded(arm.state, self._factor ** (now - arm.at))
            for arm in arms
        ]

    def mean(self, arm: Dated[S]) -> float:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.mean(arm.state)

    def interval(self, arm: Dated[S], level: float) -> tuple[float, float]:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.interval(arm.state, level)

    def count(self, arm: Dated[S]) -> float:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.count(arm.state)

    def faded(self, arm: Dated[S], weight: float) -> Dated[S]:
        """See Bandit."""
        return Dated(self._bandit.faded(arm.state, weight), arm.at if weight else 0)

    def merged(self, arms: Sequence[Dated[S]]) -> Dated[S]:
        """See Bandit: as of the latest reward of all."""
        now = _latest(arms)
        return Dated(self._bandit.merged(self._present(arms, now)), now)

    def encode(self, arm: Dated[S]) -> bytes:
        """See Bandit: the version, ``at``, then the state."""
        return _DATED.pack(_VERSION, arm.at) + self._bandit.encode(arm.state)

    def decode(self, data: bytes, arm_id: str = "") -> Dated[S]:
        """See Bandit."""
        if len(data) < _DATED.size or data[0] != _VERSION:
            raise ValueError(f"not a discounted state of version {_VERSION}: {data[:32]!r}")
        _, at = _DATED.unpack_from(data)
        return Dated(self._bandit.decode(data[_DATED.size :], arm_id), at)


class Window(Generic[S]):
    """An arm's recent rewards, in blocks of the segment's time."""

    __slots__ = ("at", "blocks", "empty", "present")

    def __init__(self, empty: S, blocks: list[tuple[int, S]], at: int) -> None:
        self.empty = empty
        """The arm with its prior and no reward."""
        self.blocks = blocks
        """By number, oldest first: what was learned in that stretch of the segment's time."""
        self.at = at
        """The segment's reward that was this arm's latest; 0 before the first."""
        self.present: tuple[int, S] | None = None
        """What was last made of the blocks, and how many of the oldest it left out."""


class WindowedBandit(Generic[S]):
    """Learns from the segment's latest ``rewards`` rewards, or up to an eighth fewer."""

    pooled = True

    def __init__(self, bandit: Bandit[S], rewards: int) -> None:
        self._bandit = bandit
        self._width = -(-rewards // BLOCKS)
        self.contextual = bandit.contextual
        self.statistics = f"window of {rewards} {bandit.statistics}"

    def new(self, prior: Prior | None, arm_id: str = "") -> Window[S]:
        """See Bandit."""
        return Window(self._bandit.new(prior, arm_id), [], 0)

    def learn(
        self, arm: Window[S], x: Floats, reward: float, others: Sequence[Window[S]] = ()
    ) -> None:
        """See Bandit."""
        now = 1 + _latest((arm, *others))
        number = self._block(now)
        arm.blocks = [block for block in arm.blocks if block[0] > number - BLOCKS]
        if not arm.blocks or arm.blocks[-1][0] != number:
            arm.blocks.append((number, self._bandit.faded(arm.empty, 0.0)))
        pool = [self._present(other, now) for other in others] if self._bandit.pooled else ()
        self._bandit.learn(arm.blocks[-1][1], x, reward, pool)
        arm.at = now
        arm.present = None

    def distribution(
        self,
        arms: Sequence[Window[S]],
        X: Floats,
        others: Sequence[Window[S]] = (),
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit."""
        now = _latest((*arms, *others))
        pool = [self._present(other, now) for other in others] if self._bandit.pooled else ()
        states = [self._present(arm, now) for arm in arms]
        return self._bandit.distribution(states, X, pool, penalties)

    def _block(self, now: int) -> int:
        """Which block the segment's reward ``now`` falls into."""
        return max(0, now - 1) // self._width

    def _present(self, arm: Window[S], now: int) -> S:
        """What the rewards in the window at ``now`` have taught the arm."""
        oldest = self._block(now) - BLOCKS
        dropped = sum(1 for number, _ in arm.blocks if number <= oldest)
        if arm.present is None or arm.present[0] != dropped:
            states = [state for _, state in arm.blocks[dropped:]]
            arm.present = dropped, self._bandit.merged([arm.empty, *states])
        return arm.present[1]

    def mean(self, arm: Window[S]) -> float:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.mean(self._present(arm, arm.at))

    def interval(self, arm: Window[S], level: float) -> tuple[float, float]:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.interval(self._present(arm, arm.at), level)

    def count(self, arm: Window[S]) -> float:
        """See Bandit: as of the arm's latest reward."""
        return self._bandit.count(self._present(arm, arm.at))

    def faded(self, arm: Window[S], weight: float) -> Window[S]:
        """See Bandit."""
        empty = self._bandit.faded(arm.empty, 0.0)
        if not weight:
            return Window(empty, [], 0)
        blocks = [(number, self._bandit.faded(state, weight)) for number, state in arm.blocks]
        return Window(empty, blocks, arm.at)

    def merged(self, arms: Sequence[Window[S]]) -> Window[S]:
        """See Bandit: block by block."""
        by_number: dict[int, list[S]] = {}
        for arm in arms:
            for number, state in arm.blocks:
                by_number.setdefault(number, []).append(state)
        empty = self._bandit.faded(arms[0].empty, 0.0)
        blocks = [
            (number, self._bandit.merged([empty, *states]))
            for number, states in sorted(by_number.items())
        ]
        return Window(empty, blocks[-BLOCKS:], _latest(arms))

    def encode(self, arm: Window[S]) -> bytes:
        """See Bandit: the version, ``at``, the empty state, and the blocks with their numbers."""
        empty = self._bandit.encode(arm.empty)
        parts = [_WINDOW.pack(_VERSION, arm.at, len(empty), len(arm.blocks)), empty]
        for number, state in arm.blocks:
            data = self._bandit.encode(state)
            parts += (_BLOCK.pack(number, len(data)), data)
        return b"".join(parts)

    def decode(self, data: bytes, arm_id: str = "") -> Window[S]:
        """See Bandit."""
        if len(data) < _WINDOW.size or data[0] != _VERSION:
            raise ValueError(f"not a windowed state of version {_VERSION}: {data[:32]!r}")
        _, at, size, count = _WINDOW.unpack_from(data)
        place = _WINDOW.size + size
        empty = self._bandit.decode(data[_WINDOW.size : place], arm_id)
        blocks: list[tuple[int, S]] = []
        for _ in range(count):
            if len(data) < place + _BLOCK.size:
                break
            number, size = _BLOCK.unpack_from(data, place)
            place += _BLOCK.size
            blocks.append((number, self._bandit.decode(data[place : place + size], arm_id)))
            place += size
        if place != len(data) or len(blocks) != count:
            raise ValueError(f"not a windowed state: {len(data)} bytes, {place} were expected")
        return Window(empty, blocks, at)


def _latest(arms: Iterable[Dated[S] | Window[S]]) -> int:
    return max(arm.at for arm in arms)
