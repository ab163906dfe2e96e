"""Neo4j's jars, fetched once from Maven's central repository by `mvn`, and the Java that can run them.

They lie in a folder of the user's cache, or in the one that `RINGFENCE_NEO4J_CACHE` names, one folder a version. A
folder is whole or absent: it is filled under another name and renamed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

VERSION = "5.26.30"
BROWSER = "5.24.0"
GDS = "2.13.9"
"""Of OpenGDS, the graph algorithms' open part, for servers of 5.26."""
CACHE_VARIABLE = "RINGFENCE_NEO4J_CACHE"
ENTRIES = ("org.neo4j.server.CommunityEntryPoint", "org.neo4j.server.Neo4jCommunity")
"""The class that starts the server: in 5.x, and in the releases named by year."""
_HARNESS = ("org.neo4j.test:neo4j-harness",)
_BROWSER_JAR = ("org.neo4j.client:neo4j-browser",)
_GDS_GROUP = "org.neo4j.gds"
_GDS_PARTS = ("proc", "proc-sysinfo", "opengds-extension", "open-model-catalog", "open-write-services")
_FETCH_SECONDS = 900
_OLDEST_CLASS_FILE = 44  # a class file's major version is this much above the Java that it needs
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>ringfence</groupId><artifactId>neo4j</artifactId><version>1</version>
<dependencies>{dependencies}</dependencies></project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class Unavailable(RuntimeError):
    """The server can't be had here; the text says what is missing and what to do."""


@dataclass(frozen=True)
class Distribution:
    """One version of the server, ready to run: its jars in the order of the class path, and the Java to run it."""

    version: str
    folder: Path
    java: Path
    jars: tuple[Path, ...]
    entry: str


def distribution(version: str = VERSION, *, env: Mapping[str, str] = os.environ) -> Distribution:
    """The server of that version, fetched where it isn't there yet. Raises `Unavailable`."""
    folder = _fetched("neo4j-harness", _HARNESS, version, env)
    jars = tuple(sorted(folder.glob("*.jar")))
    entry, needed = _entry(jars)
    return Distribution(version, folder, java_for(needed, env), jars, entry)


def browser(version: str = BROWSER, *, env: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The jars of Neo4j Browser, its web page. Raises `Unavailable`."""
    return tuple(sorted(_fetched("neo4j-browser", _BROWSER_JAR, version, env).glob("neo4j-browser-*.jar")))


def gds(server: Distribution, version: str = GDS, *, env: Mapping[str, str] = os.environ) -> Path:
    """A folder of OpenGDS's jars, without those that the server has: for its plugins, and for the front of its class
    path. Raises `Unavailable`."""
    parts = tuple(f"{_GDS_GROUP}:{part}" for part in _GDS_PARTS)
    fetched = _fetched("opengds", parts, version, env)
    folder = fetched.with_name(f"{fetched.name}-for-{server.version}")
    with alone("opengds-plugin", env):
        if not folder.is_dir():
            theirs = {_bare(jar.name) for jar in server.jars}
            with tempfile.TemporaryDirectory(dir=fetched.parent, prefix="fetching-") as work:
                made = Path(work) / "jars"
                made.mkdir()
                for jar in fetched.glob("*.jar"):
                    # some of its own have a name that one of the server's has
                    if jar.name.endswith(f"-{version}.jar") or _bare(jar.name) not in theirs:
                        (made / jar.name).symlink_to(Path("..") / fetched.name / jar.name)
                made.rename(folder)
    return folder


def _bare(name: str) -> str:
    """A jar's name without its version."""
    return re.sub(r"-\d[\w.-]*\.jar$", "", name)


@contextmanager
def alone(name: str, env: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """The cache folder, while no other process is in here under the same name."""
    cache = Path(env.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("ringfence", appauthor=False))
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def _fetched(name: str, parts: tuple[str, ...], version: str, env: Mapping[str, str]) -> Path:
    with alone(name, env) as cache:
        folder = cache / f"{name}-{version}"
        if folder.is_dir():
            return folder
        mvn = shutil.which("mvn", path=env.get("PATH"))
        if mvn is None:
            raise Unavailable(
                "there is no `mvn` on the path; install Apache Maven, which fetches the server's jars once"
            )
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as work:
            pom = Path(work) / "pom.xml"
            dependencies = "".join(_DEPENDENCY.format(*part.split(":"), version) for part in parts)
            pom.write_text(_POM.format(dependencies=dependencies), "utf-8")
            command = [mvn, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
            command += [f"-DoutputDirectory={work}/jars"]
            try:
                done = subprocess.run(
                    command, check=False, capture_output=True, text=True, timeout=_FETCH_SECONDS, env=dict(env)
                )
            except subprocess.TimeoutExpired:
                raise Unavailable(f"Maven did not fetch {name} {version} in {_FETCH_SECONDS} seconds") from None
            if done.returncode:
                said = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
                raise Unavailable(f"Maven could not fetch {name} {version}: {said[:300]}")
            (Path(work) / "jars").rename(folder)
    return folder


def _entry(jars: tuple[Path, ...]) -> tuple[str, int]:
    """The class that starts the server, and the Java that it was compiled for."""
    for jar in jars:
        if jar.name.startswith("neo4j-"):
            with zipfile.ZipFile(jar) as opened:
                for entry in ENTRIES:
                    name = entry.replace(".", "/") + ".class"
                    if name in opened.NameToInfo:
                        return entry, int.from_bytes(opened.read(name)[6:8], "big") - _OLDEST_CLASS_FILE
    raise Unavailable(
        f"none of the fetched jars holds {' or '.join(ENTRIES)}; does the harness of that version differ?"
    )


def java_for(needed: int, env: Mapping[str, str], *, installed: Path = Path("/usr/lib/jvm")) -> Path:
    """The first Java that is new enough: JAVA_HOME's, the path's, then the `installed`. Raises `Unavailable`."""
    found = {}
    homes = [Path(env["JAVA_HOME"]) / "bin" / "java"] if env.get("JAVA_HOME") else []
    named = shutil.which("java", path=env.get("PATH"))
    homes += [Path(named)] if named else []
    homes += sorted(installed.glob("*/bin/java"))
    for java in homes:
        version = _version(java)
        if version is not None and version >= needed:
            return java
        found[str(java)] = version
    listed = ", ".join(f"{name} is {version or 'no Java'}" for name, version in found.items()) or "there is none"
    raise Unavailable(f"Java {needed} or newer is needed: {listed}; install one, or set JAVA_HOME")


def _version(java: Path) -> int | None:
    release = java.resolve().parent.parent / "release"
    try:
        text = release.read_text("utf-8")
    except OSError:
        try:
            text = subprocess.run([java, "-version"], check=False, capture_output=True, text=True, timeout=30).stderr
        except (OSError, subprocess.TimeoutExpired):
            return None
    match = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None
