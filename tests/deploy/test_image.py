"""The Dockerfile: its build steps are run, the rest is compared with what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from tests.deploy.commands import problems
from tests.deploy.dockerfile import Build, Stage, sent, stages
from tests.deploy.places import DEPLOY, DOCKERFILE, ROOT

IGNORE = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")


def _stages() -> tuple[Stage, Stage]:
    build, final = stages(DOCKERFILE.read_text(encoding="utf-8"))
    return build, final


def test_the_build_steps_install_the_command_into_an_empty_directory(tmp_path: Path) -> None:
    stage, final = _stages()
    (tmp_path / "root").mkdir()
    build = Build(tmp_path / "root", ROOT, IGNORE)
    build.run(stage)

    source, target = final.one("COPY").words
    assert source == target
    installed = Path(build.mapped(target))
    # What the second stage copies is all that is left of the first.
    (build.root / "src").rename(build.root / "gone")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def out(*command: str) -> str:
        return subprocess.run(
            command, cwd=elsewhere, capture_output=True, text=True, timeout=120, check=True,
            env={"PATH": "/usr/bin:/bin"},
        ).stdout  # fmt: skip

    thalweg = str(installed / "bin" / "thalweg")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version in out(thalweg, "--version")
    assert "--brokers" in out(thalweg, "worker", "--help")
    python = str(installed / "bin" / "python")
    # Not the working tree, with the data that the demo's proxy replays and the page's charts.
    assert "site-packages" in out(python, "-c", "import streams; print(streams.__file__)")
    out(python, "-c", "from streams.demo.data import recorded_prompts; recorded_prompts()")
    out(python, "-c", "import plotly")
    served = out(
        python, "-c", "from streams.web.assets import static_files; print(*static_files())"
    )
    assert set(served.split()) == {one.name for one in (ROOT / "streams/web/static").iterdir()}
    assert "index.html" in served
    missing = subprocess.run(
        [python, "-c", "import pytest"], cwd=elsewhere, capture_output=True, check=False
    )
    assert missing.returncode, "the tests' packages are in the image"


def test_a_step_that_names_a_missing_file_fails(tmp_path: Path) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("COPY core core", "COPY kernel kernel")
    stage = stages(text)[0]
    copies = stage._replace(steps=tuple(stage.all("WORKDIR") + stage.all("COPY")))
    with pytest.raises(AssertionError, match="COPY kernel: there is no such file"):
        Build(tmp_path / "root", ROOT, IGNORE).run(copies)


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    stage, _ = _stages()
    copied = {word for step in stage.all("COPY") for word in step.words[:-1]}
    for path in copied:
        assert (ROOT / path).exists()
        assert sent(IGNORE, path)
    others = {entry.name for entry in ROOT.iterdir()} - copied
    assert {name for name in others if sent(IGNORE, name)} == set()
    assert sent(IGNORE, "streams/demo/data/llm-replay.csv")
    assert not sent(IGNORE, "core/__pycache__")
    assert not sent(IGNORE, "core/bandits/__pycache__/base.pyc")


def test_both_stages_have_one_pinned_base_which_ci_tests() -> None:
    build, final = _stages()
    assert build.base == final.base
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+", build.base)
    assert version, f"{build.base} is not pinned to a patch release"
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert version[1] in ci["jobs"]["ci"]["strategy"]["matrix"]["python"]


def test_the_installer_is_the_one_that_make_uses() -> None:
    build, _ = _stages()
    makefile = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    assert makefile
    assert f"uv=={makefile[1]}" in build.all("RUN")[0].rest


def test_every_package_of_the_image_has_a_wheel_for_it() -> None:
    # The slim base has no compiler.
    build, _ = _stages()
    tag = re.match(r"python:3\.(\d+)", build.base)
    assert tag
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    packages: dict[str, list[str]] = {}
    needs: dict[str, set[str]] = {}
    for package in lock["package"]:
        name = package["name"]
        wheels = [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", [])]
        packages.setdefault(name, []).extend(wheels)
        extra = package.get("optional-dependencies", {}).get("page", []) if _ours(package) else []
        listed = [*package.get("dependencies", []), *extra]
        needs.setdefault(name, set()).update(one["name"] for one in listed)
    todo, seen = {"thalweg"}, set()
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= needs[name] - seen
    assert {"numpy", "faust-streaming", "plotly"} <= seen
    version = f"cp3{tag[1]}"
    lacking = [
        name
        for name in sorted(seen - {"thalweg"})
        if not any(
            "none-any" in wheel
            or (
                "manylinux" in wheel and "x86_64" in wheel and (version in wheel or "abi3" in wheel)
            )
            for wheel in packages[name]
        )
    ]
    assert lacking == []


def _ours(package: dict[str, object]) -> bool:
    return package["name"] == "thalweg"


def test_the_command_of_the_image_is_one_that_exists() -> None:
    _, final = _stages()
    assert final.one("ENTRYPOINT").words == ["thalweg"]
    command = final.one("CMD").words
    assert problems(command) == []
    assert f"--port={final.one('EXPOSE').rest}" in command
    assert f"--data-dir={final.one('VOLUME').rest}" in command
    assert f"--data-dir={final.one('WORKDIR').rest}" in command


def test_the_image_runs_as_a_user_without_rights_who_owns_the_volume() -> None:
    _, final = _stages()
    user, group = final.one("USER").rest.split(":")
    assert user.isdigit()
    assert user != "0"
    create = final.one("RUN").rest
    assert f"--uid {user} " in create
    assert f"--gid {group} " in create
    assert f"--home-dir {final.one('VOLUME').rest} --create-home" in create
    keywords = [step.keyword for step in final.steps]
    assert keywords.index("USER") > keywords.index("RUN")


class _Answers(BaseHTTPRequestHandler):
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def _answering(status: int) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    handler = type("Answers", (_Answers,), {"status": status, "asked": asked})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_the_health_check_passes_only_when_the_worker_is_ready(
    status: int, healthy: bool, tmp_path: Path
) -> None:
    _, final = _stages()
    check = final.one("HEALTHCHECK").rest.removeprefix("CMD ")
    port = final.one("EXPOSE").rest
    assert f"127.0.0.1:{port}/ready" in check
    with _answering(status) as (own, asked):
        python, *arguments = final.one("HEALTHCHECK")._replace(rest=check).words
        assert python == "python"
        ended = subprocess.run(
            [sys.executable, *(one.replace(f":{port}/", f":{own}/") for one in arguments)],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert (ended.returncode == 0) is healthy
    assert asked == ["/ready"]


def test_the_health_check_fails_when_nothing_listens(tmp_path: Path) -> None:
    _, final = _stages()
    check = final.one("HEALTHCHECK").rest.removeprefix("CMD ")
    with _answering(200) as (free, _):
        pass
    arguments = final.one("HEALTHCHECK")._replace(rest=check).words[1:]
    ended = subprocess.run(
        [sys.executable, *(one.replace(":6066/", f":{free}/") for one in arguments)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
