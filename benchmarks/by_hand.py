"""The same market put into Neo4j by a script, as somebody writes it who needs neither versions nor leases nor keys.

What one would write by hand, with the idioms that were measured quickest on 5.26: constraints first, columns as
parameters, 5,000 rows a transaction, orders created with their relationship by two threads, what accounts used counted
beforehand. Identifiers go in as they stand, nothing is checked, nothing can be loaded twice or taken back, and lines,
claims, complaints and past decisions stay out: it is a floor for `benchmarks.server`, on the same machine in the same
minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import neo4j
import polars as pl

ROWS: Final = 5_000
PAGES: Final = 10
"""Ranges in which orders are read."""
KINDS: Final = {
    "Device": "device_id",
    "Ip": "ip",
    "Payment": "payment_id",
    "Phone": "phone",
    "Address": "address",
}
"""Label of an identifier, and the column of orders that it comes from."""
_KEPT: Final = ("placed_at", "amount", "currency", "quantity", "sku", "device_id", "ip", "payment_id", "address")
"""Columns of orders that stand on them, beside their id."""

Given = dict[str, Any]


def load(driver: neo4j.Driver, folder: Path) -> int:
    """Put accounts, stores, identifiers, orders and what accounts used into an empty database; how many orders."""
    orders = pl.read_csv(folder / "orders.csv", infer_schema=False)
    for label in ("Buyer", "Store", "Order", *KINDS):
        driver.execute_query(
            f"CREATE CONSTRAINT hand_{label} FOR (n:{label}) REQUIRE n.id IS UNIQUE", database_="neo4j"
        )
    keys = {"Buyer": "buyer_id", "Store": "store_id", **KINDS}
    for label, column in keys.items():
        ids = orders.select(id=column).drop_nulls().unique(maintain_order=True)
        for given in _slices(ids):
            _write(driver, f"UNWIND $id AS id MERGE (:{label} {{id: id}})", given)
    put = ", ".join(f"{name}: ${name}[i]" for name in _KEPT)
    query = (
        "UNWIND range(0, size($order_id) - 1) AS i OPTIONAL MATCH (o:Order {id: $order_id[i]}) "
        "WITH i, o WHERE o IS NULL MATCH (b:Buyer {id: $buyer_id[i]}) "
        f"CREATE (b)-[:PLACED]->(:Order {{id: $order_id[i], {put}}})"
    )
    placed = orders.select("order_id", "buyer_id", *_KEPT).sort("buyer_id")
    with ThreadPoolExecutor(2) as threads:
        for _ in threads.map(lambda given: _write(driver, query, given), _slices(placed)):
            pass
    for label, column in KINDS.items():
        pairs = (
            orders.drop_nulls(column)
            .group_by(b="buyer_id", x=column)
            .agg(first=pl.col("placed_at").min(), last=pl.col("placed_at").max(), n=pl.len())
            .sort("x", "b")
        )
        query = (
            "UNWIND range(0, size($b) - 1) AS i "
            f"MATCH (b:Buyer {{id: $b[i]}}) MATCH (x:{label} {{id: $x[i]}}) "
            "MERGE (b)-[u:USED]->(x) SET u.first = $first[i], u.last = $last[i], u.n = $n[i]"
        )
        for given in _slices(pairs):
            _write(driver, query, given)
    return orders.height


def read(driver: neo4j.Driver) -> int:
    """Read the orders back by two threads, a range of ids each time, and who used what; how many values came."""
    collected = ", ".join(f"collect(coalesce(o.{name}, ''))" for name in ("id", *_KEPT))
    query = f"MATCH (o:Order) WHERE o.id >= $low AND o.id < $high RETURN {collected}"
    bounds = [f"{256 * at // PAGES:02x}" for at in range(PAGES)]
    ranges = [{"low": low, "high": high} for low, high in zip(bounds, [*bounds[1:], "g"], strict=True)]
    with ThreadPoolExecutor(2) as threads:
        columns = [column for page in threads.map(lambda given: _read(driver, query, given), ranges) for column in page]
    for label in KINDS:
        columns += _read(driver, f"MATCH (b:Buyer)-[:USED]->(x:{label}) RETURN collect(b.id), collect(x.id)", {})
    return sum(map(len, columns))


def publish(driver: neo4j.Driver) -> int:
    """Write a decision for every account, of one run, and switch to it; how many."""
    driver.execute_query("CREATE CONSTRAINT hand_Decision FOR (n:Decision) REQUIRE (n.buyer, n.run) IS UNIQUE")
    (buyers,) = _read(driver, "MATCH (b:Buyer) RETURN collect(b.id)", {})
    rows = pl.DataFrame({"b": buyers}).with_columns(status=pl.lit("CLEAR"))
    query = (
        "UNWIND range(0, size($b) - 1) AS i MATCH (b:Buyer {id: $b[i]}) "
        "CREATE (b)-[:DECIDED]->(:Decision {buyer: $b[i], run: 'one', status: $status[i]})"
    )
    for given in _slices(rows):
        _write(driver, query, given)
    _write(driver, "MERGE (h:Head) SET h.run = 'one'", {})
    return len(buyers)


def _slices(rows: pl.DataFrame) -> Iterator[Given]:
    for at in range(0, rows.height, ROWS):
        yield rows.slice(at, ROWS).to_dict(as_series=False)


def _write(driver: neo4j.Driver, query: Any, given: Given) -> None:
    with driver.session(database="neo4j") as session:
        session.execute_write(lambda tx: tx.run(query, given).consume())


def _read(driver: neo4j.Driver, query: Any, given: Given) -> list[list[Any]]:
    with driver.session(database="neo4j", default_access_mode=neo4j.READ_ACCESS) as session:
        return session.execute_read(lambda tx: list(tx.run(query, given).single(strict=True).values()))
