"""What the checks share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

from schemas.features import CONTEXT_FIELDS, METADATA


def repeated(items: Iterable[str]) -> list[str]:
    """Those that occur more than once."""
    return [item for item, count in Counter(items).items() if count > 1]


def not_a_field(where: str, name: str) -> str:
    """What to say of a name that is none of a context field, and what may have been meant."""
    near = get_close_matches(name, CONTEXT_FIELDS, n=1)
    meant = [f"did you mean {near[0]!r}?"] if near else []
    if name and not name.startswith(METADATA):
        meant.append(f"a field of your own is {METADATA}{name}")
    if not near:
        meant.append(f"known are {', '.join(CONTEXT_FIELDS)}, and {METADATA}<key>")
    return f"{where}: {name!r} is not a context field; {'; '.join(meant)}"
