"""A Kafka and a worker for the demo, and their end."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.demo.errors import DemoError
from streams.local_kafka import LocalKafka, LocalKafkaError
from streams.local_kafka.broker import TIED_EXEC
from streams.local_kafka.settings import free_port
from streams.settings import Settings, Topics
from streams.topics import TopicError, ensure_topics, wanted

WORKER: Final = (sys.executable, "-m", "streams.cli", "worker")
PARTITIONS: Final = 4
STOP_S: Final = 20.0
HURRY_S: Final = 1.0
CONNECT_S: Final = 30.0
TAIL_LINES: Final = 25


class Environment:
    """Starts what the demo needs, and ends all of it. Use as ``with``.

    - `brokers`: a Kafka that runs already; None starts one of our own.
    - `say`: gets one line for each step that takes time.

    Topics, consumer group and ports are the run's own, so runs do not meet, at once or one after
    the other. On Linux the worker dies with us, even by kill -9.
    """

    def __init__(self, brokers: str | None, say: Callable[[str], None]) -> None:
        self._given = brokers
        self._say = say
        self._kafka: LocalKafka | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._dir: Path | None = None
        self.topics_made = False
        """Whether there may be topics of ours."""
        self.settings: Settings
        """Of the worker; set by ``with``."""

    def __enter__(self) -> Self:
        """Start Kafka; the worker comes later. Raises DemoError where there is no Kafka."""
        self._dir = Path(tempfile.mkdtemp(prefix="thalweg-demo-"))
        try:
            run = secrets.token_hex(3)
            self.settings = Settings(
                brokers=self._given or self._own_kafka(),
                name=f"thalweg-demo-{run}",
                topics=Topics.prefixed(f"demo-{run}."),
                data_dir=self._dir / "worker",
                partitions=PARTITIONS,
                port=free_port(set()),
            )
        except LocalKafkaError as error:
            self.close()
            raise DemoError(
                f"{error}\nIf a Kafka runs somewhere, name it: thalweg demo --brokers HOST:PORT"
            ) from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self.close()

    @property
    def own_kafka(self) -> bool:
        """Whether Kafka goes away with the demo."""
        return self._kafka is not None

    @property
    def worker_log(self) -> Path:
        """What the worker prints."""
        assert self._dir is not None, "not entered"
        return self._dir / "worker.log"

    @property
    def worker_pid(self) -> int:
        """The worker's process."""
        assert self._worker is not None, "not started"
        return self._worker.pid

    async def make_topics(self) -> int:
        """Create the topics; returns their number of partitions. Raises DemoError."""
        self.topics_made = True
        try:
            async with asyncio.timeout(CONNECT_S):
                return (await ensure_topics(self.settings)).partitions
        except (KafkaError, OSError, TimeoutError) as error:
            self.topics_made = False
            why = str(error) or type(error).__name__
            raise DemoError(
                f"no answer from Kafka at {self.settings.brokers}: {why}. Name a running one with "
                "--brokers HOST:PORT, or leave it out (and unset THALWEG_BROKERS), and the demo "
                "starts its own"
            ) from error
        except TopicError as error:
            raise DemoError(str(error)) from error

    def start_worker(self) -> None:
        """Start the worker as a process of its own; returns long before it decides.

        The thread that calls this must live as long as the worker shall.
        """
        settings = self.settings
        command = [
            *WORKER,
            f"--brokers={settings.brokers}",
            f"--name={settings.name}",
            f"--topic-prefix={settings.topics.requests.removesuffix('requests')}",
            f"--data-dir={settings.data_dir}",
            f"--partitions={settings.partitions}",
            f"--port={settings.port}",
        ]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", str(TIED_EXEC), str(os.getpid()), *command]
        with self.worker_log.open("ab") as log:
            self._worker = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for it
            )

    def check(self) -> None:
        """Raise DemoError, with the end of its log, if Kafka or the worker has ended."""
        if self._kafka is not None:
            try:
                self._kafka.check_alive()
            except LocalKafkaError as error:
                raise DemoError(f"{error}\nIs the machine short of memory or disk?") from error
        if self._worker is not None and (code := self._worker.poll()) is not None:
            raise DemoError(f"the worker ended by itself, with exit code {code}", ask_worker=True)

    def worker_tail(self) -> str:
        """The last lines of the worker's log; "" where there are none."""
        if self._dir is None or not self.worker_log.exists():
            return ""
        lines = self.worker_log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def stop_worker(self) -> None:
        """End the worker in order, by force if it takes longer than `STOP_S`. Idempotent."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.terminate()
        # Without its Kafka it would wait for that until the end of its patience.
        kafka_gone = self._kafka is not None and not self._kafka.brokers[0].alive
        try:
            worker.wait(HURRY_S if kafka_gone else STOP_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

    def close(self) -> None:
        """End the worker and our Kafka, remove their files and our topics. Idempotent."""
        if self._dir is None:
            return
        with _undisturbed():
            self.stop_worker()
            if self._kafka is not None:
                self._kafka.stop()
            elif self._given and self.topics_made:
                self._delete_topics()
            shutil.rmtree(self._dir, ignore_errors=True)
        self._kafka = self._dir = None

    def _delete_topics(self) -> None:
        try:
            asyncio.run(asyncio.wait_for(delete_topics(self.settings), CONNECT_S))
        except (KafkaError, OSError, TimeoutError) as error:
            prefix = self.settings.topics.requests.removesuffix("requests")
            self._say(f"could not delete the topics {prefix}*: {error}; delete them yourself")

    def _own_kafka(self) -> str:
        self._kafka = LocalKafka(say=self._say)
        return self._kafka.start().bootstrap


async def delete_topics(settings: Settings) -> None:
    """Delete all topics of an installation. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    try:
        await admin.delete_topics(list(wanted(settings)))
    finally:
        await admin.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold off Ctrl-C: what was started must end, and that takes seconds only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
