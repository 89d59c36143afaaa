"""Messages for Slack's incoming webhooks, and for those that are compatible with them.

Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://docs.slack.dev/messaging/formatting-message-text (what must be escaped),
https://docs.slack.dev/reference/block-kit/blocks/section-block (lengths). ``text`` says everything
that matters: it is what notifications show, and clients that know no blocks. The bar of colour is
an attachment's; attachments hold the blocks therefore.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from schemas.alert import Alert
from streams.notify.formats import JSON, Request, page_of
from streams.notify.incidents import Incidents
from streams.notify.lanes import Delivery
from streams.notify.words import ACTIONS, at, figures, lasted

_EMOJI: Final = {
    "info": ":large_blue_circle:",
    "warning": ":large_orange_circle:",
    "critical": ":red_circle:",
}
_COLOUR: Final = {"info": "#2f80ed", "warning": "#f2994a", "critical": "#d62d20"}
_RESOLVED: Final = (":white_check_mark:", "#27ae60")
_MOST_TEXT: Final = 2_900
"""Characters of a section's text, of 3,000 allowed."""
_MOST_FIELD: Final = 1_900
"""Characters of a field's text, of 2,000 allowed."""


class Slack:
    """One message per alert."""

    most = 1
    # Slack takes about one message a second, and shows them in the order in which they come.
    at_once = 1

    def __init__(self, page_url: str) -> None:
        self._page_url = page_url

    def request(self, deliveries: Sequence[Delivery], told: Incidents, now: float) -> Request:  # noqa: ARG002 - as of all formats
        """The message about the one alert."""
        (delivery,) = deliveries
        alert = delivery.alert
        message = orjson.dumps(message_of(alert, page_of(self._page_url, alert)))
        return Request(message, {**JSON, "Idempotency-Key": alert.alert_id})


def message_of(alert: Alert, page: str) -> dict[str, Any]:
    """The message as a JSON value; ``page`` is linked to unless it is ""."""
    if alert.event == "resolved":
        emoji, colour = _RESOLVED
        head = f"Resolved after {lasted(alert.timestamp - alert.opened)}"
    else:
        emoji, colour = _EMOJI[alert.severity], _COLOUR[alert.severity]
        head = alert.severity.capitalize()
        if alert.event == "updated":
            head += f", still open after {lasted(alert.timestamp - alert.opened)}"
    text = f"{emoji} *{head}*: {_escaped(alert.message, _MOST_TEXT - 100)}"
    fields = {
        "Route": alert.route,
        "Arm": alert.arm,
        "Segment": alert.segment,
        "About": alert.of,
        "Measured": f"{alert.metric}: {figures(alert)}" if figures(alert) else alert.metric,
        "Done": ACTIONS[alert.action] if alert.event != "resolved" else "",
        "Detections": f"{alert.detections:,}" if alert.detections > 1 else "",
    }
    footer = [f"{alert.type} by {alert.detector}", at(alert.timestamp), alert.incident_id]
    context = _escaped(" · ".join(footer), _MOST_FIELD)
    if page:
        context += f" · <{_escaped(page, _MOST_FIELD)}|page of the route>"
    blocks = [
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": f"*{name}*\n{_escaped(value, _MOST_FIELD - 20)}"}
                for name, value in fields.items()
                if value
            ],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": context}]},
    ]
    return {"text": text, "attachments": [{"color": colour, "fallback": text, "blocks": blocks}]}


def _escaped(text: str, most: int) -> str:
    """The text with Slack's control characters as entities, cut to ``most`` characters in all."""
    parts: list[str] = []
    length = 0
    for character in text:
        part = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(character, character)
        length += len(part)
        if length > most - 1:
            return "".join(parts) + "…"
        parts.append(part)
    return "".join(parts)
