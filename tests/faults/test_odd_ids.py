"""Ids are opaque: quotes, commas, emoji, fragments of SQL and Cypher go all the way, from the file through the store
and a ring to exports, explanations and the API, and come back as they were given."""

from __future__ import annotations

import csv
from pathlib import Path

import networkx as nx
import polars as pl

from tests.faults.support import Desk, busiest, gang, put, serving

IN_THE_RING = (
    "'; DROP TABLE orders; --",
    'say "hello", and go',
    "a,b;c\\;d",
    "買家😀👩‍👩‍👧",
    "'}) MATCH (n) DETACH DELETE n //",
    "%' OR '1'='1",
    "=HYPERLINK(\"http://x\")",
    "../../etc/passwd",
    "{buyer}%s$(id)`id`",
    "-1",
)  # fmt: skip
OTHERS = (
    "NULL",
    "null",
    "NaN",
    "True",
    "0012",
    "12",
    "1e5",
    " led by a space",
    "caf\u00e9",
    "cafe\u0301",
    "right\u202eleft",
    "a\u2028b",
    "\ufeffmarked",
    "\U0010ffff",
    '"',
    "''",
    "#",
    "x" * 256,
)
ENDINGS = ("csv", "parquet", "jsonl")
ACCOUNT = "query ($id: ID!) { account(id: $id) { id ring { id } orders(first: 9) { edges { node { id } } } } }"


def test_odd_ids_come_back_everywhere_as_they_were_given(desk: Desk, market: Path, tmp_path: Path) -> None:
    tables = gang(IN_THE_RING, busiest(market), mark="ring")
    odd = {f"ring-o{at}-{turn}": f"{buyer} {turn}" for at, buyer in enumerate(IN_THE_RING) for turn in range(6)}
    for row in (*tables["orders"], *tables["refunds"]):
        row["order_id"] = odd[row["order_id"]]
    for row in tables["refunds"]:
        row["refund_id"] = f"claim of {row['order_id']}"
    tables["orders"] += gang(OTHERS, busiest(market), mark="others", device_id="", phone="", address="")["orders"]
    folder = put(tmp_path / "given", **tables)
    told = desk.done("load", folder, "--json").json
    assert all(count["quarantined"] == 0 for count in told["tables"].values())
    assert desk.done("detect", "--json").json["state"] == "published"

    files = {(what, end): tmp_path / f"{what}.{end}" for what in ("accounts", "rings", "evidence") for end in ENDINGS}
    for (what, _), file in files.items():
        desk.done("export", what, file)
    given = {*IN_THE_RING, *OTHERS}
    with files["accounts", "csv"].open(encoding="utf-8", newline="") as text:
        by_csv = [row["buyer_id"] for row in csv.DictReader(text)]
    by_polars = pl.read_csv(files["accounts", "csv"], infer_schema=False)["buyer_id"].to_list()
    by_parquet = pl.read_parquet(files["accounts", "parquet"])["buyer_id"].to_list()
    by_json = pl.read_ndjson(files["accounts", "jsonl"])["buyer_id"].to_list()
    assert by_csv == by_polars == by_parquet == by_json == sorted(by_csv)
    assert given <= set(by_csv)

    (ring,) = [row for row in pl.read_parquet(files["rings", "parquet"]).to_dicts() if "-1" in row["members"]]
    assert ring["members"] == sorted(IN_THE_RING)
    joined = pl.read_csv(files["rings", "csv"], infer_schema=False).filter(ring_id=ring["ring_id"])["members"].item()
    assert _taken_apart(joined) == sorted(IN_THE_RING)
    evidence = pl.read_csv(files["evidence", "csv"], infer_schema=False).filter(ring_id=ring["ring_id"])
    sources = set(evidence.filter(source_table="orders")["source_id"])
    assert sources
    assert sources <= set(odd.values())

    for buyer in (*IN_THE_RING, *OTHERS):
        explained = desk.done("explain", "account", "--json", "--", buyer).json
        assert (explained["buyer_id"], explained["orders"]) == (buyer, 6)
    told = desk.done("explain", "ring", ring["ring_id"], "--json").json
    assert sorted(member["buyer_id"] for member in told["members"]) == sorted(IN_THE_RING)
    desk.done("export", "rings", tmp_path / "rings.graphml")
    drawn = nx.read_graphml(tmp_path / "rings.graphml")
    assert {f"account:{buyer}" for buyer in IN_THE_RING} <= set(drawn.nodes)

    with serving(desk) as server:
        for buyer in (*IN_THE_RING, *OTHERS):
            query = (
                "query ($id: ID!) { account(id: $id) { id ring { id } orders(first: 9) { edges { node { id } } } } }"
            )
            account = server.ask(query, id=buyer)["account"]
            assert account["id"] == buyer
            assert len(account["orders"]["edges"]) == 6
            assert (account["ring"] or {}).get("id") == (ring["ring_id"] if buyer in IN_THE_RING else None)


def _taken_apart(joined: str) -> list[str]:
    """The elements of a `;`-joined list, as the documentation of the exports says to read it."""
    parts, escaped = [""], False
    for letter in joined:
        if escaped:
            parts[-1] += letter
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == ";":
            parts.append("")
        else:
            parts[-1] += letter
    return parts
