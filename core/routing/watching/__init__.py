"""Watching routes: detections become alerts, and alerts of one trouble become one incident."""
