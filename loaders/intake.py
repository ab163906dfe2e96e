"""What a folder brings: finds the files of each table, checks every one of them whole, and gives their rows.

Nothing is stored from here. `Intake.check` reads all files once before the load begins, so that one refused file
refuses the load before anything is written; `Intake.batches` then gives rows in the contract's column names, all
as text. With a mapping, tables come from the files or SELECTs that it names.
"""

from __future__ import annotations

import threading
from collections import Counter, abc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from graph.errors import BadInput
from loaders.contract import BY_NAME, CONTRACTS, Contract
from loaders.mapping import LeaveOut, Mapping, SourceMap, TableMap
from loaders.reading import BATCH_ROWS, EXTENSIONS, InputFile, as_text, frames
from loaders.report import Content

CHECKED_AT_ONCE = 2
Tick = Callable[[str, int], None]
"""Told of a file's name and rows read."""
SELECT = "SELECT of "
"""What the name of a feed begins with that is a SELECT and no file."""


@dataclass(frozen=True)
class Feed:
    """One file, or one SELECT, that brings rows of a table. `mapped` says how, None where it follows the contract."""

    contract: Contract
    file: InputFile
    mapped: TableMap | None = None

    def theirs(self) -> dict[str, str]:
        """Contract column to the file's column, constants left out."""
        columns = self.mapped.columns if self.mapped else {}
        constants = self.mapped.constants if self.mapped else {}
        return {name: columns.get(name, name) for name in self.contract.names if name not in constants}

    def needs(self, names: Sequence[str]) -> list[str]:
        """Which of a file's columns are read: those that stand for the contract's, all where a rule leaves rows out."""
        if self.mapped and self.mapped.leave_out:
            return list(names)
        theirs = set(self.theirs().values())
        return [name for name in names if name in theirs]


@dataclass
class SourceCount:
    """Rows of a named source: read, left out by reason, and so kept."""

    read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass
