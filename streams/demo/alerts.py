"""Which alert told of the drop, after how many answers, and which one was a false alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas.alert import Alert
from streams.demo.workload import Drop

Verdict = Literal["drop found", "drop suspected", "same drop again", "false alarm"]
FEW: Final = 32
"""A detector looks once in that many answers: fewer may pass it unseen."""
Place = tuple[str, str]
"""A route and a segment of it; "" where the route has none. Each has detectors of its own."""


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert, with where the proxy was when it read it."""

    alert: Alert
    at_s: float
    """Seconds since the first request."""
    delay: int
    """Answers of the alert's arm that the proxy had rewarded, in its place, since the drop."""
    dropped: bool
    """Whether the drop had begun for the arm in this place."""

    @property
    def place(self) -> Place:
        """Where its detector watches."""
        return self.alert.route, self.alert.segment


@dataclass(frozen=True, slots=True)
class Judged:
    """An alert and what it was worth."""

    seen: SeenAlert
    verdict: Verdict


def tells_of(alert: Alert, drop: Drop) -> bool:
    """Whether the alert says what the drop did: the arm's quality, or its reward, did not rise.

    Rounded as it is shown: at a drift, what is kept may still be mostly from before the change.
    """
    if alert.before is None or alert.after is None:
        return False
    fell = round(alert.after.mean, 2) <= round(alert.before.mean, 2)
    return alert.arm == drop.arm and alert.metric in {"quality", "reward"} and fell


def judged(alerts: Iterable[SeenAlert], drop: Drop) -> list[Judged]:
    """Each alert with its verdict, in the order in which they were read.

    The drop is the only change that the demo makes, so everything else is a false alarm. (On a
    route that looks at contexts, what an arm is given to answer changes as the route learns; a
    detector that sees that is right about the stream, but wrong about the model.)
    """
    found: set[Place] = set()
    result = []
    for seen in alerts:
        verdict: Verdict = "false alarm"
        if seen.dropped and tells_of(seen.alert, drop):
            if seen.place in found:
                verdict = "same drop again"
            elif seen.alert.type == "warning":
                verdict = "drop suspected"
            else:
                verdict = "drop found"
                found.add(seen.place)
        result.append(Judged(seen, verdict))
    return result


@dataclass(frozen=True, slots=True)
class Detection:
    """What became of the drop in one place."""

    place: Place
    answers: int
    """How many spoilt answers the arm gave there; without any, there is nothing to detect."""
    warning: SeenAlert | None
    alert: SeenAlert | None


def detections(
    alerts: Sequence[Judged], spoilt: Mapping[Place, int], places: Iterable[Place]
) -> list[Detection]:
    """For every place, the first warning and the first alert of the drop."""

    def first(place: Place, verdict: Verdict) -> SeenAlert | None:
        matching = (
            one.seen for one in alerts if one.verdict == verdict and one.seen.place == place
        )
        return next(matching, None)

    return [
        Detection(
            place, spoilt.get(place, 0), first(place, "drop suspected"), first(place, "drop found")
        )
        for place in sorted(places)
    ]
