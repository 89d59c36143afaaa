"""Reads a Dockerfile, and runs the steps of its build stage in an empty directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

_NETWORK = re.compile("PROXY|CERT|CA_BUNDLE|^PIP_|^UV_(DEFAULT_)?INDEX", re.IGNORECASE)
"""How this machine reaches package indexes; a build has nothing else of its environment."""


class Instruction(NamedTuple):
    """One instruction: its keyword, its flags (``--x``), and the rest of its line."""

    keyword: str
    flags: tuple[str, ...]
    rest: str

    @property
    def words(self) -> list[str]:
        """The rest, split as a shell does; JSON where it is in exec form."""
        if self.rest.startswith("["):
            return [str(one) for one in json.loads(self.rest)]
        return shlex.split(self.rest)


class Stage(NamedTuple):
    """What stands between one FROM and the next."""

    name: str
    base: str
    steps: tuple[Instruction, ...]

    def all(self, keyword: str) -> list[Instruction]:
        """The steps with that keyword."""
        return [step for step in self.steps if step.keyword == keyword]

    def one(self, keyword: str) -> Instruction:
        """The only step with that keyword."""
        (step,) = self.all(keyword)
        return step


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, with the ARGs before the first FROM put in their bases."""
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for step in _instructions(text):
        if step.keyword == "FROM":
            base, _, name = step.rest.partition(" AS ")
            found.append(Stage(name, _substituted(base, arguments), ()))
        elif found:
            last = found.pop()
            found.append(last._replace(steps=(*last.steps, step)))
        else:
            assert step.keyword == "ARG", f"{step.keyword} before the first FROM"
            name, _, value = step.rest.partition("=")
            arguments[name] = value
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        keyword, rest = line.split(maxsplit=1)
        flags = []
        while match := re.match(r"(--[\w-]+=\S+)\s+", rest):
            flags.append(match[1])
            rest = rest[match.end() :]
        yield Instruction(keyword, tuple(flags), rest.strip())


def _substituted(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: values[match[1] or match[2]], text)


def sent(ignore: str, path: str) -> bool:
    """Whether a .dockerignore file lets ``path`` (relative to the context) into the build."""
    ignored = False
    for pattern in ignore.splitlines():
        if not pattern or pattern.startswith("#"):
            continue
        plain = pattern.removeprefix("!")
        parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
        if any(_matches(plain, one) for one in parents):
            ignored = not pattern.startswith("!")
    return not ignored


def _matches(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in Path(path).parts)
    return "/" not in path and fnmatch(path, pattern)


class Build:
    """Runs a stage's steps as if root were the file system: absolute paths are mapped into it."""

    def __init__(self, root: Path, context: Path, ignore: str) -> None:
        self.root = root
        self._context = context
        self._ignore = ignore
        self._directory = root
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if name == "HOME" or _NETWORK.search(name)  # where the packages' caches are
        }

    def run(self, stage: Stage) -> None:
        """Run all steps; raises AssertionError with the output of the one that fails."""
        if stage.all("RUN"):
            self._base_image()
        for step in stage.steps:
            match step.keyword:
                case "RUN":
                    self._run(step.rest)
                case "ENV":
                    for name, _, value in (word.partition("=") for word in step.words):
                        self._environment[name] = self.mapped(value)
                case "WORKDIR":
                    self._directory = self._inside(step.rest)
                    self._directory.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(step.words)
                case _:
                    raise AssertionError(f"a step that a build stage should not have: {step}")

    def mapped(self, text: str) -> str:
        """Every absolute path in ``text``, put under root."""
        return re.sub(r"(?<![\w./:-])/(?=\w)", f"{self.root}/", text)

    def _base_image(self) -> None:
        """A python and a pip in /usr/local/bin, as in the official images."""
        prefix = self.root / "usr" / "local"
        self._shell([sys.executable, "-m", "venv", str(prefix)])
        self._environment["PATH"] = f"{prefix / 'bin'}:/usr/bin:/bin"
        # An image has one Python only; uv passes by those of virtual environments.
        self._environment["UV_PYTHON"] = os.path.realpath(prefix / "bin" / "python")

    def _run(self, command: str) -> None:
        self._shell(["/bin/sh", "-ec", self.mapped(command)])

    def _shell(self, command: Sequence[str]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        ended = subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, f"{command[-1]}: exit code {ended.returncode}\n{ended.stdout}"

    def _copy(self, words: Sequence[str]) -> None:
        *sources, target = words
        place = self._inside(target)
        for source in sources:
            origin = self._context / source
            assert origin.exists(), f"COPY {source}: there is no such file"
            assert sent(self._ignore, source), f"COPY {source}: .dockerignore keeps it out"
            if origin.is_dir():
                shutil.copytree(origin, place, ignore=self._left_out, dirs_exist_ok=True)
            elif place.is_dir():
                shutil.copy(origin, place / origin.name)
            else:
                shutil.copy(origin, place)

    def _left_out(self, directory: str, names: list[str]) -> list[str]:
        inside = Path(directory).relative_to(self._context)
        return [name for name in names if not sent(self._ignore, str(inside / name))]

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self._directory / path
