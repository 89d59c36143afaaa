"""``thalweg replay`` on what a killed worker has written, as it is and as it must not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from schemas.state import STAMP_KEY, arm_key, decode_stamp
from streams.cli import main
from tests.streams.audit_log import BETA, LINEAR, SEARCH, Change, Log, copied, the_log, unchanged


@pytest.fixture(scope="module")
def log(brokers: str, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return the_log(brokers, tmp_path_factory)


@pytest.fixture
def copy(log: Log, topic_prefix: str) -> Callable[..., Log]:
    return lambda change=unchanged, **options: copied(log, topic_prefix, change, **options)


def total(document: dict[str, Any], name: str) -> int:
    return sum(one[name] for one in document["partitions"])


def all_of(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [found for one in document["partitions"] for found in one[name]]


def only(role: str, change: Callable[[list[Any]], list[Any]]) -> Change:
    """A change of one topic."""
    return lambda changed, _, records: change(records) if changed == role else records


def of_route(records: list[Any], route: str) -> list[Any]:
    return [record for record in records if record.key == route.encode()]


# ---- what a worker wrote --------------------------------------------------------------------


def test_all_that_a_killed_worker_published_is_decided_again(log: Log) -> None:
    code, document = log.replay()
    assert (code, document["verdict"]) == (0, "equal")
    # Redelivered answers count once; every distinct one was compared.
    published = sum(len({record.value for record in records})
                    for records in log.read("decisions").values())  # fmt: skip
    assert total(document, "equal") == total(document, "answers") == published
    inputs = sum(len(found) for role in ("policies", "requests", "rewards")
                 for found in log.read(role).values())  # fmt: skip
    assert total(document, "inputs") == inputs
    assert total(document, "repeated") > 0
    for one in document["partitions"]:
        assert one["unverified"] == one["differences"] == one["state"]["different"] == []
        assert one["replayed_from"] == 0
    assert sum(one["state"]["keys"] for one in document["partitions"]) > published


def test_what_is_found_is_said_in_words(log: Log) -> None:
    result = log.run("replay")
    assert result.exit_code == 0
    assert "EQUAL: every answer is what replay gives, bit for bit." in result.stdout
    assert "messages repeat another one" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_one_route_and_a_stretch_of_versions_or_times(log: Log) -> None:
    answers = [answer for (route, _), answer in log.answers().items() if route == LINEAR]
    code, document = log.replay("--route", LINEAR)
    assert (code, total(document, "equal")) == (0, len(answers))
    assert len(document["partitions"]) == 1

    versions = sorted(answer["state_version"] for answer in answers)
    first, last = versions[len(versions) // 3], versions[-3]
    bounds = ("--route", LINEAR, "--from", str(first), "--to", str(last))
    code, document = log.replay(*bounds)
    one = document["partitions"][0]
    assert (code, one["equal"]) == (0, sum(first <= version <= last for version in versions))
    # What came before was not replayed: that state is the changelog's.
    assert 0 < one["replayed_from"] < first
    assert one["inputs"] < one["replayed_to"]

    time = datetime.fromtimestamp(answers[0]["timestamp"] / 1_000, UTC)
    for bound, offset in (("--from", timedelta(days=1)), ("--to", timedelta(days=-1))):
        result = log.run("replay", "--route", LINEAR, bound, (time + offset).isoformat())
        assert result.exit_code == 2
        assert "no answer" in result.stderr
    code, document = log.replay("--from", (time - timedelta(days=1)).isoformat())
    assert (code, document["verdict"]) == (0, "equal")


# ---- answers that are not what was decided --------------------------------------------------


def tampered(records: list[Any]) -> list[Any]:
    """The tenth linear decision again, with another arm."""
    mine = of_route(records, LINEAR)
    if not mine:
        return records
    fields = orjson.loads(mine[9].value)
    arm = "small" if fields["arm"] != "small" else "large"
    return [*records, replace(mine[9], value=orjson.dumps(fields | {"arm": arm}))]


def test_a_tampered_decision_is_found_and_shown(copy: Callable[..., Log], log: Log) -> None:
    made = copy(only("decisions", tampered))
    code, document = made.replay()
    assert (code, document["verdict"]) == (1, "different")
    (found,) = all_of(document, "differences")
    assert (found["kind"], found["route"]) == ("differs", LINEAR)
    published, replayed = orjson.loads(found["published"]), orjson.loads(found["replayed"])
    assert {name for name in published if published[name] != replayed[name]} == {"arm"}
    # The true one is what the worker had published.
    assert log.answers()[LINEAR, found["request_id"]] == replayed
    around = {one["state_version"]: one for one in found["around"]}
    assert set(around) >= {found["state_version"] - 1, found["state_version"] + 1}
    asked = orjson.loads(around[found["state_version"]]["value"])
    assert asked["request_id"] == found["request_id"]
    # All others are equal, and so is the state.
    assert total(document, "different") == 1
    assert total(document, "equal") == total(document, "answers") - 1
    assert [one["state"]["different"] for one in document["partitions"]] == [[]] * 4

    shown = made.run("replay", "--route", LINEAR)
    assert shown.exit_code == 1
    words = " ".join(shown.stdout.split())
    assert f"request {found['request_id']} of {LINEAR}: the published answer is not" in words
    lines = [line for line in shown.stdout.splitlines() if line.startswith("≠")]
    assert len(lines) == 1
    assert lines[0].split() == ["≠", "arm", f'"{published["arm"]}"', f'"{replayed["arm"]}"']
    # Bounds that leave it out.
    assert made.replay("--from", str(found["state_version"] + 1))[0] == 0


def test_missing_surplus_and_unreadable_answers_are_found(copy: Callable[..., Log]) -> None:
    gone: list[dict[str, Any]] = []

    def change(records: list[Any]) -> list[Any]:
        mine = of_route(records, BETA)
        if not mine:
            return records
        fields = orjson.loads(mine[4].value)
        gone.append(fields)
        # A version at which no request was applied: that of the route's policy.
        surplus = fields | {"state_version": 1, "request_id": "never"}
        return [
            *(one for one in records if orjson.loads(one.value) != fields),
            replace(mine[0], value=orjson.dumps(surplus)),
            replace(mine[0], value=orjson.dumps(fields | {"state_version": 10**9})),
            replace(mine[0], value=b"what?"),
            replace(mine[5], key=b"another key"),
        ]

    code, document = copy(only("decisions", change)).replay()
    assert code == 1
    found = all_of(document, "differences")
    kinds = sorted((one["kind"], one["state_version"], one["key_differs"]) for one in found)
    version = gone[0]["state_version"]
    (key,) = [one for one in found if one["key_differs"]]
    assert kinds == [
        ("differs", key["state_version"], True),
        ("missing", version, False),
        ("surplus", 1, False),
        ("surplus", 10**9, False),
        ("unreadable", 0, False),
    ]
    (missing,) = [one for one in found if one["kind"] == "missing"]
    assert orjson.loads(missing["replayed"]) == gone[0]
    assert missing["published"] is None


def test_state_that_was_not_learned_is_found(copy: Callable[..., Log]) -> None:
    key = arm_key(BETA, "", "medium")

    def change(records: list[Any]) -> list[Any]:
        last = max((i for i, one in enumerate(records) if one.key == key), default=None)
        if last is None:
            return records
        value = records[last].value[:-3] + b"\x00\x01\x02"
        return [*records[:last], replace(records[last], value=value), *records[last + 1 :]]

    code, document = copy(only("changelog", change)).replay()
    assert (code, document["verdict"]) == (1, "different")
    (found,) = [one for part in document["partitions"] for one in part["state"]["different"]]
    assert found["what"] == f"the statistics of arm {BETA}, medium"
    assert not all_of(document, "differences")


# ---- topics that no longer reach back -------------------------------------------------------


def test_deleted_inputs_are_reported_and_the_rest_is_verified(copy: Callable[..., Log]) -> None:
    made = copy(deleted={"requests": 30})
    code, document = made.replay()
    assert (code, document["verdict"]) == (2, "unverified")
    assert total(document, "different") == 0
    affected = [one for one in document["partitions"] if one["unverified"]]
    for one in affected:
        first, last = one["unverified"][0], one["unverified"][-1]
        assert "requests begins at offset 30 by now" in first["reason"]
        # All before the first request and all after the last missing one is equal.
        later = [
            orjson.loads(record.value)["state_version"]
            for record in made.read("decisions")[one["partition"]]
        ]
        assert first["from"] <= min(later)
        assert one["equal"] >= len({version for version in later if version > last["to"]})
        assert one["equal"] == one["answers"]
    assert len(affected) > 1
    assert total(document, "equal") > 30
    everything = total(document, "equal") + sum(
        stretch["answers"] for stretch in all_of(document, "unverified")
    )
    assert everything == len({(number, record.value)
                              for number, records in made.read("decisions").items()
                              for record in records})  # fmt: skip

    shown = made.run("replay")
    assert shown.exit_code == 2
    assert "could not be verified" in shown.stdout
    assert "UNVERIFIED" in shown.stdout
    # Where the inputs are there, all is well.
    last = max(one["unverified"][-1]["to"] for one in affected)
    assert made.replay("--from", str(last + 1))[0] == 0


def test_deleted_answers_are_reported(copy: Callable[..., Log]) -> None:
    code, document = copy(deleted={"decisions": 20}).replay()
    assert (code, document["verdict"]) == (2, "unverified")
    assert total(document, "deleted") > 20
    assert total(document, "equal") > 50
    assert total(document, "different") == 0


def compacted(records: list[Any]) -> list[Any]:
    """The older two thirds as compaction leaves them: the last record of every key."""
    ends = [i for i, record in enumerate(records, 1) if record.key == STAMP_KEY]
    clean = max((end for end in ends if end <= 2 * len(records) / 3), default=0)
    newest = {record.key: i for i, record in enumerate(records[:clean])}
    return [one for i, one in enumerate(records[:clean]) if newest[one.key] == i] + records[clean:]


def test_without_old_stamps_the_answers_tell_the_order(copy: Callable[..., Log], log: Log) -> None:
    made = copy(only("changelog", compacted))
    before = {n: len(found) for n, found in log.read("changelog").items()}
    for number, records in made.read("changelog").items():
        stamps = [decode_stamp(one.value).batch for one in records if one.key == STAMP_KEY]
        assert not stamps or stamps[0] > 1  # stamps are gone
        assert not stamps or len(records) < before[number]
    code, document = made.replay()
    # The order that the answers tell gives the same answers and the same state, or it is said
    # that it cannot be told; never a difference.
    assert total(document, "different") == 0
    assert all(one["state"]["different"] == [] for one in document["partitions"])
    assert code in (0, 2)
    whole = [one for one in document["partitions"] if one["inputs"] and not one["unverified"]]
    assert whole, "at least one partition's order can be told"
    for one in document["partitions"]:
        for stretch in one["unverified"]:
            assert "stamps" in stretch["reason"]
            assert stretch["from"] == 1

    # A tampered answer is still found, where the order is certain or confirmed.
    assert code == 0 or any(one["unverified"] for one in document["partitions"])


def test_compacted_policies_leave_the_time_before_unverified(copy: Callable[..., Log]) -> None:
    """Of the route with three policy records, the newest stays."""

    def change(records: list[Any]) -> list[Any]:
        newest = {record.key: i for i, record in enumerate(records)}
        return [one for i, one in enumerate(records) if newest[one.key] == i]

    code, document = copy(only("policies", change)).replay()
    assert code == 2
    affected = [one for one in document["partitions"] if one["unverified"]]
    assert len(affected) == 1
    assert "was compacted" in affected[0]["unverified"][0]["reason"]
    assert affected[0]["different"] == 0


# ---- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--name", "nobody"], "'nobody-state-changelog'"),
        (["--partition", "4"], "there is no partition 4"),
        (["--route", "no/such"], "there is no answer of 'no/such'"),
    ],
    ids=["name", "partition", "route"],
)
def test_what_is_not_there_ends_the_command(log: Log, arguments: list[str], named: str) -> None:
    result = log.run("replay", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert result.stdout == ""


def test_a_bound_that_is_neither_version_nor_time_is_refused() -> None:
    result = CliRunner().invoke(main, ["replay", "--from", "yesterday"])
    assert result.exit_code == 2
    assert "neither a state version, a number, nor a time" in result.stderr


def test_a_search_is_replayed_with_its_proposals(log: Log) -> None:
    code, document = log.replay("--route", SEARCH)
    answers = [answer for (route, _), answer in log.answers().items() if route == SEARCH]
    assert len({answer["params"]["temperature"] for answer in answers}) > 2
    assert (code, total(document, "equal")) == (0, len(answers))
