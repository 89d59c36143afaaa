"""What a receiver's kind of webhook is sent: one protocol, one class per kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

from schemas.alert import Alert
from streams.notify.incidents import Incidents
from streams.notify.lanes import Delivery

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    body: bytes
    headers: Mapping[str, str]


class Format(Protocol):
    """How alerts are written for one kind of receiver."""

    most: int
    """Alerts in one request."""
    at_once: int
    """Requests under way at a time."""

    def request(self, deliveries: Sequence[Delivery], told: Incidents, now: float) -> Request:
        """The request that tells of the deliveries at ``now``, seconds since 1970.

        ``told``: the open incidents, with what the receiver accepted of each last.
        """


class Reminder(Protocol):
    """Of a kind that takes for over what it is not told again."""

    def again(self, incidents: Sequence[Alert], now: float) -> Request:
        """The request that tells that these are still open."""


class Webhook:
    """The alert as it stands on the topic, signed as Standard Webhooks says.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
    ``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over id, timestamp and body,
    joined by dots. The id is the alert_id: a receiver drops what it has seen.
    """

    most = 1
    at_once = 4

    def __init__(self, signing_key: bytes | None) -> None:
        self._key = signing_key

    def request(self, deliveries: Sequence[Delivery], told: Incidents, now: float) -> Request:  # noqa: ARG002 - as of all formats
        """The one alert, byte for byte."""
        (delivery,) = deliveries
        alert_id, at = delivery.alert.alert_id, str(int(now))
        headers = {
            **JSON,
            "Idempotency-Key": alert_id,
            "webhook-id": alert_id,
            "webhook-timestamp": at,
        }
        if self._key is not None:
            signed = b".".join((alert_id.encode(), at.encode(), delivery.record.value))
            mac = hmac.new(self._key, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
        return Request(delivery.record.value, headers)


def page_of(page_url: str, alert: Alert) -> str:
    """The page about the alert's route; "" without a page."""
    return page_url.replace("{route}", quote(alert.route, safe=""))
