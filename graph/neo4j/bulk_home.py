"""The home of a Neo4j server that is stopped: where its data lies, whether a database in it is empty, and putting a
whole database in the place of an empty one.

While a server runs it holds `store_lock`; held here, no server starts. A database is put in place by renaming: a
process that is killed in the middle leaves a note, by which the next one puts back what was there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graph.errors import StoreProblem

CONF_VARIABLE: Final = "NEO4J_CONF"
"""Names the folder of neo4j.conf, as for Neo4j's own commands; else it is `conf` in the home."""
_STAGING: Final = "ringfence-import-"
_NOTE: Final = "being put in place"
_NAME: Final = re.compile(r"[a-z][a-z0-9.-]{2,62}")
_OWN_INDEXES: Final = {"token-lookup-1.0"}
"""Indexes that every database has."""


@dataclass(frozen=True)
class Staging:
    """Two new folders, one beside the databases and one beside their transaction logs, so that what is made in them can
    be renamed into place. `work` is for whatever else there is to keep meanwhile."""

    folder: Path
    logs: Path

    @property
    def data(self) -> Path:
        """What an import takes for the server's data folder."""
        return self.folder / "data"

    @property
    def work(self) -> Path:
        """For other files."""
        return self.folder / "work"


@dataclass(frozen=True)
class Home:
    """`folder` is the server's home, `database` the name of one database in it, `databases` and `transactions` are the
    folders that hold all databases and their logs, `settings` is what neo4j.conf says."""

    folder: Path
    database: str
    databases: Path
    transactions: Path
    settings: Mapping[str, str]

    @staticmethod
    def of(folder: Path, database: str, env: Mapping[str, str]) -> Home:
        """The home in `folder`, as its neo4j.conf describes it. Raises `StoreProblem`."""
        if not folder.is_dir():
            raise StoreProblem("there is no such folder", where=str(folder), do="name the server's home")
        name = database.lower()
        if not _NAME.fullmatch(name) or name == "system":
            raise StoreProblem(f"{database} can't be filled: it is no name of a database of one's own", where="--store")
        folder = folder.resolve()
        settings = _settings(Path(env.get(CONF_VARIABLE) or folder / "conf") / "neo4j.conf")
        data = _folder(settings, "server.directories.data", folder, "data")
        logs = _folder(settings, "server.directories.transaction.logs.root", folder, str(data / "transactions"))
        return Home(folder, name, data / "databases", logs, settings)

    @property
    def place(self) -> Path:
        """Where the database lies."""
        return self.databases / self.database

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Keep any server from starting. Raises `StoreProblem` where one runs, or where another user owns the data."""
        nearest = next(path for path in (self.databases, *self.databases.parents) if path.exists())
        if nearest.stat().st_uid != os.geteuid():
            raise StoreProblem(
                "the server's data belongs to another user",
                where=str(nearest),
                do="run this as the user that the server runs as",
            )
        with contextlib.ExitStack() as held:
            try:
                for folder in (self.databases, self.transactions):
                    folder.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context((self.databases / "store_lock").open("ab"))
            except OSError as error:
                raise StoreProblem(
                    f"the server's data can't be written ({error.strerror})", where=str(self.databases)
                ) from None
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreProblem(
                    "a server runs on this home, or another import does",
                    where=str(self.folder),
                    do="stop it, or load without --bulk",
                ) from None
            self._sweep()
            yield

    def check_empty(self) -> bool:
        """Raise `StoreProblem` unless the database holds nothing, as far as its files tell; whether there are any."""
        if not self.place.exists():
            if (self.transactions / self.database).exists():
                raise self._full("transaction logs without their database")
            return False
        nodes = self.place / "neostore.nodestore.db"
        if not nodes.exists():
            raise StoreProblem(
                "the database is of a store format that is not known here", where=str(self.place), do=_ONLINE
            )
        if nodes.stat().st_size or (self.place / "neostore.relationshipstore.db").stat().st_size:
            raise self._full("nodes, or room that nodes have left")
        indexes = self.place / "schema" / "index"
        if indexes.exists() and {one.name for one in indexes.iterdir()} - _OWN_INDEXES:
            raise self._full("constraints or indexes")
        return True

    def _full(self, what: str) -> StoreProblem:
        return StoreProblem(
            f"the database {self.database} is not empty: it holds {what}",
            where=str(self.databases),
            do=f"load without --bulk, or remove {self.place} and {self.transactions / self.database} first",
        )

    # -- putting a database in place -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def staging(self) -> Iterator[Staging]:
        """Folders to make a database in, removed at the end."""
        parent = self.databases.parent
        try:
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
        except OSError as error:
            raise StoreProblem(f"no folder can be made there ({error.strerror})", where=str(parent)) from None
        made = Staging(folder, self.transactions / folder.name)
        try:
            made.logs.mkdir(mode=0o700)
            made.work.mkdir()
            yield made
        finally:
            self._remove(made)

    def put(self, made: Staging) -> None:
        """Put the database that was made in `staging` in place of the one there, wholly or not at all."""
        moves = self._moves(made)
        note = made.folder / _NOTE
        _write(note, json.dumps([place.exists() for place, _, _ in moves]))
        try:
            for place, old, _ in moves:
                if place.exists():
                    place.rename(old)
            for place, _, new in moves:
                new.rename(place)
        except OSError as error:
            self._put_back(made)
            raise StoreProblem(
                f"the database can't be put in place ({error.strerror})", where=str(self.databases)
            ) from None
        for place, _, _ in moves:
            _settle(place.parent)
        note.unlink()

    def _moves(self, made: Staging) -> tuple[tuple[Path, Path, Path], ...]:
        """Of the database and of its logs: their place, where the old ones go, where the new ones come from."""
        return (
            (self.place, made.folder / "old", made.data / "databases" / self.database),
            (self.transactions / self.database, made.logs / "old", made.logs / self.database),
        )

    def _put_back(self, made: Staging) -> None:
        """Undo a `put` that was left in the middle."""
        there = json.loads((made.folder / _NOTE).read_text("utf-8") or "[]")
        # a note that is not whole was being written: nothing had been moved
        for had, (place, old, new) in zip(there, self._moves(made), strict=False):
            if old.exists():
                shutil.rmtree(place, ignore_errors=True)
                old.rename(place)
            elif not had and not new.exists():
                shutil.rmtree(place, ignore_errors=True)
        (made.folder / _NOTE).unlink()

    def _sweep(self) -> None:
        """Take away what processes that were killed have left."""
        for folder in self.databases.parent.glob(f"{_STAGING}*"):
            made = Staging(folder, self.transactions / folder.name)
            if (folder / _NOTE).exists():
                self._put_back(made)
            self._remove(made)

    def _remove(self, made: Staging) -> None:
        # the logs first: the sweep finds them by the other folder's name
        shutil.rmtree(made.logs, ignore_errors=True)
        shutil.rmtree(made.folder, ignore_errors=True)


_ONLINE: Final = "load without --bulk"


def _settings(file: Path) -> dict[str, str]:
    """What neo4j.conf says, without the settings that a command works out; nothing where there is no such file."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StoreProblem(f"neo4j.conf can't be read ({type(error).__name__})", where=str(file)) from None
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _folder(settings: Mapping[str, str], name: str, home: Path, default: str) -> Path:
    value = settings.get(name, default)
    if "$(" in value:
        raise StoreProblem(f"{name} is worked out by a command", where="neo4j.conf", do=_ONLINE)
    return home / value


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as to:
        to.write(text)
        to.flush()
        os.fsync(to.fileno())
    _settle(file.parent)


def _settle(folder: Path) -> None:
    """Have the disk hold what was renamed in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
