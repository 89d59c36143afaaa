"""Alerts on their way to people: read, chosen, and posted to webhooks until they are accepted."""
