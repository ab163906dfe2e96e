"""`python -m benchmarks.gds`: our components and communities beside those of OpenGDS, over the same loaded graph.

The graph is the one of accounts and the identifiers they used, with the weights of `detectors.communities`: one over
the square root of an identifier's accounts. OpenGDS runs inside the server (jars from Maven's central repository, see
`scripts.neo4j_jars`); ours run here, over columns read from the same server. Nothing of the product needs OpenGDS.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import igraph
import neo4j
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from benchmarks.server import HEAP, MEMORY
from benchmarks.speed import KEY, SIMULATE, run
from detectors import communities
from detectors.settings import DetectionSettings
from graph.neo4j.edges import USED
from graph.snapshot import Floats, Longs
from scripts.neo4j_jars import gds
from scripts.neo4j_server import Server

TYPES = "|".join(USED.values())
PAIRS = f"MATCH (b:Buyer)-[:{TYPES}]->(i:Identifier) RETURN collect(id(b)), collect(id(i))"
PROJECT = f"""
MATCH (b:Buyer)-[:{TYPES}]->(i:Identifier)
WITH b, i, COUNT {{ (i)<-[:{TYPES}]-() }} AS size
RETURN gds.graph.project('used', b, i,
    {{relationshipProperties: {{weight: 1.0 / sqrt(CASE WHEN size < 2 THEN 2 ELSE size END)}}}},
    {{undirectedRelationshipTypes: ['*']}})
"""
COMPONENTS = "CALL gds.wcc.stream('used') YIELD nodeId, componentId RETURN collect(nodeId), collect(componentId)"
COMMUNITIES = """
CALL gds.leiden.stream('used', {relationshipWeightProperty: 'weight', gamma: $gamma, randomSeed: $seed, concurrency: 1})
YIELD nodeId, communityId RETURN collect(nodeId), collect(communityId)
"""
"""With one thread: its seed allows no more. The order in which the graph was projected still matters."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Used:
    """The graph in columns: `nodes` (n,) the server's numbers, accounts first, `accounts` of them; `begin`, `end` (m,)
    index them; `weight` (m,)."""

    nodes: Longs
    accounts: int
    begin: Longs
    end: Longs
    weight: Floats


