"""Reads registry files; the models that come with thalweg are in ``default.yaml``."""

from streams.models.load import DEFAULT_FILE, load_registry, read_models

__all__ = ["DEFAULT_FILE", "load_registry", "read_models"]
