"""The demo's proxy alone, against a worker that runs elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.streams.harness import serving


def _play(brokers: str, prefix: str, log: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streams.cli", "demo", "--proxy-only", f"--brokers={brokers}"]
    with log.open("wb") as out:
        return subprocess.Popen(
            [*command, f"--topic-prefix={prefix}", *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PYTHONUNBUFFERED": "1",
            },
        )


def _wait(played: subprocess.Popen[bytes], log: Path, text: str) -> str:
    deadline = time.monotonic() + 120
    while text not in log.read_text():
        assert played.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text()


def test_rounds_follow_each_other_until_it_is_stopped(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        log = tmp_path / "proxy.log"
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, _):
            played = _play(brokers, topic_prefix, log, "--requests=60", "--rate=200")
            try:
                told = await asyncio.to_thread(_wait, played, log, "round 2:")
                played.send_signal(signal.SIGINT)
                assert await asyncio.to_thread(played.wait, 30) == 130
            finally:
                if played.poll() is None:
                    played.kill()
                    played.wait()
            assert "round 1: 60 of 60 requests decided, 0 rejected, 0 unanswered" in told
            assert "round 2: 60 of 60 requests decided, 0 rejected, 0 unanswered" in told
            requests = await made.messages(made.topics.requests)
            ids = [one["request_id"] for one in requests if one["request_id"].startswith("demo-")]
            assert len(ids) == len(set(ids))
            assert await made.messages(made.topics.dead_letters) == []

    asyncio.run(main())


def test_without_topics_it_says_how_to_get_them(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    log = tmp_path / "proxy.log"
    played = _play(brokers, topic_prefix, log)
    assert played.wait(60) == 1
    assert f"there is no topic {topic_prefix}requests" in log.read_text()
    assert "thalweg topics create" in log.read_text()
