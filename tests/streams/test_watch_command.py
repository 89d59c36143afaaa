"""``thalweg watch``, as a process and in this one, with a real Kafka."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.encode import encode_alert, encode_dead_letter
from streams.cli import main
from streams.notify.lines import alert_lines, plain
from tests.notify.alerts import drift_topic, make_alert, publish
from tests.streams.harness import Bench, bench

STORY = (
    make_alert("a", 1, severity="warning", type="warning", message="first"),
    make_alert("b", 1, route="other/sum", message="second"),
    make_alert("a", 2, message="third"),
    make_alert("c", 1, severity="info", event="notice", type="experiment", message="fourth"),
    make_alert("b", 2, route="other/sum", event="resolved", severity="info", message="fifth"),
)


def watch(brokers: str, prefix: str, *arguments: str) -> Result:
    command = ["watch", arguments[0], f"--brokers={brokers}", f"--topic-prefix={prefix}"]
    return CliRunner(env={"THALWEG_BROKERS": ""}).invoke(
        main, [*command, *arguments[1:]], catch_exceptions=False
    )


def prepared(
    brokers: str, prefix: str, write: Callable[[Bench], Awaitable[None]], partitions: int = 1
) -> None:
    async def work() -> None:
        async with drift_topic(brokers, prefix, partitions) as made:
            await write(made)
            await made.producer.flush()

    asyncio.run(work())


@pytest.fixture
def story(brokers: str, topic_prefix: str) -> str:
    """The prefix of a drift topic with the story on it; its second alert stands there twice."""
    prepared(brokers, topic_prefix, lambda made: publish(made, *STORY[:2], *STORY[1:]))
    return topic_prefix


def words(result: Result) -> list[str]:
    """The messages that were printed."""
    assert result.exit_code == 0, result.stderr
    return [line.split()[-1] for line in result.stdout.splitlines() if not line.startswith(" ")]


ORDINALS = ["first", "second", "third", "fourth", "fifth"]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ORDINALS),
        (("--last=2",), ORDINALS[-2:]),
        (("--last=0",), []),
        (("--since=beginning",), ORDINALS),
        (("--since=beginning", "--last=1"), ["fifth"]),
        (("--since=1h",), ORDINALS),
        (("--since=2026-01-01",), ORDINALS),
        (("--since=now",), []),
        (("--route=acme/*",), ["first", "third", "fourth"]),
        (("--route=acme/*", "--route=*sum"), ORDINALS),
        (("--severity=critical",), ["second", "third", "fifth"]),
        (("--severity=warning",), ["first", "second", "third", "fifth"]),
        (("--type=drift",), ["second", "third", "fifth"]),
        (("--type=experiment",), ["fourth"]),
        (("--open",), ["third"]),
        (("--open", "--route=other/*"), []),
    ],
)
def test_what_is_shown_to_begin_with(
    brokers: str, story: str, options: Sequence[str], shown: list[str]
) -> None:
    assert words(watch(brokers, story, "alerts", "--no-follow", *options)) == shown


def test_lines_say_when_and_how_grave_and_details_say_the_rest(brokers: str, story: str) -> None:
    result = watch(brokers, story, "alerts", "--no-follow", "--verbose", "--open")
    assert result.stdout.splitlines() == [
        "2026-05-04T12:01:00Z  critical  updated   third",
        "    about     route acme/chat, arm gpt-5, segment task_type=code, metric quality",
        "    measured  before 0.91 (n=4,031), after 0.74 (n=212)",
        "    seen by   adwin (drift)",
        "    done      what the arm had learned was dropped; it is being explored again",
        "    incident  a, since 2026-05-04T12:00:00Z (1 min), detections: 2",
        "    alert     a.2, state version 102",
    ]


def test_json_is_that_of_the_topic(brokers: str, story: str) -> None:
    result = watch(brokers, story, "alerts", "--no-follow", "--json", "--last=1")
    assert result.stdout_bytes == encode_alert(STORY[-1]) + b"\n"


def test_alerts_of_all_partitions_are_merged_by_time(brokers: str, topic_prefix: str) -> None:
    alerts = [make_alert(f"i-{n}", route=f"acme/{n}", message=f"m{n}") for n in range(40)]

    async def write(made: Bench) -> None:
        for alert in alerts:
            await made.producer.send_and_wait(
                made.topics.drift, encode_alert(alert), key=alert.route.encode(),
                timestamp_ms=alert.timestamp + int(alert.incident_id[2:]),
            )  # fmt: skip

    prepared(brokers, topic_prefix, write, partitions=4)
    result = watch(brokers, topic_prefix, "alerts", "--no-follow", "--since=beginning")
    assert words(result) == [f"m{n}" for n in range(40)]


def test_what_is_no_alert_is_noted_and_left_out(brokers: str, topic_prefix: str) -> None:
    async def write(made: Bench) -> None:
        await made.send(made.topics.drift, "r", b'{"alert_id": 7}')
        await publish(made, STORY[0])

    prepared(brokers, topic_prefix, write)
    result = watch(brokers, topic_prefix, "alerts", "--no-follow")
    assert words(result) == ["first"]
    assert f"not readable: {topic_prefix}drift, partition 0, offset 0: " in result.stderr


def test_dead_letters_say_what_to_do(brokers: str, topic_prefix: str) -> None:
    letter = DeadLetter(
        "late_reward", "came too late; send it sooner", "llm.rewards", 2, 17, 1_777_896_000_000,
        "acme/chat", '{"request_id":\n1}', 2**17,
    )  # fmt: skip
    other = replace(letter, reason="invalid_json", message="not JSON", value=None, key=None, size=0)

    async def write(made: Bench) -> None:
        for one in (letter, other):
            await made.send(made.topics.dead_letters, "acme/chat", encode_dead_letter(one))

    prepared(brokers, topic_prefix, write)
    both = watch(brokers, topic_prefix, "dead-letters", "--no-follow")
    assert both.stdout.splitlines() == [
        "2026-05-04T12:00:00Z  late_reward            came too late; send it sooner",
        "2026-05-04T12:00:00Z  invalid_json           not JSON",
    ]
    one = watch(
        brokers, topic_prefix, "dead-letters", "--no-follow", "--reason=late_reward", "-v"
    ).stdout.splitlines()
    assert one[1:] == [
        "    from      llm.rewards, partition 2, offset 17",
        "    key       acme/chat",
        '    value     {"request_id": 1} (131,072 bytes, cut)',
    ]
    as_json = watch(brokers, topic_prefix, "dead-letters", "--no-follow", "--json", "--last=1")
    assert orjson.loads(as_json.stdout_bytes)["reason"] == "invalid_json"


def test_without_kafka_or_the_topic_it_says_so(brokers: str, topic_prefix: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for command in ("alerts", "dead-letters"):
        nowhere = watch(address, topic_prefix, command)
        assert nowhere.exit_code == 1
        assert f"no Kafka answers at {address}" in nowhere.stderr
        absent = watch(brokers, topic_prefix, command)
        assert absent.exit_code == 1
        assert f"there is no topic '{topic_prefix}" in absent.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--since=yesterday",), "'yesterday' is none of: an age such as 30m"),
        (("--open", "--last=3"), "--open looks at all that is there"),
        (("--type=drif",), "'drif' is not one of"),
    ],
)
def test_options_that_do_not_fit(options: Sequence[str], problem: str) -> None:
    result = watch("127.0.0.1:1", "none.", "alerts", *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_nothing_on_the_topic_can_move_the_terminals_cursor() -> None:
    alert = make_alert(message="a\x1b[2Jb\nc\x9bd\u2028e", route="acme/\x07", of="x\r")
    lines = [line.plain for line in alert_lines(alert, verbose=True)]
    assert lines[0].endswith("a [2Jb c d e")
    assert all(line == plain(line) for line in lines)


class Following:
    """``thalweg watch`` as a process whose output is read as it comes."""

    def __init__(self, brokers: str, prefix: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "streams.cli", "watch", "alerts", f"--brokers={brokers}",
                f"--topic-prefix={prefix}", *options,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.out = self.process.stdout

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def send(brokers: str, prefix: str, *alerts: Alert) -> None:
    async def work() -> None:
        async with bench(brokers, prefix) as made:
            await publish(made, *alerts)

    asyncio.run(work())


def test_it_follows_until_ctrl_c_which_is_a_good_end(brokers: str, story: str) -> None:
    with Following(brokers, story, "--last=1") as following:
        assert following.out.readline().endswith(b"fifth\n")
        send(brokers, story, STORY[0], make_alert("d", message="sixth"))
        assert following.out.readline().endswith(b"sixth\n")
        following.process.send_signal(signal.SIGINT)
        assert following.process.wait(30) == 0
        assert following.process.stderr is not None
        assert following.process.stderr.read() == b""


@pytest.mark.parametrize("more", [False, True])
def test_it_ends_well_when_nobody_reads_its_output(brokers: str, story: str, *, more: bool) -> None:
    """As in ``thalweg watch alerts | head -1``, whether or not anything more comes."""
    with Following(brokers, story, "--json", "--last=1") as following:
        following.out.readline()
        following.out.close()
        if more:
            send(brokers, story, make_alert("d"))
        deadline = time.monotonic() + 30
        while following.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert following.process.returncode == 0
        assert following.process.stderr is not None
        assert following.process.stderr.read() == b""
        following.process.stdout = None
