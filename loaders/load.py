"""Loads a folder: files, through the checks and the pseudonymising door, into the store, under one load number.

All files are checked whole before anything is written; one refused file refuses the load. Rows then arrive in short
transactions and become visible together when the load finishes. A load that fails, or is interrupted or killed,
stays invisible, and the next one sweeps what it left.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Container, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from graph.errors import BadInput, LeaseHeld
from graph.leases import held
from graph.store import Store
from loaders.checks import Checked, Setting, check
from loaders.contract import CONTRACTS
from loaders.intake import Feed, Intake
from loaders.keying import Keyer
from loaders.known import Files
from loaders.mapping import Mapping as MappingFile
from loaders.mapping import read_mapping
from loaders.normalise.masks import mask
from loaders.pictures import Pictures
from loaders.progress import Progress, Silent
from loaders.pseudonyms import Asked, Pseudonyms
from loaders.readers import Readers
from loaders.reading import BATCH_ROWS
from loaders.report import Content, LoadReport, TableCount
from loaders.shaping import shaped
from loaders.writing import Batch, Only, Writer

__all__ = ["LEASE", "Only", "load_folder"]

LEASE = "load"
LOOK_AHEAD = 2
"""Batches that are checked while the identifiers of earlier ones are being read."""
MOST_HELPERS = 4
HELPED_FROM = 8 << 20
"""Bytes of orders and uses from which on readers are started."""


def load_folder(
    store: Store,
    keyer: Keyer,
    folder: Path,
    *,
    mapping: Path | None = None,
    now: int,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
    holder: str = "load",
    wait: float = 0.0,
    on_wait: Callable[[LeaseHeld], None] = lambda _held: None,
    only: Only | None = None,
    reread: bool = False,
) -> LoadReport:
    """Load every table of `folder` and return what was done. Files that are known to change nothing are not read again
    (`loaders.known`), unless `reread` asks for it.

    `now` is the moment of loading in UTC microseconds: rows dated after it are quarantined. `mapping` is a mapping
    file. `holder` names who holds the load lease; another holder is waited for `wait` seconds.

    Raises `BadInput` where a file or the mapping is refused (nothing is written then), `KeyProblem` where the store
    was made with another key, `LeaseHeld` and `LeaseLost`, `StoreProblem`."""
    told = progress or Silent()
    intake = Intake(folder, read_mapping(mapping) if mapping else MappingFile(), batch_rows)
    if only is not None:
        gone = sorted(only.lines.keys() - {feed.file.name for feed in intake.feeds})
        if gone:
            raise BadInput(f"{', '.join(gone)} is no longer there", where=str(folder), do="put it back, or load anew")
        intake.feeds = [feed for feed in intake.feeds if feed.file.name in only.lines]
    elif store.head().load == 0 and not {"orders", "uses"} & {feed.contract.name for feed in intake.feeds}:
        raise BadInput("a first load needs `orders` or `uses`", where=str(folder), do="add one of them and load again")
    told.phase("check files", None)
    with contextlib.closing(Files(intake, mapping)) as files, contextlib.ExitStack() as stack:
        met = {} if only or reread else files.met(store.loads())
        # readers get ready while files are checked
        readers = stack.enter_context(contextlib.closing(Readers(_helpers(intake, met))))
        intake.check(lambda _name, rows: told.advance(rows), known=met)
        store.claim_key(keyer.fingerprint())
        with held(store, LEASE, holder, wait=wait, on_wait=on_wait) as lease:
            same = files.same(met, store.loads()) if met else {}
            load = store.begin_load(lease, source=str(folder), at=now)
            writer = Writer(store, lease, load, [feed.file.name for feed in intake.feeds], only)
            running = _Running(intake, keyer, readers, writer, now, told)
            try:
                running.run(only, {name: met[name] for name in same})
            finally:
                running.close()
            report = _report(intake, writer, load, mapping, only)
            report.same = same
            if only is None:
                report.contents = files.contents(intake, writer, met, same, pictured=running.pictured)
            store.finish_load(lease, load, report=report.to_json(), at=now)
    return report


@dataclass(frozen=True)
class _Prepared:
    """A checked batch whose identifiers are being read: its feed and that feed's number, rows read, rows that hold,
    and refunds among them whose order is not known."""

    feed: Feed
    number: int
    read: int
    checked: Checked
    asked: list[Asked]
    waiting: int


class _Running:
    """One load while it runs: reads and checks here, keys on a thread of its own, and hands over to the writer."""

    def __init__(
        self, intake: Intake, keyer: Keyer, readers: Readers, writer: Writer, now: int, progress: Progress
    ) -> None:
        self._intake, self._writer, self._now, self._progress = intake, writer, now, progress
        self._pseudonyms = Pseudonyms(keyer, readers)
        self._pictures = Pictures(intake.folder)
        self._thread = ThreadPoolExecutor(1, "load-keyer")
        self._keying: deque[Future[None]] = deque()
        self._known = pl.Series("known", [], pl.Boolean)

    def close(self) -> None:
        """End the thread that keys, and the writer."""
        self._thread.shutdown(cancel_futures=True)
        self._writer.close()

    @property
    def pictured(self) -> bool:
        """Whether a claim named a picture file."""
        return self._pictures.met

    def run(self, only: Only | None, same: Mapping[str, Content]) -> None:
        """Load all feeds in order, but for those that are known to change nothing."""
        for number, feed in enumerate(self._intake.feeds):
            self._progress.phase(feed.file.name, self._intake.rows.get(feed.file.name))
            if feed.file.name in same:
                known = same[feed.file.name]
                self._writer.same(feed.contract, number, known.rows, known.unreadable)
                continue
            drained = not feed.contract.amount_of
            lines = only.lines[feed.file.name] if only else None
            for batch in self._intake.batches(feed):
                if not drained:
                    # amounts of this table need the orders that came before
                    self._drain()
                    drained = True
                while len(self._keying) > LOOK_AHEAD:
                    self._keying.popleft().result()
                wanted = batch if lines is None else batch.filter(pl.col("line").is_in(sorted(lines)))
                self._keying.append(self._thread.submit(self._key, self._prepare(feed, number, wanted)))
                self._progress.advance(batch.height)
        self._drain()

    def _drain(self) -> None:
        """Return when every batch so far is written."""
        while self._keying:
            self._keying.popleft().result()
        self._writer.drain()

    def _prepare(self, feed: Feed, number: int, batch: pl.DataFrame) -> _Prepared:
        """Check a batch, and begin to read its identifiers."""
        contract, mapped = feed.contract, feed.mapped
        setting = Setting(
            now=self._now,
            exponents=self._exponents,
            pictures=self._pictures.parse,
            mask=mask,
            zone=mapped.timezone if mapped else "",
            form=mapped.time_format if mapped else "",
            minor=bool(mapped and mapped.amount_unit == "minor"),
        )
        checked = check(batch, contract, setting)
        waiting = 0
        if contract.name == "refunds":
            alone = batch.select("line").filter(~self._known)
            waiting = checked.rows.join(alone, on="line", how="semi").height
        return _Prepared(feed, number, batch.height, checked, self._pseudonyms.ask(contract, checked.rows), waiting)

    def _exponents(self, order_ids: pl.Series) -> pl.Series:
        found = self._writer.currencies.lookup(order_ids)
        self._known = found["known"]
        return found["exponent"]

    def _key(self, batch: _Prepared) -> None:
        """Key and shape a prepared batch, and hand it over."""
        contract, checked = batch.feed.contract, batch.checked
        keyed = self._pseudonyms.of(contract, checked.rows, batch.asked) if checked.rows.height else None
        rows = shaped(contract, keyed.rows) if keyed else None
        broken = (checked.broken_rows, checked.broken)
        self._writer.put(Batch(contract, batch.number, batch.read, *broken, keyed, rows, batch.waiting))


def _helpers(intake: Intake, known: Container[str]) -> int:
    """How many processes read identifiers: none where a load is too small to pay for starting them."""
    files = {
        feed.file.path
        for feed in intake.feeds
        if feed.contract.name in ("orders", "uses") and feed.file.name not in known
    }
    size = sum(path.stat().st_size for path in files if path.is_file())
    return min((os.cpu_count() or 1) - 1, MOST_HELPERS) if size >= HELPED_FROM else 0


def _report(intake: Intake, writer: Writer, load: int, mapping: Path | None, only: Only | None) -> LoadReport:
    """What was done, once all is written."""
    for name, reasons in intake.left_out.items():
        count = writer.counts.setdefault(name, TableCount())
        count.left_out += sum(reasons.values())
        count.read += sum(reasons.values())
    brought = {feed.contract.name for feed in intake.feeds}
    return LoadReport(
        load=load,
        folder=str(intake.folder.resolve()),
        mapping=str(mapping.resolve()) if mapping else "",
        files=[feed.file.name for feed in intake.feeds],
        tables={c.name: writer.counts.get(c.name, TableCount()) for c in CONTRACTS if c.name in brought},
        unknown={name: list(columns) for name, columns in sorted(intake.unknown.items())},
        absent=[] if only else [c.name for c in CONTRACTS if c.name not in brought],
        ignored=[] if only else intake.ignored,
        left_out={name: dict(reasons) for name, reasons in intake.left_out.items() if reasons},
        sources={
            name: {"read": s.read, "left_out": dict(s.left_out), "kept": s.read - sum(s.left_out.values())}
            for name, s in intake.sources.items()
        },
        unreadable=writer.unreadable(),
        waiting=writer.waiting,
        rescaled=writer.settle(),
    )
