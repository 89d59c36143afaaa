"""Which class is which change detector of a policy."""

from __future__ import annotations

from core.drift.adwin import Adwin
from core.drift.base import DriftDetector
from core.drift.cusum import Cusum
from core.drift.ks_window import KsWindow
from core.drift.page_hinkley import PageHinkley
from schemas.policy import drift as spec_of
from schemas.policy.drift import DriftSpec


def make_drift_detector(spec: DriftSpec) -> DriftDetector:
    """A detector as the policy asks for it, that has seen nothing."""
    match wanted := spec.detector:
        case spec_of.Adwin():
            return Adwin(spec.delta, spec.warning_delta)
        case spec_of.PageHinkley():
            return PageHinkley(wanted.tolerance, wanted.threshold, wanted.warning)
        case spec_of.Cusum():
            return Cusum(wanted.calibration, wanted.slack, wanted.threshold, wanted.warning)
        case spec_of.KsWindow():
            return KsWindow(wanted.window, spec.delta, spec.warning_delta)


def decode_drift_detector(spec: DriftSpec, data: bytes) -> DriftDetector:
    """The detector that ``encode`` saw, with the policy's parameters.

    Raises ValueError for bytes of another detector, or of a window of another length.
    """
    match wanted := spec.detector:
        case spec_of.Adwin():
            return Adwin.decode(data, spec.delta, spec.warning_delta)
        case spec_of.PageHinkley():
            return PageHinkley.decode(data, wanted.tolerance, wanted.threshold, wanted.warning)
        case spec_of.Cusum():
            return Cusum.decode(
                data, wanted.calibration, wanted.slack, wanted.threshold, wanted.warning
            )
        case spec_of.KsWindow():
            return KsWindow.decode(data, wanted.window, spec.delta, spec.warning_delta)
