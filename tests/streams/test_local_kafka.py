"""A local Kafka's life: it serves, it stops, and it never outlives its owner."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.local_kafka import LocalKafka, LocalKafkaError
from streams.local_kafka.probe import brokers_known_to
from streams.local_kafka.settings import free_port, is_free, new_cluster_id

ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def exists(pid: int) -> bool:
    """Whether `pid` runs; one that nobody has waited for yet is gone, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def create(bootstrap: str, topic: str, config: dict[str, str], replicas: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, replicas, topic_configs=config)])
    finally:
        await admin.close()


async def configured(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (response,) = await admin.describe_configs([resource])
        ((_error, _message, _kind, _name, entries),) = response.resources
        return {entry[0]: entry[1] for entry in entries}
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=value, partition=1)


async def consume(bootstrap: str, topic: str, count: int, group: str | None = None) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    async with consumer:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]


def test_it_serves_and_leaves_nothing_behind() -> None:
    said: list[str] = []
    values = [b"one", b"two", b"three"]
    with LocalKafka(quick_start=True, say=said.append) as kafka:
        directory, pid, port = kafka.data_dir, kafka.brokers[0].pid, kafka.brokers[0].place.port
        assert kafka.bootstrap == f"127.0.0.1:{port}"
        assert str(kafka.log_path) in said[-1]
        assert not is_free(port)
        config = {"cleanup.policy": "compact", "min.compaction.lag.ms": "60000"}
        asyncio.run(create(kafka.bootstrap, "events", config))
        assert config.items() <= asyncio.run(configured(kafka.bootstrap, "events")).items()
        asyncio.run(produce(kafka.bootstrap, "events", values))
        assert asyncio.run(consume(kafka.bootstrap, "events", 3, "readers")) == values
        with pytest.raises(LocalKafkaError, match="runs already"):
            kafka.start()
    assert not directory.exists()
    assert not exists(pid)
    assert is_free(port)
    kafka.stop()  # again, without harm


def test_a_given_folder_keeps_the_data(tmp_path: Path) -> None:
    with LocalKafka(data_dir=tmp_path, heap="512m", quick_start=True) as kafka:
        asyncio.run(create(kafka.bootstrap, "kept", {}))
        asyncio.run(produce(kafka.bootstrap, "kept", [b"value"]))
    with LocalKafka(data_dir=tmp_path, quick_start=True) as kafka:
        assert asyncio.run(consume(kafka.bootstrap, "kept", 1)) == [b"value"]


def test_it_dies_with_its_owner_but_not_with_the_thread_that_started_it(tmp_path: Path) -> None:
    owner = """if True:
        import threading, time
        from streams.local_kafka import LocalKafka
        kafka = LocalKafka(quick_start=True)
        thread = threading.Thread(target=kafka.start)
        thread.start()
        thread.join()
        time.sleep(1)
        kafka.check_alive()
        print(kafka.brokers[0].pid, flush=True)
        time.sleep(600)
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", owner]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        java = int(process.stdout.readline())
        assert exists(java)
        process.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not exists(java))


def test_three_brokers_outlive_the_death_of_one() -> None:
    settings = {"min.insync.replicas": "2", "broker.session.timeout.ms": "3000"}
    with LocalKafka(brokers=3, heap="256m", quick_start=True, settings=settings) as kafka:
        asyncio.run(create(kafka.bootstrap, "events", {}, replicas=3))
        victim = kafka.brokers[1]
        victim.kill()
        with pytest.raises(LocalKafkaError, match="broker 2 ended with exit code -9"):
            kafka.check_alive()
        asyncio.run(produce(kafka.bootstrap, "events", [b"a", b"b"]))
        victim.start()
        kafka.wait_until_ready()
        assert asyncio.run(consume(victim.bootstrap, "events", 2)) == [b"a", b"b"]


def test_the_command_prints_the_address_and_ctrl_c_is_a_success() -> None:
    port = free_port(set())
    code = "from streams.commands.kafka import kafka; kafka()"
    command = [sys.executable, "-c", code, "--port", str(port), "--heap", "512m"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == f"Kafka is ready: bootstrap servers 127.0.0.1:{port}\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert said.endswith("Kafka is stopped\n")
    assert is_free(port)


def test_a_broker_that_does_not_come_up_shows_its_log(
    tmp_path: Path,
) -> None:
    with pytest.raises(LocalKafkaError, match=r"(?s)ended by itself.*OutOfMemoryError"):
        LocalKafka(data_dir=tmp_path, heap="10m", quick_start=True).start()


def test_a_setting_that_kafka_refuses_shows_its_words(tmp_path: Path) -> None:
    kafka = LocalKafka(data_dir=tmp_path, settings={"log.retention.hours": "soon"})
    with pytest.raises(LocalKafkaError, match=r"(?s)could not format.*log\.retention\.hours"):
        kafka.start()
    with pytest.raises(LocalKafkaError, match=r"call start\(\) first"):
        _ = kafka.bootstrap


def test_a_cluster_id_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    random = iter([uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\xff" * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(random))
    assert new_cluster_id() == "_" * 21 + "w"


def test_a_port_in_use_and_a_strange_heap_are_refused() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=f"port {port} is in use"):
            LocalKafka(port=port).start()
    with pytest.raises(LocalKafkaError, match="512m or 1g"):
        LocalKafka(heap="plenty")
    with pytest.raises(LocalKafkaError, match="at least one broker"):
        LocalKafka(brokers=0)


@pytest.mark.parametrize("answer", [b"", b"\x00\x00\x00\x02", b"\x00\x00\x00\x02ab", b"HTTP/1.1 "])
def test_what_is_no_kafka_counts_as_silent(answer: bytes) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        assert brokers_known_to("127.0.0.1", server.getsockname()[1], 2.0) == 0
        thread.join()
