"""Files that were loaded before, and since which nothing has changed: they need not be read again.

The report of a load keeps, for each file of which every row was taken up, a digest of its bytes. The same bytes again
change nothing, as long as no later load changed the file's table (nor, where amounts rest on orders, any order), and
the same code reads them by the same mapping. A file with rows in quarantine, with refunds that wait for their order or
with pictures of its own is read again each time. Who was forgotten is not brought back by a file loaded before.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from graph.store import LoadRecord
from loaders.contract import Contract
from loaders.intake import SELECT, Feed, Intake
from loaders.report import Content, LoadReport, TableCount
from loaders.writing import Writer


class Files:
    """The files of one intake: what their bytes are, and which load took them up.

    `mapping` is the mapping file they are read by. Digests are computed beside other work; `close` ends it."""

    def __init__(self, intake: Intake, mapping: Path | None) -> None:
        self._feeds = [feed for feed in intake.feeds if not feed.file.name.startswith(SELECT)]
        self._ground = _ground(mapping)
        self._pool = ThreadPoolExecutor(1, "load-digest")
        self._stats = {feed.file.name: _stat(feed.file.path) for feed in self._feeds}
        self._digests = {feed.file.name: self._pool.submit(_digest, feed.file.path) for feed in self._feeds}

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _key(self, feed: Feed) -> str:
        """What the same rows come from: the table, how it is read, and the bytes."""
        return f"{feed.contract.name} {self._ground} {self._digests[feed.file.name].result()}"

    def met(self, loads: Sequence[LoadRecord]) -> dict[str, Content]:
        """By name: files whose bytes an earlier load read whole, so that they need no check."""
        earlier: dict[str, Content] = {}
        for _, report in _reports(loads):
            for content in report.contents.values():
                earlier.setdefault(content.key, content)
        if not earlier:
            return {}
        found = {feed.file.name: earlier.get(self._key(feed)) for feed in self._feeds}
        return {name: content for name, content in found.items() if content is not None}

    def same(self, met: Mapping[str, Content], loads: Sequence[LoadRecord]) -> dict[str, int]:
        """By name: files that would change nothing, with the load that took them up."""
        newest: dict[str, int] = {}
        changed: dict[str, int] = {}
        for load, report in _reports(loads):
            for content in report.contents.values():
                newest.setdefault(content.key, load)
            for name, count in report.tables.items():
                if report.rescaled or count.new or count.changed or count.quarantined:
                    changed.setdefault(name, load)

        def holds(contract: Contract, load: int) -> bool:
            tables = (contract.name, "orders") if contract.amount_of else (contract.name,)
            return all(changed.get(name, 0) <= load for name in tables)

        tables = {feed.file.name: feed.contract for feed in self._feeds}
        found = {
            name: newest[content.key]
            for name, content in met.items()
            if content.key in newest and holds(tables[name], newest[content.key])
        }
        # orders that are read now may change the currency of what rests on them
        if any(contract.name == "orders" and name not in found for name, contract in tables.items()):
            found = {name: load for name, load in found.items() if not tables[name].amount_of}
        return found

    def contents(
        self, intake: Intake, writer: Writer, met: Mapping[str, Content], same: Mapping[str, int], *, pictured: bool
    ) -> dict[str, Content]:
        """What the report keeps: of each file of which every row was taken up, or had been before. `pictured` says
        that refunds brought files of pictures, which may change while the table does not."""
        kept = {}
        for number, feed in enumerate(intake.feeds):
            name, table = feed.file.name, feed.contract.name
            count = writer.counts.get(table, TableCount())
            lost = count.quarantined or sum(intake.left_out.get(table, {}).values())
            open_ = table == "refunds" and (writer.waiting or pictured)
            if name in same:
                kept[name] = met[name]
            elif name in self._stats and not lost and not open_ and _stat(feed.file.path) == self._stats[name]:
                unknown = list(intake.unknown.get(name, ()))
                kept[name] = Content(self._key(feed), intake.rows[name], unknown, writer.unreadable([number]))
        return kept


def _reports(loads: Iterable[LoadRecord]) -> list[tuple[int, LoadReport]]:
    """Reports of finished loads, newest first, down to one of a version that told other things: of that load it can't
    be known what it changed."""
    found = []
    for record in sorted(loads, key=lambda record: -record.load):
        if record.state == "finished":
            try:
                found.append((record.load, LoadReport.from_json(record.report)))
            except (KeyError, TypeError, ValueError):
                break
    return found


def _ground(mapping: Path | None) -> str:
    """What else decides what is read from a file: the code and the mapping."""
    given = hashlib.sha256(_code().encode())
    if mapping is not None:
        given.update(mapping.read_bytes())
    return given.hexdigest()[:16]


@functools.cache
def _code() -> str:
    """A digest of the code that reads: another version may read the same bytes in another way."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in (".py", ".tsv"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stat(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
