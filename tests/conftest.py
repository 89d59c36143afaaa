"""Fixtures and rules for every test."""

import os
import re
import signal
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from streams.local_kafka import LocalKafkaError
from tests.brokers import NoBrokerError, a_broker

# A deadline is a wall-clock time, which no test asserts.
settings.register_profile("thalweg", deadline=None)
settings.load_profile("thalweg")

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def brokers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka, started when the first test asks; see tests/brokers.py."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", flush=True)

    source = a_broker(say)
    try:
        bootstrap = source.__enter__()
    except (NoBrokerError, LocalKafkaError) as error:
        pytest.fail(f"no Kafka for the tests: {error}", pytrace=False)
    yield bootstrap
    source.__exit__(None, None, None)


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A start for topic and group names that no other test uses: ``f"{topic_prefix}requests"``."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{name[:60]}-{uuid.uuid4().hex[:8]}-"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI (THALWEG_CI=1) whatever a test needs must be there: a skip is a failure.

    Not so for what ``.ci/run`` could not install, whose names are in THALWEG_CI_WITHOUT.
    """
    report = yield
    missing = os.environ.get("THALWEG_CI_WITHOUT")
    excused = bool(missing) and re.search(missing, str(report.longrepr), re.IGNORECASE)
    if (
        report.skipped
        and os.environ.get("THALWEG_CI")
        and not excused
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and THALWEG_CI allows no skip: " + str(
            report.longrepr
        )
    return report
