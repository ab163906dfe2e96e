"""Triage of complaints: what the records say at once about a claim that a store reports, or that a person must look.

Each complaint gets the probability that its store is right, by a logistic model over what the records tell: the
account's risk in the published run and its part in a ring, the weights that went out and came back, a parcel number or
a picture that other claims gave too, and how far this store's complaints can be believed. The weights are those with
which a logistic regression explains the truth of simulated markets, tuning seeds alone (`python -m benchmarks.triage
--fit`, ADR 14); they are the same for every market. The policy's thresholds say from where on nobody need look, and
were set by the error measured on the same markets; a share of what was decided at once goes to a person all the same,
so that a platform measures the error on its own.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import polars as pl

from graph.store import Head, Store
from integrity.columns import find_frame, frame_of, rows_of, scan_frame
from integrity.instants import DAY
from integrity.policy import Complaints
from integrity.standing import Standing, Standings, tally
from integrity.words import Fact, fact, text_of, texts_of

SOUND: Final = 0.93
"""A return of at least this share of what was shipped came back whole: scales and wrappings differ a little."""
LIGHT: Final = 0.85
"""Below this share something is missing, or it is something else."""
DAYS_OF_ACCORD: Final = 3
STORES_IN_ACCORD: Final = 3
"""Reports of so many stores within so many days on one buyer look concerted."""

FEATURES: Final = (
    "certain",
    "risk",
    "actor",
    "refund_only",
    "light",
    "sound",
    "parcel",
    "picture",
    "reliability",
    "eagerness",
)
WEIGHTS: Final = (-1.52, 0.52, 0.92, 1.52, 0.60, -1.01, 0.62, 0.20, 1.13, -0.34)

LEAST_NATS: Final = 0.1
"""What weighs less is not told."""


class Proposal(StrEnum):
    """What triage makes of a complaint."""

    UPHELD = "upheld"
    DISMISSED = "dismissed"
    NEEDS_A_PERSON = "needs_a_person"


@dataclass(frozen=True)
class Reported:
    """A complaint to be weighed: what is reported of which claim, when (UTC microseconds)."""

    complaint_id: str
    refund_id: str
    type: str
    filed_at: int


@dataclass(frozen=True)
class Weighed:
    """What triage says of one complaint. `probability` that the store is right; `because` is the evidence, strongest
    first; `doubt` what sends it to a person (None: decided at once); `sample` says that a person looks so that the
    error is known, not because of doubt; `run_id` is the run that the risk is of (None: none published)."""

    complaint_id: str
    proposal: Proposal
    probability: float
    because: tuple[Fact, ...]
    doubt: Fact | None
    sample: bool
    run_id: str | None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The evidence in English."""
        return tuple(texts_of(self.because))

    @property
    def why(self) -> str:
        """What sends it to a person, in English; empty where nothing does."""
        return "" if self.doubt is None else text_of(self.doubt)


@dataclass(frozen=True)
class Ground:
    """What triage looks things up in, of one load and one published run: made once, used for many complaints.

    `risk` and `actors` by buyer, `expected` buyer to own claims and claims expected; `pictures` hash to the buyers (at
    most two) who gave it; `standings` of the stores; `reports` buyer to what stores reported of it, (filed_at,
    store_id) by time."""

    store: Store
    known_by: int
    run_id: str | None
    risk: Mapping[str, float]
    actors: frozenset[str]
    pictures: Mapping[str, frozenset[str]]
    standings: Standings
    reports: Mapping[str, Sequence[tuple[int, str]]]
    expected: Mapping[str, tuple[int, float]]

    def with_standings(self, known: Standings) -> Ground:
        """The same ground with stores as they stand now."""
        return replace(self, standings=known)

    def with_reports(self, more: Sequence[tuple[str, int, str]]) -> Ground:
        """The same ground with reports (buyer, instant, store) that are being made."""
        reports = dict(self.reports)
        for buyer, at, store in more:
            reports[buyer] = sorted((*reports.get(buyer, ()), (at, store)))
        return replace(self, reports=reports)


def ground(store: Store, head: Head, known: Standings | None = None, *, filed: Sequence[Reported] = ()) -> Ground:
    """What stands at a head of the store. `known` are the standings of stores, by default those of the records;
    `filed` complaints that the records may not hold yet."""
    risk: dict[str, float] = {}
    expected: dict[str, tuple[int, float]] = {}
    actors: frozenset[str] = frozenset()
    if head.run is not None:
        accounts = store.run_rows(head.run, "run_accounts", columns=("buyer_id", "risk", "claims", "expected_claims"))
        for buyer, likely, claims, due in (
            frame_of(accounts).select("buyer_id", "risk", "claims", "expected_claims").iter_rows()
        ):
            risk[buyer], expected[buyer] = likely, (claims, due)
        members = rows_of(store.run_rows(head.run, "run_members", columns=("buyer_id", "role")))
        actors = frozenset(row["buyer_id"] for row in members if row["role"] == "actor")
    return Ground(
        store,
        head.load,
        head.run,
        risk,
        actors,
        _pictures(store, head.load),
        tally(store, known_by=head.load).standings() if known is None else known,
        _reports(store, head.load, filed),
        expected,
    )


