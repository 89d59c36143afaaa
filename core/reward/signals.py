"""One score in [0, 1] of what the user did with an answer."""

from __future__ import annotations

from schemas.policy import SignalSpec
from schemas.reward import Signals


class SignalScore:
    """The mean of the signals that are there, each mapped to [0, 1] and weighted by the policy::

        rating     (rating - 1) / 4
        completed  1 if completed
        retried    0 if retried
        edited     0 if edited
        dwell_s    dwell_s / (dwell_s + dwell_scale_s)
        saved      1 if saved
        shared     1 if shared

    A signal that is missing says nothing, unlike one that is false. The dwell time saturates, as
    twice a long time is hardly better: the scale scores 1/2, three times the scale 3/4.

    Where quality was measured too, the two mix: ``(1 - share) quality + share score``. Both are
    noisy measures of one thing, and the mix of least variance weighs them by the inverse of their
    variances. Explicit evaluations are usually the more precise: behaviour depends much on the
    user and the task (Joachims et al. 2005 for clicks). The default share of 0.2 is right where
    the score's noise has twice the standard deviation of the evaluation's, 1 / (1 + 2²); it lets
    signals tell apart what evaluations rate alike, and never lets them outvote a clear one.
    """

    __slots__ = ("_dwell_scale", "_share", "_weights")

    def __init__(self, spec: SignalSpec) -> None:
        self._weights = (
            spec.rating,
            spec.completed,
            spec.retried,
            spec.edited,
            spec.dwell,
            spec.saved,
            spec.shared,
        )
        self._dwell_scale = spec.dwell_scale_s
        self._share = spec.share

    def __call__(self, signals: Signals) -> float | None:
        """The score; None where no signal with a positive weight is there."""
        dwell = signals.dwell_s
        terms = (
            None if signals.rating is None else (signals.rating - 1.0) / 4.0,
            signals.completed,
            None if signals.retried is None else not signals.retried,
            None if signals.edited is None else not signals.edited,
            None if dwell is None else dwell / (dwell + self._dwell_scale),
            signals.saved,
            signals.shared,
        )
        total = weight = 0.0
        for term, own in zip(terms, self._weights, strict=True):
            if term is not None:
                total += own * term
                weight += own
        return total / weight if weight > 0.0 else None

    def mixed(self, quality: float | None, signals: Signals) -> float | None:
        """Quality with the signals in it; never falls where either of the two rises."""
        score = self(signals)
        if quality is None or score is None:
            return score if quality is None else quality
        return (1.0 - self._share) * quality + self._share * score
