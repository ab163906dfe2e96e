"""A ring drawn for people: accounts, what they share, and where the ring hangs on one thread; SVG or PNG.

Accounts lie on a circle, those that share something near each other; what they share lies between them, moved apart by
networkx's springs (Fruchterman & Reingold 1991, doi:10.1002/spe.4380211102). Drawn by matplotlib, which the extra
`cases` brings. The same rows and the same version of matplotlib give the same bytes.
"""

from __future__ import annotations

import io
import math
import threading
import warnings
from typing import Any, Literal

import networkx
import pyarrow as pa
import pyarrow.compute as pc

from detectors.export import rings_graph
from graph.errors import RingfenceError

_MOST_LABELS = 60
_LONGEST = 20
_LOCK = threading.Lock()
"""matplotlib's settings are the process's."""


class NoDrawing(RingfenceError):
    """matplotlib is not installed, so nothing can be drawn."""

    code = "NO_DRAWING"


def draw_ring(
    rings: pa.Table, members: pa.Table, evidence: pa.Table, ring_id: str, kind: Literal["svg", "png"]
) -> bytes:
    """One ring of a run's tables `run_rings`, `run_members`, `run_evidence` as a picture. Raises `NoDrawing`.

    Full circles act, hollow ones stand by; squares are what is shared, by kind; a dashed line is one that the ring
    falls apart without. Identifiers are not named, masked or not: the evidence lists them."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise NoDrawing(
            "matplotlib is not installed", where="drawing", do="install ringfence[cases], or matplotlib itself"
        ) from None
    one = rings.filter(pc.field("ring_id") == ring_id)
    graph = rings_graph(one, members, evidence)
    place = _layout(graph)
    with _LOCK, matplotlib.rc_context({"svg.hashsalt": "ringfence", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font may lack the letters of an id; the picture is good all the same
        figure = Figure(figsize=(10, 8), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.92))
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.15)
        count = sum(told["label"] == "account" for _, told in graph.nodes(data=True))
        axes.set_title(f"{ring_id}: {count} accounts", parse_math=False)
        _edges(axes, graph, place)
        _nodes(axes, graph, place)
        out = io.BytesIO()
        metadata: dict[str, Any] = (
            {"Date": None, "Creator": "Ringfence"} if kind == "svg" else {"Software": "Ringfence"}
        )
        figure.savefig(out, format=kind, metadata=metadata)
    data = out.getvalue()
    if kind == "svg":  # the two characters that XML cannot hold
        data = data.replace("\ufffe".encode(), b"?").replace("\uffff".encode(), b"?")
    return data


def _layout(graph: networkx.Graph[str]) -> dict[str, tuple[float, float]]:
    """Where each node lies, by node; the same for the same graph."""
    walk = [node for start in graph for node in networkx.dfs_preorder_nodes(graph, start)]
    accounts = [node for node in dict.fromkeys(walk) if graph.nodes[node]["label"] == "account"]
    if not accounts:
        return {}
    turn = 2 * math.pi / len(accounts)
    place = {node: (math.cos(n * turn), math.sin(n * turn)) for n, node in enumerate(accounts)}
    for node in graph:
        if node not in place:  # what is shared starts in the middle of whoever shares it
            near = [place[other] for other in graph[node]] or [(0.0, 0.0)]
            inner = 0.75 if len(near) > 1 else 1.3
            place[node] = inner * sum(x for x, _ in near) / len(near), inner * sum(y for _, y in near) / len(near)
    moved = networkx.spring_layout(graph, pos=place, fixed=accounts, seed=0, iterations=60, k=0.35)
    return {node: (float(x), float(y)) for node, (x, y) in moved.items()}


def _edges(axes: Any, graph: networkx.Graph[str], place: Any) -> None:
    for start, end, told in graph.edges(data=True):
        (x0, y0), (x1, y1) = place[start], place[end]
        axes.plot(
            [x0, x1],
            [y0, y1],
            color="#8a8f98",
            linewidth=0.6 + 0.4 * min(max(told["nats"], 0.0), 5.0),
            linestyle="--" if told["bridge"] else "-",
            zorder=1,
        )


def _nodes(axes: Any, graph: networkx.Graph[str], place: Any) -> None:
    labels = len(graph) <= _MOST_LABELS
    for node, told in graph.nodes(data=True):
        x, y = place[node]
        if told["label"] == "account":
            acts = told["role"] == "actor"
            face = (0.75, 0.22, 0.17, 0.35 + 0.65 * told["probability"]) if acts else "white"
            axes.scatter([x], [y], s=180, c=[face], edgecolors="#7a1f17" if acts else "#555555", zorder=2)
            text = node.partition(":")[2]
        else:
            axes.scatter([x], [y], s=110, marker="s", c="#2f6f9f", edgecolors="#1d4461", zorder=2)
            text = told["kind"].replace("shared_", "").replace("_", " ")
        if labels:
            shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
            axes.annotate(
                shown,
                (x, y),
                xytext=(9 if x >= 0 else -9, 0),
                textcoords="offset points",
                ha="left" if x >= 0 else "right",
                va="center",
                fontsize=7,
                parse_math=False,
                zorder=3,
            )
