"""What receivers are sent, against their documented formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Action, Alert, AlertType, Event, Level, Metric, Severity
from streams.notify.alertmanager import NAMES, Alertmanager, labels_of
from streams.notify.formats import Webhook
from streams.notify.incidents import Incidents
from streams.notify.slack import Slack, message_of
from streams.notify.words import ACTIONS
from tests.notify.alertmanager import problems
from tests.notify.alerts import OPENED, delivery_of, make_alert

NOW = OPENED / 1_000 + 3_600
LEVELS = st.none() | st.builds(Level, st.floats(0, 1e9), st.integers(0, 10**9))
TEXTS = st.text(max_size=4_000) | st.text("<&>*_`!@\n", max_size=4_000)
ALERTS = st.builds(
    Alert,
    alert_id=st.just("a-1"),
    incident_id=st.just("i-1"),
    event=st.sampled_from(get_args(Event)),
    route=st.text(
        st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=256
    ),
    arm=st.text(max_size=128),
    type=st.sampled_from(get_args(AlertType)),
    severity=st.sampled_from(get_args(Severity)),
    metric=st.sampled_from(get_args(Metric)),
    before=LEVELS,
    after=LEVELS,
    detector=st.text(max_size=30),
    action=st.sampled_from(get_args(Action)),
    detections=st.integers(1, 10**6),
    opened=st.just(OPENED),
    message=TEXTS,
    segment=TEXTS,
    state_version=st.integers(0, 2**40),
    timestamp=st.integers(OPENED, OPENED + 10**10),
    of=st.text(max_size=100),
)


def texts(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "text" in block:
        yield block["text"]
    yield from block.get("fields", [])
    yield from block.get("elements", [])


@given(ALERTS, st.sampled_from(["", "https://thalweg.example/r/{route}?from=slack&tab=drift"]))
def test_slack_messages_keep_slacks_rules(alert: Alert, page_url: str) -> None:
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
    https://docs.slack.dev/messaging/formatting-message-text,
    https://docs.slack.dev/reference/block-kit/blocks/section-block and .../context-block,
    https://docs.slack.dev/reference/block-kit/composition-objects/text-object,
    https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
    """
    delivery = delivery_of(alert)
    request = Slack(page_url).request([delivery], Incidents(), NOW)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == alert.alert_id
    message = orjson.loads(request.body)
    assert set(message) == {"text", "attachments"}
    assert 1 <= len(message["text"]) <= 4_000
    (attachment,) = message["attachments"]
    assert set(attachment) == {"color", "fallback", "blocks"}
    assert re.fullmatch("#[0-9a-f]{6}", attachment["color"])
    assert attachment["fallback"] == message["text"]
    section, context = attachment["blocks"]
    assert (section["type"], context["type"]) == ("section", "context")
    assert 1 <= len(section["fields"]) <= 10
    assert 1 <= len(context["elements"]) <= 10
    link = "https://thalweg.example/r/"
    for text in [message["text"], *(one["text"] for one in [*texts(section), *texts(context)])]:
        assert 1 <= len(text) <= 2_000 or text is message["text"]
        # & < > only as entities; but for our own link, nothing is markup of links or mentions.
        bare = re.sub(rf"<{re.escape(link)}[^<>|]*\|page of the route>", "", text)
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", bare)
    assert all(one["type"] == "mrkdwn" for one in [*texts(section), *texts(context)])
    assert (link in str(context)) == bool(page_url)


def test_a_slack_message_reads_well() -> None:
    alert = make_alert("i-9", 3, detections=7)
    message = message_of(alert, "https://thalweg.example/acme%2Fchat")
    assert message["text"] == (
        ":red_circle: *Critical, still open after 2 min*: quality of arm gpt-5 on route acme/chat "
        "fell from 0.91 to 0.74"
    )
    (attachment,) = message["attachments"]
    section, context = attachment["blocks"]
    assert [one["text"] for one in section["fields"]] == [
        "*Route*\nacme/chat",
        "*Arm*\ngpt-5",
        "*Segment*\ntask_type=code",
        "*Measured*\nquality: before 0.91 (n=4,031), after 0.74 (n=212)",
        "*Done*\nwhat the arm had learned was dropped; it is being explored again",
        "*Detections*\n7",
    ]
    assert context["elements"][0]["text"] == (
        "drift by adwin · 2026-05-04T12:02:00Z · i-9 · "
        "<https://thalweg.example/acme%2Fchat|page of the route>"
    )
    over = message_of(make_alert("i-9", 3, event="resolved"), "")
    assert over["text"].startswith(":white_check_mark: *Resolved after 2 min*: ")
    assert over["attachments"][0]["color"] == "#27ae60"


