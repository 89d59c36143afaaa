"""A staged rollout: a candidate's share grows step by step while it is shown to be no worse."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from core.experiments.clusters import SLOTS, Seen
from core.experiments.no_worse import NoWorse, no_worse
from core.experiments.ratio import RatioTest, ratio_size
from core.experiments.spec import Guardrail, check_alphas, distinct
from core.experiments.tally import Tally, decode_tally, new_tally, tally_size

Action = Literal["hold", "advance", "done", "roll_back"]
Status = Literal["running", "done", "rolled_back"]

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBBBqq")
"""Version, metrics, step, status, when the step began, the latest time."""
_STATUSES: Final[tuple[Status, ...]] = ("running", "done", "rolled_back")
_NONE: Final[Mapping[str, float]] = {}
_LOOK_EVERY: Final = 10
"""Outcomes of a side between two looks at units, whose errors take time to compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSpec:
    """The rules of a rollout. Raises ValueError for values that contradict each other."""

    control: str
    candidate: str
    guardrails: tuple[Guardrail, ...]
    """What the candidate must not be worse in, by more than a margin: at least one."""
    steps: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1.0)
    """The candidate's shares; the last one is 1, and reached it is the end."""
    min_ms: int = 3_600_000
    """How long each step lasts at least, by the events' time."""
    min_samples: int = 100
    """How many outcomes of each guardrail each step has at least, of both sides each. Before as
    many, and for yes/no outcomes maybe more (``enough_samples``), nothing is judged."""
    max_samples: int | None = None
    """How many outcomes of the candidate's a step may have, in any guardrail, before it is rolled
    back for not being clear; None waits without end."""
    alpha: float = 0.05
    """The chance of ever rolling back a candidate that is within all margins, by the guardrails;
    and that of ever advancing one that is beyond one, in an effect that stays the same."""
    ratio_alpha: float = 0.001
    """The chance of rolling back for a false sample-ratio mismatch."""
    clustered: bool = False
    """As a ``Spec``'s: requests come in units, which go on to meet the candidate once they do."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.steps, self.steps[1:], strict=False))
        if not (2 <= len(self.steps) <= 255 and self.steps[0] > 0.0 and rising):
            raise ValueError(f"steps must be at least two shares that rise, and not {self.steps}")
        if self.steps[-1] != 1.0:
            raise ValueError(f"the last step must be 1, the whole traffic, and not {self.steps}")
        if not 1 <= len(self.guardrails) <= 255:
            raise ValueError("a rollout needs a guardrail: there is nothing else to go by")
        if self.min_ms < 0 or self.min_samples < 2:
            raise ValueError(
                f"min_ms ({self.min_ms}) must be at least 0, min_samples ({self.min_samples}) 2"
            )
        if self.max_samples is not None and self.max_samples < self.min_samples:
            raise ValueError(
                f"max_samples ({self.max_samples}) must be at least min_samples "
                f"({self.min_samples})"
            )
        if self.control == self.candidate:
            raise ValueError(f"control and candidate are both {self.control!r}")
        check_alphas(self.alpha, self.ratio_alpha)
        distinct([guardrail.metric for guardrail in self.guardrails])


@dataclass(frozen=True, slots=True)
class Move:
    """What a rollout does at a moment, and why."""

    action: Action
    share: float
    """The candidate's, from now on."""
    overall: tuple[NoWorse, ...]
    """Each guardrail over all steps."""
    in_step: tuple[NoWorse, ...]
    """Each guardrail within the present step, which a change for the worse shows in sooner."""
    ratio_p_value: float
    reason: str
    """A sentence for people."""


