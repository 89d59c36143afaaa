"""What is shown while the demo runs: a live panel on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.alerts import SeenAlert, tells_of
from streams.demo.data import ARMS
from streams.demo.tally import Tally
from streams.demo.workload import Drop

WIDTH: Final = 100
BAR: Final = 40
COLOURS: Final = {"llama-3.1-8b": "green", "mistral-large": "dark_orange", "gemini-2.5-pro": "blue"}
SHORT: Final = {"llama-3.1-8b": "llama", "mistral-large": "mistral", "gemini-2.5-pro": "gemini"}
RECENTLY: Final = 500
"""How many latencies the shown quantiles are of."""


def make_console() -> Console:
    """A console on standard output, never wider than `WIDTH`, plain where it is no terminal."""
    # A character that the output's encoding lacks must not end the demo.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, emoji=False, markup=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


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
            self._console.print(self._stamp(), _drop_line(tally.drop))
        tenth = 10 * len(tally.chosen) // self._total
        if self._live is None and tenth >= self._next_line:
            self._next_line = tenth + 1
            self._console.print(self._stamp(), Text(self._plain()))

    def alert(self, seen: SeenAlert) -> None:
        """Print an alert that has just been read from the drift topic."""
        self._console.print(self._stamp(), alert_line(seen, self._tally.drop))

    def _stamp(self) -> Text:
        return Text(f"{perf_counter() - self._start:5.1f} s", "dim")

    def _plain(self) -> str:
        tally, total = self._tally, self._total
        decided = len(tally.chosen)
        share = "  ".join(
            f"{route.rpartition('/')[2]} {_share(tally, route, tally.drop.arm):.0%}"
            for route in self._routes
        )
        return (
            f"{decided / total:4.0%}  {decided:,} decided, {tally.per_second:,.0f}/s, "
            f"p50 {tally.latency_ms(0.5, RECENTLY):.0f} ms\n"
            f"               {SHORT[tally.drop.arm]}'s share now: {share}"
        )

    def _panel(self) -> Group:
        tally = self._tally
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for route in self._routes:
            shares = [f"{SHORT[arm]} {_share(tally, route, arm):4.0%}" for arm in ARMS]
            table.add_row(Text(route, "bold"), _bar(tally, route), Text("  ".join(shares), "dim"))
        counts = Text(
            f"{len(tally.chosen):,} of {self._total:,} decided   {tally.per_second:,.0f}/s   "
            f"latency p50 {tally.latency_ms(0.5, RECENTLY):.0f} ms, "
            f"p99 {tally.latency_ms(0.99, RECENTLY):.0f} ms   "
        )
        progress = ProgressBar(self._total, len(tally.chosen), width=self._console.width - 2)
        return Group(Text(), table, Text(), counts, progress)


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
    return bar.append("·" * (BAR - filled), "dim")


def _drop_line(drop: Drop) -> Text:
    return Text(
        f"--- from here on, every answer of {drop.arm} is worth only {drop.factor:.0%} "
        "of its recorded quality ---",
        "bold yellow",
    )


def alert_line(seen: SeenAlert, drop: Drop) -> Text:
    """One alert on one line or two."""
    alert = seen.alert
    where = f"{alert.route} ({alert.segment})" if alert.segment else alert.route
    style = "yellow" if alert.type == "warning" else "bold red"
    line = Text(f"{'warning' if alert.type == 'warning' else 'DRIFT'}  ", style)
    line.append(f"{where}: ", "bold")
    line.append(f"{alert.metric} of {alert.arm} {level(seen, 'before')} -> {level(seen, 'after')}")
    if alert.action == "restart_arm":
        line.append("; arm restarted")
    if seen.dropped and tells_of(alert, drop):
        line.append(f"; {seen.delay} answers after the drop", "bold")
    return line


def level(seen: SeenAlert, which: str) -> str:
    """The mean before or after, in the metric's unit."""
    mean: float = getattr(seen.alert, which).mean
    if seen.alert.metric == "cost":
        return f"{mean:.2g} USD"
    if seen.alert.metric == "latency":
        return f"{mean:,.0f} ms"
    return f"{mean:.2f}"
