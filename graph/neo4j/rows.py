"""Rows of declared tables: written in batches of columns, and found by ids and indexed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import CURRENT, conform, ordered, stored_schema
from graph.errors import StoreProblem
from graph.neo4j import ledger
from graph.neo4j.connection import Connection
from graph.neo4j.model import (
    AT_ONCE,
    KIND_LABELS,
    assigned,
    by_id,
    given,
    index_of,
    label_of,
    received,
    returned,
    type_of,
    using,
    visible,
)
from graph.schema import BY_NAME, SOURCE_TABLES, Kind, Table, Type
from graph.store import Lease

Result = TypeVar("Result")

BATCH: Final = 5_000
"""Rows a transaction: measured best on 5.26."""
ASKED: Final = 20_000
"""Ids that one statement looks up."""
SWEPT: Final = 10_000
"""Nodes that one transaction deletes."""


# -- writing -----------------------------------------------------------------------------------------------------------


def write_load(
    connection: Connection,
    ns: str,
    lease: Lease,
    load: int,
    table: Table,
    rows: pa.Table,
    conflicts: Sequence[str],
    told: Callable[[pa.Table, list[int]], None] | None = None,
    fresh: bool = False,
) -> None:
    """Write one batch in short transactions, each of which checks the lease and the load. `told`, which the first load
    of a namespace gives, is told rows that were written and their nodes. `fresh` says that no row of these ids is there
    yet, of this or any other load: then none is looked for."""
    rows = ordered(conform(rows, stored_schema(table), where=table.name), table)

    def part(lane: int, at: int) -> None:
        piece = rows.slice(at, BATCH)
        marked = list(conflicts) if at + BATCH >= rows.num_rows else []

        def work(tx: Any) -> list[tuple[pa.Table, list[int]]]:
            written = []
            try:
                ledger.check_running(tx, ns, load)
            except StoreProblem:
                # swept by whoever took the lease over: that is what there is to tell
                ledger.check(tx, ns, lease)
                raise
            if piece.num_rows:
                tx.run("MERGE (:Touched {ns: $ns, load: $load, name: $name})", ns=ns, load=load, name=table.name)
                if table.kind is Kind.PLACE:
                    written = _put_places(tx, ns, load, table, piece, fresh=fresh)
                else:
                    written = _put(tx, ns, load, table, piece, fresh=fresh, first=told is not None)
            if marked:
                _mark(tx, ns, load, table, marked)
            # last, so that no lane is locked for longer than it takes
            ledger.check(tx, ns, lease, lane=lane)
            return written

        for written, nodes in connection.write(work):
            if told is not None:
                told(written, nodes)

    in_lanes(part, range(0, max(rows.num_rows, 1), BATCH))


def both(work: Callable[[Any], Result], values: Iterable[Any]) -> list[Result]:
    """What `work` makes of each value, two at a time: the server works on one while the next is being sent."""
    given_ = list(values)
    if len(given_) < 2:
        return [work(value) for value in given_]
    with ThreadPoolExecutor(2, "neo4j") as threads:
        found = [threads.submit(work, value) for value in given_]
        try:
            return [one.result() for one in found]
        finally:
            for one in found:
                one.cancel()


def in_lanes(work: Callable[[int, Any], Result], values: Iterable[Any]) -> list[Result]:
    """The same of work that writes, which is told a lane (`ledger.LANES`) for each value, another than before."""
    return both(lambda numbered: work(*numbered), enumerate(values))


def columns_of(table: Table, rows: pa.Table) -> dict[str, list[Any]]:
    """Rows as parameters of a statement, a list a column."""
    return {name: given(rows.column(name), type_of(table, name)) for name in rows.column_names}


def _put(
    tx: Any, ns: str, load: int, table: Table, rows: pa.Table, *, fresh: bool, first: bool
) -> list[tuple[pa.Table, list[int]]]:
    """Put versions of this load, and end the versions that readers see when the load is finished."""
    shown = f":{table.label}" if first and table.name in AT_ONCE else ""
    # an all-empty column says nothing: `SET n =` leaves it out anyway
    told = rows.select([name for name in rows.column_names if rows.column(name).null_count < rows.num_rows])
    names = told.column_names
    put = (
        f"CREATE (n:{label_of(table)}{shown} {assigned(names, ns='$ns', since='$load')})"
        if fresh
        else f"MERGE (n:{label_of(table)} {{ns: $ns, {table.id}: ${table.id}[i], since: $load}}) "
        # a new node takes its key once: `SET n =` writes it twice, half as long again
        f"ON CREATE SET {f'n{shown}, ' if shown else ''}n += {assigned([one for one in names if one != table.id])} "
        f"ON MATCH SET n = {assigned(names, ns='$ns', since='$load')}"
    )
    record = tx.run(
        f"UNWIND range(0, size(${table.id}) - 1) AS i {put} RETURN collect(id(n))",
        ns=ns,
        load=load,
        **columns_of(table, told),
    ).single()
    if load > 1 and not fresh:
        tx.run(
            f"UNWIND $ids AS id MATCH (n:{label_of(table)}) {by_id(table)} "
            f"WHERE n.ns = $ns AND n.{table.id} = id AND n.since < $load AND n.until IS NULL SET n.until = $load",
            ns=ns,
            load=load,
            ids=given(rows.column(table.id), Type.TEXT),
        ).consume()
    return [(rows, record[0])]


def _put_places(
    tx: Any, ns: str, load: int, table: Table, rows: pa.Table, *, fresh: bool
) -> list[tuple[pa.Table, list[int]]]:
    found = []
    for kind in sorted(map(str, rows.column("kind").unique().to_pylist())):
        part = rows.filter(pc.equal(rows.column("kind"), pa.scalar(kind)))
        label = f":{KIND_LABELS[kind]}" if kind in KIND_LABELS else ""
        put = (
            f"CREATE (n:{label_of(table)}{label} {assigned(part.column_names, ns='$ns', since='$load')})"
            if fresh
            else f"MERGE (n:{label_of(table)} {{ns: $ns, {table.id}: ${table.id}[i]}}) "
            f"ON CREATE SET n{label}, n += {assigned(part.column_names)}, n.since = $load"
        )
        record = tx.run(
            f"UNWIND range(0, size(${table.id}) - 1) AS i {put} RETURN collect(id(n))",
            ns=ns,
            load=load,
            **columns_of(table, part),
        ).single()
        found.append((part, record[0]))
    return found


def _mark(tx: Any, ns: str, load: int, table: Table, ids: Sequence[str]) -> None:
    tx.run(
        "UNWIND $ids AS id MERGE (:Conflict {ns: $ns, load: $load, name: $name, id: id})",
        ns=ns,
        load=load,
        name=table.name,
        ids=list(ids),
    ).consume()


def current(connection: Connection, ns: str, table: Table, ids: Sequence[str], load: int) -> pa.Table:
    """See `Store.current`."""
    asked = list(dict.fromkeys(ids))
    if not asked:
        return CURRENT.empty_table()
    pieces = [asked[at : at + ASKED] for at in range(0, max(len(asked), 1), ASKED)]
    found = both(lambda piece: connection.read(lambda tx: _current(tx, ns, table, piece, load)), pieces)
    return pa.concat_tables(found)


def _current(tx: Any, ns: str, table: Table, asked: Sequence[str], load: int) -> pa.Table:
    hidden = ["digest", "updated_at", "file", "line"] if table.kind is Kind.SOURCE else []
    names = [table.id, "since", *hidden]
    collected = ", ".join(returned(name, type_of(table, name)) for name in names)
    record = tx.run(
        f"UNWIND $ids AS id MATCH (n:{label_of(table)}) {by_id(table)} "
        f"WHERE n.ns = $ns AND n.{table.id} = id AND n.since <= $load "
        f"AND (({visible()}) OR (n.since = $load AND n.until IS NULL)) RETURN {collected}",
        ns=ns,
        ids=asked,
        known_by=ledger.head(tx, ns).load,
        load=load,
    ).single()
    marked = _marked(tx, ns, load, table, asked)
    types = {field.name: field.type for field in CURRENT}
    columns = {
        ("id" if name == table.id else name): received(
            values, type_of(table, name), types["id" if name == table.id else name]
        )
        for name, values in zip(names, record.values(), strict=True)
    }
    known = conform(pa.table({**columns, "conflict": pc.is_in(columns["id"], marked)}), CURRENT)
    if not len(marked):
        return known
    own = known.filter(pc.equal(known.column("since"), pa.scalar(load, pa.int64()))).column("id").combine_chunks()
    bare = marked.filter(pc.invert(pc.is_in(marked, own)))
    count = len(bare)
    extra = pa.table({"id": bare, "since": pa.array([load] * count, pa.int64()), "conflict": [True] * count})
    return pa.concat_tables([known, conform(extra, CURRENT)])


def _marked(tx: Any, ns: str, load: int, table: Table, ids: Sequence[str] | None) -> pa.Array[Any]:
    record = tx.run(
        "MATCH (c:Conflict {ns: $ns, load: $load, name: $name}) WHERE $ids IS NULL OR c.id IN $ids "
        "WITH c ORDER BY c.id RETURN collect(c.id)",
        ns=ns,
        load=load,
        name=table.name,
        ids=None if ids is None else list(ids),
    ).single()
    return pa.array(record[0], pa.string())


def settle(tx: Any, ns: str, load: int) -> list[int]:
    """Let a load that finishes change nothing about the ids it marked; the nodes of their rows."""
    found: list[int] = []
    for table in SOURCE_TABLES:
        ids = _marked(tx, ns, load, table, None).to_pylist()
        if ids:
            found += tx.run(
                f"UNWIND $ids AS id MATCH (n:{label_of(table)}) {by_id(table)} "
                f"WHERE n.ns = $ns AND n.{table.id} = id AND n.since <= $load "
                "SET n.until = CASE WHEN n.since = $load THEN $load WHEN n.until = $load THEN null ELSE n.until END "
                f"FOREACH (_ IN CASE WHEN n.since = $load THEN [1] ELSE [] END | REMOVE n:{table.label}) "
                "RETURN collect(id(n))",
                ns=ns,
                load=load,
                ids=ids,
            ).single()[0]
    tx.run("MATCH (c:Conflict {ns: $ns, load: $load}) DELETE c", ns=ns, load=load).consume()
    return found


def touched(tx: Any, ns: str, load: int) -> list[Table]:
    """The tables of which a load wrote rows."""
    found = tx.run("MATCH (t:Touched {ns: $ns, load: $load}) RETURN t.name ORDER BY t.name", ns=ns, load=load)
    return [BY_NAME[record[0]] for record in found]


def sweep(connection: Connection, ns: str, load: int) -> None:
    """Take away what an unfinished load left, in short transactions; what it ended goes on."""
    for table in connection.read(lambda tx: touched(tx, ns, load)):
        repeat(
            connection,
            f"MATCH (n:{label_of(table)}) {by_id(table)} WHERE n.ns = $ns AND n.{table.id} >= '' "
            f"AND n.since = $load WITH n LIMIT {SWEPT} DETACH DELETE n "
            "RETURN count(*)",
            ns=ns,
            load=load,
        )
        if table.kind is Kind.SOURCE:
            repeat(
                connection,
                f"MATCH (n:{label_of(table)}) {by_id(table)} WHERE n.ns = $ns AND n.{table.id} >= '' "
                f"AND n.since >= 0 AND n.until = $load WITH n LIMIT {SWEPT} REMOVE n.until "
                "RETURN count(*)",
                ns=ns,
                load=load,
            )
    for label in ("Conflict", "Quarantined", "Touched"):
        repeat(
            connection,
            f"MATCH (n:{label} {{ns: $ns, load: $load}}) WITH n LIMIT {SWEPT} DELETE n RETURN count(*)",
            ns=ns,
            load=load,
        )


def repeat(connection: Connection, query: str, **parameters: Any) -> None:
    """Run a statement that changes some nodes and counts them until none is left."""
    while connection.write(lambda tx: int(tx.run(query, **parameters).single()[0])):
        pass


# -- reading some -----------------------------------------------------------------------------------------------------


def find(
    tx: Any,
    ns: str,
    table: Table,
    column: str,
    values: Sequence[str | bytes],
    *,
    columns: Sequence[str],
    after: str,
    limit: int | None,
    known_by: int | None,
) -> pa.Table:
    """See `Store.find`."""
    if column != table.id and column not in table.indexes:
        raise ValueError(f"{table.name}.{column} is neither the id nor indexed")
    schema = stored_schema(table)
    names = list(columns) or list(table.names)
    wanted = given(pa.array(list(dict.fromkeys(values)), schema.field(column).type), type_of(table, column))
    head = ledger.head(tx, ns).load
    if not head:
        # and before any load is finished the index may not be there to ask
        return schema.empty_table().select(names)
    collected = ", ".join(returned(name, type_of(table, name)) for name in names)
    hint = by_id(table) if column == table.id else using("n", label_of(table), index_of(table, column))
    record = tx.run(
        f"UNWIND $values AS value MATCH (n:{label_of(table)}) {hint} WHERE n.ns = $ns AND n.{column} = value "
        f"AND (n.{table.id} > $after OR $after = '') AND {visible()} WITH n ORDER BY n.{table.id} "
        + ("" if limit is None else "LIMIT $limit ")
        + f"RETURN {collected}",
        ns=ns,
        values=wanted,
        after=after,
        limit=limit,
        known_by=head if known_by is None else min(known_by, head),
    ).single()
    arrays = [
        received(found, type_of(table, name), schema.field(name).type)
        for name, found in zip(names, record.values(), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema([schema.field(name) for name in names]))
