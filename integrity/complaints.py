"""Complaints: a store reports a claim in one call, triage decides it at once or hands it to a person, a person decides.

Everything but the claim and the type is filled in from the records. What is filed and decided stands in the book of
acts; `uptake` brings it into the records that detection reads, before the next run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graph.errors import BadInput, Forbidden, NotFound
from graph.store import Head, Store
from integrity.accord import Accord, accords
from integrity.acts import Act, Actor, Book, Draft, Request, fingerprint
from integrity.columns import find_frame
from integrity.policy import Complaints as Rules
from integrity.standing import Fate, Tally, tally
from integrity.texts import ERASED, forgotten
from integrity.triage import Ground, Proposal, Reported, Weighed, cases, ground, weigh
from integrity.version import ringfence_version
from integrity.words import Fact, Language, fact, facts_of, say, text_of

TYPES: Final = ("abnormal_refund_only", "swapped_return", "false_return", "fake_evidence")
UPHELD, DISMISSED, PENDING = "upheld", "dismissed", "pending"
FILED, VERDICT = "complaint.filed", "complaint.verdict"
MOST_AT_ONCE: Final = 500
MAX_NOTE: Final = 2_000
MAX_EVIDENCE: Final = 20
PEOPLE: Final = frozenset({"investigator", "senior_investigator"})
"""Roles that may give a verdict."""
TRIAGE: Final = "triage"
"""Who decides what is decided at once."""


@dataclass(frozen=True)
class Filing:
    """What a store says. `note` are its words, kept with the complaint and shown to who decides; `evidence` names of
    its own files or links, as it likes to call them."""

    refund_id: str
    type: str
    note: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """One verdict: `outcome` upheld or dismissed, when, by whom (`triage` at once), and why; `facts` are what triage's
    reason says."""

    outcome: str
    at: int
    by: str
    reason: str
    n: int
    facts: tuple[str, ...] = ()

    def told(self, language: Language) -> str:
        """The reason: in the language where triage gave it, a person's own words as they are."""
        return ("；" if language == "zh" else "; ").join(say([self.reason], self.facts, language))


@dataclass(frozen=True)
class Complaint:
    """A complaint as it stands. `proposal`, `probability`, `reasons`, `why` and `sample` are what triage said when it
    was filed, resting on `run_id`, with the facts that these sentences say (empty where an earlier version filed it);
    `verdicts` in the order given, the last one holds."""

    complaint_id: str
    refund_id: str
    store_id: str
    buyer_id: str
    type: str
    filed_at: int
    by: str
    note: str
    evidence: tuple[str, ...]
    proposal: str
    probability: float
    reasons: tuple[str, ...]
    why: str
    sample: bool
    run_id: str | None
    verdicts: tuple[Verdict, ...] = ()
    reason_facts: tuple[str, ...] = ()
    why_fact: str = ""

    @property
    def outcome(self) -> str:
        """upheld, dismissed, or pending where nobody has decided."""
        return self.verdicts[-1].outcome if self.verdicts else PENDING

    @property
    def outcome_at(self) -> int | None:
        """When it was decided."""
        return self.verdicts[-1].at if self.verdicts else None


@dataclass(frozen=True)
class Refused:
    """A filing of a batch that was not taken, and why."""

    refund_id: str
    because: Fact

    @property
    def why(self) -> str:
        """The reason in English."""
        return text_of(self.because)


@dataclass(frozen=True)
class Outcomes:
    """What people made of complaints: `decided` complaint id to outcome, of all that were decided here; `filed` claim
    to the ids of the complaints that were filed here, in the records yet or not."""

    decided: Mapping[str, str] = field(default_factory=dict)
    filed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, refund_id: str, recorded: Mapping[str, str]) -> dict[str, str]:
        """Complaint id to outcome, of one claim, over what the records hold of it (`recorded`, the same)."""
        told = dict.fromkeys(self.filed.get(refund_id, ()), PENDING) | dict(recorded)
        return {id_: self.decided.get(id_, outcome) for id_, outcome in told.items()}


