"""The state of one experiment: what was assigned, what came of it, and what was found by now."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from core.experiments.clusters import SLOTS, Seen
from core.experiments.comparison import log_evidence
from core.experiments.decision import Decision, decide
from core.experiments.ratio import RatioTest, ratio_size
from core.experiments.spec import Spec, metrics
from core.experiments.tally import Tally, decode_tally, new_tally, tally_size

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBB?Q")
"""Version, how many variants and metrics, whether it is over, and how many outcomes were seen."""
_NONE: Final[Mapping[str, float]] = {}


class Experiment:
    """One experiment under its spec, event by event: a function of the events in their order.

    Looks happen after every ``look_every``-th outcome, however the events are cut into batches.
    With the first verdict other than "running" the experiment is over: it stays as it is then, and
    so does its decision.
    """

    __slots__ = ("_metrics", "_over", "_peaks", "_ratio", "_seen", "_spec", "_tallies", "_units")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._metrics = metrics(spec)
        self._ratio = RatioTest(len(spec.variants))
        self._peaks = [0.0] * spec.comparisons
        """Of each variant but the control, the largest ``log_evidence`` of all looks."""
        self._tallies: dict[str, list[Tally]] = {
            metric.name: [new_tally(metric.kind, clustered=spec.clustered) for _ in spec.variants]
            for metric in self._metrics
        }
        self._units = Seen() if spec.clustered else None
        self._seen = 0
        self._over = False

    @property
    def spec(self) -> Spec:
        """The rules."""
        return self._spec

    @property
    def over(self) -> bool:
        """Whether there is a final decision."""
        return self._over

    def assign(self, variant: int, unit: float = 0.0) -> Decision | None:
        """Count a request that got the variant, by its index; the final decision if this is it.

        ``unit``: the hash of its unit in [0, 1), where there are units; each counts once.
        """
        if self._over or (self._units is not None and not self._units.first(unit)):
            return None
        self._ratio.add(variant, self._spec.shares)
        # Its peak is what moved: nothing else can have been decided by this.
        if self._ratio.p_value > self._spec.ratio_alpha:
            return None
        return self._end_if_decided()

    def observe(
        self,
        variant: int,
        values: Mapping[str, float],
        covariates: Mapping[str, float] = _NONE,
        bucket: int = 0,
    ) -> Decision | None:
        """Count one request's outcome, by metric; the final decision if this look gives it.

        ``bucket`` is that of its unit (``bucket_of``), where there are units.
        Metrics that ``values`` lacks were not observed; others than the spec's are left out. Raises
        ValueError, with nothing counted, for values that the metrics cannot have.
        """
        if self._over:
            return None
        counted = [
            (
                self._tallies[metric.name][variant],
                values[metric.name],
                covariates.get(metric.name, 0.0) if metric.covariate else 0.0,
            )
            for metric in self._metrics
            if metric.name in values
        ]
        # All first: a wrong value of one metric must not leave the others counted.
        for tally, value, covariate in counted:
            tally.check(value, covariate)
        for tally, value, covariate in counted:
            tally.add(value, covariate, bucket)
        self._seen += 1
        if self._seen % self._spec.look_every:
            return None
        self._look()
        return self._end_if_decided()

    def levels(self, metric: str) -> list[tuple[float, int]]:
        """The mean of a metric of the spec and its outcomes, per variant."""
        return [(tally.mean, tally.n) for tally in self._tallies[metric]]

    def decision(self) -> Decision:
        """What can be said now, or was said when the experiment ended."""
        return decide(self._spec, self._tallies, self._peaks, self._ratio)

    def _look(self) -> None:
        """Take the evidence of this moment into the running maxima."""
        spec = self._spec
        if spec.method == "fixed":
            return
        control, *others = self._tallies[spec.primary.name]
        for i, other in enumerate(others):
            if min(control.n, other.n) >= spec.enough:
                self._peaks[i] = max(self._peaks[i], log_evidence(control, other, spec), key=abs)

    def _end_if_decided(self) -> Decision | None:
        decision = self.decision()
        self._over = decision.verdict != "running"
        return decision if self._over else None

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the spec is not part of them."""
        tallies = [tally for metric in self._metrics for tally in self._tallies[metric.name]]
        return b"".join(
            [
                _HEAD.pack(
                    _VERSION, len(self._spec.variants), len(self._metrics), self._over, self._seen
                ),
                self._ratio.encode(),
                struct.pack(f"<{len(self._peaks)}d", *self._peaks),
                *(tally.encode() for tally in tallies),
                b"" if self._units is None else self._units.encode(),
            ]
        )

    @classmethod
    def decode(cls, data: bytes, spec: Spec) -> Experiment:
        """The experiment that ``encode`` saw, with its spec: it goes on bit for bit.

        Raises ValueError for bytes that are no state of an experiment with that spec's variants
        and metrics.
        """
        self = cls(spec)
        variants = len(spec.variants)
        clustered = spec.clustered
        sizes = [tally_size(metric.kind, clustered=clustered) for metric in self._metrics]
        size = _HEAD.size + ratio_size(variants) + 8 * spec.comparisons + variants * sum(sizes)
        size += SLOTS // 8 if clustered else 0
        if len(data) != size or tuple(data[:3]) != (_VERSION, variants, len(sizes)):
            raise ValueError(
                f"not a state of an experiment with {variants} variants and {len(sizes)} metrics: "
                f"{data[:32]!r}"
            )
        *_, self._over, self._seen = _HEAD.unpack_from(data)
        at = _HEAD.size + ratio_size(variants)
        self._ratio = RatioTest.decode(data[_HEAD.size : at])
        self._peaks = list(struct.unpack_from(f"<{spec.comparisons}d", data, at))
        at += 8 * spec.comparisons
        for metric, step in zip(self._metrics, sizes, strict=True):
            for variant in range(variants):
                self._tallies[metric.name][variant] = decode_tally(
                    metric.kind, data[at : at + step], clustered=clustered
                )
                at += step
        if clustered:
            self._units = Seen.decode(data[at:])
        return self
