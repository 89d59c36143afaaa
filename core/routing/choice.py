"""The arms of one decision, and the distribution over them once guardrails are mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.guardrails.shares import with_probes_and_floor
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution


class Choice(NamedTuple):
    """The arms that the algorithm chooses among, and those that are only probed."""

    arms: Sequence[str]
    probed: Sequence[str] = ()


def guarded(choice: Choice, compiled: CompiledPolicy, shares: list[float]) -> Distribution:
    """The algorithm's shares of ``choice.arms``, with floors and probes mixed in."""
    guardrails = compiled.policy.guardrails
    if guardrails is None:
        return Distribution(choice.arms, shares)
    mixed = with_probes_and_floor(
        shares, guardrails.min_share, len(choice.probed), guardrails.probe_share
    )
    return Distribution([*choice.arms, *choice.probed], mixed)
