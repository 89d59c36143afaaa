"""Detectors of single values far off what is usual: robust z-scores, fences, a control chart."""
