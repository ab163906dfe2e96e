"""A ring as a graph for other tools: GraphML and node-link JSON, with its bridges and articulation points.

Built from the findings' tables alone: accounts and the identifiers or groups that their evidence names, bipartite, so a
ring of k accounts on one device has k edges. Bridges and articulation points show what hangs on one thread.
Source: Tarjan (1972), doi:10.1137/0201010, by networkx.
"""

from __future__ import annotations

import io
import json
from typing import Any

import networkx
import polars as pl
import pyarrow as pa

from detectors.pipeline import Findings
from graph.errors import NotFound


def ring_graph(findings: Findings, ring_id: str) -> networkx.Graph[str]:
    """The ring's accounts and what its evidence joins them by.

    Nodes are `account:<id>` with `risk`, `probability`, `role`, and `key:<identifier>` (or `key:<kind>` where the key
    is
    no identifier) with `kind`; edges carry `nats`. Both carry whether they are a `bridge` or an `articulation` point.
    Raises `NotFound` where there is no such ring."""
    if ring_id not in findings.rings["ring_id"].to_pylist():
        raise NotFound(
            f"no ring {ring_id}", where="findings", do="list the rings of this run: ringfence export rings FILE"
        )
    graph: networkx.Graph[str] = networkx.Graph(ring_id=ring_id)
    risk = dict(zip(findings.accounts["buyer_id"].to_pylist(), findings.accounts["risk"].to_pylist(), strict=True))
    for member in _of_ring(findings.members, ring_id):
        graph.add_node(
            f"account:{member['buyer_id']}",
            label="account",
            risk=risk[member["buyer_id"]],
            probability=member["probability"],
            role=member["role"],
        )
    for row in _of_ring(findings.evidence, ring_id):
        account = f"account:{row['buyer_id']}"
        if row["identifier"] is None or account not in graph:
            continue
        key = f"key:{row['identifier']}"
        graph.add_node(key, label="key", kind=row["kind"])
        nats = row["nats"] + (graph.edges[account, key]["nats"] if graph.has_edge(account, key) else 0.0)
        graph.add_edge(account, key, kind=row["kind"], nats=round(nats, 6))
    bridges = {frozenset(edge) for edge in networkx.bridges(graph)}
    points = set(networkx.articulation_points(graph))
    for node in graph:
        graph.nodes[node]["articulation"] = node in points
    for one, two in graph.edges:
        graph.edges[one, two]["bridge"] = frozenset((one, two)) in bridges
    return graph


def ring_graphml(findings: Findings, ring_id: str) -> str:
    """The ring as GraphML text. Raises `NotFound`."""
    out = io.BytesIO()
    networkx.write_graphml(_canonical(ring_graph(findings, ring_id)), out)
    return out.getvalue().decode()


def ring_json(findings: Findings, ring_id: str) -> str:
    """The ring as node-link JSON text. Raises `NotFound`."""
    data = networkx.node_link_data(_canonical(ring_graph(findings, ring_id)), edges="edges")
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1)


def _of_ring(table: pa.Table, ring_id: str) -> list[dict[str, Any]]:
    return pl.DataFrame(table).filter(pl.col("ring_id") == ring_id).to_dicts()


def _canonical(graph: networkx.Graph[str]) -> networkx.Graph[str]:
    """The same graph with nodes and edges in code-point order."""
    ordered: networkx.Graph[str] = networkx.Graph(**graph.graph)
    for node in sorted(graph):
        ordered.add_node(node, **graph.nodes[node])
    for one, two in sorted(tuple(sorted(edge)) for edge in graph.edges):
        ordered.add_edge(one, two, **graph.edges[one, two])
    return ordered
