"""What must hold after every step, whatever the owners did."""

from __future__ import annotations

from schemas.state import CLAIM_KEY
from tests.model.fake_log import request_id
from tests.model.incarnation import Incarnation, Version
from tests.model.lineage import Truth, ViolationError, differing, replay
from tests.model.world import Bounds, Copies, World


class Checks:
    """The invariants, named as in the design."""

    def __init__(self, bounds: Bounds, copies: Copies) -> None:
        self._feed = bounds.feed
        self._strict = bounds.strict
        self._copies = copies
        self._good: set[tuple[int, int]] = set()

    def step(self, old: World, new: World) -> None:
        """Compare what a step has changed."""
        if new.sink is not old.sink:
            self._check_published(old, new)
        truth = new.truth
        if truth is not old.truth:
            lost = truth.replayed.outputs - new.sink.published - truth.recoverable
            for output in lost:
                raise ViolationError(
                    "I7" if request_id(output) is None else "I1", f"lost: {output}"
                )
        if new.log is not old.log or new.pool is not old.pool:
            self._check_recovery(old, new)

    def _check_published(self, old: World, new: World) -> None:
        published, lineage = new.sink.published, new.truth.replayed.outputs
        for output in published - old.sink.published:
            name = request_id(output)
            if name is not None:
                for other in published:
                    if request_id(other) == name and other != output:
                        raise ViolationError("I1", f"{name} got {output} and {other}")
            if output not in lineage:
                raise ViolationError("I9", f"published, and not in the surviving lineage: {output}")
        for one in new.incarnations:
            self._check_commit(new, one)

    def _check_commit(self, world: World, one: Incarnation) -> None:
        if one.phase != "owning":
            return
        requests, stamp = one.owner.committable_requests, world.truth.stamp
        if requests > stamp.requests or one.owner.durable.rewards > stamp.rewards:
            raise ViolationError("I4", f"{requests} may be committed, the stamp is {stamp}")
        order = world.truth.order
        below = [place for place, at in enumerate(order) if at[0] == 1 and at[1] < requests]
        done = replay(self._feed, order[: below[-1] + 1] if below else ())
        for output in done.outputs - world.sink.published:
            if request_id(output) is not None:
                raise ViolationError(
                    "I4", f"{requests} may be committed, but unpublished is {output}"
                )

    def _check_recovery(self, old: World, new: World) -> None:
        """From every saved copy, and from nothing, the log gives what the valid batches wrote."""
        truth, copies = new.truth, self._copies
        before = old.log if new.log.end > old.log.end else None
        for version, end in copies.ends(new.log, new.pool, before).items():
            known = (end, truth.number)
            if known not in self._good:
                self._compare(copies[version], copies[end], truth)
                self._good.add(known)

    def _compare(self, start: Version, end: Version, truth: Truth) -> None:
        whence = f"recovery from offset {start.progress.next_offset}"
        found, want = dict(end.items), dict(truth.items)
        found.pop(CLAIM_KEY, None)
        want.pop(CLAIM_KEY, None)
        if found != want:
            keys = differing(found, want)
            raise ViolationError(
                "I9" if truth.stale.intersection(keys) else "I3", f"{whence}: {keys}"
            )
        if not self._strict:
            return
        if end.progress.highest_epoch != truth.epoch:
            raise ViolationError(
                "epoch", f"{whence}: {end.progress.highest_epoch}, not {truth.epoch}"
            )
        # An own judge calls another's failed claim of the same epoch a stale one: it does no harm.
        if not truth.dirty <= end.progress.dirty <= truth.dirty | {CLAIM_KEY}:
            raise ViolationError("dirty", f"{whence}: {end.progress.dirty}, not {truth.dirty}")

    def end(self, world: World, one: Incarnation) -> None:
        """What must hold once an owner that lives on has done all it can."""
        if one.owner.positions != self._feed.ends:
            raise ViolationError("I2", f"the owner stands still at {one.owner.positions}")
        if world.truth.dirty:
            raise ViolationError("dirty", f"the owner never repairs {world.truth.dirty}")
        for output in world.truth.replayed.outputs - world.sink.published:
            raise ViolationError("I1", f"never published: {output}")
