"""Whether a variant is at most by a margin worse than the control, asked at any time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.experiments.evidence import Stratum, evidence
from core.experiments.mixture import one_sided_bound, rho_for_effect
from core.experiments.spec import Guardrail, enough_samples

State = Literal["fine", "worse", "unclear"]


@dataclass(frozen=True, slots=True)
class NoWorse:
    """What a guardrail says of one variant.

    ``harm`` is how much worse its mean is than the control's, in the metric's unit, below 0 where
    it is better. ``state`` is "worse" if ``at_least`` is above the margin, "fine" if ``at_most`` is
    below it, else "unclear".
    """

    guardrail: Guardrail
    state: State
    harm: float | None
    """None, as the limits are infinite, while there are too few outcomes."""
    at_least: float
    at_most: float
    samples: tuple[int, int]
    """The control's and the variant's outcomes."""

    def sentence(self, variant: str, control: str) -> str:
        """For people, to go on after a colon or to stand alone."""
        name = self.guardrail.metric.name
        if self.harm is None:
            return f"{name} of {variant} is not known yet, after {self.samples[1]} outcomes"
        side = "worse" if self.harm >= 0.0 else "better"
        verdict = {
            "worse": f"certainly more than the margin of {self.guardrail.margin:g} worse",
            "fine": f"certainly less than the margin of {self.guardrail.margin:g} worse",
            "unclear": f"not yet clearly within the margin of {self.guardrail.margin:g}",
        }[self.state]
        return (
            f"{name} of {variant} is {abs(self.harm):.4g} {side} than that of {control} after "
            f"{self.samples[1]} outcomes (harm {self.at_least:.4g} to {self.at_most:.4g}): "
            f"{verdict}"
        )


def no_worse(
    guardrail: Guardrail,
    strata: Sequence[Stratum],
    worse_alpha: float,
    fine_alpha: float,
    min_samples: int,
) -> NoWorse:
    """The check over all strata, each of the control's and the variant's outcomes.

    The chance of ever finding "worse" where the harm is at most the margin is ``worse_alpha``, of
    ever finding "fine" where it is at least the margin ``fine_alpha``: each limit is a one-sided
    confidence sequence, tuned to harms a margin away from the margin. "unclear" until the control
    and the variant have ``min_samples`` outcomes each, or what ``enough_samples`` says.
    """
    margin = guardrail.margin
    samples = sum(pair[0].n for pair in strata), sum(pair[1].n for pair in strata)
    enough = enough_samples(guardrail.metric, margin, min_samples)
    # One outcome is assumed that is off by the margin, so that constant outcomes say something.
    found = evidence(strata, margin * margin) if min(samples) >= enough else None
    if found is None:
        return NoWorse(guardrail, "unclear", None, -math.inf, math.inf, samples)
    information = found.information

    def reach(alpha: float) -> float:
        rho = rho_for_effect(margin, 2.0 * alpha)
        return found.reach(one_sided_bound(information, rho, alpha))

    harm = -guardrail.metric.sign * found.difference
    at_least, at_most = harm - reach(worse_alpha), harm + reach(fine_alpha)
    state: State = "worse" if at_least > margin else "fine" if at_most < margin else "unclear"
    return NoWorse(guardrail, state, harm, at_least, at_most, samples)
