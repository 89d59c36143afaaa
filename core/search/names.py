"""What a set of parameters is called where arms are named."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


def proposal_arm(arm_id: str, number: int) -> str:
    """The arm id of a set of parameters of the arm of a search: ``<arm id>@<number>``."""
    return f"{arm_id}@{number}"


def proposal_number(arm_id: str, name: str) -> int | None:
    """The number of the set of ``arm_id`` that ``name`` names, or None; it may be unknown."""
    base, _, number = name.rpartition("@")
    return int(number) if base == arm_id and _NUMBER.fullmatch(number) else None
