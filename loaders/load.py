"""Loads a folder: files, through the checks and the pseudonymising door, into the store, under one load number.

All files are checked whole before anything is written; one refused file refuses the load. Rows then arrive in short
transactions and become visible together when the load finishes. A load that fails, or is interrupted or killed,
stays invisible, and the next one sweeps what it left.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from graph.columns import QUARANTINE
from graph.errors import BadInput, LeaseHeld
from graph.leases import held
from graph.schema import BY_NAME
from graph.store import Lease, Store
from graph.upsert import CONFLICT_RULE, Seen, plan
from loaders.checks import SHOWN_CHARS, Checked, Setting, check
from loaders.contract import CONTRACTS, Contract
from loaders.decimals import OrderCurrencies, Waiting
from loaders.intake import Feed, Intake
from loaders.keying import Keyer
from loaders.mapping import Mapping as MappingFile
from loaders.mapping import read_mapping
from loaders.normalise.masks import mask
from loaders.pictures import Pictures
from loaders.progress import Progress, Silent
from loaders.pseudonyms import Asked, Pseudonyms
from loaders.readers import Readers
from loaders.reading import BATCH_ROWS
from loaders.report import LoadReport, TableCount
from loaders.shaping import SEPARATOR, digest_ids, item_ids, with_digest

LEASE = "load"
LOOK_AHEAD = 2
"""Batches that are checked while the identifiers of earlier ones are being read."""
MOST_HELPERS = 4
HELPED_FROM = 50_000
"""Rows of orders and uses from which on readers are started."""
QUARANTINED = "kept out; correct the source and load it again, or run `ringfence quarantine retry`"


@dataclass(frozen=True)
class Only:
    """Restricts a load to what a retry asks for: per file its lines (None: all of them). Rows whose id got a version
    after load `since` are left as they are, unless their `updated_at` says that they are newer."""

    lines: Mapping[str, frozenset[int] | None]
    since: int


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
) -> LoadReport:
    """Load every table of `folder` and return what was done.

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
    intake.check(lambda _name, rows: told.advance(rows))
    store.claim_key(keyer.fingerprint())
    with held(store, LEASE, holder, wait=wait, on_wait=on_wait) as lease:
        load = store.begin_load(lease, source=str(folder), at=now)
        running = _Running(store, keyer, intake, lease, load, now, told, only)
        report = running.run(str(mapping.resolve()) if mapping else "")
        store.finish_load(lease, load, report=report.to_json(), at=now)
    return report


@dataclass(frozen=True)
class _Prepared:
    """A checked batch whose identifiers are being read: its feed and that feed's number, rows read, rows that hold, and
    refunds among them whose order is not known."""

    feed: Feed
    number: int
    read: int
    checked: Checked
    asked: list[Asked]
    waiting: int


def _helpers(intake: Intake) -> int:
    """How many processes read identifiers: none where a load is too small to pay for starting them."""
    rows = sum(intake.rows.get(f.file.name, 0) for f in intake.feeds if f.contract.name in ("orders", "uses"))
    return min((os.cpu_count() or 1) - 1, MOST_HELPERS) if rows >= HELPED_FROM else 0


