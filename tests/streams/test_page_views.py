"""What the page is told: incidents, pages of routes, whose a route is."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request
from typing import Any

import msgspec
import orjson
import pytest

from streams.monitor.view import AlertList, RouteHistory
from streams.web import serving, views
from streams.web.assets import STATIC, static_files
from streams.web.incidents import fold, is_open
from streams.web.rate import Rate
from tests.streams.page_source import NOW, SeededSource, alert, served


def test_an_incident_has_its_gravest_severity_and_its_newest_state() -> None:
    first = alert("r", "a", 1_000, severity="critical", action="restart_arm")
    second = alert("r", "a", 2_000, event="updated", detections=4, opened=1_000)
    over = alert("r", "a", 9_000, event="resolved", severity="info", opened=1_000, message="over")
    (open_one,) = fold([second, first])
    assert is_open(open_one)
    assert (open_one.severity, open_one.detections, open_one.resolved) == ("critical", 4, None)
    (closed,) = fold([over, second, first])
    assert not is_open(closed)
    assert (closed.severity, closed.resolved, closed.opened) == ("critical", 9_000, 1_000)
    assert closed.action == "restart_arm"
    assert closed.message == "something happened", "what it was, not that it is over"


def test_a_repeated_alert_counts_once_and_notices_of_one_trial_stand_alone() -> None:
    one = alert("r", "a", 1_000, event="notice", incident="trial")
    other = alert("r", "a", 2_000, event="notice", incident="trial")
    found = fold([other, other, one])
    assert [incident.updated for incident in found] == [2_000, 1_000]
    assert not any(map(is_open, found))


def test_a_page_beyond_the_last_one_is_the_last_one() -> None:
    source = SeededSource(routes=120)
    found = views.overview(source, "", "name", 99)
    assert (found.page, found.total, found.matching, len(found.routes)) == (2, 120, 120, 20)
    nothing = views.overview(source, "no such route", "name", 99)
    assert (nothing.page, nothing.total, nothing.matching, nothing.routes) == (0, 120, 0, [])


def test_a_line_tells_its_open_incidents() -> None:
    source = SeededSource()
    lines = {line.line.route: line for line in views.overview(source, "", "name", 0).routes}
    assert (lines["acme/chat"].open, lines["acme/chat"].severity) == (1, "critical")
    assert (lines["acme/search"].open, lines["acme/search"].severity) == (0, None)


def test_the_front_leaves_out_arms_that_another_beats_and_those_unmeasured() -> None:
    arms = _history(SeededSource(arms=4)).arms
    made = [
        _with(arms[0], reward=0.9, cost_usd=0.004),
        _with(arms[1], reward=0.7, cost_usd=0.005),
        _with(arms[2], reward=0.6, cost_usd=0.001),
        _with(arms[3], reward=None, cost_usd=0.0001),
    ]
    assert views.front(made, "reward") == [arms[0].arm, arms[2].arm]
    assert views.front([], "reward") == []


def test_quality_is_held_against_cost_where_all_rewarded_arms_have_one() -> None:
    arms = _history(SeededSource(arms=3)).arms
    made = [
        _with(arms[0], reward=0.5, quality=0.9, cost_usd=0.004),
        _with(arms[1], reward=0.6, quality=0.8, cost_usd=0.005),
        _with(arms[2], reward=None, quality=None, cost_usd=None),
    ]
    assert views.goodness(made) == "quality"
    assert views.front(made, "quality") == [arms[0].arm]
    assert views.front(made, "reward") == [arms[0].arm, arms[1].arm]
    assert views.goodness([*made, _with(arms[0], quality=None)]) == "reward"
    assert views.goodness([]) == "reward"


def test_both_views_tell_whether_the_charts_library_is_there() -> None:
    source = SeededSource()
    for there in (True, False):
        assert views.overview(source, "", "name", 0, charts=there).charts is there
        assert views.route(source, "acme/chat", 900_000, charts=there).charts is there


def test_a_route_of_another_worker_is_sent_there() -> None:
    source = SeededSource(owned=(0,))
    name = next(name for name in source.names if source.partition_of(name) == 3)
    found = views.route(source, name, 900_000, charts=True)
    assert (found.whereabouts, found.owner) == ("elsewhere", "http://127.0.0.1:6067")
    assert found.history is None
    assert found.summary is None


def test_an_unknown_route_of_ours_is_told_apart() -> None:
    source = SeededSource()
    assert views.route(source, "no/such", 900_000, charts=True).whereabouts == "unknown"


def test_alerts_are_filtered_by_state_severity_and_route() -> None:
    source = SeededSource()
    assert views.alerts(source, "", "all", "").matching == 2
    (critical,) = views.alerts(source, "ACME", "open", "critical").incidents
    assert critical.type == "drift"
    assert views.alerts(source, "", "over", "critical").matching == 0
    assert views.alerts(source, "globex", "all", "").matching == 0


def test_open_incidents_that_an_earlier_owner_told_are_listed_from_the_state() -> None:
    class AfterRestart(SeededSource):
        def alerts(self, limit: int, route: str | None) -> AlertList:
            return AlertList([])

    source = AfterRestart()
    found = views.route(source, source.names[0], 900_000, charts=True)
    assert [(one.arm, one.metric, one.event) for one in found.incidents] == [
        ("mistral-large", "quality", "opened")
    ]
    assert found.open == 1
    assert found.incidents[0].message == (
        "still open, by adwin; told before this worker took the route over"
    )
    known = views.route(SeededSource(), source.names[0], 900_000, charts=True)
    assert len([one for one in known.incidents if is_open(one)]) == 1, "not told twice"


def test_an_open_incident_of_the_request_mix_is_a_drift() -> None:
    class Moved(SeededSource):
        def summary(self, route: str) -> Any:
            found = super().summary(route)
            assert found is not None
            moved = msgspec.structs.replace(
                found.incidents[0], kind="mix", arm="", metric="mix", of="task_type"
            )
            return msgspec.structs.replace(found, incidents=[moved])

    source = Moved()
    found = views.route(source, source.names[0], 900_000, charts=True)
    assert [one.type for one in found.incidents if one.of == "task_type"] == ["drift"]


# ---- over HTTP ------------------------------------------------------------------------------


def _get(address: str, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_an_unchanged_answer_is_not_sent_again() -> None:
    source = SeededSource()
    with served(source) as url:
        status, headers, body = _get(f"{url}/api/overview")
        assert status == 200
        assert len(orjson.loads(body)["routes"]) == 12
        again = _get(f"{url}/api/overview", **{"If-None-Match": headers["ETag"]})
        assert (again[0], again[2]) == (304, b"")
        source.extra_alerts.append(alert("acme/search", "a", NOW))
        assert _get(f"{url}/api/overview", **{"If-None-Match": headers["ETag"]})[0] == 200


def test_answers_are_compressed_for_those_who_take_it() -> None:
    with served(SeededSource()) as url:
        for path in ("/api/overview", "/api/route?route=acme/chat", "/", "/static/route.js"):
            _, plain_headers, plain = _get(f"{url}{path}")
            _, headers, zipped = _get(f"{url}{path}", **{"Accept-Encoding": "gzip"})
            assert headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(zipped) == plain
            assert headers["ETag"] == plain_headers["ETag"]


def test_every_answer_allows_only_what_the_page_itself_brings() -> None:
    with served(SeededSource()) as url:
        for path in ("/", "/static/main.js", "/api/engine", "/api/overview?page=x", "/static/no"):
            _, headers, _ = _get(f"{url}{path}")
            policy = headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "script-src" not in policy, "scripts fall back to 'self' alone"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=-1", "page"),
        ("page=1e3", "page"),
        ("sort=size", "sort"),
        ("page=" + "9" * 30, "page"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(query: str, name: str) -> None:
    with served(SeededSource()) as url:
        status, _, body = _get(f"{url}/api/overview?{query}")
        assert status == 400
        assert orjson.loads(body)["error"].startswith(f"{name} must be")


def test_the_files_that_the_page_names_exist_and_nothing_else_is_served() -> None:
    names = set(static_files())
    for path in STATIC.iterdir():
        text = path.read_text()
        assert "https://" not in text, path
        for line in text.splitlines():
            if line.startswith("import "):
                assert line.split('"')[1].removeprefix("./") in names, (path, line)
    with served(SeededSource()) as url:
        assert _get(f"{url}/static/..%2Fapi.py")[0] == 404
        assert _get(f"{url}/static/../api.py")[0] == 404


def test_without_the_charts_package_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "charts", lambda: None)
    monkeypatch.setattr(serving, "charts_path", lambda: None)
    with served(SeededSource()) as url:
        assert _get(f"{url}/plotly.min.js")[0] == 404
        assert orjson.loads(_get(f"{url}/api/route?route=acme/chat")[2])["charts"] is False


def test_five_thousand_routes_cost_a_page_of_rows() -> None:
    source = SeededSource(routes=5_000, arms=5)
    with served(source) as url:
        _, _, body = _get(f"{url}/api/overview")
        found = orjson.loads(body)
        assert (found["total"], len(found["routes"])) == (5_000, views.PAGE_SIZE)
        assert len(body) < 40_000
        _, _, zipped = _get(f"{url}/api/overview", **{"Accept-Encoding": "gzip"})
        assert len(zipped) < 12_000
        _, _, route = _get(f"{url}/api/route?route=acme/chat", **{"Accept-Encoding": "gzip"})
        assert len(route) < 40_000


def _history(source: SeededSource) -> RouteHistory:
    found = source.history(source.names[0], 900_000)
    assert found is not None
    return found


def _with(arm: Any, **changes: Any) -> Any:
    return type(arm)(**{name: getattr(arm, name) for name in arm.__struct_fields__} | changes)


def test_a_rate_is_over_the_last_minute_of_looks() -> None:
    rate = Rate()
    assert rate.rate(1_000, 10.0) is None
    assert rate.rate(1_000, 10.5) == 0
    assert rate.rate(1_100, 20.0) == 10
    assert rate.rate(1_100, 69.0) == float(f"{100 / 59:.3g}")
    assert rate.rate(1_160, 79.0) == float(f"{60 / 59:.3g}"), "the look at 10 s is too old"
    assert rate.rate(9_000, 500.0) is None, "nobody knows when in so long a time it rose"
