"""Compiles the Kafka Streams peer, and makes its command line.

Kafka Streams comes from Maven Central by jgo, of the broker's version; the compiler is the JDK that
is found: $JAVA_HOME, else ``javac`` on the path. It runs on the Java that the broker runs on.
Where there is no JDK, ``NoJdkError`` says what to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from streams.local_kafka.jars import cache_dir, java_program
from streams.local_kafka.lock import KAFKA_VERSION

ENDPOINT = f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
SOURCES = tuple(sorted(Path(__file__).parent.glob("*.java")))
RELEASE = 17


class NoJdkError(Exception):
    """The peer cannot be built here; the message says what to do."""


class Built(NamedTuple):
    """What runs it."""

    java: Path
    class_path: str
    jdk: str
    """Which compiler and runtime, for the report."""


@cache
def build() -> Built:
    """Compile, unless an earlier run did with the same sources and jars."""
    javac = _javac()
    version = _words([str(javac), "-version"])
    try:
        import jgo

        jars = [Path(jar) for jar in jgo.build(ENDPOINT).all_jars]
    except ImportError:
        raise NoJdkError("jgo is not installed: pip install 'thalweg[local]'") from None
    except (OSError, RuntimeError) as error:
        raise NoJdkError(f"Kafka Streams {KAFKA_VERSION} cannot be fetched: {error}") from error
    class_path = os.pathsep.join(map(str, jars))
    digest = hashlib.sha256(version.encode() + class_path.encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    classes = cache_dir() / f"kafka-streams-peer-{digest.hexdigest()[:16]}"
    if not classes.exists():
        staging = classes.with_name(f"{classes.name}.{os.getpid()}")
        command = [str(javac), f"--release={RELEASE}", "-d", str(staging), "-cp", class_path]
        done = subprocess.run(
            [*command, *map(str, SOURCES)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NoJdkError(f"{version} cannot compile the peer:\n{done.stderr}")
        staging.replace(classes)
    java = java_program()
    runtime = _words([str(java), "-version"]).splitlines()[0]
    return Built(java, os.pathsep.join((str(classes), class_path)), f"{version}, {runtime}")


def _javac() -> Path:
    home = os.environ.get("JAVA_HOME")
    found = Path(home) / "bin" / "javac" if home else None
    if found is None or not found.exists():
        on_path = shutil.which("javac")
        found = Path(on_path) if on_path else None
    if found is None:
        raise NoJdkError(
            f"no JDK: neither $JAVA_HOME nor the path has javac; install one of version {RELEASE} "
            "or newer (Debian, Ubuntu: apt install openjdk-17-jdk-headless)"
        )
    return found


def _words(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()
