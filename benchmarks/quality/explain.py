"""Row by row: who was limited wrongly, which rings were missed and which are false, with what speaks for and against.

Only for tuning seeds: reading the answers of a report seed would spoil it."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from benchmarks.metrics import Bools, is_true
from benchmarks.quality.markets import Case, Market, case_of
from benchmarks.quality.ours import LIMITED, frame_of
from detectors.pipeline import Findings, detect
from graph.snapshot import Snapshot
from integrity.decide import decide
from integrity.heard import heard
from integrity.policy import default_policy
from simulator.draws import opaque, stream
from simulator.market import draw
from simulator.tables import Draft


def explain(market: Market, most: int = 30) -> str:
    """The report on one market as text; at most `most` entries of each sort."""
    case = case_of(market)
    policy = default_policy()
    findings = detect(heard(case.snapshot), policy.detection)
    status = frame_of(decide(case.snapshot, findings, policy))["status"]
    teller = _Teller(case, findings, status.is_in(LIMITED).to_numpy())
    lines = [f"# {market.stem}", "", "## Honest accounts limited", ""]
    wrong = np.flatnonzero(teller.limited & ~case.truth.abuser)
    lines += [teller.account(at) for at in wrong[:most].tolist()]
    lines += ["", "## Published rings that are false or impure", ""]
    lines += teller.rings(most)
    lines += ["", "## True rings of which less than half is limited", ""]
    lines += teller.missed(most)
    return "\n".join(lines) + "\n"


class _Teller:
    def __init__(self, case: Case, findings: Findings, limited: Bools) -> None:
        self.truth, self.snapshot, self.limited = case.truth, case.snapshot, limited
        self.number = {buyer: at for at, buyer in enumerate(case.snapshot.buyers.ids.tolist())}
        accounts = frame_of(findings.accounts)
        self.accounts = accounts.to_dicts()
        self.published = frame_of(findings.rings).to_dicts()
        self.roles = dict(frame_of(findings.members).select("buyer_id", "role").iter_rows())
        rows = frame_of(findings.evidence)
        per = rows.group_by("buyer_id", "kind").agg(pl.col("nats").sum(), pl.len()).sort("buyer_id", "nats")
        self.evidence: dict[str, list[tuple[str, float]]] = {}
        for buyer, kind, nats, _ in per.iter_rows():
            self.evidence.setdefault(buyer, []).insert(0, (kind, nats))
        self.inner = _Inner(case.market, case.snapshot)

    def account(self, at: int) -> str:
        row = self.accounts[at]
        buyer = row["buyer_id"]
        said = ", ".join(f"{kind} {nats:+.1f}" for kind, nats in self.evidence.get(buyer, []) if abs(nats) >= 0.3)
        return (
            f"- {buyer} {self.truth.kind[at]}{'' if self.truth.ring[at] < 0 else f' ring {self.truth.ring[at]}'}: "
            f"risk {row['risk']:.3f}, {row['claims']} claims of {row['orders']} orders, expected "
            f"{row['expected_claims']:.1f}; {'limited' if self.limited[at] else 'not limited'}, "
            f"{self.roles.get(buyer, 'in no ring')}; {self.inner.facts(at)}\n    {said or 'no evidence written out'}"
        )

    def rings(self, most: int) -> list[str]:
        lines = []
        for ring in self.published:
            members = np.array([self.number[buyer] for buyer in ring["members"]])
            acting = np.array(
                [at for at in members.tolist() if self.roles.get(self.accounts[at]["buyer_id"]) == "actor"]
            )
            impure = (~self.truth.abuser[acting]).sum() if len(acting) else 0
            if is_true(self.truth, members) and not impure:
                continue
            label, count = np.unique(self.truth.ring[members], return_counts=True)
            lines.append(
                f"- ring of {len(members)} ({len(acting)} act), confidence {ring['confidence']:.3f}, "
                f"{'true' if is_true(self.truth, members) else 'FALSE'}; true rings "
                f"{dict(zip(label.tolist(), count.tolist(), strict=True))}"
            )
            lines += ["  " + self.account(at) for at in members.tolist()]
        return lines[: 8 * most]

    def missed(self, most: int) -> list[str]:
        lines = []
        for ring in range(int(self.truth.ring.max(initial=-1)) + 1):
            members = np.flatnonzero(self.truth.ring == ring)
            if len(members) and 2 * self.limited[members].sum() < len(members):
                lines.append(f"- true ring {ring}, {self.truth.kind[members[0]]}, {len(members)} members")
                lines += ["  " + self.account(at) for at in members.tolist()]
        return lines[: 8 * most]


class _Inner:
    """What only the simulator knows of an account."""

    def __init__(self, market: Market, snapshot: Snapshot) -> None:
        self.draft: Draft = draw(market.buyers, market.seed, "default", date(2024, 12, 31), market.knobs)[0]
        ids = opaque(stream(market.seed, "tables"), market.buyers)
        place = {buyer: at for at, buyer in enumerate(ids.tolist())}
        self.place = [place[buyer] for buyer in snapshot.buyers.ids.tolist()]
        claims, orders = self.draft.claims, self.draft.orders
        self.claimed = orders.buyer[claims.order]
        self.abusive = np.bincount(self.claimed[claims.abusive], minlength=market.buyers)

    def facts(self, at: int) -> str:
        draft, me = self.draft, self.place[at]
        people, crew = draft.people, draft.plan.crew_of[me]
        mates = np.flatnonzero(people.household == people.household[me])
        found = [f"propensity {people.propensity[me]:.1f}", f"abusive claims {self.abusive[me]}"]
        if crew >= 0:
            found.append(f"crew {draft.plan.crews[crew].kind} of {len(draft.plan.crews[crew].members)}")
        if len(mates) > 1:
            found.append(f"household of {len(mates)}, {int(draft.abusers[mates].sum())} abusive")
        framed = [c.kind for c in draft.plan.crews if c.framed == me]
        if framed:
            found.append(f"framed by {framed[0]}")
        reported = np.isin(draft.complaints.claim, np.flatnonzero(self.claimed == me)).sum()
        if reported:
            found.append(f"complaints {reported}")
        return ", ".join(found)
