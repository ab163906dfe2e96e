"""Neo4j's own `neo4j-admin`, run over a stopped server: its version, what it says of a database, an import."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graph.errors import StoreProblem
from graph.neo4j.bulk_home import CONF_VARIABLE, Home, Staging
from graph.neo4j.java import JIT

KNOWN: Final = ("5.26",)
"""Versions whose import was tried."""
_JAR: Final = "neo4j-import-tool-*.jar"
_ENTRY: Final = "org.neo4j.cli.AdminTool"
# one collector thread: the tool's big structures lie outside the heap, and its workers need the cores
_JAVA: Final = ("-XX:+UseSerialGC", "-Xmx1g", *JIT)
_WORKERS: Final = 4
"""As many at least: on two cores two wait for each other (14 s, four 12)."""
_OURS: Final = "RINGFENCE_"


class Tool:
    """The import tool of one home: `bin/neo4j-admin` where there is one, else Java over the jars in `lib`."""

    def __init__(self, home: Home, env: Mapping[str, str]) -> None:
        """Raises `StoreProblem` where the home has none."""
        self._home = home
        # what is secret here is no business of a child's
        self._env = {name: value for name, value in env.items() if not name.startswith(_OURS)}
        self._env["NEO4J_HOME"] = str(home.folder)
        script, jars = home.folder / "bin" / "neo4j-admin", home.folder / "lib"
        if script.is_file():
            self._command = [str(script)]
            if not {"JAVA_OPTS", "HEAP_SIZE"} & self._env.keys():
                self._env["JAVA_OPTS"] = " ".join(_JAVA)
        elif any(jars.glob(_JAR)):
            self._command = [_java(env), *_JAVA, "-cp", f"{jars}/*", _ENTRY]
        else:
            raise StoreProblem(
                "there is no import tool in this folder",
                where=str(home.folder),
                do="name the server's home, which holds bin/neo4j-admin, or lib with the server's jars",
            )

    def check_version(self) -> str:
        """The tool's version. Raises `StoreProblem` for one that is not among `KNOWN`."""
        # the jar's name tells it at once, the tool takes a second
        named = sorted((self._home.folder / "lib").glob(_JAR))
        said = named[0].stem.rpartition("-")[2] if named else self._ask("--version")
        found = re.search(r"^\s*((\d+\.\d+)\.\d+\S*)\s*$", said, re.MULTILINE)
        if found is None or found[2] not in KNOWN:
            version = found[1] if found else "of a version that it does not tell"
            raise StoreProblem(
                f"the server is Neo4j {version}, and only the import of {', '.join(KNOWN)} is known",
                where=str(self._home.folder),
                do="load without --bulk",
            )
        return found[1]

    def check_whole(self) -> None:
        """Raise `StoreProblem` unless the database was stopped in an orderly way: else its logs may hold more than its
        files."""
        said = self._ask("database", "info", self._home.database, "--format=json")
        told: dict[str, Any] = {}
        for line in said.splitlines():
            if line.startswith("{"):
                told = json.loads(line)
        if told.get("recoveryRequired") != "false":
            raise StoreProblem(
                "the database was not stopped in an orderly way, or is in use",
                where=str(self._home.place),
                do="start the server, stop it, and try again",
            )

    def full_import(self, arguments: list[str], made: Staging) -> tuple[int, int]:
        """Import files, named relative to `made.work`, into a new database in `made`. Returns how many nodes and
        relationships it counted. Raises `StoreProblem`."""
        conf = made.work / "conf"
        conf.mkdir()
        settings = {
            "server.directories.data": str(made.data),
            "server.directories.transaction.logs.root": str(made.logs),
            "server.directories.logs": str(made.work),
            "db.tx_log.preallocate": "false",
            "server.config.strict_validation.enabled": "false",
            **{name: value for name, value in self._home.settings.items() if name == "db.format"},
        }
        (conf / "neo4j.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
        # only then are causes told
        words = ["database", "import", "full", "--verbose", self._home.database, "--report-file=import.report"]
        words += [f"--threads={max(_WORKERS, os.cpu_count() or 1)}", *arguments]
        done = self._run(words, {**self._env, CONF_VARIABLE: str(conf)}, made.work)
        counted = re.search(r"(\d+) nodes\s+(\d+) relationships", done.stdout)
        if done.returncode or counted is None:
            raise StoreProblem(
                f"neo4j-admin could not import ({_cause(done)})",
                where=str(self._home.folder),
                do="nothing was changed; see that its disk has room, and try again or load without --bulk",
            )
        return int(counted[1]), int(counted[2])

    def _ask(self, *words: str) -> str:
        done = self._run(list(words), self._env, None)
        if done.returncode:
            raise StoreProblem(
                f"neo4j-admin does not run ({_cause(done)})",
                where=str(self._home.folder),
                do="see that the Java it needs is the one on the path, or in JAVA_HOME",
            )
        return done.stdout

    def _run(self, words: list[str], env: Mapping[str, str], folder: Path | None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [*self._command, *words],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env=dict(env),
                cwd=folder,
            )
        except OSError as error:
            raise StoreProblem(f"{self._command[0]} can't be run ({error.strerror})", where="neo4j-admin") from None


def _java(env: Mapping[str, str]) -> str:
    named = Path(env["JAVA_HOME"]) / "bin" / "java" if env.get("JAVA_HOME") else None
    found = str(named) if named and os.access(named, os.X_OK) else shutil.which("java", path=env.get("PATH"))
    if found is None:
        raise StoreProblem(
            "there is no Java", where="PATH", do="install the Java that the server needs, or set JAVA_HOME"
        )
    return found


def _cause(done: subprocess.CompletedProcess[str]) -> str:
    """What was said of an error: the innermost cause of a Java one, else the last line, as far as it is plain words."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ") and "[" not in line]
    told = (causes or lines or [""])[-1]
    kind, _, message = told.partition(": ")
    plain = re.match(r"[A-Za-z][\w .'-]{0,120}", message or kind.rpartition(".")[2] if causes else told)
    return f"code {done.returncode}" + (f": {plain[0].strip(' .')}" if plain else "")
