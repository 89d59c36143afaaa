"""One broker: its files, its Java process, its life and death."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from streams.local_kafka.errors import LocalKafkaError
from streams.local_kafka.probe import brokers_known_to
from streams.local_kafka.settings import HOST, Place

TIED_EXEC = Path(__file__).with_name("tied_exec.py")
FORMAT_TIMEOUT_S = 120
TAIL_LINES = 20
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Only the first compiler and the small collector: half the CPU until it serves."""
LOGGING = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
)


class Broker:
    """A broker process, combined with a controller. Not for use by several threads at once.

    On Linux the process dies with ours, even by kill -9; elsewhere only by `stop` or `kill`.
    """

    def __init__(
        self, place: Place, java: Path, jars: Sequence[Path], java_options: Sequence[str]
    ) -> None:
        self.place = place
        self._java = str(java)
        self._class_path = os.pathsep.join(map(str, jars))
        self._java_options = tuple(java_options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def node_id(self) -> int:
        """The broker's id in the cluster, from 1."""
        return self.place.node_id

    @property
    def bootstrap(self) -> str:
        """The address of this one broker."""
        return self.place.bootstrap

    @property
    def log_path(self) -> Path:
        """The file that holds what this broker prints."""
        return self.place.log

    @property
    def pid(self) -> int:
        """The Java process. Raises LocalKafkaError when the broker was not started."""
        if self._process is None:
            raise LocalKafkaError(f"broker {self.node_id} was not started; call start() first")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs; it need not answer yet."""
        return self._process is not None and self._process.poll() is None

    def format(self, properties: str, cluster_id: str) -> None:
        """Write the settings and make the data folder ready, unless an earlier run did.

        Raises LocalKafkaError with Kafka's own words if it refuses.
        """
        self.place.directory.mkdir(parents=True, exist_ok=True)
        self.place.properties.write_text(properties, encoding="utf-8")
        if (self.place.data / "meta.properties").exists():
            return
        java = (self._java, "-Xmx256m", *QUICK_START, "-cp", self._class_path)
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted")
        which = ("-t", cluster_id, "-c", str(self.place.properties))
        result = subprocess.run(  # noqa: S603 - our own Java, no shell
            [*java, *tool, *which],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FORMAT_TIMEOUT_S,
            check=False,
        )
        if result.returncode != 0:
            said = result.stdout.decode(errors="replace").strip()
            raise LocalKafkaError(
                f"Kafka could not format {self.place.data}; it says:\n{said}\n"
                "Is the disk full, the heap too small, or the folder of another Kafka's making?"
            )

    def start(self) -> None:
        """Start the process; returns at once, long before it answers. Needs `format` first.

        Raises LocalKafkaError if it runs already or the system refuses to start it.
        """
        if self.alive:
            raise LocalKafkaError(f"broker {self.node_id} runs already")
        started: Future[subprocess.Popen[bytes]] = Future()
        # The thread that starts the process stays with it: see tied_exec.
        name = f"local-kafka-{self.node_id}"
        threading.Thread(target=self._keep, args=(started,), name=name, daemon=True).start()
        try:
            self._process = started.result()
        except OSError as error:
            raise LocalKafkaError(f"cannot start Java ({self._java}): {error}") from error

    def _keep(self, started: Future[subprocess.Popen[bytes]]) -> None:
        options = (*self._java_options, "-Djava.awt.headless=true", *LOGGING)
        main = ("-cp", self._class_path, "kafka.Kafka", str(self.place.properties))
        command = [self._java, *options, *main]
        if sys.platform == "linux":
            tie = (sys.executable, "-I", "-S", str(TIED_EXEC), str(os.getpid()))
            command = [*tie, *command]
        try:
            with self.log_path.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - our own Java, no shell
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal is for us, not for it
                )
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    def peers(self, timeout_s: float = 1.0) -> int:
        """How many brokers serve, as this one sees it; 0 while it does not answer."""
        return brokers_known_to(HOST, self.place.port, timeout_s)

    def terminate(self) -> None:
        """Ask the process to shut down in order; returns at once."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End the process as kill -9 does, and wait until it is gone. Nothing if it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, grace_s: float = 10.0) -> None:
        """Shut down in order within `grace_s` seconds, else `kill`. Nothing if it is down."""
        self.terminate()
        self.wait_or_kill(grace_s)

    def wait_or_kill(self, grace_s: float) -> None:
        """Wait up to `grace_s` seconds for the process to end, then `kill` it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(grace_s, 0))
        except subprocess.TimeoutExpired:
            self.kill()

    def epitaph(self) -> str:
        """How the process stands and the last lines of its log, for an error message."""
        code = self._process.poll() if self._process is not None else None
        state = "is running" if code is None else f"ended with exit code {code}"
        try:
            log = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            log = ""
        # Stack frames would push the words that matter out of the tail.
        lines = [line for line in log.splitlines() if not line.startswith("\tat ")]
        tail = "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (it printed nothing)"
        return f"broker {self.node_id} {state}; the end of {self.log_path}:\n{tail}"