@dataclass
class ComplaintFold:
    """What stands: complaints filed here by id, and verdicts on complaints that only the records know."""

    filed: dict[str, Complaint] = field(default_factory=dict)
    elsewhere: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    of_refund: dict[str, tuple[str, ...]] = field(default_factory=dict)
    told: list[Fate] = field(default_factory=list)
    """What became of complaints, act by act, for whoever counts on from where it was."""

    def apply(self, act: Act) -> None:
        """Take up what was filed and decided."""
        if act.kind == FILED:
            for told in act.body["complaints"]:
                self._file(act, told)
        elif act.kind == VERDICT:
            given = Verdict(act.body["outcome"], act.at, act.by, act.body["reason"], act.n)
            self.told.append(Fate(act.subject, None, given.outcome))
            known = self.filed.get(act.subject)
            if known is not None:
                self.filed[act.subject] = replace(known, verdicts=(*known.verdicts, given))
            else:
                self.elsewhere[act.subject] = (*self.elsewhere.get(act.subject, ()), given)
        elif act.kind == ERASED:
            keys = frozenset(act.body["texts"])
            self.filed, self.elsewhere = forgotten(self.filed, keys), forgotten(self.elsewhere, keys)

    def _file(self, act: Act, told: Mapping[str, Any]) -> None:
        lists = ("evidence", "reasons", "reason_facts")
        fields = {**told, **{name: tuple(told.get(name, ())) for name in lists}}
        made = Complaint(**fields, filed_at=act.at, by=act.by)
        if made.proposal != Proposal.NEEDS_A_PERSON:
            given = Verdict(made.proposal, act.at, TRIAGE, "; ".join(made.reasons), act.n, made.reason_facts)
            made = replace(made, verdicts=(given,))
        self.told.append(Fate(made.complaint_id, made.store_id, made.outcome))
        self.filed[made.complaint_id] = made
        self.of_refund[made.refund_id] = (*self.of_refund.get(made.refund_id, ()), made.complaint_id)

    def over(self, refund_id: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows of the table `complaints` of one claim as they stand now, in order of id: what was filed here and is not
        in the records yet is among them, and verdicts given here outrank theirs."""
        told = {row["complaint_id"]: dict(row) for row in rows}
        for id_ in self.of_refund.get(refund_id, ()):
            one = self.filed[id_]
            told[id_] = {
                "complaint_id": id_,
                "refund_id": refund_id,
                "filed_at": one.filed_at,
                "type": one.type,
                "outcome": one.outcome,
                "outcome_at": one.outcome_at,
            }
        for id_ in told.keys() & self.elsewhere.keys():
            last = self.elsewhere[id_][-1]
            told[id_] |= {"outcome": last.outcome, "outcome_at": last.at}
        return [told[id_] for id_ in sorted(told)]

    def outcomes(self) -> Outcomes:
        """What stands now, whatever is done later."""
        decided = {id_: one.outcome for id_, one in self.filed.items() if one.verdicts}
        decided |= {id_: verdicts[-1].outcome for id_, verdicts in self.elsewhere.items()}
        return Outcomes(decided, dict(self.of_refund))


class ComplaintDesk:
    """Files and decides complaints of one store. `rules` gives the policy's section of the moment."""

    def __init__(self, store: Store, book: Book, fold: ComplaintFold, rules: Callable[[], Rules]) -> None:
        self._store, self._book, self._fold, self._rules = store, book, fold, rules
        self._ground: Ground | None = None
        self._read_at: tuple[Head, int] | None = None
        self._tally, self._counted, self._counting = Tally({}, {}), 0, threading.Lock()

    def file(self, filings: Sequence[Filing], *, by: Actor, now: int, key: str = "") -> list[Complaint | Refused]:
        """File complaints, each on its own: what cannot be filed is `Refused` with the reason, the others stand.

        One that was filed before, by whatever client, answers as it stands. A store (`by.store_id`) files on claims at
        itself only, and is told the same of another's claim as of one that does not exist. Triage decides at once
        where the policy lets it. Raises `BadInput` for too many at once or a key that was used for another request."""
        if not 0 < len(filings) <= MOST_AT_ONCE:
            raise BadInput(
                f"{len(filings)} complaints at once", where="complaints", do=f"file 1 to {MOST_AT_ONCE} in a call"
            )
        asked = [[one.refund_id, one.type, one.note, list(one.evidence)] for one in filings]
        refused: dict[int, Refused] = {}
        ids: dict[int, str] = {}
        if by.store_id is None and by.role not in PEOPLE:
            raise Forbidden(f"the role {by.role} files no complaints", where="complaints", do="ask a store")

        def make() -> Draft:
            refused.clear()
            ids.clear()
            claims = self._claims([one.refund_id for one in filings])
            recorded = self._reported([one.refund_id for one in filings])
            fresh: dict[str, tuple[Filing, Mapping[str, Any]]] = {}
            for number, one in enumerate(filings):
                claim = claims.get(one.refund_id)
                why = _refusal(one, claim, by)
                before = recorded.get((one.refund_id, one.type))
                if why is None and before is not None and before not in self._fold.filed:
                    why = fact("refused_before", complaint=before)
                if why is not None:
                    refused[number] = Refused(one.refund_id, why)
                    continue
                assert claim is not None  # an unknown claim is refused
                ids[number] = complaint_id(one)
                if ids[number] not in self._fold.filed:
                    fresh.setdefault(ids[number], (one, claim))
            if not fresh:
                raise _NothingNew
            return Draft(FILED, by.store_id or "", self._weighed(fresh, now))

        try:
            outcome = self._book.append(make, by=by, now=now, request=Request(key, asked))
            if outcome.repeated:
                return self._again(filings, by)
        except _NothingNew:
            pass
        return [
            refused[number] if number in refused else self._fold.filed[ids[number]] for number in range(len(filings))
        ]

    def decide(
        self, complaint: str, outcome: str, reason: str, *, by: Actor, now: int, key: str = ""
    ) -> Complaint | Verdict:
        """A person's verdict on a complaint, filed here or known from the records only (then the verdict is returned).

        What triage decided, a person may decide otherwise; what a person decided, only a senior investigator. Raises
        `NotFound`, `Forbidden`, `BadInput`."""
        if by.role not in PEOPLE:
            raise Forbidden(f"the role {by.role} gives no verdicts", where=complaint, do="ask an investigator")
        if outcome not in (UPHELD, DISMISSED):
            raise BadInput(f"{outcome!r} is no verdict", where=complaint, do=f"give {UPHELD} or {DISMISSED}")
        if not reason.strip() or len(reason) > MAX_NOTE:
            raise BadInput(
                "a verdict needs its reason", where=complaint, do=f"say in 1 to {MAX_NOTE} characters what decided it"
            )

        def make() -> Draft:
            known = self._fold.filed.get(complaint)
            verdicts = known.verdicts if known else self._fold.elsewhere.get(complaint, ())
            by_person = any(one.by != TRIAGE for one in verdicts)
            if known is None and not verdicts:
                by_person = self._recorded(complaint) != PENDING
            if by_person and by.role != "senior_investigator":
                raise BadInput(
                    "was decided already", where=complaint, do="a senior investigator may decide it otherwise"
                )
            if verdicts and verdicts[-1].outcome == outcome and by_person:
                raise BadInput(f"is {outcome} already", where=complaint, do="nothing needs to be done")
            return Draft(VERDICT, complaint, {"outcome": outcome, "reason": reason})

        self._book.append(make, by=by, now=now, request=Request(key, [complaint, outcome, reason]))
        found = self._fold.filed.get(complaint)
        return found if found is not None else self._fold.elsewhere[complaint][-1]

    def weigh_again(self, complaint: str) -> Weighed:
        """What triage would say of a filed complaint today. Raises `NotFound`."""
        known = self._fold.filed.get(complaint)
        if known is None:
            raise NotFound(f"no complaint {complaint!r} was filed here", do="see the list of complaints")
        base = self._base({known.buyer_id})
        (case,) = cases(base, [Reported(complaint, known.refund_id, known.type, known.filed_at)])
        return weigh(case, self._rules(), run_id=base.run_id)

    def accords(self) -> list[Accord]:
        """Quiet accounts whom several stores reported within days, by the policy's `concerted_risk`."""
        return accords(self._base(), below_risk=self._rules().concerted_risk)

    # -- what it rests on --------------------------------------------------------------------------------------

    def _again(self, filings: Sequence[Filing], by: Actor) -> list[Complaint | Refused]:
        claims = self._claims([one.refund_id for one in filings])
        answers: list[Complaint | Refused] = []
        for one in filings:
            known = self._fold.filed.get(complaint_id(one))
            why = _refusal(one, claims.get(one.refund_id), by)
            if known is not None and why is None:
                answers.append(known)
            else:
                answers.append(Refused(one.refund_id, why or fact("refused_unfiled")))
        return answers

    def _base(self, buyers: Collection[str] | None = None) -> Ground:
        """The ground of the store's head, made anew when the head moves or somebody was forgotten, with what was filed
        here about these buyers (None: about all) and with stores as they stand up to the last act: what one store
        reports, and what becomes of it, counts for the next complaint at once."""
        return _with_filed(self._standing_ground(), self._fold, buyers)

    def _standing_ground(self) -> Ground:
        with self._counting:
            head, erasures = self._store.head(), self._book.erasures
            if self._ground is None or self._read_at != (head, erasures):
                self._tally, self._counted = tally(self._store, known_by=head.load), 0
                self._ground = ground(self._store, head, self._tally.standings())
                self._read_at = head, erasures
            fresh = self._fold.told[self._counted :]
            if fresh:
                for fate in fresh:
                    self._tally.take(fate)
                self._counted += len(fresh)
                self._ground = self._ground.with_standings(self._tally.standings())
            return self._ground

    def _weighed(self, fresh: Mapping[str, tuple[Filing, Mapping[str, Any]]], now: int) -> dict[str, Any]:
        """What triage says of these, and all that it rests on: `replay_complaints` weighs the same once more by it."""
        base, rules = self._standing_ground(), self._rules()
        reported = [
            (Reported(id_, one.refund_id, one.type, now), claim["buyer_id"], claim["store_id"])
            for id_, (one, claim) in fresh.items()
        ]
        complaints = [
            {
                "complaint_id": id_,
                "refund_id": one.refund_id,
                "store_id": claim["store_id"],
                "buyer_id": claim["buyer_id"],
                "type": one.type,
                "note": one.note,
                "evidence": list(one.evidence),
                **told_of(said),
            }
            for (id_, (one, claim)), said in zip(fresh.items(), triaged(base, self._fold, reported, rules), strict=True)
        ]
        basis = {
            "load": base.known_by,
            "run_id": base.run_id,
            "now": now,
            "rules": rules.model_dump(mode="json"),
            "version": ringfence_version(),
        }
        return {"complaints": complaints, "basis": basis}

    def _claims(self, refund_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Claims whose order is known: refund, with its order's buyer and store."""
        load = self._store.head().load
        columns = ("refund_id", "order_id", "kind", "initiated_by", "outcome", "requested_at")
        refunds = find_frame(self._store, "refunds", "refund_id", refund_ids, columns, known_by=load)
        orders = find_frame(
            self._store,
            "orders",
            "order_id",
            refunds["order_id"].to_list(),
            ("order_id", "buyer_id", "store_id"),
            known_by=load,
        )
        return {row["refund_id"]: row for row in refunds.join(orders, on="order_id", how="inner").to_dicts()}

    def _reported(self, refund_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        """(claim, type) to the complaint that the records hold of them."""
        load, columns = self._store.head().load, ("complaint_id", "refund_id", "type")
        rows = find_frame(self._store, "complaints", "refund_id", refund_ids, columns, known_by=load)
        return {(row["refund_id"], row["type"]): row["complaint_id"] for row in rows.to_dicts()}

    def _recorded(self, complaint: str) -> str:
        load = self._store.head().load
        rows = find_frame(self._store, "complaints", "complaint_id", [complaint], ("outcome",), known_by=load)
        if not rows.height:
            raise NotFound(f"no complaint {complaint!r}", do="see the list of complaints")
        return str(rows["outcome"][0])


class _NothingNew(Exception):
    """Every complaint of the request stands already."""


def triaged(
    base: Ground, fold: ComplaintFold, fresh: Sequence[tuple[Reported, str, str]], rules: Rules
) -> list[Weighed]:
    """What triage says of complaints that are filed together, each with its buyer and store, after what `fold` holds.
    Pure but for look-ups at the ground's load."""
    known = _with_filed(base, fold, {buyer for _, buyer, _ in fresh})
    known = known.with_reports([(buyer, one.filed_at, store_id) for one, buyer, store_id in fresh])
    return [weigh(case, rules, run_id=base.run_id) for case in cases(known, [one for one, *_ in fresh])]


def told_of(said: Weighed) -> dict[str, Any]:
    """What triage said, as an act tells it."""
    return {
        "proposal": said.proposal.value,
        "probability": round(said.probability, 6),
        "reasons": list(said.reasons),
        "reason_facts": facts_of(said.because),
        "why": said.why,
        "why_fact": "" if said.doubt is None else said.doubt.stored(),
        "sample": said.sample,
        "run_id": said.run_id,
    }


def _with_filed(base: Ground, fold: ComplaintFold, buyers: Collection[str] | None) -> Ground:
    """The ground with what was filed here about these buyers (None: about all)."""
    return base.with_reports(
        [
            (one.buyer_id, one.filed_at, one.store_id)
            for one in fold.filed.values()
            if buyers is None or one.buyer_id in buyers
        ]
    )


def complaint_id(filing: Filing) -> str:
    """The id of a complaint filed here: one a claim and type, however often it is filed."""
    return "rc-" + fingerprint([filing.refund_id, filing.type])


def _refusal(filing: Filing, claim: Mapping[str, Any] | None, by: Actor) -> Fact | None:
    """Why a filing cannot stand; None where it can."""
    if filing.type not in TYPES:
        return fact("refused_type", type=filing.type, types=", ".join(TYPES))
    if len(filing.note) > MAX_NOTE:
        return fact("refused_note", most=MAX_NOTE)
    if len(filing.evidence) > MAX_EVIDENCE or any(not 0 < len(one) <= 256 for one in filing.evidence):
        return fact("refused_files", most=MAX_EVIDENCE)
    if claim is None or (by.store_id is not None and claim["store_id"] != by.store_id):
        # the same words for both: a store learns nothing of another's claims
        return fact("refused_unknown" if by.store_id is None else "refused_not_here")
    if claim["initiated_by"] != "buyer":
        return fact("refused_began", by=claim["initiated_by"])
    if claim["outcome"] == "withdrawn":
        return fact("refused_withdrawn")
    if filing.type == "abnormal_refund_only" and claim["kind"] != "refund_only":
        return fact("refused_sent_back")
    if filing.type in ("swapped_return", "false_return") and claim["kind"] == "refund_only":
        return fact("refused_kept")
    return None