@given(ALERTS, st.floats(-1e6, 1e6), st.none() | ALERTS)
def test_alertmanager_accepts_whatever_it_is_sent(
    alert: Alert, later: float, before: Alert | None
) -> None:
    """By the rules of its API; see tests/notify/alertmanager.py."""
    told = Incidents()
    if before is not None:
        told.take(before)
    form = Alertmanager("https://thalweg.example/r/{route}", 60.0)
    now = alert.timestamp / 1_000 + later
    request = form.request([delivery_of(alert)], told, now)
    assert problems(orjson.loads(request.body)) == []
    assert problems(orjson.loads(form.again([alert], now).body)) == []


def sent(alert: Alert, told: Incidents) -> list[tuple[str, str, bool]]:
    """For each alert sent: its severity, its name, whether it fires."""
    request = Alertmanager("", 60.0).request([delivery_of(alert)], told, NOW)
    return [
        (one["labels"]["severity"], one["labels"]["alertname"], one["endsAt"] > "2026-05-04T13")
        for one in orjson.loads(request.body)
    ]


def test_alertmanager_is_told_of_the_end_under_the_labels_that_it_knows() -> None:
    told = Incidents()
    mild = make_alert("a", 1, severity="warning", type="warning")
    assert sent(mild, told) == [("warning", "ThalwegDriftSuspected", True)]
    told.take(mild)
    grave = make_alert("a", 2)
    assert sent(grave, told) == [
        ("warning", "ThalwegDriftSuspected", False),
        ("critical", "ThalwegDrift", True),
    ]
    told.take(grave)
    assert sent(make_alert("a", 3), told) == [("critical", "ThalwegDrift", True)]
    over = make_alert("a", 4, event="resolved", severity="info")
    assert sent(over, told) == [("critical", "ThalwegDrift", False)]
    assert sent(over, Incidents()) == [("info", "ThalwegDrift", False)]


def test_alertmanager_tells_incidents_of_the_same_kind_apart() -> None:
    assert labels_of(make_alert("a")) != labels_of(make_alert("b"))
    assert labels_of(make_alert("a", 1)) == labels_of(make_alert("a", 2))
    assert set(NAMES) == set(get_args(AlertType))
    assert set(ACTIONS) == set(get_args(Action))


def test_a_notice_fires_for_longer_than_alertmanager_waits_and_ends_by_itself() -> None:
    notice = make_alert("a", 1, event="notice")
    request = Alertmanager("", 60.0).request([delivery_of(notice)], Incidents(), NOW)
    assert orjson.loads(request.body)[0]["endsAt"] == "2026-05-04T13:10:00.000+00:00"


def test_the_signature_is_that_of_standard_webhooks_own_test() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: the vector of its libraries."""
    import base64

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    delivery = delivery_of(make_alert(alert_id="msg_p5jXN8AQM9LWM0D4loKWxJek"))
    delivery.record = type(delivery.record)(
        **{**vars(delivery.record), "value": b'{"test": 2432232314}'}
    )
    request = Webhook(key).request([delivery], Incidents(), 1_614_265_330.7)
    assert request.headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert request.headers["webhook-timestamp"] == "1614265330"
    assert request.body == b'{"test": 2432232314}'


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_only_with_a_secret_there_is_a_signature(key: bytes | None) -> None:
    request = Webhook(key).request([delivery_of(make_alert())], Incidents(), NOW)
    assert ("webhook-signature" in request.headers) == (key is not None)
