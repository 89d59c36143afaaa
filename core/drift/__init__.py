"""Change detectors: ADWIN."""
