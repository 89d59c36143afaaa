"""Replays what workers have decided, from the topics alone, and compares."""
