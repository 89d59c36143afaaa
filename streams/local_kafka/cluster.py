"""A local Kafka as a whole: one broker, or several for failure tests."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.local_kafka.broker import QUICK_START, Broker
from streams.local_kafka.errors import LocalKafkaError
from streams.local_kafka.jars import java_program, kafka_jars
from streams.local_kafka.lock import KAFKA_VERSION
from streams.local_kafka.settings import (
    Place,
    free_port,
    is_free,
    new_cluster_id,
    server_properties,
)

GRACE_S = 10.0
TEMPORARY_GRACE_S = 3.0
"""An orderly stop takes half a second. Brokers that stop together lose their quorum on the way, and
the last one waits in vain for a controller, so after this they are killed; data that goes away
anyway is worth less patience."""


def _quiet(_: str) -> None:
    """Say nothing."""


class LocalKafka:
    """Apache Kafka on 127.0.0.1, for demos, development and tests: no security, no durability.

    - `port`: of the first broker, the next ones follow; 0 takes free ones.
    - `brokers`: how many; with 3, topics have 3 replicas and one broker may die.
    - `data_dir`: kept, and used again by the next start there; None takes a temporary folder that
      goes away on `stop`. After a failed start that one stays, for its log.
    - `heap`: of each broker, as Java writes it (``512m``, ``1g``).
    - `quick_start`: for brokers that live shortly and carry little: half the CPU until they serve,
      less throughput afterwards.
    - `settings`: broker settings that win over ours.
    - `say`: gets one line for each step that takes time.
    - `timeout_s`: how long the brokers may take to answer; fetching the jars does not count.

    `start` blocks: in asyncio, call it by ``asyncio.to_thread``. Whatever ends our process ends the
    brokers too (kill -9 included, on Linux).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        brokers: int = 1,
        data_dir: Path | str | None = None,
        heap: str = "1g",
        quick_start: bool = False,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _quiet,
        timeout_s: float = 90.0,
    ) -> None:
        if brokers < 1:
            raise LocalKafkaError(f"a Kafka needs at least one broker, not {brokers}")
        if not re.fullmatch(r"[1-9]\d*[kKmMgG]", heap):
            raise LocalKafkaError(f"heap {heap!r} is no size that Java knows; write 512m or 1g")
        self._port = port
        self._count = brokers
        self._given_dir = None if data_dir is None else Path(data_dir).expanduser().resolve()
        self._java_options = (f"-Xmx{heap}", *(QUICK_START if quick_start else ()))
        self._settings = dict(settings or {})
        self._say = say
        self._timeout_s = timeout_s
        self._owner = os.getpid()
        self._dir: Path | None = None
        self._brokers: tuple[Broker, ...] = ()

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, ``host:port,…``. Raises LocalKafkaError before `start`."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def brokers(self) -> tuple[Broker, ...]:
        """The brokers, by node id. Raises LocalKafkaError before `start`."""
        if not self._brokers:
            raise LocalKafkaError("the local Kafka does not run; call start() first")
        return self._brokers

    @property
    def data_dir(self) -> Path:
        """The folder with everything the brokers write. Raises LocalKafkaError before `start`."""
        if self._dir is None:
            raise LocalKafkaError("the local Kafka does not run; call start() first")
        return self._dir

    @property
    def log_path(self) -> Path:
        """The first broker's log file. Raises LocalKafkaError before `start`."""
        return self.brokers[0].log_path

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Fetch what is missing, start every broker and wait until all of them serve.

        Raises LocalKafkaError, with the end of Kafka's log where there is one; nothing is left
        running then.
        """
        if self._brokers:
            raise LocalKafkaError(f"this local Kafka runs already, at {self.bootstrap}")
        java = java_program()
        jars = kafka_jars(self._say)
        ports = self._free_ports()
        self._dir = self._given_dir or Path(tempfile.mkdtemp(prefix="thalweg-kafka-"))
        places = [
            Place(node_id, port, controller_port, self._dir / f"node-{node_id}")
            for node_id, (port, controller_port) in enumerate(ports, start=1)
        ]
        self._brokers = tuple(Broker(place, java, jars, self._java_options) for place in places)
        atexit.register(self.stop)
        self._say(f"starting Apache Kafka {KAFKA_VERSION}: a few seconds; log: {self.log_path}")
        try:
            self._format(places)
            for broker in self._brokers:
                broker.start()
            self.wait_until_ready()
        except LocalKafkaError:
            self._end()
            raise
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every broker, by force if need be, and remove the temporary folder. Idempotent."""
        if not self._brokers or os.getpid() != self._owner:  # a forked child owns nothing
            return
        directory = self.data_dir
        self._end()
        if self._given_dir is None:
            shutil.rmtree(directory, ignore_errors=True)

    def wait_until_ready(self) -> None:
        """Block until every broker serves and knows all others: after `start`, or a restart of one.

        Raises LocalKafkaError when a broker ends instead, or after the timeout.
        """
        deadline = time.monotonic() + self._timeout_s
        while not all(broker.peers() >= self._count for broker in self.brokers):
            self.check_alive()
            if time.monotonic() > deadline:
                stories = "\n".join(broker.epitaph() for broker in self.brokers)
                raise LocalKafkaError(
                    f"Kafka did not answer within {self._timeout_s:.0f} s; a slow or busy machine "
                    f"needs a longer timeout, less heap or fewer brokers\n{stories}"
                )
            time.sleep(0.05)

    def check_alive(self) -> None:
        """Raise LocalKafkaError, with the end of its log, if a broker is not running."""
        for broker in self.brokers:
            if not broker.alive:
                raise LocalKafkaError(f"Kafka ended by itself\n{broker.epitaph()}")

    def _free_ports(self) -> list[tuple[int, int]]:
        """A port for clients and one for controllers, for each broker."""
        given = range(self._port, self._port + self._count) if self._port else ()
        for port in given:
            if not is_free(port):
                raise LocalKafkaError(
                    f"port {port} is in use; stop what listens there, or choose another port "
                    "(0 takes a free one)"
                )
        taken = set(given)
        clients = given or [free_port(taken) for _ in range(self._count)]
        return [(port, free_port(taken)) for port in clients]

    def _format(self, places: list[Place]) -> None:
        cluster = new_cluster_id()

        def format_one(broker: Broker) -> None:
            broker.format(server_properties(broker.place, places, self._settings), cluster)

        with ThreadPoolExecutor(len(places), thread_name_prefix="kafka-format") as pool:
            list(pool.map(format_one, self.brokers))

    def _end(self) -> None:
        for broker in self._brokers:
            broker.terminate()
        grace_s = GRACE_S if self._given_dir else TEMPORARY_GRACE_S
        deadline = time.monotonic() + grace_s
        for broker in self._brokers:
            broker.wait_or_kill(deadline - time.monotonic())
        atexit.unregister(self.stop)
        self._brokers = ()
        self._dir = None
