"""What of the libraries' messages reaches an operator."""

from __future__ import annotations

import logging

import pytest

from streams import logs
from streams.logs import OnceInAWhile, told_once


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(logs.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def record(message: str, name: str = "aiokafka.consumer.group_coordinator") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, message, (), None)


def test_a_repeated_message_is_told_once_in_ten_seconds_with_its_count(clock: Clock) -> None:
    held = OnceInAWhile()
    assert held.filter(record("gone"))
    for _ in range(5):
        clock.now += 1
        assert not held.filter(record("gone"))
    clock.now += 10
    again = record("gone")
    assert held.filter(again)
    assert again.getMessage() == "gone (and 5 times more)"


def test_a_new_kafka_that_has_no_coordinator_yet_is_no_error(clock: Clock) -> None:
    held = OnceInAWhile()
    lookup = "Group Coordinator Request failed: %s"
    assert not held.filter(record(lookup))
    clock.now += 5
    assert not held.filter(record(lookup))


def test_a_coordinator_that_stays_away_is_told(clock: Clock) -> None:
    held = OnceInAWhile()
    lookup = "Group Coordinator Request failed: %s"
    told = []
    for _ in range(15):
        told.append(held.filter(record(lookup)))
        clock.now += 1
    assert told == [False] * 10 + [True] + [False] * 4
    clock.now += 60
    assert not held.filter(record(lookup)), "a minute later it is another matter"


def test_our_own_messages_always_pass(clock: Clock) -> None:
    held = OnceInAWhile()
    assert all(held.filter(record("stopped", "streams.commands.worker")) for _ in range(3))
    assert clock.now == 1_000.0


def test_what_an_error_tells_better_is_held_back_and_only_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = logging.getLogger("aiokafka")
    caplog.set_level(logging.ERROR, logger="aiokafka")  # commands that ran before set their own
    with told_once():
        client.error("Unable connect")
    client.error("later")
    assert [one.message for one in caplog.records] == ["later"]
