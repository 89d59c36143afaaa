"""Write ``kafka.lock`` anew, after a change of `KAFKA_VERSION`.

Run ``python -m streams.local_kafka.relock``: it resolves the dependencies on Maven Central and
downloads every jar for its sum (network, half a minute). The diff of the lock is what a reviewer
must look at: from then on, every machine takes these very files and no others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jgo
from jgo.maven import MavenContext

from streams.local_kafka.lock import ENDPOINT, LOCK_FILE, Jar, sha256_of

HEAD = f"# {ENDPOINT}\n# written by `python -m streams.local_kafka.relock`; not to be edited\n"


def resolve() -> list[Jar]:
    """Resolve `ENDPOINT`, download every jar of its class path, and return them with their sums.

    Raises what jgo raises when a repository does not answer; nothing is written then.
    """
    jars = []
    with tempfile.TemporaryDirectory(prefix="thalweg-lock-") as directory:
        maven = MavenContext(repo_cache=Path(directory), timeout=60)
        for found in jgo.resolve(ENDPOINT):
            group, artifact, version = found.groupId, found.artifactId, found.version
            path = maven.project(group, artifact).at_version(version).artifact().resolve()
            jars.append(Jar(group, artifact, version, sha256_of(path)))
    return jars


def main() -> None:
    """Rewrite the lock file in place."""
    lines = [f"{jar.sha256}  {jar.group}:{jar.artifact}:{jar.version}\n" for jar in resolve()]
    LOCK_FILE.write_text(HEAD + "".join(lines), encoding="utf-8")
    sys.stdout.write(f"{LOCK_FILE}: {len(lines)} jars\n")


if __name__ == "__main__":
    main()
