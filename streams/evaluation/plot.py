"""The course of simulated policies as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.bandits.base import Floats
from core.evaluation.yardstick import Runs, Yardstick, measured

FORMATS: Final = (".svg", ".png", ".pdf")
_POINTS: Final = 200
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito: people see them apart whatever their colour vision."""
_LINES: Final = ("-", "--", "-.", ":")


class PlotError(Exception):
    """No picture can be made; the message says what to install or to change."""


def check_plot(path: Path) -> None:
    """Raise PlotError if ``plot`` could not write there, before the work that it shows."""
    if path.suffix.lower() not in FORMATS:
        raise PlotError(f"{path}: a plot's name ends in {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise PlotError(f"{path}: there is no folder {path.absolute().parent}")
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise PlotError(
            "plots need matplotlib, which is not installed: pip install 'thalweg[plot]'"
        ) from error


def plot(
    path: Path, runs: Mapping[str, Runs], by: Yardstick, arms: list[str], level: float
) -> None:
    """Draw cumulated regret and mean cost per request against the number of requests.

    Each policy is a line, the mean over its runs, with a band for Student's interval of it. Raises
    PlotError. ``check_plot`` comes first.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Names in the file come from the content alone, so that the same runs give the same bytes.
    with rc_context({"svg.hashsalt": "thalweg", "svg.fonttype": "none", "font.size": 9.0}):
        panels = 1 if by.costs is None else 2
        figure = Figure(figsize=(5.2 * panels, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for number, (name, of) in enumerate(runs.items()):
            style = {
                "color": _COLOURS[number % len(_COLOURS)],
                "linestyle": _LINES[number // len(_COLOURS) % len(_LINES)],
            }
            _line(axes[0], of.regret(by), name, style, level)
            costs = of.costs(by)
            if costs is not None:
                steps = np.arange(1, costs.shape[1] + 1)
                _line(axes[1], np.cumsum(costs, axis=1) / steps, name, style, level)
        axes[0].axhline(0.0, color="0.6", linewidth=0.8)
        axes[0].set_title(f"regret against always {arms[by.best_arm]}", loc="left")
        axes[0].set_ylabel("reward, cumulated")
        if panels == 2:
            axes[1].set_title("mean cost so far", loc="left")
            axes[1].set_ylabel("USD per request")
            axes[1].set_ylim(bottom=0.0)
        for one in axes:
            one.set_xlabel("requests")
            one.spines[["top", "right"]].set_visible(False)
            one.grid(visible=True, linewidth=0.3)
        axes[0].legend(frameon=False)
        try:
            metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as error:
            raise PlotError(f"{path}: cannot be written ({error.strerror})") from error


def _line(axis: Any, values: Floats, name: str, style: dict[str, str], level: float) -> None:
    """The mean over runs of ``values``, shape ``(runs, steps)``, with its band."""
    steps = values.shape[1]
    shown = np.unique(np.linspace(0, steps - 1, min(steps, _POINTS)).astype(np.int64))
    measures = [measured(values[:, step], level) for step in shown]
    at = shown + 1
    axis.plot(at, [one.mean for one in measures], label=name, linewidth=1.4, **style)
    bands = [one.interval for one in measures if one.interval is not None]
    if bands:
        lows, highs = [band.low for band in bands], [band.high for band in bands]
        axis.fill_between(at, lows, highs, color=style["color"], alpha=0.15, linewidth=0.0)
