"""The one error of the demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on; the message says why, and what to do.

    ``ask_worker``: whether the end of the worker's log belongs to the story.
    """

    def __init__(self, message: str, *, ask_worker: bool = False) -> None:
        super().__init__(message)
        self.ask_worker = ask_worker