def timed(work: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """The median of the seconds that `work` takes, and what it returned last."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)), found


def read(session: neo4j.Session) -> Used:
    """Read the graph in one statement."""
    begins, ends = session.run(PAIRS).single(strict=True)
    buyers, begin = np.unique(np.array(begins, np.int64), return_inverse=True)
    identifiers, end = np.unique(np.array(ends, np.int64), return_inverse=True)
    # the server gives pairs in any order, and Leiden's result depends on it
    order = np.lexsort((end, begin))
    begin, end = begin[order], end[order]
    size = np.bincount(end)
    weight = 1.0 / np.sqrt(np.maximum(size[end], 2))
    return Used(np.concatenate([buyers, identifiers]), len(buyers), begin, len(buyers) + end, weight)


def components(used: Used) -> Longs:
    """(n,) the component of each node, as `detectors.communities` finds them."""
    links = coo_array((np.ones(len(used.begin)), (used.begin, used.end)), shape=(len(used.nodes),) * 2)
    _, label = connected_components(links, directed=False)
    return label.astype(np.int64)


def leiden(used: Used, settings: DetectionSettings) -> Longs:
    """(n,) the community of each node, as `detectors.communities` cuts them."""
    net = igraph.Graph(n=len(used.nodes), edges=np.stack([used.begin, used.end], axis=1))
    return np.array(communities._leiden(net, used.weight.tolist(), settings), np.int64)


def streamed(session: neo4j.Session, used: Used, query: str, **given: Any) -> Longs:
    """(n,) what the server's algorithm says of each node."""
    nodes, labels = session.run(query, given).single(strict=True)
    found = np.full(len(used.nodes), -1, np.int64)
    order = np.argsort(used.nodes)
    found[order[np.searchsorted(used.nodes, np.array(nodes, np.int64), sorter=order)]] = labels
    assert (found >= 0).all(), "the server's graph lacks nodes"
    return found


def modularity(used: Used, label: Longs, resolution: float) -> float:
    """Weighted modularity of a partition."""
    net = igraph.Graph(n=len(used.nodes), edges=np.stack([used.begin, used.end], axis=1))
    _, dense = np.unique(label, return_inverse=True)
    return float(net.modularity(dense.tolist(), weights=used.weight.tolist(), resolution=resolution))


def compared(session: neo4j.Session, repeats: int) -> Table:
    """The table for the graph that the server holds."""
    settings = DetectionSettings()
    reading, used = timed(lambda: read(session), repeats)

    def project() -> None:
        session.run("CALL gds.graph.drop('used', false) YIELD graphName RETURN graphName").consume()
        session.run(PROJECT).consume()

    projecting, _ = timed(project, repeats)
    table = Table(title=f"{used.accounts:,} accounts, {len(used.nodes) - used.accounts:,} identifiers, "
                        f"{len(used.begin):,} pairs; medians of {repeats}")  # fmt: skip
    for column in ("work", "ours", "OpenGDS", "agreement over accounts, both adjusted"):
        table.add_column(column, justify="right")
    table.add_row("graph into memory", f"{reading:.2f} s", f"{projecting:.2f} s", "")

    ours, label = timed(lambda: components(used), repeats)
    theirs, other = timed(lambda: streamed(session, used, COMPONENTS), repeats)
    table.add_row("components", f"{ours:.2f} s", f"{theirs:.2f} s", _agreement(used, label, other))
    table.add_row("  number, largest", _shape(label), _shape(other), "")

    given = {"gamma": settings.leiden_resolution, "seed": settings.seed}
    ours, label = timed(lambda: leiden(used, settings), repeats)
    theirs, other = timed(lambda: streamed(session, used, COMMUNITIES, **given), repeats)
    table.add_row("communities (Leiden)", f"{ours:.2f} s", f"{theirs:.2f} s", _agreement(used, label, other))
    # many partitions are about as good: how far apart two runs of the same method are tells what to expect
    again = leiden(used, settings.model_copy(update={"seed": settings.seed + 1}))
    own = f"ours with another seed: {_agreement(used, label, again)}"
    table.add_row("  number, largest", _shape(label), _shape(other), own)
    quality = [f"{modularity(used, one, settings.leiden_resolution):.4f}" for one in (label, other)]
    table.add_row(f"  modularity at {settings.leiden_resolution}", *quality, "")
    return table


def _agreement(used: Used, one: Longs, other: Longs) -> str:
    a, b = one[: used.accounts], other[: used.accounts]
    return f"mutual information {adjusted_mutual_info_score(a, b):.3f}, Rand {adjusted_rand_score(a, b):.3f}"


def _shape(label: Longs) -> str:
    sizes = np.unique(label, return_counts=True)[1]
    return f"{len(sizes):,}, {sizes.max():,} nodes"


def main() -> None:
    """Fill a server offline, start it with OpenGDS, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    env = {**os.environ, "RINGFENCE_KEY": KEY}
    folder = run([sys.executable, "-c", SIMULATE, str(args.buyers), str(args.seed)], env)[1].strip().splitlines()[-1]
    ringfence = str(Path(sys.executable).with_name("ringfence"))
    with tempfile.TemporaryDirectory(prefix="ringfence-gds-") as home:
        unrestricted = {"dbms.security.procedures.unrestricted": "gds.*"}
        server = Server(Path(home), heap=HEAP, settings={**MEMORY, **unrestricted})
        server.set_password()
        run([ringfence, "load", folder, "--bulk", "--neo4j-home", home, "--store", server.url], env)
        server.plugins = gds(server.furnish())
        try:
            server.start()
            with server.driver() as driver, driver.session(notifications_min_severity="OFF") as session:
                table = compared(session, args.repeats)
        finally:
            server.stop()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
