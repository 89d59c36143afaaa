"""Where the tests' broker comes from."""

import time

import pytest

from streams.local_kafka.settings import free_port
from tests import brokers as source


def quiet(_: str) -> None:
    pass


def test_the_broker_of_the_session_answers(brokers: str) -> None:
    source.check_answers(brokers)


def test_the_named_broker_comes_first(brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THALWEG_BROKERS", brokers)
    with source.a_broker(quiet) as bootstrap:
        assert bootstrap == brokers


def test_a_named_broker_that_is_silent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THALWEG_BROKERS", f"127.0.0.1:{free_port(set())}")
    with pytest.raises(source.NoBrokerError, match="no Kafka answers there"):
        source.a_broker(quiet).__enter__()


def test_a_docker_engine_that_hangs_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert not source.docker_answers()
    assert time.monotonic() - began < 3


def test_a_container_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port(set())}")
    said: list[str] = []
    assert source.start_container(said.append) is None
    assert "taking the local Kafka instead" in said[-1]


def test_prefixes_are_names_that_kafka_takes(topic_prefix: str) -> None:
    assert topic_prefix.startswith("test-prefixes-are-names-that-kafka-takes-")
    assert topic_prefix.endswith("-")