class Intake:
    """The files of one folder, ready to be checked and read.

    `unknown` maps a file's name to columns kept out; `rows` a feed's name to its row count, once checked; `ignored`
    are files that stand for no table; `left_out` counts rows of a table left out by rule."""

    folder: Path
    mapping: Mapping = field(default_factory=Mapping)
    batch_rows: int = BATCH_ROWS
    feeds: list[Feed] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, SourceCount] = field(default_factory=dict)
    _sql: pl.SQLContext[pl.LazyFrame] | None = None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise BadInput("there is no such folder", where=str(self.folder))
        taken = self._mapped_feeds()
        for contract in CONTRACTS:
            if contract.name not in self.mapping.tables:
                self.feeds += [
                    Feed(contract, file) for file in _standard(self.folder, contract.name) if file.name not in taken
                ]
        order = {contract.name: place for place, contract in enumerate(CONTRACTS)}
        self.feeds.sort(key=lambda feed: (order[feed.contract.name], feed.file.name))
        used = taken | {feed.file.name for feed in self.feeds}
        self.ignored = [name for name in _all_files(self.folder) if name not in used]
        if not self.feeds:
            looked = "`NAME.ext` or `NAME/*.ext` with NAME one of " + ", ".join(BY_NAME)
            raise BadInput(
                "the folder holds no table",
                where=str(self.folder),
                do=f"looked for {looked} and ext one of {', '.join(EXTENSIONS)}; a mapping file can name others",
            )

    def _mapped_feeds(self) -> set[str]:
        """Feeds that the mapping names; returns the names of the files it uses."""
        taken: set[str] = set()
        for name, mapped in self.mapping.tables.items():
            contract = BY_NAME[name]
            if mapped.select:
                self.feeds.append(Feed(contract, InputFile(self.folder, f"{SELECT}{name}"), mapped))
                continue
            files = _glob(self.folder, mapped.file, f"tables.{name}.file")
            self.feeds += [Feed(contract, file, mapped) for file in files]
            taken |= {file.name for file in files}
        for name, source in self.mapping.sources.items():
            if source.file:
                taken |= {file.name for file in _glob(self.folder, source.file, f"sources.{name}.file")}
        return taken

    # -- checking ----------------------------------------------------------------------------------------------

    def check(self, tick: Tick = lambda _name, _rows: None, known: abc.Mapping[str, Content] | None = None) -> None:
        """Read every file once, two at a time, but for those that are `known` by their bytes. Raises one `BadInput`
        that lists every refused file; `tick` hears of rows read, one call at a time."""
        for name, content in (known or {}).items():
            self.rows[name] = content.rows
            if content.unknown:
                self.unknown[name] = tuple(content.unknown)
        sources = [
            file
            for name, source in self.mapping.sources.items()
            if source.file
            for file in _glob(self.folder, source.file, f"sources.{name}.file")
        ]
        files = [
            feed for feed in self.feeds if not (feed.mapped and feed.mapped.select) and feed.file.name not in self.rows
        ]
        selects = [feed for feed in self.feeds if feed.mapped and feed.mapped.select]
        refused = _refusals([partial(_read_through, file) for file in sources], tick)
        if not refused:
            refused = _refusals([lambda _tick: self._open_sources()], tick)
        refused += _refusals([partial(self._check_file, feed) for feed in files], tick)
        if not refused:
            refused = _refusals([partial(self._check_select, feed) for feed in selects], tick)
        if refused:
            raise BadInput("\n".join(refused))

    def _check_file(self, feed: Feed, tick: Tick) -> None:
        seen: tuple[str, ...] = ()

        def wanted(names: Sequence[str]) -> Sequence[str]:
            nonlocal seen
            seen = tuple(names)
            if feed.file.format != "jsonl":
                self._settle(feed, seen)
            # converting one column of a CSV file is enough to find what is wrong with its records
            return names[:1] if feed.file.format == "csv" else feed.needs(names)

        rows = 0
        for frame in frames(feed.file, wanted, batch_rows=self.batch_rows, verify=True):
            rows += frame.height
            tick(feed.file.name, frame.height)
        self._settle(feed, seen)
        self.rows[feed.file.name] = rows

    def _settle(self, feed: Feed, names: tuple[str, ...]) -> None:
        """Refuse a file that lacks a column; note the columns that are kept out."""
        theirs = feed.theirs()
        needed = {theirs[name]: name for name in feed.contract.required if name in theirs}
        if feed.mapped:
            needed |= {their: ours for ours, their in feed.mapped.columns.items()}
        missing = [
            repr(their) if their == ours else f"{their!r} (for {ours})"
            for their, ours in needed.items()
            if their not in names
        ]
        if missing:
            raise feed.file.refuse(f"lacks {', '.join(missing)}, which {feed.contract.name} needs", 0)
        extra = tuple(name for name in names if name not in set(theirs.values()))
        if extra:
            self.unknown[feed.file.name] = extra

    def _check_select(self, feed: Feed, _tick: Tick) -> None:
        self._settle(feed, tuple(self._select(feed).collect_schema().names()))

    # -- reading -----------------------------------------------------------------------------------------------

    def batches(self, feed: Feed) -> Iterator[pl.DataFrame]:
        """The feed's rows: every column of the contract as text (null where absent), and `line` (int64)."""
        mapped = feed.mapped or TableMap(file=feed.file.name)
        theirs = feed.theirs()
        raw = (
            self._select_frames(feed)
            if mapped.select
            else frames(
                feed.file,
                feed.needs,
                batch_rows=self.batch_rows,
            )
        )
        counts = self.left_out.setdefault(feed.contract.name, Counter())
        for frame in raw:
            frame = _without(frame, mapped.leave_out, counts, f"tables.{feed.contract.name}.leave_out")
            if not frame.height:
                continue
            yield frame.select(
                *(_column(name, mapped, theirs, frame.columns) for name in feed.contract.names), pl.col("line")
            )

    def _select_frames(self, feed: Feed) -> Iterator[pl.DataFrame]:
        line = 1
        query = self._select(feed)
        try:
            for frame in query.collect_batches(chunk_size=self.batch_rows, maintain_order=True):
                text = frame.select([as_text(feed.file, values) for values in frame.get_columns()])
                yield text.with_columns(pl.Series("line", range(line, line + frame.height), pl.Int64))
                line += frame.height
        except pl.exceptions.PolarsError as error:
            raise _sql_error(f"tables.{feed.contract.name}.select", error) from None

    def _select(self, feed: Feed) -> pl.LazyFrame:
        assert feed.mapped is not None
        if self._sql is None:
            self._open_sources()
        return self._query(feed.mapped.select, f"tables.{feed.contract.name}.select")

    def _query(self, text: str, where: str) -> pl.LazyFrame:
        assert self._sql is not None
        try:
            return self._sql.execute(text, eager=False)
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise _sql_error(where, error) from None

    def _open_sources(self) -> None:
        """Register the mapping's sources as lazy views, rows left out by rule taken away and counted."""
        self._sql = pl.SQLContext()
        for name, source in self.mapping.sources.items():
            where = f"sources.{name}"
            view = self._scan(name, source) if source.file else self._query(source.select, f"{where}.select")
            rules = [pl.sql_expr(rule.where).fill_null(value=False) for rule in source.leave_out]
            count = SourceCount()
            try:
                hits = view.select(
                    pl.len().alias("rows"), *(rule.alias(str(place)) for place, rule in enumerate(_firsts(rules)))
                )
                row = hits.select(pl.col("rows").first(), pl.exclude("rows").sum()).collect(engine="streaming").row(0)
            except pl.exceptions.PolarsError as error:
                raise _sql_error(where, error) from None
            count.read = int(row[0] or 0)
            for rule, hit in zip(source.leave_out, row[1:], strict=True):
                count.left_out[rule.reason] += int(hit or 0)
            self.sources[name] = count
            self._sql.register(name, view.filter(~pl.any_horizontal(rules)) if rules else view)

    def _scan(self, name: str, source: SourceMap) -> pl.LazyFrame:
        files = _glob(self.folder, source.file, f"sources.{name}.file")
        paths = [file.path for file in files]
        if files[0].format == "parquet":
            return pl.scan_parquet(paths, glob=False)
        if files[0].format == "csv":
            return pl.scan_csv(paths, infer_schema=False, glob=False)
        return pl.scan_ndjson(paths, infer_schema_length=None)


