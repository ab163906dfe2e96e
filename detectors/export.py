"""Rings as graphs for other tools: GraphML and node-link JSON, with bridges and articulation points.

Drawn from a run's tables alone: accounts and the identifiers or groups that their evidence names, bipartite, so a ring
of k accounts on one device has k edges. Bridges and articulation points show what hangs on one thread.
Source: Tarjan (1972), doi:10.1137/0201010, by networkx.
"""

from __future__ import annotations

import io
import json
from typing import Any

import networkx
import pyarrow as pa

from detectors.registry import LINKS


def rings_graph(rings: pa.Table, members: pa.Table, evidence: pa.Table) -> networkx.Graph[str]:
    """The rings as one undirected graph, nodes and edges in code-point order; one row of `rings` gives one ring's.

    `rings`, `members`, `evidence` are the tables `run_rings`, `run_members`, `run_evidence`. A node `account:<buyer>`
    has `label` "account", `ring`, `probability`, `role`; a node `key:<ring id>:<identifier>` (or the evidence's kind
    where what is shared is no identifier) has `label` "key", `ring`, `kind`. An edge has `kind` and `nats`. Nodes carry
    `articulation`, edges `bridge`: true where the ring falls apart without them."""
    graph: networkx.Graph[str] = networkx.Graph()
    known = set(rings["ring_id"].to_pylist())
    for member in members.to_pylist():
        if member["ring_id"] in known:
            graph.add_node(
                f"account:{member['buyer_id']}",
                label="account",
                ring=member["ring_id"],
                probability=member["probability"],
                role=member["role"],
            )
    linking = {detector.name for detector in LINKS}
    for row in evidence.to_pylist():
        account, ring = f"account:{row['buyer_id']}", row["ring_id"]
        if ring not in known or row["kind"] not in linking or account not in graph:
            continue
        key = f"key:{ring}:{row['identifier'] or row['kind']}"
        graph.add_node(key, label="key", ring=ring, kind=row["kind"])
        before = graph.edges[account, key]["nats"] if graph.has_edge(account, key) else 0.0
        graph.add_edge(account, key, kind=row["kind"], nats=round(before + row["nats"], 6))
    points = set(networkx.articulation_points(graph))
    bridges = {frozenset(edge) for edge in networkx.bridges(graph)}
    ordered: networkx.Graph[str] = networkx.Graph()
    for node in sorted(graph):
        ordered.add_node(node, articulation=node in points, **graph.nodes[node])
    for one, two in sorted(tuple(sorted(edge)) for edge in graph.edges):
        ordered.add_edge(one, two, bridge=frozenset((one, two)) in bridges, **graph.edges[one, two])
    return ordered


def rings_graphml(rings: pa.Table, members: pa.Table, evidence: pa.Table) -> bytes:
    """All rings as GraphML, UTF-8; tables and graph as for `rings_graph`. The two characters that XML cannot hold
    (U+FFFE, U+FFFF) are written as their escapes."""
    out = io.BytesIO()
    networkx.write_graphml(rings_graph(rings, members, evidence), out)
    return out.getvalue().replace("\ufffe".encode(), rb"\ufffe").replace("\uffff".encode(), rb"\uffff")


def rings_node_link(rings: pa.Table, members: pa.Table, evidence: pa.Table) -> bytes:
    """All rings as node-link JSON, UTF-8; tables and graph as for `rings_graph`."""
    data: dict[str, Any] = networkx.node_link_data(rings_graph(rings, members, evidence), edges="edges")
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode()
