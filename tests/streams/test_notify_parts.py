"""The parts of ``thalweg notify`` that need neither Kafka nor a network."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notify.incidents import Chosen, Incidents, Selection
from streams.notify.lanes import Delivery, Lanes
from streams.notify.reading import read_alert
from streams.notify.retry import Backoff, Health, retry_after
from streams.notify.sending import verdict_of
from streams.notify.window import LIMIT, Window
from streams.notify.words import lasted
from tests.notify.alerts import delivery_of, make_alert, record_of

# --- windows


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=60),
    st.integers(0, 2**32),
    st.integers(0, 2**40),
)
def test_a_restart_repeats_exactly_what_was_not_done(
    steps: list[int], seed: int, first: int
) -> None:
    """Through several lives, with gaps between offsets, as transactions and deletion leave them."""
    chance = random.Random(seed)
    offsets = [first + sum(steps[: number + 1]) for number in range(len(steps))]
    committed: tuple[int, str] = (first, "")
    finished: set[int] = set()
    for _ in range(4):
        window = Window(*committed)
        begun = []
        for offset in offsets[: chance.randint(0, len(offsets))]:
            assert window.begin(offset) == (offset not in finished)
            if offset not in finished:
                begun.append(offset)
        chance.shuffle(begun)
        for offset in begun[: chance.randint(0, len(begun))]:
            window.done(offset)
            finished.add(offset)
        committed = (window.committed, window.metadata)
        assert all(offset in finished for offset in offsets if offset < window.committed)
        assert len(window.metadata) < 4_096
    window = Window(*committed)
    assert {offset for offset in offsets if not window.begin(offset)} == finished


def test_a_window_is_full_at_its_limit_and_its_metadata_is_short_then() -> None:
    window = Window(10)
    for offset in range(10, 10 + LIMIT):
        assert not window.full
        window.begin(offset)
    assert window.full
    for offset in range(11, 10 + LIMIT):
        window.done(offset)
    assert (window.committed, window.pending, window.full) == (10, 1, True)
    assert len(window.metadata) < 200
    window.done(10)
    assert (window.committed, window.metadata, window.full) == (10 + LIMIT, "", False)


@pytest.mark.parametrize("metadata", ["", "from another program", "1:***", "2:AAAA"])
def test_metadata_of_others_is_ignored(metadata: str) -> None:
    assert Window(5, metadata).begin(7)


# --- lanes


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.integers(0, 2**32),
    st.integers(1, 7),
)
def test_each_incident_is_taken_in_its_order_and_one_at_a_time(
    incidents: list[int], seed: int, most: int
) -> None:
    chance = random.Random(seed)
    lanes = Lanes()
    counts: defaultdict[int, int] = defaultdict(int)
    waiting = []
    for incident in incidents:
        counts[incident] += 1
        waiting.append(delivery_of(make_alert(f"i-{incident}", counts[incident])))
    seen: defaultdict[str, list[int]] = defaultdict(list)
    now, taken = 0.0, list[Delivery]()
    while waiting or taken or len(lanes):
        now += 1.0
        while waiting and chance.random() < 0.7:
            lanes.add(waiting.pop(0))
        got = lanes.take(most, now)
        assert len(got) <= most
        if any(one.alone for one in got):
            assert len(got) == 1
        taken += got
        assert len({one.alert.incident_id for one in taken}) == len(taken)
        for one in [one for one in taken if chance.random() < 0.6]:
            taken.remove(one)
            if chance.random() < 0.3:
                one.alone = chance.random() < 0.5
                lanes.retry(one, now + chance.choice([0.0, 1.0, 5.0]))
            else:
                lanes.finish(one)
                seen[one.alert.incident_id].append(one.alert.detections)
        if chance.random() < 0.1:
            lanes.hurry()
    assert seen == {f"i-{one}": list(range(1, count + 1)) for one, count in counts.items()}
    assert lanes.next_time() is None


def test_what_waits_is_not_taken_before_its_time_unless_it_is_hurried() -> None:
    lanes = Lanes()
    one = delivery_of(make_alert())
    lanes.add(one)
    assert lanes.take(1, 0.0) == [one]
    lanes.retry(one, 5.0)
    assert (lanes.take(1, 4.9), lanes.next_time()) == ([], 5.0)
    lanes.hurry()
    assert lanes.take(1, 4.9) == [one]


def test_the_first_of_each_incident_can_be_taken_by_a_condition() -> None:
    lanes = Lanes()
    old = [delivery_of(make_alert(name), since=1.0) for name in ("a", "b", "c")]
    for one in (*old, delivery_of(make_alert("d"), since=9.0), delivery_of(make_alert("a", 2))):
        lanes.add(one)
    waiting, flying = lanes.take(2, 0.0)
    lanes.retry(waiting, 100.0)
    assert lanes.take_if(lambda one: one.since < 5.0) == [old[0], old[2]]
    assert flying is old[1]
    assert [one.alert.incident_id for one in lanes.take(9, 200.0)] == ["d"]


# --- which alerts


def test_an_incident_that_was_told_is_told_to_its_end() -> None:
    chosen = Chosen(Selection(min_severity="critical"))
    told = [
        chosen.take(make_alert("a", 1, severity="warning")),
        chosen.take(make_alert("a", 2, severity="critical")),
        chosen.take(make_alert("a", 3, severity="warning")),
        chosen.take(make_alert("a", 4, severity="info", event="resolved")),
        chosen.take(make_alert("b", 1, severity="warning")),
        chosen.take(make_alert("b", 2, severity="info", event="resolved")),
        chosen.take(make_alert("a", 5, severity="info")),
    ]
    assert told == [False, True, True, True, False, False, False]


def test_a_repeated_alert_is_not_chosen_again() -> None:
    chosen = Chosen(Selection())
    assert [chosen.take(make_alert("a", number)) for number in (1, 2, 1, 2, 3)] == [
        True, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("selection", "matches"),
    [
        (Selection(), True),
        (Selection(routes=("acme/*",)), True),
        (Selection(routes=("other/*", "*chat")), True),
        (Selection(routes=("acme",)), False),
        (Selection(routes=("ACME/*",)), False),
        (Selection(types=("drift", "join")), True),
        (Selection(types=("join",)), False),
        (Selection(min_severity="critical"), True),
    ],
)
def test_conditions_on_an_alert(selection: Selection, *, matches: bool) -> None:
    assert selection.matches(make_alert()) == matches


def test_open_incidents_are_those_whose_end_was_not_told() -> None:
    incidents = Incidents()
    for alert in (
        make_alert("late", 1, opened=make_alert().opened + 1),
        make_alert("over", 1),
        make_alert("early", 1),
        make_alert("note", 1, event="notice"),
        make_alert("over", 2, event="resolved"),
        make_alert("early", 2),
    ):
        incidents.take(alert)
    assert [one.alert_id for one in incidents.newest()] == ["early.2", "late.1"]
    assert incidents.get("over") is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alert_id": "two\nlines"}, "alert_id must be"),
        ({"incident_id": ""}, "incident_id must be"),
        ({"timestamp": 1_777_896_000}, "timestamp must lie"),
        ({"opened": 2**62}, "opened must lie"),
        ({"route": ""}, "route"),
    ],
)
def test_an_alert_that_cannot_be_shown_or_sent_is_none(
    changes: dict[str, object], problem: str
) -> None:
    assert read_alert(record_of(make_alert()).value) == make_alert()
    with pytest.raises(ValueError, match=problem):
        read_alert(record_of(make_alert(**changes)).value)
    with pytest.raises(ValueError, match="truncated"):
        read_alert(None)


# --- when to try again


def test_waits_double_and_are_cut_by_half_at_most() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(3))
    for failures in range(1, 2_000, 7):
        whole = min(60.0, 2.0 ** min(failures - 1, 50))
        waits = [backoff.delay(failures) for _ in range(50)]
        assert whole / 2 <= min(waits) < max(waits) <= whole


def test_one_message_that_a_receiver_cannot_stand_does_not_make_it_down() -> None:
    health = Health(Backoff())
    for _ in range(4):
        assert not health.failed(0.0, whole=False, retry_after=None)
    assert not health.succeeded()
    for _ in range(4):
        assert not health.failed(0.0, whole=False, retry_after=None)
    assert health.failed(0.0, whole=False, retry_after=None)
    assert health.down
    assert 8.0 <= health.not_before <= 16.0
    assert not health.failed(0.0, whole=False, retry_after=None)
    assert health.succeeded()
    assert (health.down, health.not_before) == (False, 0.0)


def test_a_receiver_without_a_connection_is_down_at_once_and_left_alone_as_it_asks() -> None:
    health = Health(Backoff())
    assert health.failed(100.0, whole=True, retry_after=None)
    assert 100.5 <= health.not_before <= 101.0
    health.failed(101.0, whole=True, retry_after=30.0)
    assert health.not_before == 131.0
    health.failed(102.0, whole=True, retry_after=1.0)
    assert health.not_before == 131.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 3 ", 3.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_as_rfc_9110_writes_it(
    value: str | None, seconds: float | None
) -> None:
    now = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
    assert retry_after(value, now) == seconds


@pytest.mark.parametrize(
    ("status", "result", "whole"),
    [
        (200, "accepted", False),
        (204, "accepted", False),
        (301, "permanent", False),
        (400, "permanent", False),
        (404, "permanent", False),
        (408, "transient", False),
        (410, "permanent", False),
        (425, "transient", False),
        (429, "transient", True),
        (500, "transient", False),
        (599, "transient", False),
    ],
)
def test_what_an_answer_means(status: int, result: str, *, whole: bool) -> None:
    verdict = verdict_of(status, "", None)
    assert (verdict.result, verdict.whole) == (result, whole)
    if status == 500:
        busy = verdict_of(503, "busy", "7")
        assert (busy.whole, busy.retry_after, busy.why) == (True, 7.0, "answered 503: busy")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_durations_in_words(ms: int, text: str) -> None:
    assert lasted(ms) == text
