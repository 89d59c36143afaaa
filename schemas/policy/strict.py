"""What every part of a policy is made of."""

from __future__ import annotations

from msgspec import Struct


class Strict(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A misspelt key in a policy must not be ignored: it could be a guardrail."""
