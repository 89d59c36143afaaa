"""``thalweg notify`` as a process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml


class Notify:
    """One process; its log and its receivers' file are in ``directory``."""

    def __init__(
        self,
        brokers: str,
        prefix: str,
        directory: Path,
        receivers: list[dict[str, Any]],
        *options: str,
        name: str = "notify",
        **environment: str,
    ) -> None:
        config = directory / f"{name}.yaml"
        quick = {"first_retry": "20ms", "last_retry": "200ms"}
        config.write_text(yaml.safe_dump({"receivers": [quick | one for one in receivers]}))
        self._command = [
            sys.executable, "-m", "streams.cli", "notify", f"--brokers={brokers}",
            f"--topic-prefix={prefix}", f"--group={prefix}notify", f"--config={config}", *options,
        ]  # fmt: skip
        self.group = f"{prefix}notify"
        self.log = directory / f"{name}.log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                    **self._environment,
                },
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else "(no log)"

    def kill(self) -> None:
        """kill -9"""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        self.process.terminate()

    async def ended(self, within: float = 60.0) -> int:
        """The exit code."""
        return await asyncio.to_thread(self.process.wait, within)

    async def ready(self, receivers: int = 1, within: float = 60.0) -> None:
        """Wait until that many receivers are told of partitions since the last start."""
        deadline = time.monotonic() + within
        while self.log.read_bytes()[self._log_start :].count(b"tells of the alerts") < receivers:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.text}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {within} s:\n{self.text}")
            await asyncio.sleep(0.05)

    async def says(self, text: str, times: int = 1, within: float = 60.0) -> None:
        """Wait until the text was logged that often since the last start."""
        deadline = time.monotonic() + within
        while self.log.read_bytes()[self._log_start :].count(text.encode()) < times:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} not said in {within} s:\n{self.text}")
            await asyncio.sleep(0.05)

    def __enter__(self) -> Notify:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
