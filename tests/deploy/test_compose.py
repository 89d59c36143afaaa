"""docker-compose.yml: by the compose specification's schema, and by what its names lead to."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streams.local_kafka.lock import KAFKA_VERSION
from tests.deploy.commands import problems as command_problems
from tests.deploy.dockerfile import stages
from tests.deploy.places import COMPOSE, DEPLOY, DOCKERFILE, ROOT, load

WEB_PORT = 6066
CARRIER = distribution("check-jsonschema")
SCHEMA = json.loads(
    Path(
        str(CARRIER.locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json"))
    ).read_text(encoding="utf-8")
)
"""The Compose specification's schema, which this package carries."""
ADDRESS = re.compile(r"(?:https?://)?\b([a-z][a-z0-9-]*):(\d{4,5})\b")


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = load(COMPOSE)
    return found


def _services(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["services"]
    return found


def _own(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: one for name, one in _services(document).items() if one["image"] == "thalweg"}


def _problems(document: Mapping[str, Any]) -> list[str]:
    """Everything that a reader of the file alone can know to be wrong."""
    validator = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
    found = [
        f"{'/'.join(map(str, error.path))}: {error.message}"
        for error in validator.iter_errors(document)
    ]
    if found:
        return found
    services = _services(document)
    for name, service in services.items():
        found += [f"{name}: {one}" for one in _of_service(service, document)]
    for name, service in _own(document).items():
        found += [f"{name}: {one}" for one in command_problems(service["command"])]
    return found


def _of_service(service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    services = _services(document)
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            yield f"depends on {other}, which there is not"
        elif how["condition"] == "service_healthy" and not _has_health(services[other]):
            yield f"waits for the health of {other}, which has no check"
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("./"):
            if not (ROOT / source).exists():
                yield f"mounts {source}, which there is not"
        elif source not in document["volumes"]:
            yield f"mounts the volume {source}, which there is not"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"publishes {port} to everybody"
    build = service.get("build")
    if build and not (ROOT / build["context"] / build["dockerfile"]).exists():
        yield f"is built by {build['dockerfile']}, which there is not"
    told = json.dumps([service.get("command"), service.get("environment")])
    for host, port in ADDRESS.findall(told):
        if host in {"localhost", "kafka"} or host in services:
            if host in services and port not in _listens(services[host]):
                yield f"speaks to {host}:{port}, where nothing listens"
        else:
            yield f"speaks to {host}, which there is not"


def _has_health(service: Mapping[str, Any]) -> bool:
    if service["image"] == "thalweg":
        return not service.get("healthcheck", {}).get("disable", False)
    return "test" in service.get("healthcheck", {})


def _listens(service: Mapping[str, Any]) -> set[str]:
    """The ports inside the container, by what is published and by Kafka's listeners."""
    ports = {port.rpartition(":")[2] for port in service.get("ports", [])}
    listeners = service.get("environment", {}).get("KAFKA_LISTENERS", "")
    return ports | set(re.findall(r":(\d+)", listeners))


def test_the_file_is_right() -> None:
    assert _problems(_compose()) == []


@pytest.mark.parametrize(
    ("service", "change", "problem"),
    [
        ("worker-1", {"command": ["worker", "--listen=0.0.0.0"]}, "No such option"),
        ("proxy", {"command": ["demo", "--proxy"]}, "No such option"),
        ("topics", {"command": ["topics", "make"]}, "no command 'make'"),
        ("worker-1", {"environment": {"THALWEG_BROKERS": "kafka:9999"}}, "nothing listens"),
        ("worker-1", {"environment": {"THALWEG_BROKERS": "broker:9092"}}, "broker, which there"),
        ("worker-2", {"volumes": ["worker-3-data:/var/lib/thalweg"]}, "volume worker-3-data"),
        ("prometheus", {"volumes": ["./deploy/metrics:/etc/prometheus"]}, "./deploy/metrics"),
        ("grafana", {"ports": ["3000:3000"]}, "to everybody"),
        ("proxy", {"depends_on": {"topics": {"condition": "service_healthy"}}}, "has no check"),
        ("proxy", {"depends_on": {"worker": {"condition": "service_started"}}}, "worker, which"),
        ("topics", {"build": {"context": ".", "dockerfile": "Dockerfile"}}, "built by Dockerfile"),
        ("kafka", {"restart_policy": "always"}, "restart_policy"),
    ],
)
def test_a_wrong_name_is_found(service: str, change: dict[str, object], problem: str) -> None:
    document = copy.deepcopy(_compose())
    document["services"][service].update(change)
    assert problem in " ".join(_problems(document))


def test_everything_is_there_that_makes_it_run() -> None:
    document = _compose()
    assert _services(document).keys() >= {
        *("kafka", "topics", "worker-1", "worker-2", "proxy", "prometheus", "grafana")
    }
    started = {name for name, one in _services(document).items() if "profiles" not in one}
    for name in started:
        assert _services(document)[name].get("depends_on", {}).keys() <= started


def test_the_broker_is_the_one_that_the_tests_run() -> None:
    kafka = _services(_compose())["kafka"]
    assert kafka["image"] == f"apache/kafka:{KAFKA_VERSION}"
    environment = kafka["environment"]
    listeners = dict(one.split("://") for one in environment["KAFKA_LISTENERS"].split(","))
    protocols = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {one.partition(":")[0] for one in protocols} == set(listeners)
    for one in environment["KAFKA_ADVERTISED_LISTENERS"].split(","):
        name, address = one.split("://")
        assert address.rpartition(":")[2] == listeners[name].rpartition(":")[2]
    assert environment["KAFKA_INTER_BROKER_LISTENER_NAME"] in listeners
    assert environment["KAFKA_CONTROLLER_LISTENER_NAMES"] in listeners
    voter = environment["KAFKA_CONTROLLER_QUORUM_VOTERS"]
    assert voter == f"{environment['KAFKA_NODE_ID']}@kafka{listeners['CONTROLLER']}"
    assert environment["KAFKA_LOG_DIRS"] in {
        mount.partition(":")[2] for mount in kafka["volumes"]
    }, "the data is not in the volume"


def test_every_image_is_pinned_and_ours_is_built_once() -> None:
    document = _compose()
    built = [name for name, one in _own(document).items() if "build" in one]
    assert len(built) == 1  # two builds of one tag at once would race
    for name, service in _services(document).items():
        if service["image"] != "thalweg":
            assert re.fullmatch(r"[\w/.-]+:v?\d+\.\d+\.\d+", service["image"])
        elif name not in built:
            assert service["pull_policy"] == "never"


def test_workers_keep_their_state_apart_and_where_the_image_allows() -> None:
    final = stages(DOCKERFILE.read_text(encoding="utf-8"))[1]
    document = _compose()
    workers = {name: one for name, one in _own(document).items() if one["command"][0] == "worker"}
    assert len(workers) == 2
    mounts = [one["volumes"][0].split(":") for one in workers.values()]
    assert len({source for source, _ in mounts}) == 2
    assert {target for _, target in mounts} == {final.one("VOLUME").rest}
    for service in workers.values():
        assert f"--data-dir={final.one('VOLUME').rest}" in service["command"]
        assert f"--port={WEB_PORT}" in service["command"]
        assert service["ports"][0].endswith(f":{WEB_PORT}")
        assert service["restart"] == "unless-stopped"
        assert _has_health(service), "the image's check is switched off"


def test_commands_without_a_web_server_are_not_asked_for_their_health() -> None:
    for service in _own(_compose()).values():
        if service["command"][0] != "worker":
            assert not _has_health(service)


def test_prometheus_scrapes_every_worker_where_it_listens() -> None:
    document = _compose()
    config = load(DEPLOY / "prometheus" / "prometheus.yml")
    (job,) = (one for one in config["scrape_configs"] if one["job_name"] == "thalweg")
    (discovery,) = job["dns_sd_configs"]
    workers = {name for name, one in _own(document).items() if one["command"][0] == "worker"}
    assert set(discovery["names"]) == workers
    assert discovery["port"] == WEB_PORT
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_prometheus_scrapes_notify_where_it_serves_its_metrics() -> None:
    config = load(DEPLOY / "prometheus" / "prometheus.yml")
    (job,) = (one for one in config["scrape_configs"] if one["job_name"] == "thalweg-notify")
    (discovery,) = job["dns_sd_configs"]
    (name,) = discovery["names"]
    command = _own(_compose())[name]["command"]
    assert command[0] == "notify"
    assert f"--metrics-port={discovery['port']}" in command
    assert "--metrics-host=0.0.0.0" in command


def test_notify_links_to_a_workers_page() -> None:
    command = _own(_compose())["notify"]["command"]
    (url,) = (one.partition("=")[2] for one in command if one.startswith("--page-url="))
    assert url == f"http://127.0.0.1:{WEB_PORT}/#/route/{{route}}"
    published = [port for one in _services(_compose()).values() for port in one.get("ports", [])]
    assert f"127.0.0.1:{WEB_PORT}:{WEB_PORT}" in published


def test_prometheus_reads_the_mounted_configuration() -> None:
    service = _services(_compose())["prometheus"]
    mounts = dict(reversed(mount.split(":")[:2]) for mount in service["volumes"])
    options = dict(one.removeprefix("--").split("=") for one in service["command"])
    directory, _, name = options["config.file"].rpartition("/")
    assert (ROOT / mounts[directory] / name).exists()
    assert mounts[options["storage.tsdb.path"]] == "prometheus-data"


def test_alertmanager_is_where_prometheus_and_notify_look_for_it() -> None:
    services = _services(_compose())
    config = load(DEPLOY / "prometheus" / "prometheus.yml")
    ((discovery,),) = (one["dns_sd_configs"] for one in config["alerting"]["alertmanagers"])
    (name,) = discovery["names"]
    assert str(discovery["port"]) in _listens(services[name])
    assert services[name]["profiles"] == services["notify"]["profiles"]
    mounts = dict(reversed(mount.split(":")[:2]) for mount in services[name]["volumes"])
    options = dict(one.removeprefix("--").split("=") for one in services[name]["command"])
    directory, _, file = options["config.file"].rpartition("/")
    assert (ROOT / mounts[directory] / file).exists()
    assert options["storage.path"] in mounts


def test_alertmanagers_rules_name_alerts_that_exist() -> None:
    from streams.notify.alertmanager import NAMES

    alerts = load(DEPLOY / "prometheus" / "thalweg.alerts.yml")["groups"]
    known = {rule["alert"] for group in alerts for rule in group["rules"]} | set(NAMES.values())
    config = load(DEPLOY / "alertmanager" / "alertmanager.yml")
    receivers = {one["name"] for one in config["receivers"]}
    assert config["route"]["receiver"] in receivers
    named = set()
    for rule in config["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            label, value = re.fullmatch(r'(\w+)=~?"(.+)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                named |= set(value.split("|"))
    assert named <= known


def test_nobody_can_log_in_to_grafana_and_everybody_on_this_machine_can_look() -> None:
    environment = _services(_compose())["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