def _reports(store: Store, known_by: int, filed: Sequence[Reported]) -> dict[str, list[tuple[int, str]]]:
    columns = ("complaint_id", "refund_id", "filed_at")
    known = scan_frame(store, "complaints", columns, known_by=known_by)
    more = pl.DataFrame(
        [(one.complaint_id, one.refund_id, one.filed_at) for one in filed], schema=known.schema, orient="row"
    )
    refunds = scan_frame(store, "refunds", ("refund_id", "order_id"), known_by=known_by)
    orders = scan_frame(store, "orders", ("order_id", "buyer_id", "store_id"), known_by=known_by)
    reports: dict[str, list[tuple[int, str]]] = {}
    rows = (
        pl.concat([known, more])
        .unique("complaint_id", keep="first", maintain_order=True)
        .join(refunds, on="refund_id", how="inner")
        .join(orders, on="order_id", how="inner")
        .sort("filed_at", "complaint_id")
    )
    for buyer, at, store_id in rows.select("buyer_id", "filed_at", "store_id").iter_rows():
        reports.setdefault(buyer, []).append((at, store_id))
    return reports


def _pictures(store: Store, known_by: int) -> dict[str, frozenset[str]]:
    refunds = scan_frame(store, "refunds", ("refund_id", "order_id", "pictures"), known_by=known_by)
    orders = scan_frame(store, "orders", ("order_id", "buyer_id"), known_by=known_by)
    given = (
        refunds.explode("pictures", keep_nulls=True, empty_as_null=True)
        .drop_nulls("pictures")
        .join(orders, on="order_id", how="inner")
        .select("pictures", "buyer_id")
        .unique()
    )
    shared = given.filter(pl.len().over("pictures") > 1).sort("pictures", "buyer_id")
    givers: dict[str, frozenset[str]] = {}
    for hash_, buyer in shared.select("pictures", "buyer_id").iter_rows():
        known = givers.get(hash_, frozenset())
        if len(known) < 2:
            givers[hash_] = known | {buyer}
    return givers


@dataclass(frozen=True)
class Case:
    """What the records say of one reported claim."""

    reported: Reported
    buyer_id: str
    store_id: str
    risk: float
    actor: bool
    refund_only: bool
    ratio: float | None
    parcel_claims: int
    picture: bool
    standing: Standing
    market: Standing
    concerted: int
    expected: tuple[int, float] | None = None
    """The account's own claims and those expected of it, by the run; None where it was not judged."""

    @property
    def features(self) -> tuple[float, ...]:
        """Values in the order of `FEATURES`."""
        return (
            1.0,
            min(max(_logit(self.risk), -7.0), 7.0),
            float(self.actor),
            float(self.refund_only),
            float(self.ratio is not None and self.ratio < LIGHT),
            float(self.ratio is not None and self.ratio >= SOUND),
            float(self.parcel_claims > 0),
            float(self.picture),
            _logit(self.standing.reliability) - _logit(self.market.reliability),
            math.log(self.standing.eagerness / self.market.eagerness),
        )


def cases(ground: Ground, reported: Sequence[Reported]) -> list[Case]:
    """What the records say of these complaints, in the order given; their claims and orders must be known.

    Cost: a few look-ups for all of them together."""
    store, known_by = ground.store, ground.known_by
    columns = ("refund_id", "order_id", "kind", "pictures", "parcel", "shipped_weight_g", "return_weight_g")
    ids = [one.refund_id for one in reported]
    refunds = {row["refund_id"]: row for row in _find(store, "refunds", "refund_id", ids, columns, known_by)}
    parcels = [row["parcel"] for row in refunds.values() if row["parcel"] is not None]
    beside = _find(store, "refunds", "parcel", parcels, ("refund_id", "order_id", "parcel"), known_by)
    order_ids = [row["order_id"] for row in (*refunds.values(), *beside)]
    orders = {
        row["order_id"]: row
        for row in _find(store, "orders", "order_id", order_ids, ("order_id", "buyer_id", "store_id"), known_by)
    }
    buyers = [orders[refunds[id_]["order_id"]]["buyer_id"] for id_ in ids]
    found = []
    for one, buyer in zip(reported, buyers, strict=True):
        refund = refunds[one.refund_id]
        order = orders[refund["order_id"]]
        shipped, returned = refund["shipped_weight_g"], refund["return_weight_g"]
        elsewhere = [
            orders[row["order_id"]]
            for row in beside
            if row["parcel"] == refund["parcel"] and row["refund_id"] != one.refund_id and row["order_id"] in orders
        ]
        found.append(
            Case(
                reported=one,
                buyer_id=buyer,
                store_id=order["store_id"],
                risk=ground.risk.get(buyer, 0.0),
                actor=buyer in ground.actors,
                refund_only=refund["kind"] == "refund_only",
                ratio=returned / shipped if shipped and returned is not None else None,
                # two orders of one store in one parcel are what a sparing customer sends
                parcel_claims=sum(
                    other["buyer_id"] != buyer or other["store_id"] != order["store_id"] for other in elsewhere
                ),
                picture=any(ground.pictures.get(hash_, frozenset()) - {buyer} for hash_ in refund["pictures"] or ()),
                standing=ground.standings.of(order["store_id"]),
                market=ground.standings.market,
                concerted=_concerted(ground, buyer, one.filed_at),
                expected=ground.expected.get(buyer),
            )
        )
    return found


