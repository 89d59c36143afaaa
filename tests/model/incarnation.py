"""One owner process as a value: a real Owner that can be copied, and compared by its digest."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from core.routing.part import Inputs, Part
from streams.durable.local import MemoryState
from streams.durable.owner import Owner
from streams.durable.reading import Progress
from tests.model.lineage import LIMITS

_T = TypeVar("_T")


class Version(NamedTuple):
    """A saved local copy: what a crash may leave."""

    progress: Progress
    items: frozenset[tuple[bytes, bytes]]


NOTHING = Version(Progress(), frozenset())


class Copy(MemoryState):
    """A local copy that notes the version after every write."""

    def __init__(self, version: Version = NOTHING) -> None:
        super().__init__()
        self.items = dict(version.items)
        self._progress = version.progress
        self.saved: list[Version] = []

    def write(self, puts: Mapping[bytes, bytes | None], progress: Progress) -> None:
        super().write(puts, progress)
        self.saved.append(self.version())

    def version(self) -> Version:
        """What is stored now."""
        return Version(self._progress, frozenset(self.items.items()))

    def clone(self) -> Copy:
        """An independent copy."""
        new = _shallow(self)
        new.items, new.saved = dict(self.items), []
        return new


class Incarnation:
    """A process that owns, or wants to own, the partition. Never stepped again means crashed."""

    def __init__(self, owner: Owner, local: Copy) -> None:
        self.owner = owner
        self.local = local
        self.phase = "recovered"
        """recovered, claiming, owning, or stale; while owning, see flying and judged."""
        self.claims = 0
        self.base = -1
        self.flying: tuple[Part, int] | None = None
        """The part whose batch was appended, with the batch's number."""
        self.judged = False
        self.ahead: Part | None = None
        """A part that was applied and not sealed yet."""
        self.queue: tuple[tuple[Part, int], ...] = ()
        """Durable parts to publish, with the numbers of their batches."""
        self.sent = 0
        """How many outputs of the first of them were published."""
        self._router_of: Owner = owner

    def clone(self) -> Incarnation:
        """An independent copy; the router is shared until it is used."""
        new = _shallow(self)
        new.owner, new.local = _shallow(self.owner), self.local.clone()
        for name, value in vars(new.owner).items():
            if value is self.local:
                setattr(new.owner, name, new.local)
            elif isinstance(value, list | dict | set | deque):
                setattr(new.owner, name, copy.copy(value))
        return new

    def apply(self, inputs: Inputs) -> Part:
        """Let the owner apply input records, with a router of its own."""
        owner: Any = self.owner
        memo: dict[int, Any] = {id(self._router_of): owner}
        for live in owner.router.state.memory._routes.values():
            for compiled in live.policies.values():
                memo.update({id(fixed): fixed for fixed in (compiled, *compiled.arms.values())})
        owner._router = copy.deepcopy(owner._router, memo)
        self._router_of = owner
        return owner.apply(inputs)

    def started(self) -> Part:
        """Start the owner."""
        self._router_of = self.owner
        return self.owner.start()

    def digest(self) -> Any:
        """Equal for processes that will do the same. What its router knows is in the copy."""
        if self.phase == "stale":
            return "stale"
        owner = vars(self.owner)
        router = owner["_router"]
        return (
            self.phase,
            self.claims,
            self.base,
            self.judged,
            self.sent,
            _frozen((self.flying, self.ahead, self.queue)),
            self.local.version(),
            None if router is None else _frozen(router.state.stamp()),
            tuple(_frozen(value) for name, value in owner.items() if name not in _APART),
        )


_APART = frozenset({"_router", "_local", "_limits", "_solver", "_topics", "partition"})


def new_owner(kind: type[Owner], local: Copy) -> Incarnation:
    """A process that has recovered. All have one id: nothing may depend on it, so that worlds
    that differ only in who is who are one."""
    return Incarnation(kind(0, "any", local, **LIMITS), local)


def _shallow(value: _T) -> _T:
    """As copy.copy, for plain objects, and faster."""
    new = object.__new__(type(value))
    vars(new).update(vars(value))
    return new


def _frozen(value: Any) -> Any:
    if isinstance(value, tuple | list | deque):
        return tuple(map(_frozen, value)) if value else ()
    if isinstance(value, dict):
        return frozenset(value.items())
    return frozenset(value) if isinstance(value, set) else value
