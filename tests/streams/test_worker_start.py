"""Starts that must fail with one clear line, and state that must not be mistaken for another's."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, cast

import pytest
from click.testing import CliRunner

from schemas.state import CLAIM_KEY, Claim, encode_state
from streams.app.worker import WorkerApp
from streams.commands.worker import web_address
from streams.commands.worker import worker as command
from streams.durable.headers import epoch_header, log_record
from streams.durable.reading import ForeignLogError, LogRecord, Progress, read_on
from streams.local_kafka import LocalKafka
from streams.settings import Settings, Topics
from streams.topics import TopicError, ensure_topics
from tests.streams.harness import Bench, Worker, serving


def _start(brokers: str, *options: str) -> tuple[int, str]:
    """Exit code and last line of a worker that does not come up."""
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli", "worker", f"--brokers={brokers}", *options],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert "Traceback" not in ended.stderr
    assert "aiokafka" not in ended.stderr, "the last line says it better"
    return ended.returncode, ended.stderr.splitlines()[-1]


def _taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_no_kafka(tmp_path: Path) -> None:
    with _taken_port() as free:
        port = free.getsockname()[1]
    code, line = _start(f"127.0.0.1:{port}", f"--data-dir={tmp_path}", "--without-web")
    assert code == 1
    assert f"no Kafka answers at 127.0.0.1:{port}" in line


def test_a_taken_web_port(tmp_path: Path) -> None:
    with _taken_port() as taken:
        port = taken.getsockname()[1]
        code, line = _start("127.0.0.1:1", f"--data-dir={tmp_path}", f"--port={port}")
    assert code == 1
    assert f"port {port}" in line
    assert "--without-web" in line


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "http://127.0.0.1:6066"), ("::1", "http://[::1]:6066")]
)
def test_the_page_has_an_address_that_a_browser_takes(host: str, address: str) -> None:
    assert web_address(host, 6066) == address


def test_without_web_says_what_is_missing_then() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    assert "Serve no page and no metrics." in " ".join(shown.split())


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, line = _start("127.0.0.1:1", f"--data-dir={tmp_path / 'file'}", "--without-web")
    assert code == 1
    assert "--data-dir" in line


def test_impossible_options(tmp_path: Path) -> None:
    code, line = _start("127.0.0.1:1", f"--data-dir={tmp_path}", "--partitions=0")
    assert code == 2
    assert "--partitions" in line


def test_a_data_directory_in_use(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (_, worker):
            code, line = _start(brokers, f"--data-dir={tmp_path / 'w1'}", "--without-web")
            assert code == 1
            assert f"pid {worker.process.pid}" in line

    asyncio.run(main())


def test_state_of_another_kafka_is_not_taken_for_this_ones(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main(where: str) -> str:
        async with serving(where, topic_prefix, tmp_path / "w1") as (made, worker):
            if where == brokers:
                await made.policy("r", 1)
                await asyncio.sleep(1)
            await made.request("r", "q")
            await made.producer.flush()
            (answer,) = await made.eventually(made.topics.decisions, 1)
            assert worker.stop() == 0
            return answer["status"]

    assert asyncio.run(main(brokers)) == "decided"
    with LocalKafka(quick_start=True) as other:
        assert asyncio.run(main(other.bootstrap)) == "rejected"


def test_a_changelog_that_was_recreated_is_noticed() -> None:
    _, progress = read_on(Progress(), [LogRecord(4, b"k", b"v", 1, 1_000)])
    read_on(progress, [LogRecord(4, b"k", b"v", 1, 1_000), LogRecord(5, b"k", b"w", 1, 2_000)])
    with pytest.raises(ForeignLogError, match="offset 4"):
        read_on(progress, [LogRecord(4, b"k", b"v", 1, 1_500)])


def test_a_changelog_that_went_back_stops_the_worker(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """The same Kafka, but the changelog is gone: nothing may be decided from the old copy."""

    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await made.policy("r", 1)
            await made.request("r", "q")
            await made.answers(within=30, until=1)
            assert worker.stop() == 0
            await _delete(brokers, made.settings.changelog)
            worker.start()
            code = await asyncio.to_thread(worker.process.wait, 240)
        assert code == 70
        assert "delete the workers' data directories" in worker.tail()
        assert "Traceback" not in worker.tail()

    asyncio.run(main())


async def _delete(brokers: str, topic: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def _count(made: Bench, offset: int) -> None:
    """Have some of every input applied, and its stamp written."""
    await made.policy("r", 1)
    for number in range(offset):
        await made.request("r", f"q{number}")
    assert len(await made.answers(within=120, until=offset)) == offset


def test_state_of_other_topics_is_not_gone_on_with(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """The same name with another prefix: its requests would be taken for applied ones."""

    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await _count(made, 3)
            assert "policy of r: version 1 is in force" in worker.tail()
            assert worker.stop() == 0
        code, text = await asyncio.to_thread(
            _end_of,
            brokers,
            f"--name={made.settings.name}",
            f"--topic-prefix={topic_prefix}other.",
            f"--data-dir={tmp_path / 'w2'}",
            "--without-web",
            "--partitions=4",
        )
        assert code == 70, text
        assert f"then {made.topics.requests}, now {topic_prefix}other.requests" in text
        assert "--name" in text
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await made.request("r", "still")
            assert "still" in await made.answers(within=120, until=4)

    asyncio.run(main())


def test_input_topics_that_were_recreated_are_noticed(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await _count(made, 3)
            assert worker.stop() == 0
            await _delete(brokers, made.topics.requests)
            worker.start()
            code = await asyncio.to_thread(worker.process.wait, 240)
        assert code == 70
        assert f"{made.topics.requests} was recreated" in worker.tail()
        assert "Traceback" not in worker.tail()

    asyncio.run(main())


def test_a_worker_that_takes_over_notices_recreated_topics(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Not only at the start: what it reads is compared with what the state is made of."""

    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, first):
            await _count(made, 3)
            second = Worker(brokers, topic_prefix, tmp_path / "w2")
            second.start()
            try:
                await second.ready()
                first.pause()
                await _delete(brokers, made.topics.rewards)
                await _recreate(brokers, made.topics.rewards)
                first.kill()
                code = await asyncio.to_thread(second.process.wait, 240)
            finally:
                second.ensure_dead()
        assert code == 70
        # At the claim, or by the look that is taken from time to time.
        assert made.topics.rewards in second.tail(6)
        assert "recreated" in second.tail(6)

    asyncio.run(main())


