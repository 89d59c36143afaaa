"""Replays a partition up to one decision, and on to its reward, and says what it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from core.routing.explain import Watch, WatchedRouter
from core.routing.explained import Explanation, RewardEvent
from core.routing.part import Answered
from schemas.decision import Answer
from schemas.encode import decode_answer
from schemas.state import decision_key, decode_decision
from streams.audit.changelog import LoggedBatch, batches
from streams.audit.order import OrderError
from streams.audit.published import Published, asked, digest
from streams.audit.replay import log_records
from streams.audit.replayer import MissingInputsError, Replayer, Step, Tick, positions
from streams.audit.topics import (
    AuditError,
    Snapshot,
    TopicLog,
    open_logs,
    partition_count,
    partition_of,
    snapshots,
)
from streams.settings import Settings

Standing = Literal["equal", "different", "absent"]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one request got its answer."""

    partition: int
    replayed_from: int
    """The state version at which the replay began; above 0, that state is the changelog's."""
    assumed: int
    """Inputs before it whose place was told by their timestamps."""
    answer: Answer
    """As replayed."""
    published: Standing
    """How the message on the decision topic compares with it."""
    explanation: Explanation | None
    """None for a rejection."""
    rewards: list[RewardEvent]
    others: list[int]
    """State versions of other answers to requests of the same id, which was used again."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the answer is."""

    partition: int
    snapshot: Snapshot
    published: Published
    version: int
    others: list[int]


async def explain_decision(
    settings: Settings, route: str, request_id: str, version: int | None, tick: Tick
) -> Explained:
    """Find the answer to a request and replay its making. Raises AuditError.

    ``version`` tells which, where the id was used more than once; the newest one by default.
    """
    place = await _find(settings, route, request_id, version)
    watch = Watch(route, request_id, place.version)
    async with open_logs(settings, place.partition, place.snapshot) as logs:
        make = partial(WatchedRouter, watch=watch, partition=place.partition)
        replayer = Replayer(logs, place.published, make)
        first: Step | None = None
        async for batch in batches(log_records(logs.changelog)):
            before = replayer.before
            if batch.stamp.version >= place.version:
                step = await _step(replayer, batch)
                first = first or step
                if _over(replayer, watch):
                    break
            replayer.log(batch)
            tick(sum(positions(batch.stamp)) - sum(positions(before)))
    if first is None:
        raise AuditError(
            f"the changelog ends before state version {place.version}, so no worker can have "
            "made that answer: `thalweg replay` tells more"
        )
    replayed = dict(first.answers).get(place.version)
    if replayed is None:
        raise AuditError(
            f"replay gives no answer at state version {place.version}, where the topic has one: "
            "`thalweg replay` tells more"
        )
    return Explained(
        place.partition,
        first.before.version,
        first.assumed,
        decode_answer(replayed.value),
        _standing(place, replayed),
        watch.explanation,
        watch.rewards,
        place.others,
    )


async def _step(replayer: Replayer, batch: LoggedBatch) -> Step:
    """Replay the inputs up to a batch, from the changelog's state before the first one."""
    if replayer.router is None and not replayer.start():
        raise AuditError(
            f"the state at version {replayer.before.version} is not known for sure, since a "
            "process that no longer owned the partition had written to the changelog"
        )
    try:
        return await replayer.step(batch)
    except (MissingInputsError, OrderError) as error:
        raise AuditError(f"the decision cannot be replayed: {error}") from error


def _over(replayer: Replayer, watch: Watch) -> bool:
    """Whether nothing more can be learned of the decision."""
    stored = replayer.state.get(watch.key)
    if stored is None or watch.explanation is None or watch.settled:
        return True
    record = decode_decision(stored)
    return record.version != watch.version or replayer.before.reward_clock > record.deadline


async def _find(settings: Settings, route: str, request_id: str, version: int | None) -> _Place:
    count = await partition_count(settings)
    own = partition_of(route, count)
    numbers = sorted(range(count), key=lambda number: number != own)
    taken = await snapshots(settings, numbers)
    who = asked(route, request_id)
    for number in numbers:
        snapshot = taken[number]
        decisions = settings.topics.decisions
        async with TopicLog(settings.brokers, decisions, number, snapshot.decisions) as log:
            published = await Published.read(log.each())
        versions = [
            found for found in published.after(0)
            if any(seen.asked == who for seen in published.at(found))
        ]  # fmt: skip
        if number == own and not versions:
            versions = await _remembered(settings, number, snapshot, route, request_id)
        if not versions:
            continue
        chosen = versions[-1] if version is None else version
        if chosen not in versions:
            listed = ", ".join(map(str, versions))
            raise AuditError(
                f"request {request_id!r} of {route!r} was not answered at state version {chosen}, "
                f"but at {listed}"
            )
        others = [found for found in versions if found != chosen]
        return _Place(number, snapshot, published, chosen, others)
    raise AuditError(
        f"there is no answer to request {request_id!r} of {route!r}: neither on the topic "
        f"{settings.topics.decisions!r} nor among the decisions that workers remember. Is it "
        "asked for yet, and are route and id spelt like that?"
    )


async def _remembered(
    settings: Settings, partition: int, snapshot: Snapshot, route: str, request_id: str
) -> list[int]:
    """The state version of the decision, if it is in the changelog."""
    key = decision_key(route, request_id)
    versions: list[int] = []
    async with TopicLog(settings.brokers, settings.changelog, partition, snapshot.changelog) as log:
        async for batch in batches(log_records(log)):
            value = batch.puts.get(key)
            if value is not None:
                version = decode_decision(value).version
                versions = [version] if version not in versions else versions
    return versions


def _standing(place: _Place, replayed: Answered) -> Standing:
    """How what was published compares with what replay gives."""
    found = place.published.at(place.version)
    if not found:
        return "absent"
    own = digest(replayed.key, replayed.value)
    return "equal" if all(seen.digest == own for seen in found) else "different"
