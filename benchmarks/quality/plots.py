"""The two plots of a run: how reliable risk is, and precision over recall."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.metrics import reliability
from benchmarks.quality.scores import Score


def reliability_plot(score: Score, path: Path, title: str) -> None:
    """Stated probability against the share that is true, for accounts and for rings; bins of few are faint."""
    figure, left, right = _two(title)
    stated = np.array([confidence for confidence, _, _ in score.claimed])
    true = np.array([hit for _, _, hit in score.claimed], dtype=np.bool_)
    rings = reliability(stated, true) if len(stated) and not np.isnan(stated).any() else ([], [], [])
    bins = (
        (left, "account risk", score.risk_count, score.risk_stated, score.risk_hits),
        (right, "ring confidence", *rings),
    )
    for axis, name, count, total, hits in bins:
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for n, mass, hit in zip(count, total, hits, strict=True):
            if n:
                axis.scatter(mass / n, hit / n, s=24, color="tab:blue", alpha=min(1.0, 0.25 + n / 40))
                axis.annotate(f"{n:,}", (mass / n, hit / n), fontsize=6, xytext=(3, -8), textcoords="offset points")
        axis.set_xlabel(f"stated {name}")
        axis.set_ylabel("share that is true")
        axis.set_xlim(-0.03, 1.03)
        axis.set_ylim(-0.03, 1.03)
    _save(figure, path)


def ranking_plot(score: Score, by_method: Mapping[str, list[float]], path: Path, title: str) -> None:
    """Left: precision over recall of Ringfence's risk, all markets in one ranking. Right: average precision of each
    method, one dot a market."""
    figure, left, right = _two(title)
    hits = np.cumsum(score.curve_hits[::-1])
    seen = np.cumsum(score.curve_count[::-1])
    some = hits > 0
    if some.any():
        left.plot(hits[some] / hits[-1], hits[some] / seen[some], color="tab:blue")
    left.set_xlabel("recall of abusers")
    left.set_ylabel("precision")
    left.set_xlim(0, 1)
    left.set_ylim(0, 1.03)
    ranked = {name: median(known) for name in by_method if (known := [one for one in by_method[name] if one == one])}
    names = sorted(ranked, key=ranked.__getitem__)
    for at, name in enumerate(names):
        values = by_method[name]
        right.scatter(values, np.full(len(values), at), s=14, color="tab:blue" if name == "ringfence" else "0.5")
    right.set_yticks(range(len(names)), names, fontsize=7)
    right.set_xlabel("average precision")
    right.set_xlim(0, 1)
    _save(figure, path)


def _two(title: str) -> tuple[Figure, Any, Any]:
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=10)
    return figure, left, right


def _save(figure: Figure, path: Path) -> None:
    """PNG to look at and SVG for the page; the SVG's bytes depend on the data only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".png"), dpi=130)
    with mpl.rc_context({"svg.hashsalt": "ringfence", "svg.fonttype": "none"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
