"""A program under test as a process: its life, its CPU time, its last words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

STOP_PATIENCE = 40.0
_TAIL = 25


class Program:
    """One process; what it prints goes to a file."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        self.started_at = time.time()
        # As installed: compiled once. One folder for all trials, whatever the caller's settings.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": str(log.parent / "pycache")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=env
            )

    def cpu(self) -> float | None:
        """CPU seconds of the process so far, all threads; None where there is no /proc."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return None
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def check(self) -> None:
        """Raise RuntimeError if it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"it ended with exit code {code}:\n{self.tail()}")

    def stop(self) -> None:
        """Ask it to stop; RuntimeError if it did not, or had ended before."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(
                f"it did not stop within {STOP_PATIENCE:.0f} s:\n{self.tail()}"
            ) from None

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def tail(self) -> str:
        """The last lines that it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL:]) or "  (it printed nothing)"


def busy_share(seconds: float = 1.0) -> float | None:
    """The share of all CPUs that is in use now, from 0 to 1; None where there is no /proc."""
    try:
        busy, total = _ticks()
        time.sleep(seconds)
        later_busy, later_total = _ticks()
    except OSError:
        return None
    return (later_busy - busy) / max(1, later_total - total)


def _ticks() -> tuple[int, int]:
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    ticks = [int(field) for field in line.split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
