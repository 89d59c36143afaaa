"""``thalweg topics create`` on a real Kafka."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner, Result

from streams.cli import main
from streams.settings import Settings, Topics
from streams.topics import wanted


def _create(brokers: str, prefix: str, *options: str) -> Result:
    named = [f"--brokers={brokers}", f"--name={prefix}app", f"--topic-prefix={prefix}"]
    return CliRunner().invoke(main, ["topics", "create", *named, *options])


def _partitions(brokers: str, topics: list[str]) -> dict[str, int]:
    async def ask() -> dict[str, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        await admin.start()
        try:
            found = await admin.describe_topics(topics)
            return {one["topic"]: len(one["partitions"]) for one in found}
        finally:
            await admin.close()

    return asyncio.run(ask())


def test_it_creates_all_topics_once(brokers: str, topic_prefix: str) -> None:
    settings = Settings(name=f"{topic_prefix}app", topics=Topics.prefixed(topic_prefix))
    first = _create(brokers, topic_prefix, "--partitions=3")
    assert first.exit_code == 0, first.output
    assert first.output.splitlines() == [f"{name}: 3 partitions" for name in wanted(settings)]
    # What exists stays, whatever is asked for.
    second = _create(brokers, topic_prefix, "--partitions=5")
    assert second.exit_code == 0, second.output
    assert second.output == first.output
    assert set(_partitions(brokers, list(wanted(settings))).values()) == {3}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--replication=7"], "Choose other --partitions or --replication"),
        (["--partitions=0"], "0"),
    ],
)
def test_what_cannot_be_created_is_said(
    brokers: str, topic_prefix: str, options: list[str], told: str
) -> None:
    ended = _create(brokers, topic_prefix, *options)
    assert ended.exit_code != 0
    assert told in ended.output
    assert "Traceback" not in ended.output
