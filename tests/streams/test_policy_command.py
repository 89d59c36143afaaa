"""``thalweg policy``: offline checks, and publishing to a real Kafka."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from core.router import Router
from core.routing.part import Inputs
from schemas.decode import decode_policy
from schemas.policy import Price
from schemas.state import policy_key
from streams.cli import main
from streams.durable.local import MemoryState
from streams.models import load_registry
from tests.streams.harness import bench

MODEL = "openai/gpt-5-mini"
GOOD = f"""
route: acme/chat
version: 3
arms:
  - {{id: small, model: {MODEL}}}
  - {{id: own, model: house/own, price: {{per_request: 0.01}}}}
  - {{id: bare, model: house/bare}}
drift: {{on: [quality], action: restart_arm}}
"""
LIST_PRICE = {"input_per_mtok": 0.25, "output_per_mtok": 2.0, "cached_per_mtok": 0.025}


def run(*arguments: str | Path) -> Result:
    # A worker's settings must not leak in.
    return CliRunner(env={"THALWEG_BROKERS": ""}).invoke(
        main, ["policy", *map(str, arguments)], catch_exceptions=False
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


def test_a_good_policy_passes_with_notes_on_its_arms(good: Path) -> None:
    result = run("check", good)
    assert result.exit_code == 0
    assert result.stdout == f"{good}: good: acme/chat version 3 with 3 arms\n"
    assert "arm 'bare' has no price: its model 'house/bare' is not in the registry" in result.stderr
    assert "'own'" not in result.stderr


def test_retired_models_are_noted(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(GOOD.replace(MODEL, "openai/gpt-4.1-nano"))
    assert "arm 'small': openai/gpt-4.1-nano is retired" in run("check", file).stderr


def test_the_compiled_event_has_list_prices_where_there_were_none(good: Path) -> None:
    result = run("check", "--json", good)
    event = orjson.loads(result.stdout)
    price = load_registry().get(MODEL).price
    assert event["arms"][0]["price"] == {**LIST_PRICE, "per_request": 0.0}
    assert price.input_per_mtok == LIST_PRICE["input_per_mtok"]
    assert event["arms"][1]["price"]["per_request"] == 0.01
    assert "price" not in event["arms"][2]
    assert event["drift"]["on"] == ["quality"]
    assert decode_policy(result.stdout_bytes.strip()).arms[0].price == Price(**LIST_PRICE)
    assert (
        "price" not in orjson.loads(run("check", "--json", "--no-prices", good).stdout)["arms"][0]
    )


def test_prices_come_from_a_file_of_ones_own(good: Path, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        "as_of: 2026-01-01\nmodels:\n  - {id: house/bare, provider: house, tier: economy, "
        "sources: [own contract], price: {input_per_mtok: 7, output_per_mtok: 8}}\n"
    )
    result = run("check", "--json", "--models", models, good)
    assert orjson.loads(result.stdout)["arms"][2]["price"]["input_per_mtok"] == 7.0
    assert "bare" not in result.stderr


def test_every_wrong_file_is_reported_with_all_its_problems(good: Path, tmp_path: Path) -> None:
    texts = {
        "whole.yaml": GOOD.replace("id: own", "id: small") + "reward: {window: soon}\n",
        "typo.yaml": GOOD.replace("model: house/own", "modle: house/own"),
        "twice.yaml": GOOD + "version: 4\n",
        "syntax.json": '{"route": }',
        "version.json": '{"route": "r", "arms": [{"id": "a", "model": "m"}]}',
    }
    files = []
    for name, text in texts.items():
        files.append(tmp_path / name)
        files[-1].write_text(text)
    result = run("check", *files, good)
    assert result.exit_code == 1
    assert result.stdout == f"{good}: good: acme/chat version 3 with 3 arms\n"
    for part in (
        "whole.yaml: arms: the id 'small' occurs more than once",
        "whole.yaml: reward.window: 'soon' is not a duration",
        "typo.yaml: arms[1]: Object missing required field `model`; it has",
        'is "modle" a misspelt model?',
        "twice.yaml: not YAML: line 9, column 1: the key 'version' occurs twice",
        "syntax.json: not JSON",
        "version.json: the record: Object missing required field `version`",
    ):
        assert part in result.stderr


def test_a_policy_that_its_prices_make_too_large_is_refused_before_it_is_sent(
    tmp_path: Path,
) -> None:
    """What is checked is the event itself, not only the file."""
    arms = [{"id": f"a{n}", "model": MODEL, "params": {"p": "x" * 8_100}} for n in range(64)]
    event = {"route": "r", "version": 1, "arms": arms}
    size = len(orjson.dumps(event))
    event["arms"][0]["params"]["q"] = "x" * (512 * 1024 - size - 7)
    file = tmp_path / "large.json"
    file.write_bytes(orjson.dumps(event))
    assert run("check", "--no-prices", file).exit_code == 0
    result = run("check", file)
    assert result.exit_code == 1
    assert "at most 524288 are allowed" in result.stderr


def test_without_kafka_there_is_one_clear_line(good: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for arguments in (["publish", good], ["show", "acme/chat"]):
        result = run(*arguments, "--brokers", address)
        assert result.exit_code == 1
        assert f"no Kafka answers at {address}" in result.stderr
        assert "--brokers" in result.stderr


def test_an_address_that_is_none(good: Path) -> None:
    result = run("publish", good, "--brokers", "here:there")
    assert result.exit_code == 1
    assert "no Kafka answers at here:there" in result.stderr


def test_a_missing_topic_is_not_created(good: Path, brokers: str, topic_prefix: str) -> None:
    options = ["--brokers", brokers, "--topic-prefix", topic_prefix]
    for arguments in (["publish", good], ["show", "acme/chat"]):
        result = run(*arguments, *options)
        assert result.exit_code == 1
        assert f"there is no topic '{topic_prefix}policies'" in result.stderr

    async def topics() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        await admin.start()
        try:
            return await admin.list_topics()
        finally:
            await admin.close()

    assert f"{topic_prefix}policies" not in asyncio.run(topics())


@pytest.fixture
def options(brokers: str, topic_prefix: str) -> list[str]:
    """Options for an installation whose policy topic is there."""

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        await admin.start()
        try:
            settings = {"cleanup.policy": "compact"}
            await admin.create_topics(
                [NewTopic(f"{topic_prefix}policies", 4, 1, topic_configs=settings)]
            )
        finally:
            await admin.close()

    asyncio.run(create())
    return ["--brokers", brokers, "--topic-prefix", topic_prefix]


def send(brokers: str, topic: str, key: str, value: bytes | None) -> None:
    async def main() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, key=key.encode())
        finally:
            await producer.stop()

    asyncio.run(main())


def test_what_is_published_can_be_shown_and_is_not_sent_twice(
    good: Path, options: list[str], brokers: str, topic_prefix: str
) -> None:
    none = run("show", "acme/chat", *options)
    assert none.exit_code == 1
    assert "it has no policy there" in none.stderr
    result = run("publish", good, *options)
    assert result.exit_code == 0, result.stderr
    assert "published acme/chat version 3 with 3 arms" in result.stdout
    assert "offset=0" in result.stdout
    shown = run("show", "acme/chat", *options)
    assert shown.exit_code == 0, shown.stderr
    assert decode_policy(shown.stdout_bytes) == decode_policy(
        run("check", "--json", good).stdout_bytes.strip()
    )
    again = run("publish", good, *options)
    assert again.exit_code == 0
    assert "nothing to do: acme/chat has this policy already, as version 3" in again.stdout

    async def records() -> list[Any]:
        async with bench(brokers, topic_prefix) as made:
            read = await made.read(made.topics.policies)
        return [record for found in read.values() for record in found]

    (record,) = asyncio.run(records())
    assert record.key == b"acme/chat"
    assert orjson.loads(record.value)["arms"][0]["price"] == {**LIST_PRICE, "per_request": 0.0}
    router = Router(MemoryState().get, partition=record.partition)
    part = router.handle(Inputs([record], [], []), emitted=0)
    assert part.puts[policy_key("acme/chat", 3)] == record.value


def test_versions_must_rise_and_can_be_counted_up(
    good: Path, options: list[str], tmp_path: Path
) -> None:
    assert run("publish", good, *options).exit_code == 0
    changed = tmp_path / "changed.yaml"
    changed.write_text(GOOD.replace("0.01", "0.02"))
    stale = run("publish", changed, *options)
    assert stale.exit_code == 1
    assert "had version 3 already" in stale.stderr
    assert "version 4 or higher, or use --next-version" in stale.stderr
    changed.write_text(changed.read_text().replace("version: 3\n", ""))
    assert "missing required field `version`" in run("publish", changed, *options).stderr
    counted = run("publish", changed, "--next-version", *options)
    assert counted.exit_code == 0, counted.stderr
    assert "published acme/chat version 4" in counted.stdout
    unchanged = run("publish", changed, "--next-version", *options)
    assert "nothing to do: acme/chat has this policy already, as version 4" in unchanged.stdout
    assert orjson.loads(run("show", "acme/chat", *options).stdout)["version"] == 4


def test_a_first_policy_counted_up_is_version_1(good: Path, options: list[str]) -> None:
    assert "version 1 with" in run("publish", good, "--next-version", *options).stdout


def test_a_wrong_file_is_not_sent(options: list[str], tmp_path: Path) -> None:
    for text, more in (
        ("route: acme/chat\nversion: 1\narms: []\n", []),
        ("arms: [{id: a, model: m}]\n", ["--next-version"]),
        ("[1, 2]", ["--next-version"]),
    ):
        file = tmp_path / "wrong.yaml"
        file.write_text(text)
        assert run("publish", file, *more, *options).exit_code == 1
    assert "it has no policy there" in run("show", "acme/chat", *options).stderr


def test_the_topic_is_read_as_workers_read_it(
    good: Path, options: list[str], brokers: str, topic_prefix: str
) -> None:
    """Refused records are passed over; a withdrawal is one, and its versions stay used."""
    topic = f"{topic_prefix}policies"
    assert run("publish", good, *options).exit_code == 0
    send(brokers, topic, "acme/chat", b"{broken")
    send(brokers, topic, "other", b"{}")
    shown = run("show", "acme/chat", *options)
    assert orjson.loads(shown.stdout)["version"] == 3
    assert "workers refuse the newest record of acme/chat: not JSON" in shown.stderr
    send(brokers, topic, "acme/chat", None)
    withdrawn = run("show", "acme/chat", *options)
    assert withdrawn.exit_code == 1
    assert "its policy was withdrawn" in withdrawn.stderr
    assert "had version 3 already" in run("publish", good, *options).stderr
    assert "version 4" in run("publish", good, "--next-version", *options).stdout


def test_a_version_that_cannot_be_known_is_not_guessed(
    good: Path, options: list[str], brokers: str, topic_prefix: str
) -> None:
    """The topic is compacted: after a withdrawal nothing may tell the version before it."""
    send(brokers, f"{topic_prefix}policies", "acme/chat", None)
    result = run("publish", good, "--next-version", *options)
    assert result.exit_code == 1
    assert "give the version in the file" in result.stderr
    assert run("publish", good, *options).exit_code == 0
