"""The whole way from a snapshot to findings: expectations, evidence, fusion, communities, judgement, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from detectors.accounts.activity import own_nats, placed_nats
from detectors.accounts.claim_excess import weigh_counts
from detectors.communities import bystanders, gather, joined
from detectors.context.expectation import Strata, expect, find_claims, stratify
from detectors.context.hubs import find_hubs
from detectors.contract import Context, Detector, Evidence
from detectors.curve import published, stated_q
from detectors.frozen import Frozen, Measures
from detectors.fusion import ALONE, Beliefs, Conduct, Start, believe, sharpened
from detectors.judge import confidence
from detectors.ledger import enter
from detectors.links.same_targets import grades, meet
from detectors.names import Known, Lineage, name_rings
from detectors.numerics import logit, probable
from detectors.reasons import Teller
from detectors.registry import ACCOUNTS, JOINT, LINKS, PLAIN
from detectors.settings import DetectionSettings
from detectors.tables import (
    Ring,
    accounts_table,
    evidence_table,
    hubs_table,
    known,
    lineage_table,
    members_table,
    rings_table,
)
from detectors.web import ALIKE, SIZES, Web, weave
from detectors.words.fact import Fact
from graph.side import side_by_side
from graph.snapshot import Bools, Floats, Snapshot

DEFAULTS: Final = DetectionSettings()
CLASSES: Final = len(LINKS) * (len(SIZES) + 1) * 2 * len(ALIKE)
"""Classes of keys in which guilt is learned: kind, size, whether a household explains it, whether members meet."""


@dataclass(frozen=True)
class Findings:
    """What one run found, as tables of the declared RUN schema (`run_accounts`, `run_rings`, `run_lineage`,
    `run_members`, `run_evidence`, `run_hubs`), each sorted by its id; the `frozen` values that it measured or was
    given; `stats` counts and names absent evidence."""

    accounts: pa.Table
    rings: pa.Table
    lineage: pa.Table
    members: pa.Table
    evidence: pa.Table
    hubs: pa.Table
    frozen: Frozen | None
    stats: dict[str, int | float | list[str]]


def detect(
    snapshot: Snapshot,
    settings: DetectionSettings = DEFAULTS,
    *,
    frozen: Frozen | None = None,
    former: Sequence[Known] = (),
) -> Findings:
    """Find rings and judge every account of `snapshot`; rings go on under the ids of the `former` ones that they are.

    With `frozen` values nothing is estimated in the market: they stand for what the run they are of had measured; over
    its own snapshot and with the same settings the result is that run to the byte. Equal snapshots, settings, frozen
    values and former rings give equal bytes. Raises `BadInput` where `frozen` is of another snapshot."""
    if frozen is not None:
        frozen.check(snapshot)
    return tell(find(snapshot, settings, Measures(frozen), former))


@dataclass(frozen=True)
class Found:
    """What detection found, before it is told: the last round's context, the web, beliefs, evidence of links and of
    accounts, the number of candidates, (n,) `risk` of each account, the published rings in order of id, and the lineage
    of all rings."""

    ctx: Context
    web: Web
    beliefs: Beliefs
    links: Sequence[Evidence]
    accounts: Sequence[Evidence]
    candidates: int
    risk: Floats
    rings: Sequence[Ring]
    lineage: Sequence[Lineage]


def find(
    snapshot: Snapshot,
    settings: DetectionSettings,
    measures: Measures,
    former: Sequence[Known] = (),
) -> Found:
    """Everything but the tables; arguments as for `detect`."""
    return conclude(*weigh(snapshot, settings, measures), former)


def conclude(
    ctx: Context,
    web: Web,
    beliefs: Beliefs,
    links: Sequence[Evidence],
    accounts: Sequence[Evidence],
    former: Sequence[Known],
) -> Found:
    """From beliefs to risks and rings; arguments as `weigh` returns them."""
    snapshot, settings = ctx.snapshot, ctx.settings
    candidates = gather(web, beliefs.conduct.own, beliefs.risk, beliefs.guilt, settings)
    sure, score = confidence(ctx, web, beliefs, candidates, settings)
    candidates = joined(web, candidates, beliefs, settings)
    risk = _tempered(beliefs, candidates.ring, np.where(candidates.pair, 1.0, sure))
    rows, near = bystanders(web, candidates, beliefs, settings)
    q = stated_q(sure, ctx.measures)
    rings = []
    for number in np.flatnonzero(published(sure, ctx.measures, settings)).tolist():
        actors = np.flatnonzero(candidates.ring == number).astype(np.int32)
        beside = np.unique(web.buyer[rows[near == number]])
        rings.append(Ring("", actors, beside, float(sure[number]), float(q[number]), float(score[number])))
    names, lineage = name_rings([snapshot.buyers.ids[ring.members].tolist() for ring in rings], former, snapshot.as_of)
    rings = sorted((replace(ring, ring_id=name) for ring, name in zip(rings, names, strict=True)), key=_id)
    return Found(ctx, web, beliefs, links, accounts, candidates.rings, risk, rings, lineage)


def tell(found: Found, only: Bools | None = None) -> Findings:
    """What was found, as tables; with `only` (n,) those rows that are about some accounts and the rings they are in,
    and no hubs."""
    ctx, risk = found.ctx, found.risk
    rings = [ring for ring in found.rings if only is None or only[ring.members].any()]
    chosen = risk >= ctx.settings.account_evidence_risk
    for ring in rings:
        chosen[ring.members] = True
    if only is not None:
        about = only.copy()
        for ring in rings:
            about[ring.members] = True
        chosen &= about
    entries = enter(ctx, found.web, found.beliefs, found.links, found.accounts, chosen)
    teller = Teller(ctx, found.web, found.beliefs, entries)
    hubs = []
    if only is None:
        hubs = find_hubs(ctx, found.web, found.beliefs, found.links, teller.claims, teller.expected)
    return Findings(
        accounts=accounts_table(teller, risk, rings, only),
        rings=rings_table(teller, rings),
        lineage=lineage_table(found.lineage),
        members=members_table(teller, rings, risk),
        evidence=evidence_table(teller, rings),
        hubs=hubs_table(hubs),
        frozen=ctx.measures.freeze(ctx.snapshot),
        stats={
            **known(ctx),
            "rings": len(found.rings),
            "candidates": found.candidates,
            "hubs": len(hubs),
            "surges": len(ctx.expectation.surges),
            "abusers_estimated": round(found.beliefs.abusers, 6),
            "absent": list(ctx.snapshot.absent),
        },
    )


def weighed(found: Found, number: int) -> tuple[list[Fact], list[Fact]]:
    """What was looked at of account `number`, whatever its risk: what speaks for abuse, strongest first; and what
    speaks against it or turned out benign: conduct, surges, every key shared with people who do not act alike."""
    ctx = found.ctx
    chosen = np.zeros(ctx.n, bool)
    chosen[number] = True
    entries = enter(ctx, found.web, found.beliefs, found.links, found.accounts, chosen)
    teller = Teller(ctx, found.web, found.beliefs, entries)
    reasons, against = teller.account(np.arange(len(entries.buyer)), least=0.0)
    return reasons, [*against, *teller.context(number, links=True)]


def _id(ring: Ring) -> str:
    return ring.ring_id


def prepare(
    snapshot: Snapshot, settings: DetectionSettings, measures: Measures | None = None
) -> tuple[Context, Strata]:
    """What detectors look at in the first round, with the plain links found; and the strata of its expectations."""
    measures = measures or Measures()
    claims = find_claims(snapshot)
    strata = stratify(snapshot, claims)
    nobody = np.zeros(len(snapshot.buyers.ids))
    first = expect(snapshot, claims, strata, nobody, measures, "first")
    ctx = Context(snapshot, settings, claims, first, nobody, measures=measures)
    return replace(ctx, links=tuple(_run(PLAIN, ctx))), strata


def weigh(
    snapshot: Snapshot, settings: DetectionSettings, measures: Measures | None = None
) -> tuple[Context, Web, Beliefs, list[Evidence], list[Evidence]]:
    """Evidence and beliefs after `settings.rounds` rounds, or after one round where `measures` are given: the last
    round's context, the web of shared keys, beliefs, link evidence and account evidence."""
    ctx, strata = prepare(snapshot, settings, measures)
    links, web = connect(ctx)
    linked = sum((item.account_nats(ctx.n) for item in links), np.zeros(ctx.n))
    beliefs: Beliefs | None = None
    accounts: list[Evidence] = []
    for number in range(settings.rounds):
        suspicion = ctx.suspicion if beliefs is None else sharpened(beliefs.risk)
        suspicion = ctx.measures.suspicion(suspicion)
        if number or ctx.measures.given or settings.rounds == 1:
            expectation = expect(snapshot, ctx.claims, strata, suspicion, ctx.measures)
            ctx = replace(ctx, expectation=expectation, suspicion=suspicion)
        start = taught(ctx.measures, web, beliefs, settings)
        accounts = _run(ACCOUNTS, ctx)
        own, placed = own_nats(accounts, ctx.n), placed_nats(accounts, ctx.n)
        conduct = Conduct(linked + own, ctx.once(weigh_counts)[1], placed)
        beliefs = believe(web, conduct, settings, start)
        if ctx.measures.given:
            break
    ctx.forget()
    assert beliefs is not None  # settings.rounds is at least one
    return ctx, web, beliefs, links, accounts


