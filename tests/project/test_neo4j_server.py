"""The server script: it starts, keeps its data over a power cut, hides its password, and leaves nothing running."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.neo4j_jars import Unavailable, distribution
from scripts.neo4j_server import Server
from scripts.neo4j_watch import alive
from tests.require import neo4j_server


def test_a_server_keeps_what_was_committed_before_a_power_cut(tmp_path: Path) -> None:
    with neo4j_server(tmp_path / "neo") as server:
        with server.driver() as driver:
            driver.execute_query("CREATE (:Kept {n: 7})")
        server.kill()
        assert server.pid is None
        server.start()
        again = Server(tmp_path / "neo")
        assert again.url == server.url, "whoever opens the same folder reaches the same server"
        with again.driver() as driver:
            assert driver.execute_query("MATCH (k:Kept) RETURN k.n").records[0][0] == 7
        assert stat.S_IMODE((tmp_path / "neo" / "server.json").stat().st_mode) == 0o600
        assert server.password not in (tmp_path / "neo" / "java.args").read_text("utf-8")


def test_how_a_server_is_reached_is_read_whole_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, write, met = Server(tmp_path), Path.write_text, []

    def slow(self: Path, *given: Any) -> int:
        met.append(Server(tmp_path).password)  # as another process of a test run does, at the worst moment
        return write(self, *given)

    monkeypatch.setattr(Path, "write_text", slow)
    server._remember()
    assert met
    assert Server(tmp_path).password == server.password


_OWNER = """
import sys
from pathlib import Path
from scripts.neo4j_server import Server
server = Server(Path(sys.argv[1]), jvm=("-XX:TieredStopAtLevel=1",))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_server_ends_with_the_process_that_started_it(
    neo4j_server: object, tmp_path: Path, how: signal.Signals
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path / "neo")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert alive(pid)
    owner.send_signal(how)
    owner.wait(10)
    owner.stdin.close()
    owner.stdout.close()
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.05)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="install Apache Maven"):
        distribution(env={"PATH": str(tmp_path), "RINGFENCE_NEO4J_CACHE": str(tmp_path)})


def test_a_java_that_is_too_old_is_named(neo4j_server: object, tmp_path: Path) -> None:
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.touch(mode=0o755)
    (tmp_path / "old" / "release").write_text('JAVA_VERSION="11.0.2"\n', "utf-8")
    import scripts.neo4j_jars as jars

    with pytest.raises(Unavailable, match=r"Java 17 or newer is needed: .*old.bin.java is 11"):
        jars.java_for(17, {"PATH": "", "JAVA_HOME": str(tmp_path / "old")}, installed=tmp_path)
