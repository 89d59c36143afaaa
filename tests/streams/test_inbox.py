"""What waits to be applied: in the order of time, held back for the other topic, and bounded."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.inbox import Inbox
from streams.engine.waiting import REQUESTS, REWARDS, Waiting

POLICIES = 0


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes = b"12345678"


def records(*times: int) -> list[Record]:
    return [Record(offset, at) for offset, at in enumerate(times)]


times = st.lists(st.integers(0, 50), max_size=30).map(sorted)


@given(times, times, st.integers(1, 70))
def test_the_earliest_records_of_both_topics_come_first(
    asked: list[int], learned: list[int], most: int
) -> None:
    waiting = Waiting()
    for kind, found in ((REQUESTS, asked), (REWARDS, learned)):
        if found:
            waiting.put(kind, records(*found), behind=False)
    inputs = waiting.slice(most)
    cut = [r.timestamp for r in inputs.requests], [r.timestamp for r in inputs.rewards]
    assert cut == (asked[: len(cut[0])], learned[: len(cut[1])])
    assert sorted(cut[0] + cut[1]) == sorted(asked + learned)[:most]


def test_policies_come_before_everything() -> None:
    waiting = Waiting()
    waiting.put(REQUESTS, records(1, 2), behind=False)
    waiting.put(POLICIES, records(90, 91, 92), behind=True)
    inputs = waiting.slice(4)
    assert (len(inputs.policies), len(inputs.requests)) == (3, 1)


def test_requests_wait_for_rewards_that_were_not_fetched_yet() -> None:
    waiting = Waiting()
    waiting.expect(REWARDS)
    waiting.put(REQUESTS, records(5, 6), behind=False)
    assert not waiting.free
    waiting.put(REWARDS, records(1, 5), behind=True)
    inputs = waiting.slice(10)
    assert [r.timestamp for r in inputs.requests] == [5]
    assert [r.timestamp for r in inputs.rewards] == [1, 5]
    waiting.put(REWARDS, records(7), behind=False)
    assert len(waiting.slice(10).requests) == 2


@given(st.data())
def test_two_topics_that_are_both_behind_never_block_each_other(data: st.DataObject) -> None:
    waiting = Waiting()
    for kind in (REQUESTS, REWARDS):
        found = data.draw(times.filter(bool))
        waiting.put(kind, records(*found), behind=True)
    assert waiting.free


def test_patience_ends() -> None:
    async def main() -> None:
        inbox = Inbox(100, 10_000)
        inbox.expect(REWARDS, 0)
        inbox.put(REQUESTS, 0, records(1, 2))
        assert not await inbox.wait_for_records(0.01)
        for _ in range(200):
            if await inbox.wait_for_records(0.05):
                break
        assert inbox.partitions == [0]
        assert len(inbox.slice(0, 10).requests) == 2

    asyncio.run(main())


def test_a_topic_that_is_full_does_not_stop_the_one_that_is_waited_for() -> None:
    async def main() -> None:
        inbox = Inbox(20, 1_000_000)
        inbox.expect(REWARDS, 0)
        inbox.put(REQUESTS, 0, records(*range(50)))
        full = asyncio.create_task(inbox.wait_for_room(REQUESTS))
        await asyncio.wait_for(inbox.wait_for_room(REWARDS), 5)
        assert not full.done()
        inbox.put(REWARDS, 0, records(60))
        assert await inbox.wait_for_records(5)
        while len(inbox):
            inputs = inbox.slice(0, 7)
            inputs.requests_taken, inputs.rewards_taken = len(inputs.requests), len(inputs.rewards)
            inbox.taken(0, inputs)
        await asyncio.wait_for(full, 5)
        assert (len(inbox), inbox.size) == (0, 0)

    asyncio.run(main())


def test_a_lost_partition_leaves_nothing() -> None:
    inbox = Inbox(20, 10_000)
    for kind in (POLICIES, REQUESTS, REWARDS):
        inbox.put(kind, 0, records(1, 2, 3))
        inbox.put(kind, 1, records(1))
    inbox.drop(0)
    assert (len(inbox), inbox.partitions) == (3, [1])
    assert inbox.size == sum(64 + 8 for _ in range(3))
