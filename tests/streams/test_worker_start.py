"""Starts that must fail with one clear line, and state that must not be mistaken for another's."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streams.durable.reading import ForeignLogError, LogRecord, Progress, read_on
from streams.local_kafka import LocalKafka
from tests.streams.harness import serving


def _start(brokers: str, *options: str) -> tuple[int, str]:
    """Exit code and last line of a worker that does not come up."""
    ended = subprocess.run(
        [sys.executable, "-m", "streams.cli", "worker", f"--brokers={brokers}", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert "Traceback" not in ended.stderr
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
            code = await asyncio.to_thread(worker.process.wait, 60)
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
