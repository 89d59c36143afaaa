"""``thalweg replay`` on what two workers wrote while one was killed and partitions moved."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from schemas.state import CLAIM_KEY, Claim
from tests.streams.audit_log import BETA, POLICIES, Log, Traffic
from tests.streams.harness import Bench, Worker, bench

Claims = dict[int, list[str]]
"""By partition, who has claimed it, one after the other."""
CLAIM = msgspec.msgpack.Decoder(Claim).decode


async def _claims(made: Bench) -> Claims:
    changelog = await made.read(made.settings.changelog)
    return {
        number: [CLAIM(record.value).owner for record in records if record.key == CLAIM_KEY]
        for number, records in changelog.items()
    }


PATIENCE = 240.0
"""In seconds, for what takes a few where nothing else runs."""
MORE = 12
"""Rounds at most while something is waited for: what is read again and again must not grow."""


class Rounds:
    """Traffic that goes on until something has happened."""

    def __init__(self, made: Bench) -> None:
        self._made = made
        self._traffic = Traffic(made)
        self._number = 0

    async def go_on(
        self, least: int, until: Callable[[Claims], bool] | None = None, within: float = PATIENCE
    ) -> None:
        """At least so many rounds, and more until ``until`` holds of the claims."""
        deadline = time.monotonic() + within
        for count in itertools.count(1):
            if count <= least + MORE:
                await self._traffic.round(self._number)
                self._number += 1
            await asyncio.sleep(0.3)
            if count >= least:
                claims = {} if until is None else await _claims(self._made)
                if until is None or until(claims):
                    return
                assert time.monotonic() < deadline, f"the partitions have not moved: {claims}"

    async def answered(self, within: float = PATIENCE) -> None:
        """Wait until every request has its answer."""
        deadline = time.monotonic() + within
        while True:
            found = {
                (answer["route"], answer["request_id"])
                for answer in await self._made.messages(self._made.topics.decisions)
            }
            if found >= self._traffic.asked:
                return
            assert time.monotonic() < deadline, sorted(self._traffic.asked - found)[:5]
            await asyncio.sleep(0.3)


def _moved(before: Claims) -> Callable[[Claims], bool]:
    """Whether some partition has been claimed again."""
    return lambda claims: any(len(claims[n]) > len(found) for n, found in before.items())


def test_a_log_of_two_workers_one_of_them_killed_is_decided_again(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> Claims:
        async with bench(brokers, topic_prefix) as made:
            first = Worker(brokers, topic_prefix, tmp_path / "w1")
            second = Worker(brokers, topic_prefix, tmp_path / "w2")
            first.start()
            try:
                await first.ready(PATIENCE)
                for route, changes in POLICIES.items():
                    await made.policy(route, **changes)
                rounds = Rounds(made)
                await rounds.go_on(2)
                # The second one joins: it takes over partitions with all that they remember.
                second.start()
                await second.ready(PATIENCE)
                await rounds.go_on(2)
                # kill -9 in the middle of a round: the other one takes over what it had.
                before = await _claims(made)
                await rounds.go_on(1)
                first.kill()
                await rounds.go_on(2, until=_moved(before))
                await made.policy(BETA, 2, **POLICIES[BETA] | {"reward": {"window": "20m"}})
                # It comes back with nothing on its disk, and gets some of them again.
                shutil.rmtree(first.data_dir)
                first.start()
                await first.ready(PATIENCE)
                await rounds.go_on(2)
                assert second.stop() == 0
                await rounds.go_on(2)
                await rounds.answered()
                found = await _claims(made)
                assert first.stop() == 0
                return found
            finally:
                first.ensure_dead()
                second.ensure_dead()

    claims = asyncio.run(main())
    owners = {owner for found in claims.values() for owner in found}
    assert len(owners) >= 3, f"three processes owned partitions: {claims}"
    assert max(map(len, claims.values())) >= 3, claims
    log = Log(brokers, topic_prefix)
    code, document = log.replay()
    assert (code, document["verdict"]) == (0, "equal")
    published = sum(
        len({record.value for record in records}) for records in log.read("decisions").values()
    )
    parts = document["partitions"]
    assert sum(one["equal"] for one in parts) == sum(one["answers"] for one in parts) == published
    for one in parts:
        assert one["unverified"] == one["differences"] == one["state"]["different"] == []
        assert one["replayed_from"] == 0
