"""The rings of a run as graphs for other tools: GraphML or node-link JSON, drawn by `detectors.export`."""

from __future__ import annotations

from pathlib import Path

from graph.store import Store
from integrity.export import replace_file
from integrity.publication import find_run

GRAPH_FORMATS = (".graphml", ".json")


def export_ring_graphs(store: Store, path: Path, *, run_id: str | None = None) -> int:
    """Write all rings of a run (default: the published one) as one graph; returns the number of rings.

    Raises `NotFound` without such a run, `BadInput` where the folder isn't there."""
    from detectors.export import rings_graphml, rings_node_link

    run = find_run(store, run_id)
    rings, members, evidence = (
        store.run_rows(run.run_id, name) for name in ("run_rings", "run_members", "run_evidence")
    )
    draw = rings_graphml if path.suffix == ".graphml" else rings_node_link
    replace_file(path, draw(rings, members, evidence))
    return rings.num_rows