def _column(name: str, mapped: TableMap, theirs: dict[str, str], present: Sequence[str]) -> pl.Expr:
    if name in mapped.constants:
        value = mapped.constants[name]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return pl.lit(text or None, pl.String).alias(name)
    if theirs[name] in present:
        return pl.col(theirs[name]).alias(name)
    return pl.lit(None, pl.String).alias(name)


def _firsts(rules: Sequence[pl.Expr]) -> list[pl.Expr]:
    """Each rule, where no earlier one holds."""
    return [rule if not place else rule & ~pl.any_horizontal(rules[:place]) for place, rule in enumerate(rules)]


def _without(frame: pl.DataFrame, rules: Sequence[LeaveOut], counts: Counter[str], where: str) -> pl.DataFrame:
    """The frame without the rows that a rule leaves out; the first rule that holds counts the row."""
    for rule in rules:
        try:
            hit = frame.select(pl.sql_expr(rule.where).fill_null(value=False).alias("hit"))["hit"]
        except pl.exceptions.PolarsError as error:
            raise _sql_error(where, error) from None
        counts[rule.reason] += int(hit.sum())
        frame = frame.filter(~hit)
    return frame


def _read_through(file: InputFile, tick: Tick) -> None:
    for frame in frames(file, list):
        tick(file.name, frame.height)


def _refusals(work: Sequence[Callable[[Tick], None]], tick: Tick) -> list[str]:
    """What each piece of work refuses, in the order given. An exception of another kind ends them all."""
    lock, ended = threading.Lock(), threading.Event()

    def heard(name: str, rows: int) -> None:
        if ended.is_set():
            raise CancelledError
        with lock:
            tick(name, rows)

    def refusal(piece: Callable[[Tick], None]) -> str:
        try:
            piece(heard)
        except BadInput as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(CHECKED_AT_ONCE, "load-check") as pool:
        try:
            return [said for said in pool.map(refusal, work) if said]
        finally:
            ended.set()


def _sql_error(where: str, error: Exception) -> BadInput:
    """Polars' message where it speaks of the query; where it speaks of values, these may be personal and stay out."""
    spoken = (pl.exceptions.ColumnNotFoundError, pl.exceptions.SQLSyntaxError, pl.exceptions.SQLInterfaceError)
    if isinstance(error, spoken):
        return BadInput(f"the SQL does not hold: {str(error).splitlines()[0][:300]}", where=where)
    what = f"the SQL fails on the data ({type(error).__name__})"
    return BadInput(what, where=where, do="check the types; TRY_CAST gives null where a value does not convert")


def _standard(folder: Path, table: str) -> list[InputFile]:
    """`NAME.ext` and `NAME/*.ext`, in sorted order."""
    found = [folder / (table + ext) for ext in EXTENSIONS if (folder / (table + ext)).is_file()]
    inside = folder / table
    if inside.is_dir():
        found += [path for path in inside.iterdir() if _readable(path)]
    return sorted((InputFile(path, path.relative_to(folder).as_posix()) for path in found), key=lambda file: file.name)


def _readable(path: Path) -> bool:
    return path.is_file() and path.name.endswith(EXTENSIONS) and not path.name.startswith(".")


def _glob(folder: Path, pattern: str, where: str) -> list[InputFile]:
    """Files of a mapping's `file`; `BadInput` where there is none, where one leads outside, or of no known format."""
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise BadInput(f"{pattern!r} leads outside the folder", where=where)
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise BadInput(f"no file is named {pattern!r}", where=f"{where}, folder {folder}")
    other = [path for path in found if not path.name.endswith(EXTENSIONS)]
    if other:
        raise BadInput(f"{other[0].name!r} is of no known format", where=where, do=f"known: {', '.join(EXTENSIONS)}")
    return [InputFile(path, path.relative_to(folder).as_posix()) for path in found]


def _all_files(folder: Path) -> list[str]:
    """Files that look like tables, below the folder and its first-level folders, pictures aside."""
    found = [path for path in folder.iterdir() if path.is_file()]
    for inside in folder.iterdir():
        if inside.is_dir() and inside.name != "evidence":
            found += [path for path in inside.iterdir() if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in found if not path.name.startswith("."))
