"""``thalweg notify`` once its settings are known: all bridges of one process."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import start_http_server

from streams.notify.bridge import Bridge, Start
from streams.notify.letters import KafkaLetters
from streams.notify.receivers import Receiver
from streams.notify.sending import HttpSender
from streams.notify.telemetry import Telemetry
from streams.notify.topics import TopicsError, check_topics
from streams.settings import Topics

log = logging.getLogger(__name__)


class NotifyError(Exception):
    """It cannot run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one process."""

    brokers: str
    topics: Topics
    group: str
    """Every receiver's consumer group is called so, a dot, and the receiver's name."""
    start: Start
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


async def notify(options: Options, receivers: Sequence[Receiver]) -> None:
    """Tell the receivers of all alerts until SIGTERM or SIGINT. Raises NotifyError."""
    topics = options.topics
    try:
        await check_topics(options.brokers, [topics.drift, topics.dead_letters])
    except TopicsError as error:
        raise NotifyError(str(error)) from error
    telemetry = Telemetry()
    _serve_metrics(options, telemetry)
    producer = AIOKafkaProducer(
        bootstrap_servers=options.brokers, acks="all", enable_idempotence=True,
        max_request_size=1 << 20,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await producer.start()
        stack.push_async_callback(producer.stop)
        letters = KafkaLetters(producer, topics.dead_letters)
        bridges = [
            Bridge(
                options.brokers,
                topics.drift,
                f"{options.group}.{receiver.name}",
                receiver,
                await stack.enter_async_context(HttpSender(receiver)),
                letters,
                telemetry,
                options.start,
            )
            for receiver in receivers
        ]
        _stop_on_signals(bridges)
        try:
            async with asyncio.TaskGroup() as group:
                for bridge in bridges:
                    group.create_task(bridge.run())
        except* KafkaError as errors:
            first = errors.exceptions[0]
            raise NotifyError(f"Kafka at {options.brokers} refuses: {first!r}") from errors
    log.info("stopped")


def _serve_metrics(options: Options, telemetry: Telemetry) -> None:
    if options.metrics_port is None:
        return
    try:
        start_http_server(options.metrics_port, options.metrics_host, telemetry.registry)
    except OSError as error:
        raise NotifyError(
            f"metrics cannot be served on {options.metrics_host} port {options.metrics_port} "
            f"({error.strerror}): choose another --metrics-port"
        ) from error
    log.info("metrics at http://%s:%d/metrics", options.metrics_host, options.metrics_port)


def _stop_on_signals(bridges: Sequence[Bridge]) -> None:
    """The first signal ends in order; the second as the system does it."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        log.info("stopping: what is under way comes to its end")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for bridge in bridges:
            bridge.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
