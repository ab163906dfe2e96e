"""A real Neo4j on this machine, for tests and for trying.

    python -m scripts.neo4j_server start [--home FOLDER] [--foreground] [--browser] [--version VERSION]
    python -m scripts.neo4j_server stop [--home FOLDER]

The server listens on a free port of the loopback only, with a random password that stands in `server.json` in its
folder, readable by its owner alone. Java and mvn are needed, see `scripts.neo4j_jars`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import neo4j
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph.neo4j.java import JIT
from scripts.neo4j_home import link_jars, set_first_password, write_conf
from scripts.neo4j_jars import VERSION, Distribution, Unavailable, alone, browser, distribution
from scripts.neo4j_watch import alive

__all__ = ["VERSION", "Server", "Unavailable"]

READY_SECONDS = 180.0
STOP_SECONDS = 60.0
_PORT_TRIES = 3
_OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent", "java.lang")


class Server:
    """One server and the folder that keeps its data. The process ends with this one, unless `owner` says otherwise.

    Parameters: `home` is its folder; a temporary one, removed by `stop`, where none is given. `settings` go over ours,
    by their names in neo4j.conf. `owner` is the process id with which the server ends, 0 for nobody. `limit` is a
    command put before Java's, such as `prlimit` with its options. `plugins` is a folder of jars that bring procedures.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        version: str = VERSION,
        http: bool = False,
        heap: str = "512m",
        settings: Mapping[str, str] | None = None,
        owner: int | None = None,
        limit: tuple[str, ...] = (),
        jvm: tuple[str, ...] = (),
        plugins: Path | None = None,
    ) -> None:
        self._temporary = home is None
        self.home = (home or Path(tempfile.mkdtemp(prefix="ringfence-neo4j-"))).resolve()
        self.version = version
        self._http, self._heap, self._limit, self._jvm = http, heap, limit, jvm
        self.plugins = plugins
        """May be changed before a start."""
        self.settings = dict(settings or {})
        """Over ours, by their names in neo4j.conf; changes count from the next start."""
        self._owner = os.getpid() if owner is None else owner
        self._watcher: subprocess.Popen[bytes] | None = None
        known = self._known()
        self._fresh = not known
        self.password = str(known.get("password") or secrets.token_urlsafe(16))
        self.port = int(known.get("port") or _free_port())
        self.http_port = int(known.get("http_port") or _free_port())

    # -- where it is ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it answers, password included: what `--store` takes."""
        return f"neo4j://neo4j:{self.password}@127.0.0.1:{self.port}/neo4j"

    @property
    def pid(self) -> int | None:
        """The Java process, None where it doesn't run."""
        try:
            pid = int((self.home / "java.pid").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return pid if alive(pid) else None

    def driver(self) -> neo4j.Driver:
        """A driver of its own; the caller closes it."""
        return self._driver(self.password)

    # -- its life ------------------------------------------------------------------------------------------------------

    def furnish(self) -> Distribution:
        """Lay its folder out as a home (`scripts.neo4j_home`), without starting it. Raises `Unavailable`."""
        found = distribution(self.version)
        link_jars(self.home, found)
        plugins = {"server.directories.plugins": str(self.plugins)} if self.plugins else {}
        http_port = self.http_port if self._http else None
        write_conf(self.home, port=self.port, http_port=http_port, settings={**plugins, **self.settings})
        return found

    def set_password(self) -> None:
        """Set the password before the first start, which then knows it. Raises `Unavailable`."""
        set_first_password(self.home, self.furnish(), self.password)
        self._remember()

    def start(self) -> None:
        """Start it and return when a query is answered. Raises `Unavailable`."""
        if self.pid is not None:
            raise Unavailable(f"a server runs over {self.home} already")
        for tries in range(1, _PORT_TRIES + 1):
            self._launch(self.furnish())
            if self._answers():
                break
            self.kill()
            log = self._log_end()
            # another process took the port between our looking and the server's binding
            if not self._fresh or tries == _PORT_TRIES or "already in use" not in log:
                raise Unavailable(f"Neo4j {self.version} did not start: {log}")
            self.port, self.http_port = _free_port(), _free_port()
        self._fresh = False

    def stop(self) -> None:
        """End it as an administrator would, and remove what was temporary. Idempotent."""
        self._end(signal.SIGTERM)
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def kill(self) -> None:
        """End it as a power cut would; its data stays."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again over the same data and port, after `kill`, or after ending it as an administrator would."""
        self._end(signal.SIGTERM)
        self.start()

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _known(self) -> Mapping[str, str | int]:
        try:
            known: Mapping[str, str | int] = json.loads((self.home / "server.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return known

    def _launch(self, found: Distribution) -> None:
        archive = _archive(found)
        # plugins stand on the class path too, and first: some find their parts only there
        plugins = sorted(self.plugins.glob("*.jar")) if self.plugins else []
        jars = [*plugins, *found.jars, *(browser() if self._http else ())]
        arguments = [f"-Xms{self._heap}", f"-Xmx{self._heap}", "-XX:+UseParallelGC", "-XX:-UsePerfData", *JIT]
        arguments += [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]
        # classes read in already linked: starts in two thirds of the time; Java goes on without, where it doesn't fit
        arguments += [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off"] if archive.exists() else []
        arguments += [*self._jvm, "-cp", os.pathsep.join(str(jar) for jar in jars), found.entry]
        arguments += [f"--home-dir={self.home}", f"--config-dir={self.home / 'conf'}"]
        # from a file: the class path would fill screens of a list of processes
        quoted = "\n".join('"' + one.replace("\\", "\\\\") + '"' for one in arguments)
        (self.home / "java.args").write_text(quoted, "utf-8")
        (self.home / "java.pid").unlink(missing_ok=True)
        command = [sys.executable, "-S", "-E", str(Path(__file__).with_name("neo4j_watch.py"))]
        command += [str(self._owner), str(self.home / "java.pid"), *self._limit]
        command += [str(found.java), f"@{self.home / 'java.args'}"]
        with (self.home / "server.log").open("wb") as log:
            self._watcher = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home, start_new_session=True
            )

    def _answers(self) -> bool:
        """Wait until a query is answered; false where the server ended or took too long."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._watcher is None or self._watcher.poll() is not None:
                return False
            # a driver logs each attempt that fails: ask the port first
            with contextlib.suppress(OSError, DriverError, Neo4jError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                if self._fresh:
                    self._first_login()
                with self.driver() as driver:
                    driver.execute_query("RETURN 1", database_="neo4j")
                return True
            time.sleep(0.1)
        return False

    def _first_login(self) -> None:
        with contextlib.suppress(AuthError), self._driver("neo4j") as driver:  # refused: changed in an earlier attempt
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password",
                password=self.password,
                database_="system",
            )
        self._remember()

    def _remember(self) -> None:
        """Keep how it is reached, for whoever comes later; the first login is done."""
        self._fresh = False
        path = self.home / "server.json"
        # whole or not at all: another process may read it at this moment
        writing = path.with_suffix(".writing")
        writing.touch(mode=0o600)
        known = {"password": self.password, "port": self.port, "http_port": self.http_port, "version": self.version}
        writing.write_text(json.dumps(known), "utf-8")
        writing.replace(path)

    def _driver(self, password: str) -> neo4j.Driver:
        return neo4j.GraphDatabase.driver(
            f"bolt://127.0.0.1:{self.port}", auth=("neo4j", password), max_transaction_retry_time=0
        )

    def _end(self, how: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            if not _ended(pid, STOP_SECONDS):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                _ended(pid, STOP_SECONDS)
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            try:
                watcher.wait(timeout=5)
            except subprocess.TimeoutExpired:
                watcher.kill()
                watcher.wait()

    def _log_end(self) -> str:
        logs = [self.home / "server.log", self.home / "logs" / "neo4j.log"]
        return " ".join(log.read_text("utf-8", errors="replace")[-1500:] for log in logs if log.exists()).strip()


def _ended(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _archive(found: Distribution) -> Path:
    return found.folder.with_name(f"{found.folder.name}.{found.java.resolve().parent.parent.name}.jsa")


def prepare(version: str = VERSION) -> None:
    """Fetch the jars, and write the archive of linked classes that makes starts quicker. Raises `Unavailable`."""
    found = distribution(version)
    with alone(f"archive-{version}"):
        archive = _archive(found)
        if not archive.exists():
            writing = archive.with_suffix(".writing")
            jvm = (f"-XX:ArchiveClassesAtExit={writing}", "-Xlog:cds=off")
            with Server(version=version, jvm=jvm) as server, server.driver() as driver:
                driver.execute_query("CREATE (n:Warm {id: 1}) WITH n MATCH (m:Warm) DETACH DELETE m")
            writing.rename(archive)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _foreground(server: Server, *, shows_browser: bool) -> None:
    with contextlib.suppress(KeyboardInterrupt), _terminated_as_interrupted():
        try:
            server.start()
            _tell(server, shows_browser=shows_browser)
            _say(f"Ctrl-C ends it; its data stays in {server.home}")
            while server.pid is not None:
                time.sleep(0.5)
            sys.exit(f"neo4j: the server ended by itself; see {server.home / 'logs'}")
        finally:
            server.stop()


def _tell(server: Server, *, shows_browser: bool) -> None:
    _say(f"export RINGFENCE_STORE='{server.url}'")
    if shows_browser:
        _say(f"Neo4j Browser: http://127.0.0.1:{server.http_port}/browser (user neo4j, that password)")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Start or stop a server by command."""
    parser = argparse.ArgumentParser(prog="python -m scripts.neo4j_server", description=__doc__.partition("\n")[0])
    parser.add_argument("action", choices=("start", "stop", "prepare"))
    parser.add_argument("--home", type=Path, default=Path(".neo4j"), help="folder of its data; default .neo4j")
    parser.add_argument("--foreground", action="store_true", help="run until Ctrl-C instead of until `stop`")
    parser.add_argument("--browser", action="store_true", help="serve Neo4j Browser over HTTP too")
    parser.add_argument("--heap", default="1g", help="Java's memory; default 1g")
    parser.add_argument("--version", default=VERSION, help=f"of Neo4j; default {VERSION}")
    asked = parser.parse_args()
    try:
        if asked.action == "prepare":
            prepare(asked.version)
            return
        owner = None if asked.foreground else 0
        server = Server(asked.home, version=asked.version, http=asked.browser, heap=asked.heap, owner=owner)
        if asked.action == "stop":
            server.stop()
        elif asked.foreground:
            _foreground(server, shows_browser=asked.browser)
        else:
            server.start()
            _tell(server, shows_browser=asked.browser)
    except Unavailable as missing:
        sys.exit(f"neo4j: {missing}")


if __name__ == "__main__":
    main()
