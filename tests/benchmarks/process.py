"""A program under test as a process: its life, its CPU time, its last words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

STOP_PATIENCE = 40.0
_TAIL = 25


class Program:
    """One process; what it prints goes to a file. With ``listens``, it reads lines from us."""

    def __init__(self, command: list[str], log: Path, *, listens: bool = False) -> None:
        self.log = log
        self.started_at = time.time()
        # As installed: compiled once. One folder for all trials, whatever the caller's settings.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": str(log.parent / "pycache")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=env,
            )

    def cpu(self) -> float | None:
        """CPU seconds of the process so far, all threads; None where there is no /proc."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return None
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float | None:
        """Bytes of memory that the process holds now; None where there is no /proc."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        lines = (line.split() for line in status.splitlines() if line.startswith("VmRSS:"))
        return next((int(line[1]) * 1024.0 for line in lines), None)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None, "it does not listen"
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

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


class Group:
    """The processes of one program: several workers share its partitions."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self.started_at = min(program.started_at for program in programs)

    def cpu(self) -> float | None:
        """CPU seconds so far, of all."""
        return _sum([program.cpu() for program in self._programs])

    def resident(self) -> float | None:
        """Bytes of memory, of all."""
        return _sum([program.resident() for program in self._programs])

    def tell(self, line: str) -> None:
        """Write a line to each."""
        for program in self._programs:
            program.tell(line)

    def check(self) -> None:
        """Raise RuntimeError if one has ended by itself."""
        for program in self._programs:
            program.check()

    def stop(self) -> None:
        """Ask each to stop; RuntimeError if one did not, or had ended before."""
        for program in self._programs:
            program.stop()

    def kill(self) -> None:
        """End all, whatever they do."""
        for program in self._programs:
            program.kill()


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


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
