"""What each broker is told: its address and its ``server.properties``."""

from __future__ import annotations

import base64
import secrets
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.local_kafka.errors import LocalKafkaError

HOST = "127.0.0.1"
FIRST_FREE_PORT, LAST_FREE_PORT = 20_000, 30_000
"""Below the range from which systems give ports to outgoing connections, so that none of those
takes a port between our look at it and the broker's bind."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one broker listens and keeps its files."""

    node_id: int
    port: int
    controller_port: int
    directory: Path

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """Kafka's own data."""
        return self.directory / "data"

    @property
    def properties(self) -> Path:
        """The written server.properties."""
        return self.directory / "server.properties"

    @property
    def log(self) -> Path:
        """What Kafka prints."""
        return self.directory / "kafka.log"


def free_port(taken: set[int]) -> int:
    """A port on which nothing listens and that is not in `taken`; it is added there.

    Raises LocalKafkaError if there is none to be found.
    """
    for _ in range(1000):
        port = FIRST_FREE_PORT + secrets.randbelow(LAST_FREE_PORT - FIRST_FREE_PORT)
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise LocalKafkaError(
        f"found no free port on {HOST} between {FIRST_FREE_PORT} and {LAST_FREE_PORT}; name one"
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def new_cluster_id() -> str:
    """A random id for a cluster, as Kafka writes them.

    As Kafka's own, it never starts with a dash: its tools would take that for an option.
    """
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


def server_properties(place: Place, cluster: Sequence[Place], overrides: Mapping[str, str]) -> str:
    """The text of ``server.properties`` for the broker at `place` in `cluster`.

    `overrides` win over everything here; their names are those of Kafka's broker settings.
    """
    voters = ",".join(f"{peer.node_id}@{HOST}:{peer.controller_port}" for peer in cluster)
    controller = f"CONTROLLER://{HOST}:{place.controller_port}"
    replicas = str(min(len(cluster), 3))
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(place.node_id),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{place.bootstrap},{controller}",
        "advertised.listeners": f"PLAINTEXT://{place.bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": place.data.as_posix(),
        # Topics are made on purpose, with their own number of partitions.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": "1",
        # A group forms at once, and from few internal partitions instead of 50.
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "4",
        # A day of data; compaction on, in 16 MiB of memory instead of 128.
        "log.retention.hours": "24",
        "log.cleaner.enable": "true",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        **overrides,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
