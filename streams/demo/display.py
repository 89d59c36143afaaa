"""What is shown while the demo runs: a live panel on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.alert import Alert, Level
from streams.demo.alerts import SeenAlert, tells_of
from streams.demo.data import ARMS
from streams.demo.tally import RECENT, Tally
from streams.demo.workload import Drop

BAR: Final = 40
COLOURS: Final = {"llama-3.1-8b": "green", "mistral-large": "dark_orange", "gemini-2.5-pro": "blue"}
RECENTLY: Final = 500
"""How many latencies the shown quantiles are of."""


class Display:
    """Shows a tally as it grows. Use as ``with``; call `tick` often."""

    def __init__(self, console: Console, tally: Tally, routes: Sequence[str], total: int) -> None:
        self._console = console
        self._tally = tally
        self._routes = routes
        self._total = total
        self._start = perf_counter()
        self._drop_told = False
        self._next_line = 1
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self._panel, console=console, refresh_per_second=5, transient=True
            )

    def __enter__(self) -> Self:
        """Begin."""
        self._start = perf_counter()
        if self._live is not None:
            self._live.start()
        else:
            self._console.print(Text(self._plain_head()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the panel away."""
        if self._live is not None:
            self._live.stop()

    def tick(self) -> None:
        """Say what is due: that quality drops; every tenth of the run where there is no panel."""
        tally = self._tally
        if tally.sent > tally.drop.first and not self._drop_told:
            self._drop_told = True
            self._say(_drop_line(tally.drop))
        tenth = 10 * len(tally.chosen) // self._total
        if self._live is None and tenth >= self._next_line:
            self._next_line = tenth + 1
            self._say(Text(self._plain()))

    def alert(self, seen: SeenAlert) -> None:
        """Print an alert that has just been read from the drift topic."""
        self._say(alert_line(seen, self._tally.drop))

    def _say(self, text: Text) -> None:
        stamp = Text(f"{perf_counter() - self._start:5.1f} s  ")
        self._console.print(stamp.append_text(text), soft_wrap=True)

    def _plain_head(self) -> str:
        names = "".join(f"{route.rpartition('/')[2]:>10}" for route in self._routes)
        return (
            f"  (the percentages are the share of {self._tally.drop.arm} in each route's last "
            f"{RECENT} decisions)\n{'time':>7}{'decided':>12}{'/s':>7}{'p50':>9}{names}"
        )

    def _plain(self) -> str:
        tally = self._tally
        shares = "".join(f"{_share(tally, route, tally.drop.arm):10.0%}" for route in self._routes)
        return (
            f"{len(tally.chosen):10,}{tally.per_second:7,.0f}"
            f"{tally.latency_ms(0.5, RECENTLY):6.0f} ms{shares}"
        )

    def _panel(self) -> Group:
        tally = self._tally
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for route in self._routes:
            shares = Text()
            for arm in ARMS:
                shares.append(f"{_share(tally, route, arm):4.0%}  ", COLOURS[arm])
            table.add_row(Text(f"  {route}", "bold"), _bar(tally, route), shares)
        legend = Text("  Who serves now:  ")
        for arm in ARMS:
            legend.append("█ ", COLOURS[arm]).append(f"{arm}  ")
        counts = Text(
            f"  {len(tally.chosen):,} of {self._total:,} decided   {tally.per_second:,.0f}/s   "
            f"latency p50 {tally.latency_ms(0.5, RECENTLY):.0f} ms, "
            f"p99 {tally.latency_ms(0.99, RECENTLY):.0f} ms"
        )
        progress = ProgressBar(self._total, len(tally.chosen), width=self._console.width - 2)
        return Group(Text(), legend, table, counts, progress)


def _share(tally: Tally, route: str, arm: str) -> float:
    recent = tally.recent[route]
    return recent.count(arm) / len(recent) if recent else 0.0


def _bar(tally: Tally, route: str) -> Text:
    """The present shares of the arms as one coloured bar."""
    bar = Text()
    filled, reached = 0, 0.0
    for arm in ARMS:
        reached += _share(tally, route, arm)
        cells = round(BAR * reached) - filled
        bar.append("█" * cells, COLOURS[arm])
        filled += cells
    return bar.append(" " * (BAR - filled))


def _drop_line(drop: Drop) -> Text:
    return Text(
        f"--- from now on {drop.arm}'s answers have only {drop.factor:.0%} of their quality ---",
        "bold yellow",
    )


def alert_line(seen: SeenAlert, drop: Drop) -> Text:
    """One alert on one line."""
    alert = seen.alert
    line = Text("warning ", "yellow") if alert.type == "warning" else Text("ALERT   ", "bold red")
    line.append(f"{place_name(*seen.place)}: ", "bold")
    line.append(f"{alert.arm} {levels(alert)}", "default")
    if alert.action == "restart_arm":
        line.append(", restarted", "default")
    if seen.dropped and tells_of(alert, drop):
        line.append(f"; {seen.delay} answers after the drop", "default")
    return line


def place_name(route: str, segment: str) -> str:
    """A route and its segment, by the values alone."""
    values = ",".join(part.partition("=")[2] for part in segment.split("|"))
    return f"{route}[{values}]" if segment else route


def levels(alert: Alert) -> str:
    """What the alert says: the metric, and its means before and after."""
    return f"{alert.metric} {_mean(alert, alert.before)} -> {_mean(alert, alert.after)}"


def _mean(alert: Alert, level: Level | None) -> str:
    if level is None:
        return "-"
    if alert.metric == "cost":
        return f"${level.mean:.2g}"
    if alert.metric == "latency":
        return f"{level.mean:,.0f} ms"
    return f"{level.mean:.2f}"
