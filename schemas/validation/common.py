"""What the checks share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def repeated(items: Iterable[str]) -> list[str]:
    """Those that occur more than once."""
    return [item for item, count in Counter(items).items() if count > 1]
