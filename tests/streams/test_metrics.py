"""What a worker serves over HTTP."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.streams.harness import serving


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text = response.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_happened(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def main() -> None:
        port = _free_port()
        async with serving(brokers, topic_prefix, tmp_path / "w1", web_port=port) as (made, _):
            await made.policy("r", 1)
            await asyncio.sleep(1)
            for number in range(5):
                await made.request("r", f"q{number}")
            await made.send(made.topics.requests, "r", b"{broken")
            await made.producer.flush()
            assert len(await made.answers(within=30, until=5)) == 5
            await made.eventually(made.topics.dead_letters, 1)
            await asyncio.sleep(1)
            found = await asyncio.to_thread(_scrape, port)
        assert found["thalweg_partitions_owned"] == 4
        assert found["thalweg_decisions_total"] == 5
        assert found["thalweg_records_applied_total"] == 7
        assert found["thalweg_dead_letters_total"] == 1
        assert found["thalweg_changelog_records_total"] > 5

    asyncio.run(main())
