"""``python -m tests.performance.counting FILE worker …``: thalweg, with what it does counted.

At its end it writes into FILE, as JSON: how often each coroutine became a task (by its name), and
how many requests of each kind went to Kafka.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka.client import AIOKafkaClient

from streams.cli import main

tasks: Counter[str] = Counter()
requests: Counter[str] = Counter()


def install() -> None:
    """Count from now on, in every event loop of the process."""
    create_task: Any = asyncio.BaseEventLoop.create_task
    send: Any = AIOKafkaClient.send

    def counted_task(self: Any, coroutine: Any, **options: Any) -> Any:
        tasks[getattr(coroutine, "__qualname__", type(coroutine).__qualname__)] += 1
        return create_task(self, coroutine, **options)

    def counted_send(self: Any, node_id: Any, request: Any, **options: Any) -> Any:
        requests[type(request).__name__.partition("_")[0]] += 1
        return send(self, node_id, request, **options)

    for owner, name, counted in (
        (asyncio.BaseEventLoop, "create_task", counted_task),
        (AIOKafkaClient, "send", counted_send),
    ):
        setattr(owner, name, counted)


def write(path: Path) -> None:
    """The counts so far."""
    path.write_text(json.dumps({"tasks": tasks, "requests": requests}), encoding="utf-8")


if __name__ == "__main__":
    install()
    out = Path(sys.argv.pop(1))
    atexit.register(write, out)
    main()
