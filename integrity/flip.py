"""What would flip a decision: the fewest pieces of evidence without which the account would stand more mildly, found by
taking them out and judging again; and what was weighed of an account against which nothing is held.

Pieces are taken heaviest first until the decision turns (the turning point is searched by halving), then each that is
not needed is put back, lightest first. Every step is a question to the run itself, so what is named turns the decision;
of several sets that do it is one to which no piece can be spared. Source: counterfactual evidence as in Martens &
Provost (2014), doi:10.25300/MISQ/2014/38.1.04, with the model's own answer at each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from detectors.links.comeback import KIND_WEIGHTS
from detectors.pipeline import Found, tell, weighed
from detectors.words.fact import Fact, Language, read_fact
from graph.changes import STRIKABLE, Removals
from graph.errors import NotFound
from graph.snapshot import Snapshot
from graph.store import Store
from integrity.healing import Reopened, Standing
from integrity.records import masked_identifiers

LIMITED: Final = ("STORE_LIMITED", "PLATFORM_LIMITED")
PUT_BACK: Final = 24
"""Pieces that are tried to be put back at most: of so many that turn a decision only together the first are named."""
ALL: Final = 10_000
"""Records of one kind that are looked at; explanations show a few."""


@dataclass(frozen=True)
class Flip:
    """What would flip the decision on `buyer_id`: rows of `run_evidence` in order of weight, what taking them out is
    (`removals`, and by piece `pieces`), and how the account would stand then. `flips` is false where not all evidence
    together would do; without evidence there is nothing to flip. `others` are other accounts that would stand
    otherwise, too."""

    buyer_id: str
    flips: bool
    evidence: tuple[Mapping[str, Any], ...]
    removals: Removals
    pieces: tuple[Removals, ...]
    status_before: str
    status_after: str
    risk_before: float
    risk_after: float
    others: tuple[Standing, ...]


@dataclass(frozen=True)
class Weighed:
    """What was looked at of an account: what speaks for abuse, and what turned out benign or speaks against it."""

    reasons: tuple[Fact, ...]
    against: tuple[Fact, ...]


@dataclass(frozen=True)
class _Piece:
    removals: Removals
    rows: tuple[Mapping[str, Any], ...]

    @property
    def nats(self) -> float:
        return float(sum(row["nats"] for row in self.rows))


def flip(opened: Reopened, buyer_id: str) -> Flip:
    """The fewest pieces of evidence without which the account would be limited no longer (or, where it is watched,
    would be clear). Raises `NotFound`."""
    number = _number(opened, buyer_id)
    status, risk = opened.status(buyer_id), round(float(opened.base.found.risk[number]), 6)
    pieces = _pieces(opened, number) if status != "CLEAR" else []

    def turned(chosen: Sequence[_Piece]) -> bool:
        one = opened.ask(_together(chosen)).by_buyer.get(buyer_id)
        after = status if one is None else one.status_after
        return after not in LIMITED if status in LIMITED else after == "CLEAR"

    turning = _turning(pieces, turned)
    flips = bool(turning)
    chosen = pieces if turning is None else _needed(turning, turned)
    healed = opened.ask(_together(chosen))
    mine = healed.by_buyer.get(buyer_id)
    return Flip(
        buyer_id,
        flips,
        tuple(row for piece in chosen for row in piece.rows),
        healed.removals,
        tuple(piece.removals for piece in chosen),
        status,
        status if mine is None else mine.status_after,
        risk,
        risk if mine is None else mine.risk_after,
        tuple(one for one in healed.accounts if one.buyer_id != buyer_id),
    )


def look(opened: Reopened, buyer_id: str) -> Weighed:
    """What was weighed of an account, whatever came of it. Raises `NotFound`."""
    reasons, against = weighed(opened.base.found, _number(opened, buyer_id))
    return Weighed(tuple(reasons), tuple(against))


def explain_flip(store: Store, opened: Reopened, buyer_id: str, language: Language = "en") -> dict[str, Any]:
    """`flip` and `look` as plain values, identifiers masked and sentences in `language`. Raises `NotFound`."""
    found, seen = flip(opened, buyer_id), look(opened, buyer_id)
    masks = masked_identifiers(store, (row["identifier"] for row in found.evidence if row["identifier"]))
    return {
        "run_id": opened.run.run_id,
        "buyer_id": buyer_id,
        "flips": found.flips,
        "status_before": found.status_before,
        "status_after": found.status_after,
        "risk_before": found.risk_before,
        "risk_after": found.risk_after,
        "others": len(found.others),
        "evidence": [
            {
                **{name: row[name] for name in ("kind", "nats", "source_table", "source_id", "identifier")},
                "text": read_fact(row["fact"]).text(language),
                "shown": masks.get(row["identifier"] or "", ""),
            }
            for row in found.evidence
        ],
        "weighed": {
            "reasons": [one.text(language) for one in seen.reasons],
            "against": [one.text(language) for one in seen.against],
        },
    }


def _number(opened: Reopened, buyer_id: str) -> int:
    ids = opened.base.snapshot.buyers.ids
    at = int(np.searchsorted(ids.astype(str), buyer_id))
    if at >= len(ids) or ids[at] != buyer_id:
        raise NotFound(f"run {opened.run.run_id} knows no account {buyer_id!r}", do="check the id; load newer data")
    return at


def _turning(pieces: list[_Piece], turned: Any) -> list[_Piece] | None:
    """The shortest beginning of `pieces` that turns the decision, None where not even all do."""
    if not pieces:
        return []
    high = 1
    while high < len(pieces) and not turned(pieces[:high]):
        high *= 2
    high = min(high, len(pieces))
    if not turned(pieces[:high]):
        return None
    low = high // 2  # does not turn it, or is none
    while high - low > 1:
        middle = (low + high) // 2
        if turned(pieces[:middle]):
            high = middle
        else:
            low = middle
    return pieces[:high]


def _needed(chosen: list[_Piece], turned: Any) -> list[_Piece]:
    """Those of the pieces that cannot be put back."""
    for piece in list(reversed(chosen))[:PUT_BACK]:
        left = [one for one in chosen if one is not piece]
        if left and turned(left):
            chosen = left
    return chosen


def _together(pieces: Sequence[_Piece]) -> Removals:
    removals = Removals()
    for piece in pieces:
        removals = removals.union(piece.removals)
    return removals


def _pieces(opened: Reopened, number: int) -> list[_Piece]:
    """What can be taken out of what speaks for abuse of the account: all that rests on one record or identifier is one
    piece; heaviest first."""
    found = _whole(opened.base.found)
    only = np.zeros(found.ctx.n, bool)
    only[number] = True
    buyer = str(found.ctx.snapshot.buyers.ids[number])
    rows = [row for row in tell(found, only).evidence.to_pylist() if row["buyer_id"] == buyer and row["nats"] > 0]
    grouped: dict[Removals, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (-row["nats"], row["evidence_id"])):
        removals = _removal(found.ctx.snapshot, buyer, row)
        if removals:
            grouped.setdefault(removals, []).append(row)
    pieces = [_Piece(removals, tuple(rows)) for removals, rows in grouped.items()]
    return sorted(pieces, key=lambda piece: (-piece.nats, piece.rows[0]["evidence_id"]))


def _whole(found: Found) -> Found:
    """The findings with every record behind an account, however many."""
    told = found.ctx.settings.model_copy(update={"records_shown": ALL, "account_evidence_risk": 0.0})
    return replace(found, ctx=replace(found.ctx, settings=told))


def _removal(snapshot: Snapshot, buyer: str, row: Mapping[str, Any]) -> Removals:
    """What has to be taken out for a piece of evidence to be gone."""
    if row["identifier"]:
        return Removals(links=frozenset({(buyer, row["identifier"])}))
    table, id_ = row["source_table"], row["source_id"]
    if table in STRIKABLE and table != "uses":
        return Removals(records=frozenset({(table, id_)}))
    # a come-back shows in an order or a use: what they carry is what links
    found = set()
    if table == "orders":
        at = int(np.flatnonzero(snapshot.orders.ids == id_)[0])
        for kind in KIND_WEIGHTS:
            used = int(snapshot.orders.used[kind][at])
            if used >= 0:
                found.add((buyer, str(snapshot.identifiers[kind][used])))
    records = frozenset({(table, id_)}) if table == "uses" else frozenset()
    return Removals(links=frozenset(found), records=records)
