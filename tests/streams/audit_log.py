"""A log of everything that a route can meet, written by a worker that is killed, and its copies."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition
from click.testing import CliRunner, Result

from streams.audit.topics import TopicLog, snapshots
from streams.cli import main
from streams.settings import Settings, Topics
from tests.streams.harness import Bench, Worker, bench

LINEAR, BETA, SEARCH, IMPLICIT = "log/linear", "log/beta", "log/search", "log/implicit"
TASKS = ("code", "chat", "mail", "legal")
POLICIES: dict[str, dict[str, Any]] = {
    LINEAR: {
        "algorithm": {"name": "linucb", "alpha": 0.5},
        "context": {
            "segment_by": ["region"],
            "features": [
                {"encode": "vocabulary", "field": "task_type", "size": 2},
                {"encode": "log", "field": "input_tokens"},
            ],
        },
    },
    BETA: {"algorithm": {"name": "thompson_beta"}, "cold_start": {"pulls": 2}},
    SEARCH: {
        "algorithm": {
            "name": "search",
            "space": {"temperature": {"low": 0.0, "high": 2.0}},
            "evaluations": 6,
            "rewards_per_evaluation": 2,
            "parallel": 2,
        },
        "arms": [{"id": "base", "model": "models/base", "params": {"top_p": 1.0}}],
    },
}
ROUND = 30
ROUNDS = 6


class Log(NamedTuple):
    """One installation's topics."""

    brokers: str
    prefix: str

    @property
    def options(self) -> list[str]:
        return [
            f"--brokers={self.brokers}",
            f"--name={self.prefix}app",
            f"--topic-prefix={self.prefix}",
        ]

    def run(self, command: str, *arguments: str) -> Result:
        """One command of thalweg on these topics."""
        result = CliRunner().invoke(main, [command, *self.options, *arguments])
        unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
        assert not unexpected, result.exc_info
        return result

    def replay(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and findings of a replay."""
        result = self.run("replay", "--json", *arguments)
        assert result.stdout, result.output
        return result.exit_code, orjson.loads(result.stdout)

    def read(self, role: str) -> dict[int, list[Any]]:
        """All records of a topic, by partition; ``changelog`` is a role too."""
        return asyncio.run(_read(self, [role]))[role]

    def answers(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The last answer of every request, by route and request id."""
        found = {}
        for records in self.read("decisions").values():
            for record in records:
                answer = orjson.loads(record.value)
                found[answer["route"], answer["request_id"]] = answer
        return found


ROLES = ("policies", "requests", "rewards", "decisions", "changelog")


def _settings(log: Log) -> Settings:
    return Settings(log.brokers, f"{log.prefix}app", Topics.prefixed(log.prefix))


def _topic(settings: Settings, role: str) -> str:
    return settings.changelog if role == "changelog" else settings.topics.of_role(role)


async def _read(log: Log, roles: Iterable[str]) -> dict[str, dict[int, list[Any]]]:
    settings = _settings(log)
    found: dict[str, dict[int, list[Any]]] = {role: {} for role in roles}
    for number, one in (await snapshots(settings, range(4))).items():
        spans = dict(zip(ROLES, (*one.inputs, one.decisions, one.changelog), strict=True))
        for role in found:
            async with TopicLog(log.brokers, _topic(settings, role), number, spans[role]) as topic:
                found[role][number] = await topic.take(spans[role].end)
    return found


class Traffic:
    """Requests of all routes in rounds, with all that can go wrong, and rewards a round later."""

    def __init__(self, made: Bench) -> None:
        self._made = made
        self._chance = random.Random(11)
        self._due: list[tuple[str, str]] = []
        self.asked: set[tuple[str, str]] = set()

    async def round(self, number: int) -> None:
        made, due, self._due = self._made, self._due, []
        for index in range(ROUND):
            await self._request(number, index)
            if due and index % 2:
                await self._rewards(due[:2])
                due = due[2:]
        await self._rewards(due)
        await made.producer.flush()

    async def _request(self, number: int, index: int) -> None:
        made, chance = self._made, self._chance
        route, name = chance.choice([*POLICIES, IMPLICIT]), f"{number}-{index}"
        fields: dict[str, Any] = {
            "context": {
                "task_type": chance.choice(TASKS),
                "region": chance.choice(("eu", "us")),
                "input_tokens": chance.randrange(5_000),
            }
        }
        if route == IMPLICIT:
            fields["candidates"] = ["a/one", "b/two"]
        elif route != SEARCH and index % 7 == 0:
            fields["candidates"] = ["small", "large"]
        if index % 11 == 0:  # a reward that may be read before its request
            await made.reward(route, name, quality=0.5)
        await made.request(route, name, **fields)
        self.asked.add((route, name))
        if index % 13 == 0:
            await made.request(route, name, **fields)
        if index % 29 == 0:
            await made.request("log/unknown", name)
            self.asked.add(("log/unknown", name))
            await made.send(made.topics.requests, route, b"not json")
            await made.send(made.topics.rewards, route, b"not json")
        if index % 5:
            self._due.append((route, name))

    async def _rewards(self, due: list[tuple[str, str]]) -> None:
        chance = self._chance
        for route, name in due:
            fields: dict[str, Any] = {"quality": round(chance.random(), 3)}
            if chance.random() < 0.5:
                fields["cost_usd"] = round(chance.uniform(0.001, 0.01), 5)
            if route in (LINEAR, BETA) and chance.random() < 0.1:
                fields["arm"] = "large"
            if chance.random() < 0.3:
                await self._made.reward(route, name, latency_ms=800, final=False)
            await self._made.reward(route, name, **fields)


async def _applied(made: Bench, asked: set[tuple[str, str]]) -> None:
    """Wait until every request is answered."""
    answered: set[tuple[str, str]] = set()
    for _ in range(120):
        answers = await made.messages(made.topics.decisions)
        answered = {(answer["route"], answer["request_id"]) for answer in answers}
        if answered >= asked:
            break
        await asyncio.sleep(0.25)
    assert answered == asked


def the_log(brokers: str, folders: pytest.TempPathFactory) -> Log:
    """The log on these brokers; it is written once in a session, and never changed."""
    if brokers not in _WRITTEN:
        prefix = f"audit-{uuid.uuid4().hex[:8]}-"
        _WRITTEN[brokers] = write_log(brokers, prefix, folders.mktemp("audit") / "worker")
    return _WRITTEN[brokers]


def write_log(brokers: str, prefix: str, data_dir: Path) -> Log:
    """Rounds of traffic; the worker is killed in the middle of one, and started again."""

    async def main() -> None:
        async with bench(brokers, prefix) as made:
            worker = Worker(brokers, prefix, data_dir)
            worker.start()
            try:
                await worker.ready()
                for route, changes in POLICIES.items():
                    await made.policy(route, **changes)
                traffic = Traffic(made)
                for number in range(ROUNDS):
                    await traffic.round(number)
                    if number == 2:
                        worker.kill()
                        worker.start()
                        # A version that keeps what was learned, and one that is refused.
                        changes = POLICIES[BETA] | {"reward": {"window": "20m"}}
                        await made.policy(BETA, 2, **changes)
                        await made.policy(BETA, 1, **POLICIES[BETA])
                    elif number == 3:
                        await worker.ready()
                    else:
                        # The log must have many batches, and one may hold all that is there.
                        await _applied(made, traffic.asked)
                await _applied(made, traffic.asked)
                assert worker.stop() == 0
            finally:
                worker.ensure_dead()

    asyncio.run(main())
    return Log(brokers, prefix)


_WRITTEN: dict[str, Log] = {}

Change = Callable[[str, int, list[Any]], list[Any]]
"""Of role, partition and records: the records that the copy gets."""


def copied(log: Log, prefix: str, change: Change, deleted: dict[str, int] | None = None) -> Log:
    """A copy of the topics under another prefix, with the records' own times.

    ``deleted``: by role, how many of the oldest records of each partition are deleted then, as
    retention does.
    """
    made = Log(log.brokers, prefix)
    settings = _settings(made)

    async def copy() -> None:
        found = await _read(log, ROLES)
        admin = AIOKafkaAdminClient(bootstrap_servers=log.brokers)
        producer = AIOKafkaProducer(bootstrap_servers=log.brokers, linger_ms=2)
        await admin.start()
        await producer.start()
        try:
            await admin.create_topics([NewTopic(_topic(settings, role), 4, 1) for role in ROLES])
            before = {}
            for role, partitions in found.items():
                topic = _topic(settings, role)
                for number, records in partitions.items():
                    kept = change(role, number, records)
                    await _send(producer, topic, number, kept)
                    if deleted and role in deleted:
                        most = RecordsToDelete(before_offset=min(deleted[role], len(kept)))
                        before[TopicPartition(topic, number)] = most
            await producer.flush()
            if before:
                await admin.delete_records(before)
        finally:
            await producer.stop()
            await admin.close()

    asyncio.run(copy())
    return made


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Any]) -> None:
    for record in records:
        await producer.send(
            topic,
            record.value,
            key=record.key,
            partition=partition,
            timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )


def unchanged(_role: str, _partition: int, records: list[Any]) -> list[Any]:
    return records
