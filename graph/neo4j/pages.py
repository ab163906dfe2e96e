"""Many rows of one table, read page by page along the index of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import arrow_schema, stored_schema
from graph.neo4j.connection import Connection
from graph.neo4j.model import (
    by_id,
    joined_keys,
    key_of,
    label_of,
    received,
    received_keys,
    returned,
    type_of,
    visible,
)
from graph.schema import ID_SEPARATOR, Kind, Table, Type

PAGE: Final = 20_000
"""Rows that one read statement collects."""
READ_WHOLE: Final = 6
"""From so many properties on all those of a row are read."""

Read = tuple[int, str, list[Any]]
"""How many rows there are in a page, the last id, and the columns as the server collected them."""


def scan(
    connection: Connection,
    ns: str,
    table: Table,
    columns: Sequence[str],
    known_by: int,
    batch: int,
    begins: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """All rows visible at load `known_by`, sorted by id; where `begins` are given, those whose id begins with one."""
    condition = f"n.{table.id} < $end AND {visible()}" if begins else visible()
    pages = _Pages(connection, table, columns, stored_schema(table), "n.ns = $ns", condition)
    for begin in sorted(begins) or ("",):
        yield from pages.read(min(batch, PAGE), begin, ns=ns, known_by=known_by, end=f"{begin}\U0010ffff")


def run_rows(connection: Connection, ns: str, run_id: str, table: Table, columns: Sequence[str]) -> pa.Table:
    """All rows of a run, sorted by id."""
    schema = arrow_schema(table)
    names = list(columns) or list(table.names)
    pages = _Pages(connection, table, names, schema, "n.ns = $ns AND n.run_id = $run_id", "true")
    found = list(pages.read(PAGE, "", ns=ns, run_id=run_id))
    return pa.Table.from_batches(found, schema=pa.schema([schema.field(name) for name in names]))


@dataclass(frozen=True)
class _Part:
    """What is collected of the rows in one list, the columns that it tells, and how they are made of it."""

    collected: str
    names: tuple[str, ...]
    received: Callable[[list[Any]], Sequence[pa.Array[Any]]]


def _parts(table: Table, columns: Sequence[str], schema: pa.Schema) -> Iterator[_Part]:
    """What to ask for. Values cost about the same whatever they are: keys are asked for together, and what an id is
    made of as that id, which the index tells."""
    made = (table.id, *table.id_of) if table.id_of and set(table.id_of) <= set(columns) else ()
    if made:
        yield _Part(returned(table.id, Type.TEXT), made, partial(_taken_apart, count=len(table.id_of)))
    keys = tuple(name for name in columns if type_of(table, name) is Type.KEY)
    if len(keys) > 1:
        yield _Part(joined_keys(keys), keys, partial(received_keys, count=len(keys)))
    for name in columns:
        if name not in made and not (len(keys) > 1 and name in keys):
            kind, type_ = type_of(table, name), schema.field(name).type
            yield _Part(returned(name, kind), (name,), partial(_alone, kind=kind, type_=type_))


def _alone(values: list[Any], *, kind: Type, type_: pa.DataType) -> Sequence[pa.Array[Any]]:
    return [received(values, kind, type_)]


def _taken_apart(values: list[Any], *, count: int) -> Sequence[pa.Array[Any]]:
    """Ids and the columns that they are made of."""
    ids = pa.array(values, pa.string())
    split = pc.split_pattern(ids, ID_SEPARATOR)
    return [ids, *(pc.list_element(split, at) for at in range(count))]


class _Pages:
    """Reads rows along the index of ids, by one statement for all pages: each begins behind the last id of the one
    before. `start` is the condition on what comes before the id in the index."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        schema: pa.Schema,
        start: str,
        condition: str,
    ) -> None:
        self._connection = connection
        self._schema = pa.schema([schema.field(name) for name in columns])
        self._parts = list(_parts(table, columns, schema))
        order = ", ".join(f"n.{name}" for name in key_of(table)[: 3 if table.kind is Kind.RUN else 2])
        # the index ends in `since`, and is used only by who names it
        since = " AND n.since >= 0" if table.kind is Kind.SOURCE else ""
        # a property is found by going through those before it: many are read all at once in half the time
        whole = " WITH properties(n) AS n" if len(columns) >= READ_WHOLE else ""
        collected = ", ".join(part.collected for part in self._parts)
        self._query = (
            f"MATCH (n:{label_of(table)}) {by_id(table)} WHERE {start} AND n.{table.id} >= $after{since} "
            f"AND {condition} WITH n ORDER BY {order} LIMIT $size{whole} "
            f"RETURN count(*), max(n.{table.id}), {collected}"
        )

    def read(self, size: int, begin: str, **parameters: Any) -> Iterator[pa.RecordBatch]:
        """Pages of `size` rows, in order, from id `begin` on, the last with fewer; no empty ones. The next is on its
        way while one is looked at."""

        def ask(after: str) -> Future[Read]:
            asked = partial(_read, query=self._query, size=size, after=after, **parameters)
            return reader.submit(self._connection.read, asked)

        with ThreadPoolExecutor(1, "neo4j-pages") as reader:
            coming: Future[Read] | None = ask(begin)
            while coming is not None:
                count, last, values = coming.result()
                # the smallest text that comes behind the last id
                coming = ask(f"{last}\0") if count == size else None
                if count:
                    yield self._batch(values)

    def _batch(self, values: list[Any]) -> pa.RecordBatch:
        found: dict[str, pa.Array[Any]] = {}
        for part, collected in zip(self._parts, values, strict=True):
            found |= zip(part.names, part.received(collected), strict=True)
        return pa.RecordBatch.from_arrays([found[name] for name in self._schema.names], schema=self._schema)


def _read(tx: Any, query: str, **parameters: Any) -> Read:
    count, last, *values = tx.run(query, **parameters).single().values()
    return count, last, values
