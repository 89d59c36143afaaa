"""The live detectors and windows of a route, read from the memory when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from core.anomaly.base import AnomalyDetector
from core.anomaly.registry import decode_anomaly_detector, make_anomaly_detector
from core.drift.adwin import Adwin
from core.drift.base import DriftDetector
from core.drift.mix import MixDetector
from core.drift.registry import decode_drift_detector, make_drift_detector
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute, LiveSegment
from core.routing.live_detector import LiveDetector, LiveWindow
from core.routing.memory import Memory
from core.routing.watching.scale import is_logarithmic
from schemas.state import anomaly_key, detector_key, mix_key, window_key

M = TypeVar("M", Adwin, MixDetector)


def change_detector(
    memory: Memory,
    route: LiveRoute,
    segment: LiveSegment,
    compiled: CompiledPolicy,
    arm: str,
    metric: str,
) -> LiveDetector[DriftDetector]:
    """The change detector of one metric of an arm."""
    live = segment.detectors.get((arm, metric))
    if live is None:
        key = detector_key(route.name, segment.name, arm, metric)
        spec, meaning = compiled.policy.drift, compiled.fingerprints[arm]
        live = segment.detectors[arm, metric] = LiveDetector(
            key,
            meaning,
            partial(make_drift_detector, spec),
            partial(decode_drift_detector, spec),
            memory.get,
        )
    return live


def anomaly_detector(
    memory: Memory,
    route: LiveRoute,
    segment: LiveSegment,
    compiled: CompiledPolicy,
    arm: str,
    metric: str,
) -> LiveDetector[AnomalyDetector]:
    """The anomaly detector of one metric of an arm, of a policy that wants some."""
    live = segment.anomalies.get((arm, metric))
    if live is None:
        key = anomaly_key(route.name, segment.name, arm, metric)
        spec = compiled.policy.anomalies
        assert spec is not None, "the caller has looked"
        logarithmic = is_logarithmic(metric)
        live = segment.anomalies[arm, metric] = LiveDetector(
            key,
            compiled.fingerprints[arm],
            partial(make_anomaly_detector, spec, logarithmic=logarithmic),
            partial(decode_anomaly_detector, spec, logarithmic=logarithmic),
            memory.get,
        )
    return live


def mix_of_numbers(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy, field: str
) -> LiveDetector[Adwin]:
    """The change detector of a field of the route's requests that holds numbers."""
    return route.mixes.get(field) or _mix(memory, route, compiled, field, Adwin)


def mix_of_categories(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy, field: str
) -> LiveDetector[MixDetector]:
    """The same of a field that holds categories."""
    return route.mixes.get(field) or _mix(memory, route, compiled, field, MixDetector)


def _mix(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy, field: str, kind: type[M]
) -> LiveDetector[M]:
    spec = compiled.policy.drift
    make: Callable[[], M] = partial(kind, spec.delta, spec.warning_delta)
    decode: Callable[[bytes], M] = partial(
        kind.decode, delta=spec.delta, warning_delta=spec.warning_delta
    )
    live = LiveDetector(mix_key(route.name, field), b"", make, decode, memory.get)
    route.mixes[field] = live
    return live


def window_of(memory: Memory, route: LiveRoute, scope: tuple[str, int]) -> LiveWindow:
    """What the thresholds of a scope (arm or "", and ms) look at."""
    live = route.windows.get(scope)
    if live is None:
        key = window_key(route.name, *scope)
        live = route.windows[scope] = LiveWindow(key, scope[1], memory.get(key))
    return live
