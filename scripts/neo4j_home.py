"""The folder of a server, laid out as Neo4j's own commands take it: `conf/neo4j.conf`, and the jars in `lib`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.neo4j_jars import Distribution, Unavailable

# no preallocated logs: an empty database then takes 2 MB instead of 541; the waits at the end are for cluster members
_SETTINGS = {
    "server.config.strict_validation.enabled": "false",
    "server.https.enabled": "false",
    "server.memory.pagecache.size": "64m",
    "dbms.usage_report.enabled": "false",
    "db.tx_log.preallocate": "false",
    "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
    "internal.dbms.bolt.netty_server_shutdown_timeout": "1s",
    "internal.server.bolt.thread_pool_shutdown_wait_time": "1s",
    "internal.server.bolt.connection_shutdown_wait_time": "1s",
}


def write_conf(home: Path, *, port: int, http_port: int | None, settings: Mapping[str, str]) -> None:
    """Write neo4j.conf: Bolt on a port of the loopback, HTTP where it has a port, and `settings` over ours."""
    conf = home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    places = {"bolt": port} | ({} if http_port is None else {"http": http_port})
    addresses = {
        f"server.{protocol}.{side}_address": f"127.0.0.1:{number}"
        for protocol, number in places.items()
        for side in ("listen", "advertised")
    }
    all_ = {**_SETTINGS, "server.http.enabled": str(http_port is not None).lower(), **addresses, **settings}
    (conf / "neo4j.conf").write_text("".join(f"{name}={value}\n" for name, value in all_.items()), "utf-8")


def link_jars(home: Path, found: Distribution) -> None:
    """Let `lib` be the folder of the server's jars."""
    home.mkdir(parents=True, exist_ok=True)
    jars = home / "lib"
    if jars.is_symlink() and jars.resolve() != found.folder.resolve():
        jars.unlink()
    if not jars.exists():
        jars.symlink_to(found.folder)


def set_first_password(home: Path, found: Distribution, password: str) -> None:
    """Set the password of a server that was never started, by Neo4j's own command. Raises `Unavailable`."""
    command = [str(found.java), "-cp", f"{home / 'lib'}/*", "org.neo4j.cli.AdminTool"]
    # a password may begin like an option
    command += ["dbms", "set-initial-password", "--", password]
    env = {**os.environ, "NEO4J_HOME": str(home)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    if done.returncode:
        raise Unavailable(f"the password could not be set: {done.stderr.strip()[:300]}")
