"""The fixed 10-dimensional encoding of earlier systems: schemas.features.FixedTen says what it is.

It is the one place where categories are ordinal, as they were there.
"""

from __future__ import annotations

from typing import Final

from core.context.features import Write, hashed_place, writer
from core.context.vocabulary import Vocabularies
from schemas.policy import CyclicalFeature, LogFeature, ScaledFeature
from schemas.request import Context

_LENGTHS: Final = {"short": 0.0, "medium": 0.5, "long": 1.0}
_STEPS: Final = 1_024
"""How many places there are for types of task in [0, 1]."""


def fixed_ten_writer(at: int) -> Write:
    """The function that writes the 9 components into a vector of zeros, from ``at`` on."""
    plain = (
        writer(LogFeature(field="input_tokens"), at),
        writer(ScaledFeature(field="priority"), at + 2),
        writer(CyclicalFeature(field="hour"), at + 3),
        writer(CyclicalFeature(field="weekday"), at + 5),
    )

    def write(
        values: list[float], context: Context, at_ms: int, known: Vocabularies | None
    ) -> None:
        for write_plain in plain:
            write_plain(values, context, at_ms, known)
        length, task = context.output_length_category, context.task_type
        if length is not None:
            values[at + 1] = _LENGTHS.get(length, 0.5)
        if task is not None:
            values[at + 7] = hashed_place("task_type", task, _STEPS)[0] / (_STEPS - 1)

    return write
