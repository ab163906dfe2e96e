"""Rings of a run as a graph for other tools, GraphML or node-link JSON: one ring, or all of them in one file.

`detectors.export` draws; the same run gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from detectors.export import rings_graphml, rings_node_link
from graph.errors import NotFound
from graph.store import Store
from integrity.export import replace_file
from integrity.publication import find_run

GRAPH_FORMATS = (".graphml", ".json")


def export_ring_graphs(store: Store, path: Path, *, ring_id: str | None = None, run_id: str | None = None) -> int:
    """Write one ring of a run (default: the published one), or all, as a graph; returns the number of rings.

    Raises `NotFound` without such a run or ring, `BadInput` where the folder isn't there."""
    run = find_run(store, run_id)
    rings, members, evidence = (
        store.run_rows(run.run_id, name) for name in ("run_rings", "run_members", "run_evidence")
    )
    if ring_id is not None:
        rings = rings.filter(pc.field("ring_id") == ring_id)
        if not rings.num_rows:
            raise NotFound(f"run {run.run_id} has no ring {ring_id!r}", do="`ringfence export rings FILE` lists them")
    draw = rings_graphml if path.suffix == ".graphml" else rings_node_link
    replace_file(path, draw(rings, members, evidence))
    return rings.num_rows