class Rollout:
    """One rollout under its spec, event by event: a function of the events in their order.

    Requests are assigned by ``share`` at random, and carry ``step`` with their decision, so that an
    outcome that comes late counts where it was assigned. Each step is a stratum of its own: both
    sides of a comparison saw the same time, also where the traffic changes as the share does.
    """

    __slots__ = ("_began", "_now", "_ratio", "_spec", "_tallies", "_units", "status", "step")

    def __init__(self, spec: RolloutSpec, at_ms: int) -> None:
        self._spec = spec
        self.step = 0
        self.status: Status = "running"
        self._began = self._now = at_ms
        self._ratio = RatioTest(2)
        self._tallies: list[tuple[tuple[Tally, Tally], ...]] = [self._new_step()]
        """By step, then by guardrail: the control's and the candidate's."""
        self._units = Seen() if spec.clustered else None
        """Over all steps: a unit of an earlier one is no longer assigned by chance."""

    @property
    def share(self) -> float:
        """The candidate's share of requests now; 0 once it is rolled back."""
        return 0.0 if self.status == "rolled_back" else self._spec.steps[self.step]

    def levels(self, metric: str) -> list[tuple[float, int]]:
        """The mean of a guardrail's metric and its outcomes over all steps: control, candidate."""
        names = [guardrail.metric.name for guardrail in self._spec.guardrails]
        found = []
        for side in range(2):
            tallies = [step[names.index(metric)][side] for step in self._tallies]
            n = sum(tally.n for tally in tallies)
            total = sum(tally.n * tally.mean for tally in tallies)
            found.append((total / n if n else 0.0, n))
        return found

    def assign(self, at_ms: int, unit: float = 0.0, *, candidate: bool) -> Move | None:
        """Count a request's assignment by the present share; the move, if it is due one.

        ``unit``: the hash of its unit in [0, 1), where there are units; each counts once.
        """
        if self.status != "running":
            return None
        share = self.share
        if self._units is None or self._units.first(unit):
            self._ratio.add(int(candidate), (1.0 - share, share))
        due = self._began + self._spec.min_ms
        waited = self._now < due <= at_ms
        self._now = max(self._now, at_ms)
        # The ratio moved, and maybe the step has just been long enough; outcomes have their turn.
        if self._ratio.p_value > self._spec.ratio_alpha and not waited:
            return None
        return self._apply()

    def observe(
        self,
        at_ms: int,
        step: int,
        values: Mapping[str, float],
        covariates: Mapping[str, float] = _NONE,
        bucket: int = 0,
        *,
        candidate: bool,
    ) -> Move | None:
        """Count the outcome of a request that was assigned in ``step``; the move, if it is due one.

        ``values`` are by metric; others than the guardrails' are left out. ``bucket`` is that of
        its unit (``bucket_of``), where there are units. Raises ValueError, with nothing counted,
        for a step that has not been yet, and for values that the metrics cannot have.
        """
        if not 0 <= step <= self.step:
            raise ValueError(f"step {step} has not been yet: the rollout is at {self.step}")
        if self.status != "running":
            return None
        counted = [
            (
                pair[candidate],
                values[rail.metric.name],
                covariates.get(rail.metric.name, 0.0) if rail.metric.covariate else 0.0,
            )
            for rail, pair in zip(self._spec.guardrails, self._tallies[step], strict=True)
            if rail.metric.name in values
        ]
        # All first: a wrong value of one metric must not leave the others counted.
        for tally, value, covariate in counted:
            tally.check(value, covariate)
        for tally, value, covariate in counted:
            tally.add(value, covariate, bucket)
        self._now = max(self._now, at_ms)
        if self._units is not None and self._tallies[step][0][candidate].n % _LOOK_EVERY:
            return None
        return self._apply()

    def move(self) -> Move:
        """What is due now, not yet done. The first of these that holds:

        - roll back, if assignments do not fit the shares, or the candidate is worse by more than a
          margin, over all steps or within this one, or it stays unclear for too long;
        - hold, if the step is too short or too small, or a guardrail is not clearly fine yet;
        - advance, or be done with the last step.
        """
        spec = self._spec
        overall, in_step = self._checks()

        def conclude(action: Action, reason: str) -> Move:
            share = self.share
            if action == "roll_back":
                share = 0.0
            elif action in ("advance", "done") and self.status == "running":
                share = spec.steps[self.step + 1]
            return Move(action, share, overall, in_step, self._ratio.p_value, reason)

        if self._ratio.p_value <= spec.ratio_alpha:
            control, candidate = self._ratio.counts
            return conclude(
                "roll_back",
                f"{control} requests went to {spec.control} and {candidate} to {spec.candidate} "
                f"in this step, which does not fit a share of {spec.steps[self.step]:g} "
                f"(p = {self._ratio.p_value:.2g}): nothing that is observed can be trusted",
            )
        for check in (*overall, *in_step):
            if check.state == "worse":
                return conclude("roll_back", check.sentence(spec.candidate, spec.control))
        if self.status == "done":
            return conclude("done", f"{spec.candidate} has the whole traffic")
        here = self._tallies[self.step]
        least = min(min(pair[0].n, pair[1].n) for pair in here)
        unclear = [check for check in overall if check.state == "unclear"]
        most = max(pair[1].n for pair in here)
        if spec.max_samples is not None and most >= spec.max_samples and unclear:
            why = unclear[0].sentence(spec.candidate, spec.control)
            return conclude("roll_back", f"after {most} outcomes in this step, {why}")
        if least < spec.min_samples:
            return conclude(
                "hold", f"this step has {least} of {spec.min_samples} outcomes on the lesser side"
            )
        if self._now < self._began + spec.min_ms:
            return conclude(
                "hold", f"this step has lasted {self._now - self._began} of {spec.min_ms} ms"
            )
        if unclear:
            return conclude("hold", unclear[0].sentence(spec.candidate, spec.control))
        last = self.step + 2 == len(spec.steps)
        return conclude(
            "done" if last else "advance",
            f"{spec.candidate} is within every margin of {spec.control}: its share goes from "
            f"{self.share:g} to {spec.steps[self.step + 1]:g}",
        )

    def _apply(self) -> Move | None:
        """Do what is due; None if that is to hold."""
        move = self.move()
        match move.action:
            case "hold":
                return None
            case "roll_back":
                self.status = "rolled_back"
            case "done":
                self.status = "done"
                self.step += 1
            case "advance":
                self.step += 1
                self._began = self._now
                self._ratio.change_shares()
                self._tallies.append(self._new_step())
        return move

    def _checks(self) -> tuple[tuple[NoWorse, ...], tuple[NoWorse, ...]]:
        """Every guardrail over all steps, and within the latest one with outcomes.

        Half of the alpha of a false "worse" is for all steps together, and half for each alone, in
        equal parts; "fine" needs no correction, as every guardrail must be.
        """
        spec = self._spec
        each = 0.5 * spec.alpha / len(spec.guardrails)
        alone = each / (len(spec.steps) - 1)
        overall, in_step = [], []
        for i, guardrail in enumerate(spec.guardrails):
            strata = [step[i] for step in self._tallies]
            overall.append(no_worse(guardrail, strata, each, spec.alpha, spec.min_samples))
            in_step.append(no_worse(guardrail, strata[-1:], alone, spec.alpha, spec.min_samples))
        return tuple(overall), tuple(in_step)

    def _new_step(self) -> tuple[tuple[Tally, Tally], ...]:
        kinds = [guardrail.metric.kind for guardrail in self._spec.guardrails]
        units = self._spec.clustered
        return tuple(
            (new_tally(kind, clustered=units), new_tally(kind, clustered=units)) for kind in kinds
        )

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the spec is not part of them."""
        head = _HEAD.pack(
            _VERSION,
            len(self._spec.guardrails),
            self.step,
            _STATUSES.index(self.status),
            self._began,
            self._now,
        )
        tallies = [t.encode() for step in self._tallies for pair in step for t in pair]
        units = b"" if self._units is None else self._units.encode()
        return b"".join([head, self._ratio.encode(), units, *tallies])

    @classmethod
    def decode(cls, data: bytes, spec: RolloutSpec) -> Rollout:
        """The rollout that ``encode`` saw, with its spec: it goes on bit for bit.

        Raises ValueError for bytes that are no state of a rollout with that spec's guardrails and
        steps.
        """
        units = SLOTS // 8 if spec.clustered else 0
        start = _HEAD.size + ratio_size(2) + units
        if len(data) < start or data[0] != _VERSION or data[1] != len(spec.guardrails):
            raise ValueError(
                f"not a state of a rollout with {len(spec.guardrails)} guardrails: {data[:32]!r}"
            )
        _, _, step, status, began, now = _HEAD.unpack_from(data)
        kinds = [guardrail.metric.kind for guardrail in spec.guardrails]
        # Once it is done, its last step has no comparison.
        played = step if status == _STATUSES.index("done") else step + 1
        sizes = [tally_size(kind, clustered=spec.clustered) for kind in kinds]
        size = start + 2 * played * sum(sizes)
        if status >= len(_STATUSES) or played >= len(spec.steps) or len(data) != size:
            raise ValueError(
                f"not a state of a rollout with {len(spec.steps)} steps: {data[:32]!r}"
            )
        self = cls(spec, began)
        self.step, self.status, self._now = step, _STATUSES[status], now
        self._ratio = RatioTest.decode(data[_HEAD.size : start - units])
        if units:
            self._units = Seen.decode(data[start - units : start])
        if len(self._ratio.counts) != 2:
            raise ValueError("not a state of a rollout: it has two sides")
        tallies: list[Tally] = []
        at = start
        for kind, width in zip(kinds * played, sizes * played, strict=True):
            for _ in range(2):
                tallies.append(decode_tally(kind, data[at : at + width], clustered=spec.clustered))
                at += width
        pairs = list(zip(tallies[::2], tallies[1::2], strict=True))
        rails = len(kinds)
        self._tallies = [tuple(pairs[i * rails : (i + 1) * rails]) for i in range(played)]
        return self