def test_a_topic_that_ends_before_the_state_does_is_noticed(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Without ids to compare: as in a Kafka that has none, or that lost what it had acked."""

    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await _count(made, 3)
            assert worker.stop() == 0
            await _forget_sources(made)
            await _delete(brokers, made.topics.requests)
            worker.start()
            code = await asyncio.to_thread(worker.process.wait, 240)
        assert code == 70
        assert f"of {made.topics.requests} up to offset" in worker.tail()
        assert "that ends at 0" in worker.tail()

    asyncio.run(main())


def test_a_topic_that_is_recreated_while_it_is_read_is_noticed(
    brokers: str, topic_prefix: str
) -> None:
    settings = Settings(brokers=brokers, topics=Topics.prefixed(topic_prefix), partitions=1)

    class App:
        thalweg = settings
        should_stop = False
        looks = 0

        async def sleep(self, _seconds: float) -> None:
            self.looks += 1
            if self.looks == 2:
                await _delete(brokers, settings.topics.rewards)
                await _recreate(brokers, settings.topics.rewards)

        def fail(self, error: Exception) -> NoReturn:
            raise error

    async def main() -> int:
        await ensure_topics(settings)
        app = App()
        with pytest.raises(TopicError, match=f"{settings.topics.rewards} was deleted or recreated"):
            await WorkerApp._check_topics(cast(WorkerApp, app))
        return app.looks

    assert asyncio.run(main()) == 2


def _end_of(brokers: str, *options: str) -> tuple[int, str]:
    """Exit code and log of a worker that does not come up."""
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli", "worker", f"--brokers={brokers}", *options],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    return ended.returncode, ended.stderr


async def _recreate(brokers: str, topic: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 4, 1)])
    finally:
        await admin.close()


async def _forget_sources(made: Bench) -> None:
    """Append claims as an owner wrote them that knew no ids."""
    for partition, records in (await made.read(made.settings.changelog)).items():
        epoch = max((log_record(record).epoch for record in records), default=0)
        await made.producer.send_and_wait(
            made.settings.changelog,
            key=CLAIM_KEY,
            value=encode_state(Claim(epoch, "old")),
            headers=epoch_header(epoch, "old"),
            partition=partition,
        )
