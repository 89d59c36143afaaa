"""What a worker logs, and what of its libraries' logs is worth an operator's time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_EVERY: Final = 10.0
_RETRIED: Final = ("Group Coordinator Request failed",)
"""Begin messages about what a client tries again at once, such as the first group of a new Kafka,
whose coordinator is not there yet: no news until it has lasted for ``_EVERY`` seconds."""
_LIBRARIES: Final = ("aiokafka", "faust", "mode", "streams.app", "asyncio")
_FORMAT: Final = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


class OnceInAWhile(logging.Filter):
    """Lets a library's message through once in ten seconds, and says how many it held back.

    While a broker is away, the clients repeat themselves a hundred times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, object], float] = {}
        self._held: dict[tuple[str, object], int] = {}
        self._since: dict[tuple[str, object], tuple[float, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if not record.name.startswith(_LIBRARIES) or record.levelno >= logging.CRITICAL:
            return True
        message = (record.name, record.msg)
        now = time.monotonic()
        if str(record.msg).startswith(_RETRIED) and not self._lasts(message, now):
            return False
        if now - self._last.get(message, -_EVERY) < _EVERY:
            self._held[message] = self._held.get(message, 0) + 1
            return False
        self._last[message] = now
        held = self._held.pop(message, 0)
        if held:
            record.msg = f"{record.msg} (and {held} times more)"
        return True

    def _lasts(self, message: tuple[str, object], now: float) -> bool:
        """Whether a message has come again and again for a while."""
        first, last = self._since.get(message, (now, now))
        if now - last > _EVERY:
            first = now
        self._since[message] = (first, now)
        return now - first >= _EVERY


@contextmanager
def told_once() -> Iterator[None]:
    """Hold back what the Kafka client logs of what ends a command with a better message."""
    client = logging.getLogger("aiokafka")
    before = client.level
    client.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        client.setLevel(before)


def quiet_libraries(level: str) -> None:
    """Log to standard error. Faust tells much at info that only its developers need, also in the
    name of our subclasses of its services.
    """
    logging.basicConfig(format=_FORMAT, level=logging.WARNING if level == "info" else level.upper())
    for handler in logging.getLogger().handlers:
        handler.addFilter(OnceInAWhile())
    logging.getLogger("streams").setLevel(level.upper())
    if level == "info":
        logging.getLogger("streams.app").setLevel(logging.WARNING)
