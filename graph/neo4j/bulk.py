"""The first load of an empty Neo4j database by its offline import, its server stopped.

The load runs as any load, into a throw-away embedded store. What it leaves there is turned into the nodes and
relationships that the same load over Bolt would have left, these into files, and the files into a whole database by
`neo4j-admin database import full`, beside the empty one, whose place it takes by renaming. Until then nothing is
changed, whatever fails; a process that is killed leaves folders that the next one takes away.

The import can't make constraints and indexes (what it has for that needs a store format of Enterprise Edition), so
they are owed: `bulk_schema.settle` makes them over Bolt when the server runs again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from graph.errors import StoreProblem
from graph.neo4j.bulk_files import ImportFiles
from graph.neo4j.bulk_graph import write_graph
from graph.neo4j.bulk_home import Home, Staging
from graph.neo4j.bulk_tool import Tool
from graph.open import NEO4J_SCHEMES, masked_url
from graph.sqlite import SqliteStore
from graph.sqlite.connection import Connections
from graph.sqlite.ddl import MIGRATIONS


@dataclass(frozen=True)
class Imported:
    """What an import brought; `seconds` by part, in the order done."""

    nodes: int
    relationships: int
    seconds: Mapping[str, float]


class Bulk:
    """An offline load that is going on: load into `store`, then call `finish`."""

    def __init__(self, home: Home, tool: Tool, made: Staging, namespace: str) -> None:
        self._home, self._tool, self._made, self._namespace = home, tool, made, namespace
        self._path = made.work / "rows.sqlite"
        self._began = time.perf_counter()
        self.store = SqliteStore(self._path, url=f"sqlite:///{self._path}", namespace=namespace, passing=True)
        """Where the load goes: a store of its own, empty, of the namespace."""

    def finish(self, phase: Callable[[str], None] = lambda _name: None) -> Imported:
        """Import what the one finished load of `store` left, and put it in place of the empty database.

        `phase` is told what begins. Raises `StoreProblem`; the database is then as it was."""
        seconds = {"read and check files": self._lap()}
        self.store.close()
        phase("write import files")
        files = self._write()
        seconds["write import files"] = self._lap()
        phase("neo4j-admin database import")
        counted = self._tool.full_import(files.arguments(), self._made)
        if counted != (files.nodes, files.relationships):
            raise StoreProblem(
                f"the import counted {counted[0]:,} nodes and {counted[1]:,} relationships, and was given "
                f"{files.nodes:,} and {files.relationships:,}",
                where=str(self._home.folder),
                do="nothing was changed; load without --bulk",
            )
        self._home.put(self._made)
        seconds["import"] = self._lap()
        return Imported(*counted, seconds)

    def _write(self) -> ImportFiles:
        """Write the import files of what the store holds."""
        connections = Connections(
            self._path, self.store.url, create=False, readonly=True, migrations=MIGRATIONS, max_bytes=None
        )
        try:
            with contextlib.closing(connections), ImportFiles(self._made.work) as files:
                write_graph(connections.get(), self._namespace, files)
        except OSError as error:
            raise StoreProblem(
                f"the import files can't be written ({error.strerror or type(error).__name__})",
                where=str(self._home.databases.parent),
                do="nothing was changed; free some space, and try again",
            ) from None
        return files

    def _lap(self) -> float:
        """Seconds since the part before ended: for what is shown, nothing depends on them."""
        before, self._began = self._began, time.perf_counter()
        return self._began - before


@contextlib.contextmanager
def bulk_load(url: str, folder: Path, *, namespace: str, env: Mapping[str, str]) -> Iterator[Bulk]:
    """Get ready for a first load of the database that `url` names, by offline import into the server's home `folder`.

    Raises `StoreProblem` where the URL is of another kind of store, the home has no import tool or one of a version
    that is not known, its server runs, or the database is not empty: before anything is read."""
    if url.partition("://")[0] not in NEO4J_SCHEMES:
        raise StoreProblem(
            "--bulk fills a Neo4j database",
            where=masked_url(url),
            do="give --store neo4j://user:password@host:port/database",
        )
    home = Home.of(folder, unquote(urlsplit(url).path.strip("/")) or "neo4j", env)
    tool = Tool(home, env)
    with home.stopped():
        there = home.check_empty()
        tool.check_version()
        if there:
            tool.check_whole()
        with home.staging() as made:
            bulk = Bulk(home, tool, made, namespace)
            try:
                yield bulk
            finally:
                bulk.store.close()
