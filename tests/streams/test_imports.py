"""What a worker imports before it does anything: no more than it needs."""

from __future__ import annotations

import subprocess
import sys


def test_a_worker_starts_without_scipys_statistics() -> None:
    """They take most of a second to import, and 30 MB; only a search's designs need them."""
    code = (
        "import sys, core.router, streams.app.worker, streams.commands.worker;"
        "print('scipy.stats' in sys.modules, 'scipy.special' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.split() == ["False", "True"]
