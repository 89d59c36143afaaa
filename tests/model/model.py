"""Every step that owners, zombies, standbys and the log may take, over the real Owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from streams.durable.local import follow
from streams.durable.owner import Batch, HaltError, Owner, StaleOwnerError
from tests.model.checks import Checks
from tests.model.fake_log import FakeLog, Sink, outputs
from tests.model.incarnation import NOTHING, Copy, Incarnation, new_owner
from tests.model.lineage import Truth, ViolationError
from tests.model.world import Bounds, Copies, World

Action = tuple[Any, ...]


class Model:
    """The steps, over a kind of owner and of local copy."""

    def __init__(self, bounds: Bounds, owner: type[Owner] = Owner, copy: type[Copy] = Copy) -> None:
        self.bounds = bounds
        self.owner = owner
        self.copy = copy
        self._copies = Copies()
        self._checks = Checks(bounds, self._copies)
        self._applied: dict[Action, Incarnation] = {}
        """What became of a process, given by its digest, that applied so many records."""

    def start(self) -> World:
        """Nothing was written yet."""
        b = self.bounds
        left = b.compactions, b.heartbeats, b.standbys
        pool = frozenset({self._copies.number(NOTHING)})
        return World(FakeLog(), Truth(b.feed, self.owner), (), (), pool, Sink(), left, frozenset())

    # ---- what may happen -------------------------------------------------------------------

    def actions(self, world: World) -> list[Action]:
        """All steps, in a fixed order."""
        found: list[Action] = []
        pool = sorted(world.pool)
        if len(world.incarnations) < self.bounds.owners:
            ends = self._copies.ends(world.log, reversed(pool))
            found += [("recover", one) for one in {end: one for one, end in ends.items()}.values()]
        for number, one in enumerate(world.incarnations):
            found += [(kind, number, *rest) for kind, *rest in self._of(world, one)]
        if world.left[0]:
            found += [("compact", place) for place, _ in enumerate(self._compacted(world.log))]
        if world.left[2]:
            found += [
                ("standby", version, record.offset + 1)
                for version in pool
                for record in world.log.between(self._copies[version].progress.next_offset)
            ]
        return found

    def _of(self, world: World, one: Incarnation) -> Iterator[Action]:
        bounds = self.bounds
        if one.phase == "recovered":
            yield ("claim",)
        elif one.phase == "claiming":
            yield ("claimed",)
        if one.phase != "owning":
            return
        if one.queue:
            yield ("publish",)
        if one.judged:
            yield ("store",)
        elif one.flying:
            yield ("acked",)
        started = not one.queue or one.queue[0][1] > 0
        if one.ahead:
            if not one.flying and len(one.queue) < bounds.window:
                yield ("append",)
        elif started and (bounds.fine or (not one.flying and len(one.queue) < bounds.window)):
            at, ends = one.owner.positions, bounds.feed.ends
            policies = ends[0] - at[0]
            for requests in range(min(bounds.batch, ends[1] - at[1]) + 1):
                for rewards in range(min(bounds.batch - requests, ends[2] - at[2]) + 1):
                    if requests + rewards:
                        yield ("apply", policies, requests, rewards)
        if started and not one.flying and not one.ahead and len(one.queue) < bounds.window:
            if one.owner.must_repair:
                yield ("beat", False)
            elif world.left[1]:
                yield ("beat", True)

    def _compacted(self, log: FakeLog) -> Iterator[FakeLog]:
        b = self.bounds
        return log.compactions(tombstones=b.tombstones != "kept", lag=b.lag)

    # ---- the steps -------------------------------------------------------------------------

    def step(self, world: World, action: Action) -> World:
        """The world after one step. Raises ViolationError."""
        kind, *rest = action
        try:
            new = getattr(self, f"_{kind}")(world, *rest)
        except (AssertionError, HaltError) as error:
            raise ViolationError("crash", f"{type(error).__name__}: {error}") from error
        self._checks.step(world, new)
        return new

    def _recover(self, world: World, version: int) -> World:
        local = self.copy(self._copies[version])
        follow(local, world.log.between(local.progress().next_offset))
        one = new_owner(self.owner, local)
        return self._with(world, len(world.incarnations), one)

    def _claim(self, world: World, number: int) -> World:
        one = world.incarnations[number].clone()
        one.phase, one.claims = "claiming", one.claims + 1
        expected = one.local.progress().next_offset
        world = self._send(world, number, one, one.owner.claim())
        if self.bounds.fine or one.base != expected:
            return world
        return self._claimed(world, number)

    def _claimed(self, world: World, number: int) -> World:
        one = world.incarnations[number].clone()
        gap = one.owner.claimed(one.base)
        if gap is not None:
            follow(one.local, world.log.read(gap))
            one.phase = "recovered" if one.claims < self.bounds.claims else "stale"
            return self._with(world, number, one)
        epoch = one.local.progress().highest_epoch
        if epoch in world.epochs:
            raise ViolationError("epoch", f"two owners hold epoch {epoch}")
        world = replace(world, epochs=world.epochs | {epoch})
        one.phase = "owning"
        again = one.started()
        return self._clean(self._durable(world, number, one, again, 0), one)

    def _apply(self, world: World, number: int, *counts: int) -> World:
        known = (world.digests[number], counts)
        if known not in self._applied:
            one = world.incarnations[number].clone()
            overlap = 1 if self.bounds.fine else 0
            inputs = self.bounds.feed.slice(one.owner.positions, counts, overlap)
            one.ahead = one.apply(inputs)
            self._applied[known] = one
        one = self._applied[known].clone()
        if self.bounds.fine:
            return self._with(world, number, one)
        return self._seal(world, number, one)

    def _append(self, world: World, number: int) -> World:
        return self._seal(world, number, world.incarnations[number].clone())

    def _beat(self, world: World, number: int, counted: bool) -> World:
        one = world.incarnations[number].clone()
        one.ahead = one.owner.heartbeat()
        a, b, c = world.left
        return self._seal(replace(world, left=(a, b - counted, c)), number, one)

    def _seal(self, world: World, number: int, one: Incarnation) -> World:
        assert one.ahead is not None
        expected = one.local.progress().next_offset
        batch = one.owner.seal(one.ahead)
        one.flying, one.ahead = (one.ahead, batch.number), None
        world = self._send(world, number, one, batch)
        if self.bounds.fine or one.base != expected:
            return world
        return self._store(self._acked(world, number), number)

    def _send(self, world: World, number: int, one: Incarnation, batch: Batch) -> World:
        truth = world.truth.after(batch)
        log, one.base = world.log.append(batch)
        return self._with(replace(world, log=log, truth=truth), number, one)

    def _acked(self, world: World, number: int) -> World:
        one = world.incarnations[number].clone()
        gap = one.owner.acked(one.base)
        try:
            if gap is not None:
                one.owner.judge(gap, world.log.read(gap))
        except StaleOwnerError:
            one.phase = "stale"
            return self._with(world, number, one)
        one.judged = True
        world = self._with(world, number, one)
        return world if self.bounds.fine or gap is None else self._store(world, number)

    def _store(self, world: World, number: int) -> World:
        one = world.incarnations[number].clone()
        assert one.flying is not None
        one.owner.store()
        (part, batch), one.flying, one.judged = one.flying, None, False
        return self._clean(self._durable(world, number, one, part, batch), one)

    def _durable(self, world: World, number: int, one: Incarnation, part: Any, batch: int) -> World:
        """A part waits to be published; one without outputs behind no other is done with."""
        if one.queue or outputs(part):
            one.queue += ((part, batch),)
        else:
            one.owner.published(part, batch)
        return self._with(world, number, one)

    def _clean(self, world: World, one: Incarnation) -> World:
        if one.owner.must_repair:
            return world
        return replace(world, log=world.log.clean_up_to(one.local.progress().next_offset))

    def _publish(self, world: World, number: int) -> World:
        one = world.incarnations[number].clone()
        part, batch = one.queue[0]
        due = outputs(part)[one.sent :]
        if self.bounds.fine:
            due = due[:1]
        for output in due:
            world = replace(world, sink=world.sink.publish(number, output))
        one.sent += len(due)
        if not due or not self.bounds.fine:
            one.owner.published(part, batch)
            one.queue, one.sent = one.queue[1:], 0
        return self._with(world, number, one)

    def _compact(self, world: World, place: int) -> World:
        a, b, c = world.left
        log = list(self._compacted(world.log))[place]
        if self.bounds.tombstones == "aged":
            gone = set(world.log.records) - set(log.records)
            after = max((r.offset + 1 for r in gone if r.value is None), default=0)
            world = self._retire(world, after)
        return replace(world, log=log, left=(a - 1, b, c))

    def _retire(self, world: World, after: int) -> World:
        """Take all copies away that have not read up to ``after``, but for the empty one."""
        for number, one in enumerate(world.incarnations):
            if one.local.progress().next_offset < after:
                one = one.clone()
                one.phase = "stale"
                world = self._with(world, number, one)
        offsets = {v: self._copies[v].progress.next_offset for v in world.pool}
        pool = frozenset(v for v, offset in offsets.items() if not offset or offset >= after)
        return replace(world, pool=pool)

    def _standby(self, world: World, version: int, stop: int) -> World:
        a, b, c = world.left
        local = self.copy(self._copies[version])
        follow(local, world.log.between(local.progress().next_offset, stop))
        pool = world.pool | {self._copies.number(saved) for saved in local.saved}
        return replace(world, pool=pool, left=(a, b, c - 1))

    def finish(self, world: World) -> None:
        """What must hold when nothing more happens than that one owner lives on, or takes over."""
        alive = [
            number
            for number, one in enumerate(world.incarnations)
            if one.phase == "owning" and one.local.progress().highest_epoch == world.truth.epoch
        ]
        world = replace(world, left=(0, 1, 0))
        if not alive:
            alive = [len(world.incarnations)]
            world = self.step(world, ("recover", min(world.pool)))
        (number,) = alive
        while own := next(self._of(world, world.incarnations[number]), None):
            kind, *rest = own
            world = self.step(world, (kind, number, *rest))
        self._checks.end(world, world.incarnations[number])

    # ---- bookkeeping -----------------------------------------------------------------------

    def _with(self, world: World, number: int, one: Incarnation) -> World:
        """The world with one process as it is now, and the local copies it has saved."""
        pool = world.pool | {self._copies.number(saved) for saved in one.local.saved}
        one.local.saved = []
        ones, digests = world.incarnations, world.digests
        now = (self._copies.id(one.digest()),)
        return replace(
            world,
            pool=pool,
            incarnations=(*ones[:number], one, *ones[number + 1 :]),
            digests=digests[:number] + now + digests[number + 1 :],
        )