def _run(detectors: Sequence[Detector], ctx: Context) -> list[Evidence]:
    return side_by_side([partial(detector.run, ctx) for detector in detectors], len(ctx.snapshot.orders.ids))


def connect(ctx: Context) -> tuple[list[Evidence], Web]:
    """All link evidence, and the web of the keys in it."""
    joint = _run(JOINT, ctx)
    links = [*ctx.links, *joint]
    met = grades(meet(ctx))
    grade = np.concatenate([item.keys.graded for item in links])
    grade[: len(met)] = np.maximum(grade[: len(met)], met)
    return links, weave(LINKS, links, ctx.n, grade)


def taught(measures: Measures, web: Web, former: Beliefs | None, settings: DetectionSettings) -> Start:
    """What this round takes from the one before it: the share of abusers, what claiming with nobody says, and the
    nats by which keys of each class are guiltier than stated."""

    def by_class() -> Floats:
        nats = np.zeros(CLASSES)
        if former is not None:
            nats[web.klass] = former.next_learned
        return nats

    abusers = measures.number("abusers", lambda: settings.prior_abusers if former is None else former.next_abusers)
    alone = measures.number("alone", lambda: float(np.log(ALONE)) if former is None else former.next_alone)
    return Start(abusers, alone, measures.of("guilt", by_class)[web.klass])


def _tempered(beliefs: Beliefs, ring: np.ndarray[tuple[int], np.dtype[np.int32]], sure: Floats) -> Floats:
    """(n,) risk, where what links add counts only as far as the candidate ring that they make is real; `sure` (rings,)
    of each. Two accounts alone make none that could be less real than they are."""
    risk = beliefs.risk.copy()
    inside = np.flatnonzero(ring >= 0)
    known = beliefs.conduct.of(inside)
    by_itself = logit(beliefs.abusers) + beliefs.alone + known.own + known.activity
    alone = probable(by_itself)
    real = sure[ring[inside]]
    risk[inside] = real * risk[inside] + (1.0 - real) * np.minimum(alone, risk[inside])
    return risk
