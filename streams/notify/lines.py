"""Alerts and dead letters as lines for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from rich.text import Text

from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from streams.notify.words import ACTIONS, at, figures, lasted

_STYLES: Final = {"info": "cyan", "warning": "yellow", "critical": "bold red"}
_NOT_SHOWN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def alert_lines(alert: Alert, *, verbose: bool) -> Iterable[Text]:
    """One line, and with ``verbose`` everything else in lines below it."""
    style = "green" if alert.event == "resolved" else _STYLES[alert.severity]
    line = Text(f"{at(alert.timestamp)}  ")
    line.append(f"{alert.severity:<8}  {alert.event:<8}", style)
    line.append(f"  {plain(alert.message)}")
    yield line
    if not verbose:
        return
    details = {
        "about": ", ".join(
            f"{name} {plain(value)}"
            for name, value in (
                ("route", alert.route),
                ("arm", alert.arm),
                ("segment", alert.segment),
                ("metric", alert.metric),
                ("of", alert.of),
            )
            if value
        ),
        "measured": figures(alert),
        "seen by": f"{plain(alert.detector)} ({alert.type})",
        "done": ACTIONS[alert.action],
        "incident": f"{alert.incident_id}, since {at(alert.opened)} "
        f"({lasted(alert.timestamp - alert.opened)}), detections: {alert.detections:,}",
        "alert": f"{alert.alert_id}, state version {alert.state_version}",
    }
    for name, value in details.items():
        if value:
            yield Text(f"    {name:<9} {value}", "dim")


def letter_lines(letter: DeadLetter, *, verbose: bool) -> Iterable[Text]:
    """One line, and with ``verbose`` the refused message below it."""
    line = Text(f"{at(letter.timestamp)}  ")
    line.append(f"{letter.reason:<21}", "yellow")
    line.append(f"  {plain(letter.message)}")
    yield line
    if verbose:
        where = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
        yield Text(f"    from      {plain(where)}", "dim")
        yield Text(f"    key       {plain(letter.key or '(none)')}", "dim")
        cut = letter.value is not None and len(letter.value.encode()) < letter.size
        size = f" ({letter.size:,} bytes{', cut' if cut else ''})"
        yield Text(f"    value     {plain(letter.value or '(none)')}{size}", "dim")


def plain(text: str) -> str:
    """The text without what would move a terminal's cursor or end the line."""
    return _NOT_SHOWN.sub(" ", text)
