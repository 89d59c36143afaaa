"""From a record of the drift topic to an alert that can be shown and sent."""

from __future__ import annotations

import re
from typing import Final

from schemas.alert import Alert
from schemas.encode import decode_alert
from schemas.fields import EARLIEST_MS, LATEST_MS

_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")


def read_alert(value: bytes | None) -> Alert:
    """The alert. Raises ValueError, saying what is wrong, for anything else.

    Ids go into HTTP headers and times into dates: what cannot is no alert of ours.
    """
    alert = decode_alert(value or b"")
    for name in ("alert_id", "incident_id"):
        if not _ID.fullmatch(getattr(alert, name)):
            raise ValueError(f"{name} must be 1 to 200 printable ASCII characters without spaces")
    for name in ("opened", "timestamp"):
        if not EARLIEST_MS <= getattr(alert, name) < LATEST_MS:
            raise ValueError(f"{name} must lie between the years 2000 and 2200, in milliseconds")
    return alert
