"""Change detectors: ADWIN, Page-Hinkley, CUSUM, a KS window, and the mix of categories."""
