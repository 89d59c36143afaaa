"""The kinds of receivers: which format each is sent."""

from __future__ import annotations

from streams.notify.alertmanager import Alertmanager
from streams.notify.formats import Format, Reminder, Webhook
from streams.notify.receivers import Receiver
from streams.notify.slack import Slack


def make_format(receiver: Receiver) -> tuple[Format, Reminder | None]:
    """The format of a receiver's kind, and what reminds it, where that is needed."""
    if receiver.kind == "alertmanager":
        alertmanager = Alertmanager(receiver.page_url, receiver.resend)
        return alertmanager, alertmanager
    if receiver.kind == "slack":
        return Slack(receiver.page_url), None
    return Webhook(receiver.signing_key), None
