"""Writes the dashboards' files: ``python -m deploy.grafana``, after a change of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from deploy.grafana.engine import ENGINE
from deploy.grafana.learning import LEARNING
from deploy.grafana.panels import Dashboard

DASHBOARDS: Final = Path(__file__).with_name("dashboards")
FILES: Final = {"learning.json": LEARNING, "engine.json": ENGINE}


def written(dashboard: Dashboard) -> str:
    """The text of a dashboard's file."""
    return json.dumps(dashboard.model(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, dashboard in FILES.items():
        (DASHBOARDS / name).write_text(written(dashboard), encoding="utf-8")
