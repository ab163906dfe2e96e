"""A real Neo4j on this machine, for tests and for trying: `python -m scripts.neo4j_server [--http] [--home FOLDER]`.

The jars come once from Maven's central repository through `mvn` and stay in the user's cache. A server listens on a
free port of the loopback only, with a random password, and ends with its parent. Java 17 and mvn are needed.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import neo4j
import platformdirs
from neo4j.exceptions import DriverError, Neo4jError

VERSION = "5.26.30"
READY_SECONDS = 120.0
_OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent", "java.lang")
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>ringfence</groupId><artifactId>neo4j</artifactId><version>1</version>
<dependencies><dependency><groupId>org.neo4j.test</groupId><artifactId>neo4j-harness</artifactId>
<version>{version}</version></dependency></dependencies></project>
"""
_SETTINGS = """dbms.security.auth_enabled=true
server.config.strict_validation.enabled=false
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled={http}
server.http.listen_address=127.0.0.1:{http_port}
server.https.enabled=false
server.memory.pagecache.size=128m
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
internal.dbms.bolt.netty_server_shutdown_timeout=1s
internal.server.bolt.thread_pool_shutdown_wait_time=1s
internal.server.bolt.connection_shutdown_wait_time=1s
"""


class Unavailable(RuntimeError):
    """The server can't be had here; the text says what is missing."""


def jars(version: str = VERSION) -> Path:
    """The folder of a version's jars, fetched where they are not there yet. Raises `Unavailable`."""
    if shutil.which("java") is None:
        raise Unavailable("no java: install a Java 17 runtime")
    folder = Path(platformdirs.user_cache_dir("ringfence", appauthor=False)) / f"neo4j-{version}"
    if (folder / "done").exists():
        return folder / "lib"
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Unavailable("no mvn: install Apache Maven, which fetches the server's jars")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pom.xml").write_text(_POM.format(version=version), "utf-8")
    command = [mvn, "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={folder / 'lib'}")
    fetched = subprocess.run(command, check=False, capture_output=True, text=True)
    if fetched.returncode:
        raise Unavailable(f"mvn could not fetch Neo4j {version}: {fetched.stdout.strip()[-300:]}")
    (folder / "done").touch()
    return folder / "lib"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process. `home` keeps its data; a temporary folder, removed at the end, where none is given."""

    def __init__(self, home: Path | None = None, *, http: bool = False, heap: str = "512m", settings: str = "") -> None:
        self._own = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="ringfence-neo4j-"))
        self.port, self.http_port = _free_port(), _free_port()
        self._http, self._heap, self._settings = http, heap, settings
        self._process: subprocess.Popen[bytes] | None = None
        secret = self.home / "password"
        self._fresh = not secret.exists()
        self.password = secrets.token_urlsafe(12) if self._fresh else secret.read_text("utf-8")

    @property
    def url(self) -> str:
        """Where it answers, password included."""
        return f"bolt://neo4j:{self.password}@127.0.0.1:{self.port}/neo4j"

    def start(self) -> None:
        """Start it and return when it answers queries. Raises `Unavailable`."""
        lib = jars()
        conf = self.home / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        text = _SETTINGS.format(port=self.port, http=str(self._http).lower(), http_port=self.http_port)
        (conf / "neo4j.conf").write_text(text + self._settings, "utf-8")
        opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]
        command = ["java", f"-Xms{self._heap}", f"-Xmx{self._heap}", "-XX:+UseParallelGC", "-XX:-UsePerfData", *opened]
        command += ["-cp", f"{lib}/*", "org.neo4j.server.CommunityEntryPoint"]
        command += [f"--home-dir={self.home}", f"--config-dir={conf}"]
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._wait()
        (self.home / "password").touch(mode=0o600)
        (self.home / "password").write_text(self.password, "utf-8")

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        changed = not self._fresh
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise Unavailable(f"the server ended at once: {(self.home / 'server.log').read_text('utf-8')[-500:]}")
            with contextlib.suppress(DriverError, Neo4jError):
                if not changed:
                    self._change_password()
                    changed = self._fresh = False
                with self.driver() as driver:
                    driver.execute_query("RETURN 1", database_="neo4j")
                return
            time.sleep(0.2)
        self.kill()
        raise Unavailable(f"the server did not answer within {READY_SECONDS:.0f} seconds")

    def _change_password(self) -> None:
        with self._driver("neo4j") as driver:
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password", password=self.password, database_="system"
            )

    def driver(self) -> neo4j.Driver:
        """A driver of its own; the caller closes it."""
        return self._driver(self.password)

    def _driver(self, password: str) -> neo4j.Driver:
        address = f"bolt://127.0.0.1:{self.port}"
        return neo4j.GraphDatabase.driver(address, auth=("neo4j", password), max_transaction_retry_time=0)

    def stop(self) -> None:
        """End it as an administrator would, and remove what was temporary. Idempotent."""
        self._end(signal.SIGTERM)
        if self._own:
            shutil.rmtree(self.home, ignore_errors=True)

    def kill(self) -> None:
        """End it as a power cut would; its data stays."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Run a server in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--http", action="store_true", help="serve Neo4j Browser too")
    parser.add_argument("--heap", default="1g")
    asked = parser.parse_args()
    server = Server(asked.home, http=asked.http, heap=asked.heap)
    try:
        with _ended_by_signals(), server:
            sys.stdout.write(f"RINGFENCE_STORE={server.url}\n")
            if asked.http:
                sys.stdout.write(f"Browser: http://127.0.0.1:{server.http_port}\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        pass
    except Unavailable as missing:
        sys.exit(f"neo4j: {missing}")


if __name__ == "__main__":
    main()
