"""Experiments on a stream: variants compared at fixed samples or at any time, and rollouts."""
