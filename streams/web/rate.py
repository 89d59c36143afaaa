"""How fast a counter rises, from what those who look at it see."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_S: Final = 60.0
LEAST_S: Final = 1.0
"""Between two looks that are kept: many readers do not make many looks."""


class Rate:
    """The rise of one counter per second, over at most the last minute."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float]] = deque()

    def rate(self, count: float, now_s: float) -> float | None:
        """Look at the counter; None at the first look, and after more than a minute without one.

        Rounded to three digits, as it is shown.
        """
        looks = self._looks
        while looks and now_s - looks[0][0] > WINDOW_S:
            looks.popleft()
        if not looks or now_s - looks[-1][0] >= LEAST_S:
            looks.append((now_s, count))
        since, first = looks[0]
        if now_s <= since:
            return None
        return float(f"{(count - first) / (now_s - since):.3g}")