@dataclass
class _Running:
    """One load while it runs."""

    store: Store
    keyer: Keyer
    intake: Intake
    lease: Lease
    load: int
    now: int
    progress: Progress
    only: Only | None
    counts: dict[str, TableCount] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Seen] = field(default_factory=dict)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.intake.folder)
        self.currencies = OrderCurrencies(self.store)
        self.waiters = Waiting(self.store)
        self._known = pl.Series("known", [], pl.Boolean)

    def run(self, mapping: str) -> LoadReport:
        """All feeds in order; returns the report."""
        readers = Readers(_helpers(self.intake))
        self.pseudonyms = Pseudonyms(self.keyer, readers)
        try:
            ahead: deque[_Prepared] = deque()
            for number, feed in enumerate(self.intake.feeds):
                self.progress.phase(feed.file.name, self.intake.rows.get(feed.file.name))
                for batch in self.intake.batches(feed):
                    # amounts of these tables need the orders that came before
                    while ahead and (len(ahead) > LOOK_AHEAD or feed.contract.amount_of):
                        self._finish(ahead.popleft())
                    ahead.append(self._prepare(feed, number, self._asked(feed, batch)))
                    self.progress.advance(batch.height)
            while ahead:
                self._finish(ahead.popleft())
        finally:
            readers.close()
        rescaled = self.waiters.settle(self.lease, self.load)
        for name, reasons in self.intake.left_out.items():
            count = self.counts.setdefault(name, TableCount())
            count.left_out += sum(reasons.values())
            count.read += sum(reasons.values())
        brought = {feed.contract.name for feed in self.intake.feeds}
        return LoadReport(
            load=self.load,
            folder=str(self.intake.folder.resolve()),
            mapping=mapping,
            files=[feed.file.name for feed in self.intake.feeds],
            tables={c.name: self.counts.get(c.name, TableCount()) for c in CONTRACTS if c.name in brought},
            unknown={name: list(columns) for name, columns in sorted(self.intake.unknown.items())},
            absent=[] if self.only else [c.name for c in CONTRACTS if c.name not in brought],
            ignored=[] if self.only else self.intake.ignored,
            left_out={name: dict(reasons) for name, reasons in self.intake.left_out.items() if reasons},
            sources={
                name: {"read": s.read, "left_out": dict(s.left_out), "kept": s.read - sum(s.left_out.values())}
                for name, s in self.intake.sources.items()
            },
            unreadable=dict(sorted(self.unreadable.items())),
            waiting=self.waiting,
            rescaled=rescaled,
        )

    def _asked(self, feed: Feed, batch: pl.DataFrame) -> pl.DataFrame:
        """The rows of a batch that a retry asks for; all of them in a plain load."""
        lines = self.only.lines[feed.file.name] if self.only else None
        return batch if lines is None else batch.filter(pl.col("line").is_in(sorted(lines)))

    def _prepare(self, feed: Feed, number: int, batch: pl.DataFrame) -> _Prepared:
        """Check a batch, and begin to read its identifiers."""
        contract = feed.contract
        checked = check(batch, contract, self._setting(feed))
        waiting = 0
        if contract.name == "refunds":
            alone = batch.select("line").filter(~self._known)
            waiting = checked.rows.join(alone, on="line", how="semi").height
        asked = self.pseudonyms.ask(contract, checked.rows)
        return _Prepared(feed, number, batch.height, checked, asked, waiting)

    def _finish(self, batch: _Prepared) -> None:
        """Key, shape and write a checked batch."""
        contract, checked = batch.feed.contract, batch.checked
        count = self.counts.setdefault(contract.name, TableCount())
        count.read += batch.read
        count.quarantined += checked.broken_rows
        self.waiting += batch.waiting
        name = pl.lit(batch.feed.file.name).alias("file")
        self._quarantine(contract, checked.broken.with_columns(name))
        if not checked.rows.height:
            return
        keyed = self.pseudonyms.of(contract, checked.rows, batch.asked)
        for column, values in keyed.unreadable.items():
            self.unreadable[f"{contract.name}.{column}"] += values
        count.quarantined += keyed.broken.height
        self._quarantine(contract, keyed.broken.with_columns(name))
        if keyed.identifiers.height:
            self.store.write(self.lease, self.load, "identifiers", keyed.identifiers.to_arrow())
        number = pl.lit(batch.number, pl.Int32).alias("file")
        self._write(contract, _shaped(contract, keyed.rows).with_columns(number))

    def _setting(self, feed: Feed) -> Setting:
        mapped = feed.mapped
        return Setting(
            now=self.now,
            exponents=self._exponents,
            pictures=self.pictures.parse,
            mask=mask,
            zone=mapped.timezone if mapped else "",
            form=mapped.time_format if mapped else "",
            minor=bool(mapped and mapped.amount_unit == "minor"),
        )

    def _exponents(self, order_ids: pl.Series) -> pl.Series:
        found = self.currencies.lookup(order_ids)
        self._known = found["known"]
        return found["exponent"]

    def _write(self, contract: Contract, rows: pl.DataFrame) -> None:
        """Classify a shaped batch against what is known, write what changes, record what conflicts."""
        table = BY_NAME[contract.stored]
        count = self.counts[contract.name]
        current = pl.from_arrow(self.store.current(table.name, rows[table.id].to_list(), load=self.load))
        assert isinstance(current, pl.DataFrame)
        if self.only:
            later = current.filter((pl.col("since") > self.only.since) & (pl.col("since") != self.load))["id"]
            stays = pl.col(table.id).is_in(later.implode()) & pl.col("updated_at").is_null()
            count.unchanged += rows.filter(stays).height
            rows = rows.filter(~stays)
        seen = self.seen.setdefault(table.name, Seen())
        planned = plan(rows, current, self.load, id_column=table.id, seen=seen)
        count.new += planned.counts.new
        count.changed += planned.counts.changed
        count.unchanged += planned.counts.unchanged
        count.quarantined += planned.counts.quarantined
        if planned.rows.height or planned.conflicts:
            self.store.write(self.lease, self.load, table.name, planned.rows.to_arrow(), conflicts=planned.conflicts)
        if planned.quarantine.height:
            names = dict(enumerate(feed.file.name for feed in self.intake.feeds))
            entries = planned.quarantine.select(
                pl.col("file").replace_strict(names, return_dtype=pl.String),
                "line",
                pl.lit(table.id).alias("column"),
                pl.col("id").str.replace_all(SEPARATOR, " / ", literal=True).str.slice(0, SHOWN_CHARS).alias("value"),
                pl.lit(CONFLICT_RULE).alias("rule"),
            )
            self._quarantine(contract, entries)
        if contract.name == "orders":
            self.currencies.learn(rows)
            self.waiters.arrived(rows)

    def _quarantine(self, contract: Contract, entries: pl.DataFrame) -> None:
        """Record broken values: file, line, column, value, rule."""
        if entries.height:
            rows = entries.with_columns(pl.lit(contract.name).alias("table"), pl.lit(QUARANTINED).alias("action"))
            self.store.quarantine(self.lease, self.load, rows.select(QUARANTINE.names).to_arrow())


def _shaped(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """Contract rows in the store's columns, with ids and digest."""
    table = BY_NAME[contract.stored]
    rows = rows.rename({f.name: f.target for f in contract.fields if f.target != f.name})
    if table.name == "order_items":
        rows = item_ids(rows)
    elif table.id not in contract.names:
        rows = digest_ids(rows, table.id, table)
    return with_digest(rows.select(*table.names, "updated_at", "line"), table)