def _concerted(ground: Ground, buyer: str, at: int) -> int:
    """Stores that reported the buyer within the days of accord around an instant, itself among them."""
    reports = ground.reports.get(buyer, ())
    span = DAYS_OF_ACCORD * DAY
    first = bisect_left(reports, at - span, key=_instant)
    last = bisect_right(reports, at + span, key=_instant)
    return len({store for _, store in reports[first:last]})


def _instant(report: tuple[int, str]) -> int:
    return report[0]


def probability(case: Case) -> float:
    """That the store is right."""
    nats = math.fsum(weight * value for weight, value in zip(WEIGHTS, case.features, strict=True))
    return 1.0 / (1.0 + math.exp(-nats))


def weigh(case: Case, rules: Complaints, *, run_id: str | None) -> Weighed:
    """The proposal for a complaint, by the policy's thresholds."""
    p = probability(case)
    said = case.reported.complaint_id
    proposal, sample = Proposal.NEEDS_A_PERSON, False
    doubt: Fact | None = None
    if run_id is None:
        doubt = fact("person_no_run")
    elif case.concerted >= STORES_IN_ACCORD and case.risk < rules.concerted_risk:
        doubt = fact("person_accord", stores=case.concerted, days=DAYS_OF_ACCORD)
    elif rules.dismiss_below <= p < rules.uphold_from:
        doubt = fact("person_unsure", probability=p, low=rules.dismiss_below, high=rules.uphold_from)
    elif _drawn(said) < rules.sample_share:
        doubt, sample = fact("person_lot"), True
    else:
        proposal = Proposal.UPHELD if p >= rules.uphold_from else Proposal.DISMISSED
    return Weighed(said, proposal, p, tuple(_reasons(case)), doubt, sample, run_id)


def _drawn(complaint_id: str) -> float:
    """A number in [0, 1) that depends on the id alone: the same complaint is drawn or not, whoever asks."""
    return int.from_bytes(hashlib.sha256(f"sample {complaint_id}".encode()).digest()[:6], "big") / 2.0**48


def _reasons(case: Case) -> list[Fact]:
    weights = dict(zip(FEATURES, WEIGHTS, strict=True))
    values = dict(zip(FEATURES, case.features, strict=True))
    standing = case.standing
    said: dict[str, dict[str, float]] = {
        "risk": {"risk": case.risk},
        "actor": {},
        "refund_only": {},
        "light": {"share": case.ratio or 0.0},
        "sound": {"share": case.ratio or 0.0},
        "parcel": {"claims": case.parcel_claims},
        "picture": {},
        "reliability": {"upheld": standing.upheld, "decided": standing.upheld + standing.dismissed},
        "eagerness": {"filed": standing.filed, "claims": standing.claims},
    }
    told = [
        (weights[name] * values[name], name, fact(f"triage_{name}", **more))
        for name, more in said.items()
        if values[name]
    ]
    found: list[Fact] = []
    for nats, name, one in sorted(told, key=lambda one: (-abs(one[0]), one[1])):
        if abs(nats) >= LEAST_NATS:
            found.append(one)
            if name == "risk" and case.expected is not None:  # what the risk of its own conduct rests on
                found.append(fact("triage_expected", claims=case.expected[0], expected=case.expected[1]))
    return found


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1.0 - 1e-6)
    return math.log(p / (1.0 - p))


def _find(
    store: Store, table: str, column: str, values: Sequence[str | bytes], columns: Sequence[str], known_by: int
) -> list[dict[str, Any]]:
    return find_frame(store, table, column, values, columns, known_by=known_by).to_dicts()
