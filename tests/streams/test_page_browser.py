"""The page in a real browser, told by a seeded source: every view, and what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from streams.web import serving
from tests.streams.browser import chromium, reader
from tests.streams.page_source import NOW, SeededSource, alert, served

ROUTE = "#/route/acme%2Fchat"
HOSTILE = "<img src=x onerror=alert(1)>&amp;\"'`</script><script>window.hurt=1</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def test_every_view_is_clean_and_fits_on_a_phone_and_a_desk(browser: Any) -> None:
    views = {"overview": "", "route": ROUTE, "alerts": "#/alerts", "engine": "#/engine"}
    looks: dict[str, dict[str, Any]] = {
        "light": {"color_scheme": "light"},
        "dark": {"color_scheme": "dark"},
        "phone": {"width": 390, "height": 844, "has_touch": True, "is_mobile": True},
    }
    with served(SeededSource(now=None)) as url:
        for look, options in looks.items():
            with reader(browser, url, **options) as page:
                for name, view in views.items():
                    page.open(f"{url}/{view}")
                    page.see("main .card")
                    if name == "route":
                        page.wait_for_charts()
                    assert page.fits(), (name, look)
                    page.show(f"{name}-{look}")


def test_five_thousand_routes_are_searched_sorted_and_paged(browser: Any) -> None:
    with (
        served(SeededSource(routes=5_000, arms=5)) as url,
        reader(browser, url) as page,
    ):
        page.see("text=/^1.50 of 5,000/")
        assert page.tab.locator("tbody tr").count() == 50
        page.tab.click("text=Next")
        page.see("text=/^51.100 of 5,000/")
        page.tab.fill("#search", "TENANT-0042")
        page.see("text=1 of 5,000")
        assert page.tab.locator("tbody tr").count() == 1
        assert "q=TENANT-0042" in page.tab.url
        page.tab.fill("#search", "")
        page.tab.click("th >> text=Route")
        assert page.see("th[aria-sort]").inner_text() == "Route"
        page.tab.reload()
        assert page.see("th[aria-sort]").inner_text() == "Route"
        page.show("overview-5000")


def test_names_of_strangers_stay_text(browser: Any) -> None:
    source = SeededSource(names=(HOSTILE,))
    source.arms = [f"{HOSTILE}{number}" for number in range(3)]
    source.extra_alerts.append(
        alert(HOSTILE, source.arms[0], NOW - 60_000, incident="x", message=HOSTILE)
    )
    with served(source) as url, reader(browser, url) as page:
        page.tab.get_by_role("link", name=HOSTILE, exact=True).first.click()
        page.see("h1", has_text=HOSTILE)
        page.wait_for_charts()
        page.tab.mouse.move(400, 500)
        assert page.tab.locator("main img").count() == 0
        assert page.tab.evaluate("window.hurt === undefined")
        assert not any("/x" in address for address in page.asked)


def test_a_drift_is_marked_on_the_curve_of_its_arm_and_arms_keep_their_colours(
    browser: Any,
) -> None:
    def curves() -> dict[str, str]:
        found = page.tab.evaluate(
            "document.querySelector('.plot').data.filter(t => t.line && t.mode === 'lines')"
            ".map(t => [t.name, t.line.color])"
        )
        return dict(found)

    with served(SeededSource()) as url, reader(browser, f"{url}/{ROUTE}") as page:
        page.wait_for_charts()
        reward = page.tab.locator(".plot").nth(0)
        assert reward.get_attribute("data-marks") == "1"
        assert "critical drift mistral-large" in reward.get_attribute("aria-label")
        mark, text, curve = page.tab.evaluate(
            "(() => { const data = document.querySelector('.plot').data;"
            " const mark = data[data.length - 1];"
            " const curve = data.find(t => t.name === 'mistral-large');"
            " return [mark.y[0], mark.text[0], curve.y]; })()"
        )
        assert mark in curve
        assert "got worse" in text

        before = curves()
        assert len(set(before.values())) == 3
        page.tab.locator(".legend button").first.click()
        page.see('.legend button[aria-pressed="false"]')
        page.tab.wait_for_timeout(300)
        assert curves() == {arm: colour for arm, colour in before.items() if "gemini" not in arm}


def test_the_reader_is_told_when_the_worker_stops_answering_and_when_it_is_back(
    browser: Any,
) -> None:
    source = SeededSource()
    with served(source) as url, reader(browser, url) as page:
        page.expected = ("Failed to load resource", "ERR_")
        page.see("#connection.live")
        page.tab.route("**/api/**", lambda route: route.abort())
        page.see("text=Connection lost")
        assert "tries again" in page.see("#lost").inner_text()
        assert page.tab.locator("tbody tr").count() == 12, "what was there stays"
        page.tab.unroute("**/api/**")
        page.see("#connection.live")
        assert page.tab.locator("#lost").is_hidden()


def test_the_charts_library_comes_before_the_first_route_is_opened(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(SeededSource()) as url:
        with reader(browser, url) as page:
            page.see("tbody tr")
            page.until("window.Plotly !== undefined")
        monkeypatch.setattr(serving, "charts_path", lambda: None)
        with reader(browser, url) as page:
            page.see("tbody tr")
            page.tab.wait_for_timeout(2_500)
            assert not [address for address in page.asked if "plotly" in address]


def test_charts_out_of_sight_are_drawn_once_and_again_when_they_are_seen(browser: Any) -> None:
    with served(SeededSource()) as url, reader(browser, f"{url}/{ROUTE}", height=500) as page:
        page.wait_for_charts()
        page.tab.evaluate(
            "(() => { window.drawn = []; const react = window.Plotly.react;"
            " const plots = [...document.querySelectorAll('.plot')];"
            " window.Plotly.react = (place, ...rest) => {"
            " window.drawn.push(plots.indexOf(place)); return react(place, ...rest); }; })()"
        )
        page.tab.locator(".legend button").first.click()
        page.until("window.drawn.includes(0)")
        page.tab.wait_for_timeout(500)
        assert 4 not in page.tab.evaluate("window.drawn")
        page.tab.locator(".plot").nth(4).scroll_into_view_if_needed()
        page.until("window.drawn.includes(4)")
        shown = page.tab.evaluate(
            "document.querySelectorAll('.plot')[4].data.flatMap(t => t.text ?? [])"
        )
        assert "gemini-2.5-pro" not in shown
        assert "mistral-large" in shown


def test_a_route_tells_its_trial_its_shadow_and_a_budget_that_is_not_held(browser: Any) -> None:
    class Broke(SeededSource):
        def summary(self, route: str) -> Any:
            found = super().summary(route)
            assert found is not None
            if found.budget is None:
                return found
            budget = msgspec.structs.replace(found.budget, held=False, debt=400.0)
            return msgspec.structs.replace(found, budget=budget)

    with served(Broke()) as url, reader(browser, f"{url}/{ROUTE}") as page:
        step = page.see('.steps li[aria-current="step"]')
        assert step.inner_text() == "25 %"
        page.see("td", has_text="\N{MINUS SIGN}0.0042 to +0.0184")
        page.see("section[aria-label='Shadow linear-next']", has_text="Its reward would be better.")
        page.see("td", has_text="+0.011 to +0.055")
        page.see("section[aria-label=Budget]", has_text="not held")
        page.see("text=loosen min_share and other guardrails")
        page.see("h2", has_text="Quality against cost")
        page.wait_for_charts()
        page.show("route-trial-shadow-budget")


def test_a_paused_page_asks_nothing(browser: Any) -> None:
    with served(SeededSource()) as url, reader(browser, url) as page:
        page.see("#connection.live")
        page.tab.click("#pause")
        page.see("#connection.paused")
        page.tab.wait_for_timeout(300)
        asked = len(page.asked)
        page.tab.wait_for_timeout(2_500)
        assert len(page.asked) == asked
        page.tab.click("#pause")
        page.see("#connection.live")
        assert len(page.asked) > asked


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Any) -> None:
    with served(SeededSource()) as url, reader(browser, url, color_scheme="dark") as page:
        page.see('html[data-theme="dark"]')
        page.tab.click("#theme")
        page.see('html[data-theme="light"]')
        page.tab.reload()
        page.see('html[data-theme="light"]')
        assert page.context.cookies() == []


def test_the_keyboard_reaches_a_route_and_keeps_its_place_while_figures_change(
    browser: Any,
) -> None:
    source = SeededSource()
    with served(source) as url, reader(browser, url) as page:
        link = page.see('a[data-key="route-acme/search"]')
        link.focus()
        source.extra_alerts.append(alert("acme/search", "gemini-2.5-pro", NOW, incident="new"))
        page.see("text=something happened")
        assert page.tab.evaluate("document.activeElement.dataset.key") == "route-acme/search"
        page.tab.keyboard.press("Enter")
        page.see("h1", has_text="acme/search")


def test_an_empty_worker_tells_how_to_publish_a_first_policy(browser: Any) -> None:
    with served(SeededSource(routes=0)) as url, reader(browser, url) as page:
        page.see("text=No routes yet")
        page.see("text=thalweg policy publish policy.yaml --brokers 127.0.0.1:9092")
        page.show("overview-empty")


def test_routes_of_other_workers_are_linked(browser: Any) -> None:
    source = SeededSource(owned=(0, 1))
    away = next(name for name in source.names if source.partition_of(name) > 1)
    with served(source) as url, reader(browser, url) as page:
        notice = page.see(".notice", has_text="2 partitions of 4 are elsewhere")
        assert notice.locator("a").get_attribute("href") == "http://127.0.0.1:6067"
        page.open(f"{url}/#/route/{away.replace('/', '%2F')}")
        link = page.see("main .notice a")
        assert link.get_attribute("href").startswith("http://127.0.0.1:6067/#/route/")


def test_a_recovering_worker_says_what_it_waits_for(browser: Any) -> None:
    source = SeededSource(routes=0)
    source.phase, source.reason = "recovering", "reading the changelog: 1234 records are left"
    with served(source) as url, reader(browser, url) as page:
        page.see("text=reading the changelog: 1234 records are left")
        page.see("text=Not ready yet")


def test_without_the_charts_package_the_tables_stay(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "charts", lambda: None)
    monkeypatch.setattr(serving, "charts_path", lambda: None)
    with served(SeededSource()) as url, reader(browser, f"{url}/{ROUTE}") as page:
        page.see("text=pip install 'thalweg[page]'")
        page.see("td.name", has_text="mistral-large")
        assert page.tab.locator(".plot").first.is_hidden()
        page.show("route-without-charts")


def test_an_unknown_route_is_explained(browser: Any) -> None:
    with served(SeededSource()) as url, reader(browser, f"{url}/#/route/no-such") as page:
        page.see("text=does not know the route")
