"""Which class is which anomaly detector of a policy."""

from __future__ import annotations

from typing import Final

from core.anomaly.base import AnomalyDetector
from core.anomaly.ewma import Ewma
from core.anomaly.rules import iqr, mad, robust_z
from core.anomaly.scale import LINEAR, LOGARITHMIC
from core.anomaly.windowed import Rule, Windowed
from schemas.policy import anomalies as spec_of
from schemas.policy.anomalies import AnomalySpec

_ROBUST_Z: Final[tuple[bytes, Rule]] = (b"Z\x01", robust_z)
_MAD: Final[tuple[bytes, Rule]] = (b"D\x01", mad)
_IQR: Final[tuple[bytes, Rule]] = (b"Q\x01", iqr)
"""What the states begin with (detector and version), and the rule."""


def make_anomaly_detector(spec: AnomalySpec, *, logarithmic: bool) -> AnomalyDetector:
    """A detector as the policy asks for it, that has seen nothing.

    ``logarithmic``: values are judged by their logarithm (cost, latency, tokens).
    """
    scale, least = LOGARITHMIC if logarithmic else LINEAR, spec.min_samples
    match wanted := spec.detector:
        case spec_of.RobustZ():
            return Windowed(*_ROBUST_Z, wanted.threshold, wanted.window, least, scale)
        case spec_of.Mad():
            return Windowed(*_MAD, wanted.fences, wanted.window, least, scale)
        case spec_of.Iqr():
            return Windowed(*_IQR, wanted.fences, wanted.window, least, scale)
        case spec_of.Ewma():
            return Ewma(wanted.weight, wanted.limit, wanted.window, least, scale)


def decode_anomaly_detector(
    spec: AnomalySpec, data: bytes, *, logarithmic: bool
) -> AnomalyDetector:
    """The detector that ``encode`` saw, with the policy's parameters.

    Raises ValueError for bytes of another detector.
    """
    scale, least = LOGARITHMIC if logarithmic else LINEAR, spec.min_samples
    match wanted := spec.detector:
        case spec_of.RobustZ():
            return Windowed.decode(data, *_ROBUST_Z, wanted.threshold, wanted.window, least, scale)
        case spec_of.Mad():
            return Windowed.decode(data, *_MAD, wanted.fences, wanted.window, least, scale)
        case spec_of.Iqr():
            return Windowed.decode(data, *_IQR, wanted.fences, wanted.window, least, scale)
        case spec_of.Ewma():
            return Ewma.decode(data, wanted.weight, wanted.limit, wanted.window, least, scale)
