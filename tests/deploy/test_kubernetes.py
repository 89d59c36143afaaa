"""The Kubernetes manifests, as kustomize would put them together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.commands import problems
from tests.deploy.dockerfile import stages
from tests.deploy.places import DOCKERFILE, KUBERNETES, load

KUSTOMIZATION = load(KUBERNETES / "kustomization.yaml")
MANIFESTS = {path.name: load(path) for path in KUBERNETES.glob("*.yaml")}
STATEFUL_SET = MANIFESTS["statefulset.yaml"]
POD = STATEFUL_SET["spec"]["template"]
(WORKER,) = POD["spec"]["containers"]
FINAL = stages(DOCKERFILE.read_text(encoding="utf-8"))[1]


def test_every_manifest_is_one_resource_of_its_kind() -> None:
    kinds = {name: (one["apiVersion"], one["kind"]) for name, one in MANIFESTS.items()}
    assert kinds == {
        "kustomization.yaml": ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        "statefulset.yaml": ("apps/v1", "StatefulSet"),
        "service.yaml": ("v1", "Service"),
        "poddisruptionbudget.yaml": ("policy/v1", "PodDisruptionBudget"),
        "servicemonitor.yaml": ("monitoring.coreos.com/v1", "ServiceMonitor"),
    }


def test_kustomize_finds_every_file_and_names_the_image() -> None:
    listed = set(KUSTOMIZATION["resources"])
    assert listed == set(MANIFESTS) - {"kustomization.yaml", "servicemonitor.yaml"}
    (image,) = KUSTOMIZATION["images"]
    assert image["name"] == WORKER["image"]
    assert image["newTag"]
    (config,) = KUSTOMIZATION["configMapGenerator"]
    (source,) = WORKER["envFrom"]
    assert source["configMapRef"]["name"] == config["name"]
    settings = "".join((KUBERNETES / name).read_text() for name in config["envs"])
    assert settings.startswith("THALWEG_BROKERS=")


def test_the_worker_gets_options_that_exist() -> None:
    assert problems(WORKER["args"]) == []
    assert "command" not in WORKER, "the image's entrypoint is the command"
    assert problems([*WORKER["args"], "--no-such-option"])


def test_it_is_safe_against_the_loss_of_a_broker_or_a_worker() -> None:
    options = dict(one.removeprefix("--").split("=") for one in WORKER["args"] if "=" in one)
    assert int(options["replication"]) >= 3  # then the changelog has min.insync.replicas 2
    assert int(options["partitions"]) >= STATEFUL_SET["spec"]["replicas"]
    assert int(options["standbys"]) < STATEFUL_SET["spec"]["replicas"]


def test_probes_ask_for_what_they_are_meant_for() -> None:
    (port,) = WORKER["ports"]
    assert str(port["containerPort"]) == FINAL.one("EXPOSE").rest
    assert f"--port={port['containerPort']}" in WORKER["args"]
    asked = {}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = WORKER[name]
        assert probe["httpGet"]["port"] == port["name"]
        assert probe["timeoutSeconds"] <= probe["periodSeconds"]
        asked[name] = probe["httpGet"]["path"]
    # A recovering worker is alive: to end it would begin the recovery anew.
    assert asked["livenessProbe"] == asked["startupProbe"] == "/health"
    assert asked["readinessProbe"] == "/ready"


def test_every_worker_has_a_volume_of_its_own_where_it_keeps_its_state() -> None:
    claims = [one["metadata"]["name"] for one in STATEFUL_SET["spec"]["volumeClaimTemplates"]]
    mounts = {one["name"]: one["mountPath"] for one in WORKER["volumeMounts"]}
    assert mounts[claims[0]] == FINAL.one("VOLUME").rest
    assert f"--data-dir={mounts[claims[0]]}" in WORKER["args"]
    others = {one["name"] for one in POD["spec"]["volumes"]}
    assert mounts.keys() == {*claims, *others}


def test_the_pod_has_no_rights_that_it_does_not_need() -> None:
    user, group = FINAL.one("USER").rest.split(":")
    pod, container = POD["spec"]["securityContext"], WORKER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert (pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (
        *(int(user), int(group), int(group)),
    )
    assert pod["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["allowPrivilegeEscalation"] is False
    assert container["readOnlyRootFilesystem"] is True
    assert container["capabilities"]["drop"] == ["ALL"]
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert POD["spec"]["terminationGracePeriodSeconds"] > 20  # of the engine's stop


@pytest.mark.parametrize(
    "selector",
    [
        STATEFUL_SET["spec"]["selector"]["matchLabels"],
        MANIFESTS["service.yaml"]["spec"]["selector"],
        MANIFESTS["poddisruptionbudget.yaml"]["spec"]["selector"]["matchLabels"],
    ],
    ids=["statefulset", "service", "poddisruptionbudget"],
)
def test_every_selector_finds_the_pods(selector: dict[str, Any]) -> None:
    assert selector.items() <= POD["metadata"]["labels"].items()
    # Selects nothing else once kustomize has added the label of the installation.
    (added,) = KUSTOMIZATION["labels"]
    assert added["includeSelectors"] is True
    assert added["pairs"] == {"app.kubernetes.io/name": "thalweg"}


def test_the_service_leads_to_the_web_port_of_each_worker() -> None:
    service = MANIFESTS["service.yaml"]
    assert STATEFUL_SET["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] == WORKER["ports"][0]["name"]
    assert str(port["port"]) == FINAL.one("EXPOSE").rest


def test_the_monitor_scrapes_the_service_under_the_names_that_the_rules_have() -> None:
    monitor, service = MANIFESTS["servicemonitor.yaml"]["spec"], MANIFESTS["service.yaml"]
    (added,) = KUSTOMIZATION["labels"]
    labels = {**service["metadata"]["labels"], **added["pairs"]}
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == "thalweg"  # the job of all rules
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert endpoint["path"] == "/metrics"
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"instance"}


def test_a_drain_takes_one_worker_at_a_time() -> None:
    assert MANIFESTS["poddisruptionbudget.yaml"]["spec"]["maxUnavailable"] == 1
