"""Results as tables, once for the screen (rich) and once for the page (Markdown)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
from rich.table import Table

from benchmarks.metrics import calibration_error, reliability
from benchmarks.quality.scores import Score, pooled

TARGETS: Final = (
    ("average precision of account risk", "average_precision", 0.95, True),
    ("limited accounts: precision", "limit_precision", 0.98, True),
    ("limited accounts: recall", "limit_recall", 0.85, True),
    ("honest accounts limited, per 10,000", "honest_per_10k", 1.0, False),
    ("honest accounts limited for a hub alone", "hub_alone", 0, False),
    ("rings found", "found_share", 0.95, True),
    ("pairs of members: precision", "pair_precision", 0.97, True),
    ("pairs of members: recall", "pair_recall", 0.85, True),
    ("calibration error of account risk", "risk_error", 0.02, False),
    ("the same among accounts of risk 0.1 and above", "suspect_error", None, False),
    ("calibration error of ring confidence", "ring_error", 0.02, False),
)
"""Measure, attribute of the score, target (None: reported without one), and whether more is better."""


@dataclass(frozen=True)
class Sheet:
    """A table: the first `left` columns are text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def rich(self) -> Table:
        """For the screen."""
        table = Table(title=self.title)
        for at, column in enumerate(self.columns):
            table.add_column(column, justify="left" if at < self.left else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For the page."""
        rule = ["---" if at < self.left else "---:" for at in range(len(self.columns))]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join(lines) + "\n"


def number(value: float, digits: int = 3) -> str:
    """A number as text, a dash for NaN."""
    return "–" if value != value else f"{value:.{digits}f}"


def target_sheet(scores: Sequence[Score]) -> Sheet:
    """Each target with the worst and the median market."""
    rows = []
    for name, attribute, target, more in TARGETS:
        values = [value for value in (float(getattr(score, attribute)) for score in scores) if value == value]
        digits = 1 if attribute == "honest_per_10k" else 0 if attribute == "hub_alone" else 3
        if not values:
            continue
        worst = min(values) if more else max(values)
        aim = "" if target is None else f"{'≥' if more else '≤'} {target:g}"
        met = "" if target is None else "yes" if (worst >= target if more else worst <= target) else "no"
        shown = [number(worst, digits)] if len(scores) == 1 else [number(worst, digits), number(median(values), digits)]
        rows.append([name, aim, *shown, met])
    values_ = ("all added up",) if len(scores) == 1 else ("worst", "median")
    markets = sum(score.markets for score in scores)
    return Sheet(f"Targets, {markets} markets", ("measure", "target", *values_, "met"), rows)


DRAWS: Final = 400
"""Draws of what chance alone makes of rightly told confidences."""


def chance_sheet(scores: Sequence[Score]) -> Sheet:
    """How far the confidence of rings is off, and how far it would be if every ring were true with just the confidence
    that is told of it: of some hundred rings a market that are nearly all true, the worst market's error is mostly
    chance."""
    generator = np.random.default_rng(1)
    some = [score for score in scores if score.claimed]
    kinds = {"worst market": some} if len(some) > 1 else {}
    if some:
        kinds["all rings in one list"] = [pooled(some)]
    rows = []
    for name, among in kinds.items():
        told = [np.array([confidence for confidence, _, _ in score.claimed]) for score in among]
        drawn = [
            max(calibration_error(*reliability(one, generator.random(len(one)) < one)) for one in told)
            for _ in range(DRAWS)
        ]
        off = (max(score.ring_error for score in among), float(np.mean(drawn)), float(np.quantile(drawn, 0.95)))
        rows.append([name, f"{sum(map(len, told)):,}", *map(number, off)])
    columns = ("confidence of rings", "rings", "off by", "if told rightly, mean", "95 % of draws below")
    return Sheet("What chance makes of the confidence of rings", columns, rows)


COLUMNS: Final = (
    "AP", "AP rings", "AP lone", "limits: precision", "recall", "honest /10k", "honest /10k at half",
    "rings found", "published (true)", "pairs: precision", "recall",
)  # fmt: skip


def cells(score: Score) -> list[str]:
    """The columns of `COLUMNS` for one score."""
    return [
        number(score.average_precision),
        number(score.average_precision_rings),
        number(score.average_precision_lone),
        number(score.limit_precision),
        number(score.limit_recall),
        number(score.honest_per_10k, 1),
        number(score.honest_at_half, 1),
        f"{score.rings_found}/{score.rings}",
        f"{score.published} ({score.published_true})",
        number(score.pair_precision),
        number(score.pair_recall),
    ]


def market_sheet(rows: Sequence[dict[str, Any]], title: str) -> Sheet:
    """One row a market and method."""
    body = [
        [f"{row['seed']}", row["label"], row["method"], *cells(row["score"]), f"{row['seconds']:.1f}"] for row in rows
    ]
    return Sheet(title, ("seed", "mixture", "method", *COLUMNS, "seconds"), body, left=3)


def kind_sheet(score: Score) -> Sheet:
    """Accounts limited by planted kind."""
    rows = [[kind, str(hit), str(every), f"{hit / every:.4f}"] for kind, (hit, every) in sorted(score.kinds.items())]
    return Sheet("Accounts limited, by planted kind", ("kind", "limited", "all", "share"), rows)


def discovery_sheet(score: Score, grid: Sequence[float] = (0.01, 0.05, 0.1, 0.2, 0.5)) -> Sheet:
    """Rings by stated false discovery rate against the true one."""
    rows = []
    for q in grid:
        got = score.discovery(q)
        ratio = got.rate / got.stated if got.rings and got.stated > 0 else float("nan")
        rows.append(
            [
                f"{q:g}", str(got.rings), str(got.false), number(got.rate, 4), number(got.upper, 4),
                number(got.stated, 4), number(ratio, 1),
            ]
        )  # fmt: skip
    columns = ("q", "rings", "false", "true rate", "95 % upper bound", "mean of 1 − confidence", "true / stated")
    return Sheet(f"False discoveries over {score.markets} markets", columns, rows)


def reliability_sheet(score: Score) -> Sheet:
    """Stated risk against the share of abusers, by bin."""
    rows = []
    bins = len(score.risk_count)
    for at, (count, stated, hits) in enumerate(zip(score.risk_count, score.risk_stated, score.risk_hits, strict=True)):
        if count:
            rows.append(
                [
                    f"{at / bins:.1f} to {(at + 1) / bins:.1f}",
                    f"{count:,}",
                    f"{stated / count:.3f}",
                    f"{hits / count:.3f}",
                ]
            )
    return Sheet("Reliability of account risk", ("risk", "accounts", "mean risk", "share of abusers"), rows)


def quiet_sheet(scores: Sequence[Score], buyers: int) -> Sheet:
    """Markets without abuse: how many publish a ring, and whom they limit."""
    rings = sum(score.published > 0 for score in scores)
    row = [
        f"{len(scores)}",
        f"{buyers:,}",
        f"{rings} ({rings / len(scores):.3f})",
        str(sum(score.published for score in scores)),
        number(10_000 * sum(score.honest_limited for score in scores) / sum(score.honest for score in scores), 2),
    ]
    columns = ("markets", "accounts each", "with a published ring", "rings", "honest limited per 10,000")
    return Sheet("Markets without abuse", columns, [row], left=0)


def peer_sheet(by_method: Mapping[str, Sequence[Any]]) -> Sheet:
    """One row a method: average precision, worst and median market; the rest are medians and sums."""
    rows = []
    for name, results in by_method.items():
        scores = [result.score for result in results]
        ap = [score.average_precision for score in scores]
        published = sum(score.published for score in scores)
        rows.append(
            [
                name,
                number(min(ap)),
                number(median(ap)),
                number(median(score.average_precision_rings for score in scores)),
                number(median(score.average_precision_lone for score in scores)),
                number(median(score.honest_at_half for score in scores), 1),
                f"{sum(score.rings_found for score in scores)}/{sum(score.rings for score in scores)}",
                f"{published} ({sum(score.published_true for score in scores)})" if published else "–",
                number(median(result.seconds for result in results), 1),
            ]
        )
    columns = (
        "method", "AP, worst", "AP, median", "AP rings", "AP lone", "honest /10k at half", "rings found",
        "published (true)", "seconds",
    )  # fmt: skip
    return Sheet("Methods side by side", columns, rows)


def reach_sheet(by_method: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Sheet:
    """Share of each abusive kind that a method reaches before its precision falls below what limits need."""
    reach = {name: pooled([result.score for result in by_method[name]]).reach for name in names}
    rows = []
    for kind, (_, every) in reach[names[0]].items():
        rows.append([kind, str(every), *(number(reach[name][kind][0] / every) for name in names)])
    return Sheet("What each kind's traces hold", ("kind", "accounts", *names), rows)


def total_sheet(by_method: Mapping[str, Sequence[Any]]) -> Sheet:
    """One row a method, its markets added up."""
    body = []
    for name, results in by_method.items():
        total = pooled([result.score for result in results])
        got = cells(total)
        body.append([name, str(len(results)), *got[3:6], *got[7:]])
    return Sheet("Markets added up", ("method", "markets", *COLUMNS[3:6], *COLUMNS[7:]), body)
