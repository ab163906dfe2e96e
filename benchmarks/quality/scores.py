"""One scorer for all methods: a score holds counts, not only shares, so that many markets can be added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from benchmarks.metrics import (
    BINS,
    Bools,
    Outcome,
    Truth,
    area,
    average_precision,
    calibration_error,
    honest_at_half,
    is_true,
    pairs,
    precise_line,
    reliability,
    rings_found,
    true_rings,
    upper_bound,
)

PRECISE: Final = 0.98
"""The precision that limits are to have."""
CURVE: Final = np.linspace(-14.0, 14.0, 561)
"""Edges of log odds of risk (0.05 nats apart) in which rankings of many markets are added up."""


@dataclass(frozen=True)
class Score:
    """One method on one market, or on several added up. All counts are of accounts, rings or pairs; `kinds` maps each
    planted kind to (limited, all); `claimed` are (confidence, q, true) of every ring the method would publish."""

    markets: int = 1
    average_precision: float = float("nan")
    average_precision_rings: float = float("nan")
    """Among ring abusers and the innocent: lone abusers left out."""
    average_precision_lone: float = float("nan")
    """Among lone abusers and the innocent: ring abusers left out."""
    honest_at_half: float = float("nan")
    """Honest accounts per 10,000 at or above the risk from which half of the abusers are."""
    honest: int = 0
    honest_limited: int = 0
    hub_alone: int = 0
    abusers: int = 0
    abusers_limited: int = 0
    lone: int = 0
    lone_limited: int = 0
    rings: int = 0
    rings_found: int = 0
    published: int = 0
    published_true: int = 0
    markets_with_false_ring: int = 0
    pairs_both: int = 0
    pairs_published: int = 0
    pairs_true: int = 0
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    reach: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(reached, all) of each abusive kind, by the lowest risk from which on `PRECISE` of the accounts are abusers."""
    risk_count: list[int] = field(default_factory=lambda: [0] * BINS)
    risk_stated: list[float] = field(default_factory=lambda: [0.0] * BINS)
    risk_hits: list[int] = field(default_factory=lambda: [0] * BINS)
    curve_count: list[int] = field(default_factory=lambda: [0] * (len(CURVE) + 1))
    curve_hits: list[int] = field(default_factory=lambda: [0] * (len(CURVE) + 1))
    claimed: list[tuple[float, float, bool]] = field(default_factory=list)

    @property
    def limit_precision(self) -> float:
        """Share of limited accounts that abuse; 1 where nobody is limited."""
        limited = self.abusers_limited + self.honest_limited
        return self.abusers_limited / limited if limited else 1.0

    @property
    def limit_recall(self) -> float:
        """Share of abusers that are limited."""
        return self.abusers_limited / self.abusers if self.abusers else float("nan")

    @property
    def honest_per_10k(self) -> float:
        """Honest accounts limited, per 10,000 honest ones."""
        return 10_000 * self.honest_limited / max(1, self.honest)

    @property
    def found_share(self) -> float:
        """Share of true rings found."""
        return self.rings_found / self.rings if self.rings else float("nan")

    @property
    def pair_precision(self) -> float:
        """Share of pairs of one published ring that act together."""
        return self.pairs_both / self.pairs_published if self.pairs_published else float("nan")

    @property
    def pair_recall(self) -> float:
        """Share of pairs of one true ring that are in one published ring."""
        return self.pairs_both / self.pairs_true if self.pairs_true else float("nan")

    @property
    def risk_error(self) -> float:
        """Expected calibration error of risk over all accounts."""
        return calibration_error(self.risk_count, self.risk_stated, self.risk_hits)

    @property
    def suspect_error(self) -> float:
        """The same over accounts of risk 0.1 and above: the many of no risk don't hide the few."""
        return calibration_error(self.risk_count[1:], self.risk_stated[1:], self.risk_hits[1:])

    @property
    def ring_error(self) -> float:
        """Expected calibration error of the rings' confidence."""
        stated = np.array([confidence for confidence, _, _ in self.claimed])
        if not len(stated) or np.isnan(stated).any():
            return float("nan")
        return calibration_error(*reliability(stated, np.array([true for _, _, true in self.claimed])))

    def discovery(self, q: float) -> Discovery:
        """What holds of the rings published at a false discovery rate of `q`."""
        chosen = [row for row in self.claimed if (row[1] <= q if row[1] == row[1] else row[0] >= 1.0 - q)]
        false = sum(not true for _, _, true in chosen)
        stated = float(np.mean([1.0 - confidence for confidence, _, _ in chosen])) if chosen else float("nan")
        return Discovery(q, len(chosen), false, stated)


@dataclass(frozen=True)
class Discovery:
    """Rings published at a stated false discovery rate `q`: how many, how many false, and the mean of one minus their
    confidence."""

    q: float
    rings: int
    false: int
    stated: float

    @property
    def rate(self) -> float:
        """True share of false rings."""
        return self.false / self.rings if self.rings else float("nan")

    @property
    def upper(self) -> float:
        """Upper end of the 95 % interval of the true rate."""
        return upper_bound(self.false, self.rings)


