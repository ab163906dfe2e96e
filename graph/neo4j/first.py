"""The first load of a namespace, as the process that writes it knows it.

Readers see nothing before it is finished, and it is written by whoever holds the lease: only ids that this process sent
can be known (`graph.neo4j.sent`), and the nodes of all rows are told by the statements that made them. So the graph is
drawn from here, node to node: nothing is looked up, and nothing is there already that would have to be found.

Each transaction checks the lease, since whoever takes it over draws too. What is cut off is drawn by the next load, by
the statements of `graph.neo4j.edges`: these know an order that is drawn by its label, and an account whose identifiers
are not by `stale`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import polars as pl
import pyarrow as pa

from graph.neo4j import ledger
from graph.neo4j.connection import Connection
from graph.neo4j.edges import STALE, USED, drawn, each
from graph.neo4j.model import ENTITIES, signposts
from graph.neo4j.outline import Outline
from graph.neo4j.rows import both, in_lanes
from graph.neo4j.sent import Sent
from graph.schema import Table
from graph.store import Lease

ROWS: Final = 5_000
"""Rows a transaction."""

Parameters = dict[str, Any]
Task = tuple[str, Parameters]


class First:
    """What there is to know of the first load, whose number is `load`."""

    def __init__(self, load: int) -> None:
        self.load = load
        self.whole = True
        """Whether all that was sent is remembered: what was interrupted may stand in the graph or not."""
        self._sent, self._outline = Sent(), Outline()

    def add(self, table: Table, rows: pa.Table, nodes: Sequence[int]) -> None:
        """Remember rows that were written, in the table's stored columns, and their nodes."""
        self._outline.add(table, rows, nodes)

    def sending(self, table: Table, ids: Sequence[str]) -> None:
        """Remember ids, before they are sent."""
        self._sent.add(table.name, ids)

    def met(self, table: Table, ids: Sequence[str]) -> Sequence[str]:
        """Those of the ids that the server may know."""
        return self._sent.met(table.name, ids)

    def draw(self, connection: Connection, ns: str, lease: Lease, ended: Sequence[int]) -> bool:
        """Draw the load, which is finished; `ended` are the nodes of its rows that readers don't see. False where that
        can't be done from here."""
        outline = self._outline
        if not (self.whole and outline.unmistakable()):
            return False
        outline.leave_out(ended)
        write = _Write(connection, ns, lease)
        for label in ENTITIES:
            found = outline.entities(label)
            outline.found(label, found[ENTITIES[label][1]], write.entities(label, found))
        # what stands beside each other touches no node in common, and so never waits for it or deadlocks with it;
        # beside the orders of one half of the accounts that is what the other half used
        placed = outline.placed()
        middle = pl.lit(placed["Buyer"].median() or 0)
        used = cache(outline.used)
        lower, upper = (_used(used, half) for half in (pl.col("begin") <= middle, pl.col("begin") > middle))
        write.meanwhile(_placed(placed.filter(pl.col("Buyer") <= middle)), _alone(outline), upper)
        write.meanwhile(_placed(placed.filter(pl.col("Buyer") > middle)), (), lower)
        in_lanes(write.all, [chain(_linked("REFUNDED_BY", outline.refunded()), lower), upper])
        write.all(0, _linked("ABOUT", outline.decided()))
        fresh = each(STALE, "REMOVE b.stale", "b")
        both(lambda last: last(), [lambda: connection.alone(fresh, ns=ns), lambda: connection.schema(signposts())])
        drawn(connection, ns, self.load)
        return True


class _Write:
    """Writes in short transactions, each of which checks the lease."""

    def __init__(self, connection: Connection, ns: str, lease: Lease) -> None:
        self._connection, self._ns, self._lease = connection, ns, lease

    def all(self, lane: int, tasks: Iterable[Task]) -> None:
        """The tasks of a lane, one after the other."""
        for query, given in tasks:
            self._leased(query, given, lane)

    def meanwhile(self, tasks: Iterable[Task], own: Iterable[Task], spare: Iterator[Task]) -> None:
        """All of `tasks`; beside them all of `own`, and then of `spare` what there is time for."""
        ended = threading.Event()

        def first() -> None:
            try:
                self.all(0, tasks)
            finally:
                ended.set()

        def more() -> Iterator[Task]:
            while not ended.is_set() and (task := next(spare, None)):
                yield task

        both(lambda lane: lane(), [first, lambda: self.all(1, chain(own, more()))])

    def entities(self, label: str, rows: pl.DataFrame) -> list[int]:
        """Make accounts, stores or pictures where they are not there yet; their nodes."""
        id_ = ENTITIES[label][1]
        put = [f"n.{name} = ${name}[i]" for name in rows.columns if name != id_]
        put += ["n.stale = true"] * (label == "Buyer")
        query = (
            f"UNWIND range(0, size(${id_}) - 1) AS i MERGE (n:{label} {{ns: $ns, {id_}: ${id_}[i]}}) "
            f"{'SET ' + ', '.join(put) if put else ''} RETURN collect(id(n))"
        )
        parts = in_lanes(lambda lane, given: self._leased(query, given, lane)[0], _slices(rows))
        return [node for part in parts for node in part]

    def _leased(self, query: str, given: Parameters, lane: int) -> Any:
        def work(tx: Any) -> Any:
            record = tx.run(query, given, ns=self._ns).single()
            # last, so that no lane is locked for longer than it takes
            ledger.check(tx, self._ns, self._lease, lane=lane)
            return record

        return self._connection.write(work)


def _slices(rows: pl.DataFrame) -> Iterator[Parameters]:
    """Rows as parameters, a list a column, `ROWS` at a time."""
    for at in range(0, rows.height, ROWS):
        yield {column.name: column.to_list() for column in rows.slice(at, ROWS)}


def _placed(orders: pl.DataFrame) -> Iterator[Task]:
    query = (
        "UNWIND range(0, size($node) - 1) AS i MATCH (n) WHERE id(n) = $node[i] MATCH (b) WHERE id(b) = $Buyer[i] "
        "MATCH (s) WHERE id(s) = $Store[i] SET n:Order CREATE (b)-[:PLACED]->(n)-[:AT]->(s)"
    )
    return ((query, given) for given in _slices(orders))


def _alone(outline: Outline) -> Iterator[Task]:
    """What touches neither accounts nor stores nor orders."""
    yield from _linked("IN", outline.within())
    yield from _linked("RETURNED_IN", outline.returned())
    yield from _linked("SHOWS", outline.shown())
    yield from _linked("ABOUT", outline.complained())


def _used(used: Callable[[str], pl.DataFrame], half: pl.Expr) -> Iterator[Task]:
    """What half of the accounts used, by relationship. Each transaction goes through the identifiers in order, so that
    two beside each other don't each wait for what the other holds."""
    for column, relationship in USED.items():
        yield from _linked(relationship, used(column).filter(half), ordered=True)


def _linked(name: str, pairs: pl.DataFrame, *, ordered: bool = False) -> Iterator[Task]:
    held = ", ".join(f"{one}: ${one}[i]" for one in pairs.columns if one not in ("begin", "end"))
    query = (
        "UNWIND range(0, size($begin) - 1) AS i MATCH (a) WHERE id(a) = $begin[i] MATCH (b) WHERE id(b) = $end[i] "
        f"CREATE (a)-[:{name}{f' {{{held}}}' if held else ''}]->(b)"
    )
    for at in range(0, pairs.height, ROWS):
        rows = pairs.slice(at, ROWS)
        for given in _slices(rows.sort("end") if ordered else rows):
            yield query, given
