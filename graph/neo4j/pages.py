"""Many rows of one table, read page by page along the index of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pyarrow as pa

from graph.columns import arrow_schema, stored_schema
from graph.neo4j.connection import Connection
from graph.neo4j.model import by_id, key_of, label_of, received, returned, type_of, visible
from graph.schema import Kind, Table

PAGE: Final = 20_000
"""Rows that one read statement collects."""
READ_WHOLE: Final = 6
"""From so many properties on all those of a row are read."""

Read = tuple[int, str, list[Any]]
"""How many rows there are in a page, the last id, and the columns as the server collected them."""


def scan(
    connection: Connection, ns: str, table: Table, columns: Sequence[str], known_by: int, batch: int
) -> Iterator[pa.RecordBatch]:
    """All rows visible at load `known_by`, sorted by id."""
    pages = _Pages(connection, table, columns, stored_schema(table), "n.ns = $ns", visible())
    yield from pages.read(min(batch, PAGE), ns=ns, known_by=known_by)


def run_rows(connection: Connection, ns: str, run_id: str, table: Table, columns: Sequence[str]) -> pa.Table:
    """All rows of a run, sorted by id."""
    schema = arrow_schema(table)
    names = list(columns) or list(table.names)
    pages = _Pages(connection, table, names, schema, "n.ns = $ns AND n.run_id = $run_id", "true")
    found = list(pages.read(PAGE, ns=ns, run_id=run_id))
    return pa.Table.from_batches(found, schema=pa.schema([schema.field(name) for name in names]))


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
        self._types = [type_of(table, name) for name in columns]
        order = ", ".join(f"n.{name}" for name in key_of(table)[: 3 if table.kind is Kind.RUN else 2])
        # the index ends in `since`, and is used only by who names it
        since = " AND n.since >= 0" if table.kind is Kind.SOURCE else ""
        # a property is found by going through those before it: many are read all at once in half the time
        whole = " WITH properties(n) AS n" if len(columns) >= READ_WHOLE else ""
        collected = ", ".join(map(returned, columns, self._types))
        self._query = (
            f"MATCH (n:{label_of(table)}) {by_id(table)} WHERE {start} AND n.{table.id} >= $after{since} "
            f"AND {condition} WITH n ORDER BY {order} LIMIT $size{whole} "
            f"RETURN count(*), max(n.{table.id}), {collected}"
        )

    def read(self, size: int, **parameters: Any) -> Iterator[pa.RecordBatch]:
        """Pages of `size` rows, in order, the last with fewer; no empty ones. The next is on its way while one is
        looked at."""

        def begin(after: str) -> Future[Read]:
            asked = partial(_read, query=self._query, size=size, after=after, **parameters)
            return reader.submit(self._connection.read, asked)

        with ThreadPoolExecutor(1, "neo4j-pages") as reader:
            coming: Future[Read] | None = begin("")
            while coming is not None:
                count, last, values = coming.result()
                # the smallest text that comes behind the last id
                coming = begin(f"{last}\0") if count == size else None
                if count:
                    yield self._batch(values)

    def _batch(self, values: list[Any]) -> pa.RecordBatch:
        arrays = [
            received(column, kind, field.type)
            for column, kind, field in zip(values, self._types, self._schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _read(tx: Any, query: str, **parameters: Any) -> Read:
    count, last, *values = tx.run(query, **parameters).single().values()
    return count, last, values