def score(truth: Truth, outcome: Outcome) -> Score:
    """Score a method on one market."""
    abuser, limited = truth.abuser, outcome.limited
    lone = abuser & (truth.ring < 0)
    published = [frozenset(ring.members.tolist()) for ring in outcome.rings]
    found, total = rings_found(true_rings(truth), published)
    true = [is_true(truth, ring.members) for ring in outcome.rings]
    both, stated, pairs_true = pairs(truth, [ring.actors for ring in outcome.rings])
    hub_alone = np.zeros_like(limited) if outcome.hub_alone is None else outcome.hub_alone
    kinds = by_kind(truth, limited, np.ones_like(abuser))
    reached = outcome.risk >= precise_line(abuser, outcome.risk, PRECISE)
    result = Score(
        average_precision=average_precision(abuser, outcome.risk),
        average_precision_rings=average_precision(abuser[~lone], outcome.risk[~lone]),
        average_precision_lone=average_precision(abuser[~abuser | lone], outcome.risk[~abuser | lone]),
        honest_at_half=honest_at_half(abuser, outcome.risk),
        honest=int((~abuser).sum()),
        honest_limited=int((limited & ~abuser).sum()),
        hub_alone=int((hub_alone & limited & ~abuser).sum()),
        abusers=int(abuser.sum()),
        abusers_limited=int((limited & abuser).sum()),
        lone=int(lone.sum()),
        lone_limited=int((limited & lone).sum()),
        rings=total,
        rings_found=found,
        published=len(published),
        published_true=sum(true),
        markets_with_false_ring=int(not all(true)),
        pairs_both=both,
        pairs_published=stated,
        pairs_true=pairs_true,
        kinds=kinds,
        reach=by_kind(truth, reached, abuser),
        claimed=[(ring.confidence, ring.q, is_true(truth, ring.members)) for ring in outcome.all_rings],
    )
    return _with_curves(result, abuser, outcome) if outcome.calibrated else result


def by_kind(truth: Truth, chosen: Bools, among: Bools) -> dict[str, tuple[int, int]]:
    """(chosen, all) accounts of each planted kind `among` some."""
    kinds = truth.kind.astype(str)
    return {
        str(kind): (int((chosen & among)[kinds == kind].sum()), int(among[kinds == kind].sum()))
        for kind in np.unique(kinds[among])
    }


def _with_curves(result: Score, abuser: Bools, outcome: Outcome) -> Score:
    """The score with reliability bins and the ranking in steps of log odds."""
    count, stated, hits = reliability(outcome.risk, abuser)
    bounded = np.clip(outcome.risk, 1e-9, 1.0 - 1e-9)
    place = np.searchsorted(CURVE, np.log(bounded) - np.log1p(-bounded))
    size = len(CURVE) + 1
    return replace(
        result,
        risk_count=count,
        risk_stated=stated,
        risk_hits=hits,
        curve_count=np.bincount(place, minlength=size).tolist(),
        curve_hits=np.bincount(place[abuser], minlength=size).tolist(),
    )


def pooled(scores: Sequence[Score]) -> Score:
    """Markets added up: counts are sums; the average precision is that of all accounts in one ranking by risk."""
    total: dict[str, Any] = {}
    for item in fields(Score):
        values = [getattr(one, item.name) for one in scores]
        first = values[0]
        if item.name == "claimed":
            total[item.name] = [row for rows in values for row in rows]
        elif item.name in ("kinds", "reach"):
            names = sorted({name for value in values for name in value})
            both = {name: np.sum([value.get(name, (0, 0)) for value in values], axis=0) for name in names}
            total[item.name] = {name: (int(pair[0]), int(pair[1])) for name, pair in both.items()}
        elif isinstance(first, list):
            total[item.name] = np.sum(values, axis=0).tolist()
        elif isinstance(first, int):
            total[item.name] = sum(values)
    hits, count = (np.array(total[name][::-1], dtype=np.int64) for name in ("curve_hits", "curve_count"))
    return Score(**total, average_precision=area(hits, count))


def to_json(result: Score) -> dict[str, Any]:
    """The score as plain values; NaN becomes null."""
    plain: dict[str, Any] = _plain({item.name: getattr(result, item.name) for item in fields(Score)})
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def from_json(plain: dict[str, Any]) -> Score:
    """The score that `to_json` wrote."""
    values: dict[str, Any] = {name: float("nan") if value is None else value for name, value in plain.items()}
    for name in ("kinds", "reach"):
        values[name] = {kind: (pair[0], pair[1]) for kind, pair in plain[name].items()}
    values["claimed"] = [
        (*(float("nan") if one is None else one for one in row[:2]), row[2]) for row in plain["claimed"]
    ]
    return Score(**values)
