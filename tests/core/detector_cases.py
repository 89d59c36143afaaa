"""Every change and anomaly detector of the registries, with several parameters each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from core.anomaly.base import AnomalyDetector
from core.anomaly.registry import decode_anomaly_detector, make_anomaly_detector
from core.drift.base import DriftDetector
from core.drift.registry import decode_drift_detector, make_drift_detector
from schemas.policy import anomalies, drift
from schemas.policy.anomalies import AnomalySpec
from schemas.policy.drift import DriftSpec


class Change(NamedTuple):
    name: str
    spec: DriftSpec
    most_bytes: int

    def make(self) -> DriftDetector:
        return make_drift_detector(self.spec)

    def decode(self, data: bytes) -> DriftDetector:
        return decode_drift_detector(self.spec, data)

    def __repr__(self) -> str:
        return self.name


CHANGES = [
    Change("adwin", DriftSpec(), 1_200),
    Change("adwin .05", DriftSpec(delta=0.05, warning_delta=0.2), 1_200),
    Change("page_hinkley", DriftSpec(detector=drift.PageHinkley()), 80),
    Change(
        "page_hinkley .1/8",
        DriftSpec(detector=drift.PageHinkley(tolerance=0.1, threshold=8.0, warning=0.9)),
        80,
    ),
    Change("cusum", DriftSpec(detector=drift.Cusum()), 90),
    Change(
        "cusum .5/12", DriftSpec(detector=drift.Cusum(calibration=50, slack=0.5, threshold=12)), 90
    ),
    Change("ks_window", DriftSpec(detector=drift.KsWindow()), 820),
    Change("ks_window 20", DriftSpec(detector=drift.KsWindow(window=20)), 100),
]


class Odd(NamedTuple):
    name: str
    spec: AnomalySpec
    most_bytes: int
    logarithmic: bool

    def make(self) -> AnomalyDetector:
        return make_anomaly_detector(self.spec, logarithmic=self.logarithmic)

    def decode(self, data: bytes) -> AnomalyDetector:
        return decode_anomaly_detector(self.spec, data, logarithmic=self.logarithmic)

    @property
    def patience(self) -> int:
        return max(10, self.spec.detector.window // 4)

    def usual(self, n: int, seed: int = 0) -> list[float]:
        """Values without anomalies: latencies, or judgements."""
        rng = np.random.default_rng(seed)
        if self.logarithmic:
            return (800.0 * np.exp(0.3 * rng.normal(size=n).clip(-3, 3))).tolist()
        return (0.5 + 0.02 * rng.normal(size=n).clip(-3, 3)).tolist()

    @property
    def far(self) -> tuple[float, float]:
        """Values far below and far above the usual ones, by every detector."""
        return (1e-3, 1e9) if self.logarithmic else (-5.0, 6.0)

    def __repr__(self) -> str:
        return f"{self.name}, {'log' if self.logarithmic else 'linear'}"


ODD = [
    Odd(name, AnomalySpec(detector=detector), most_bytes, logarithmic)
    for name, detector, most_bytes in (
        ("robust_z", anomalies.RobustZ(), 510),
        ("robust_z 5/60", anomalies.RobustZ(threshold=5.0, window=60), 320),
        ("mad", anomalies.Mad(), 510),
        ("iqr", anomalies.Iqr(), 510),
        ("ewma", anomalies.Ewma(), 70),
        ("ewma .3/4", anomalies.Ewma(weight=0.3, limit=4.0, window=400), 70),
    )
    for logarithmic in (True, False)
]


@contextmanager
def untouched(detector: DriftDetector | AnomalyDetector) -> Iterator[None]:
    before = detector.encode()
    yield
    assert detector.encode() == before
