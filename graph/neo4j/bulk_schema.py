"""Constraints and indexes that are made when the first load of a database is there: filling an index whole takes a
third of the time of filling it row by row. Until then they are owed: whoever opens the store for writing makes them.

A load over Bolt makes them when it finishes, an offline import when a server runs on what it made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from graph.errors import StoreProblem
from graph.neo4j.connection import Connection
from graph.neo4j.model import constraints, lookups, signposts
from graph.neo4j.rows import both

OWED: Final = "schema"
"""The fact (`StoreMeta` of no namespace) that says so."""
_PAUSE: Final = 0.3


def owes(tx: Any) -> bool:
    """Whether constraints and indexes have yet to be made."""
    return tx.run("MATCH (m:StoreMeta {ns: '', key: $key}) RETURN m.key", key=OWED).single() is not None


def settle(connection: Connection) -> bool:
    """Make what is owed, which can be repeated; false where nothing is. Raises `StoreProblem`."""
    if not connection.read(owes):
        return False
    make(connection)
    return True


def make(connection: Connection, *, drawn: bool = True) -> None:
    """Make constraints and indexes where they are missing. Where a load is not `drawn` yet, the indexes of what is
    drawn are left to whoever draws it. Raises `StoreProblem`.

    Indexes asked for in one transaction are filled in one pass, by threads of the server: asked for first, in two parts
    of about the same size, they are filled while the constraints are made, two at a time."""
    indexes = [*lookups(), *(signposts() if drawn else ())]
    of_orders = [query for query in indexes if "(n:Order" in query]
    for part in (of_orders, [query for query in indexes if query not in of_orders]):
        # where that fails, as when another process makes them too, they are asked for one by one below
        with contextlib.suppress(StoreProblem):
            connection.write(partial(_ask, queries=part))
    # those of a new database are there before its first load
    there = set() if drawn else {*constraints(loaded=False)}
    both(lambda query: connection.schema([query]), [query for query in constraints() if query not in there])
    connection.schema(indexes)

    def done(tx: Any) -> None:
        tx.run("MERGE (m:StoreMeta {ns: '', key: 'lookups'}) SET m.value = 'made'").consume()
        tx.run("MATCH (m:StoreMeta {ns: '', key: $key}) DELETE m", key=OWED).consume()

    connection.write(done)


def _ask(tx: Any, queries: Sequence[str]) -> None:
    for query in queries:
        tx.run(query).consume()


def settle_when_up(url: str, *, where: str, seconds: float, ca: str = "") -> float:
    """Wait so long for the server to be started, then make what is owed; the seconds that making took.

    Raises `StoreProblem` where no server answers in that time, or one that was not filled by an import."""
    end = time.monotonic() + seconds
    while True:
        try:
            connection = Connection(url, where=where, ca=ca)
            break
        except StoreProblem as error:
            # asked again and again with a wrong password, a server locks the user out
            if time.monotonic() > end or "password" in error.what:
                raise
            time.sleep(_PAUSE)
    try:
        began = time.monotonic()
        if not settle(connection):
            raise StoreProblem(
                "the server that answers does not hold what was imported, or another command was quicker",
                where=where,
                do="see that the URL and --neo4j-home are of one server, and what `ringfence doctor` says",
            )
        return time.monotonic() - began
    finally:
        connection.close()
