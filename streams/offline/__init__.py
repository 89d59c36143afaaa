"""Logs of past outcomes: read, joined, and learned from before a route's first request."""
