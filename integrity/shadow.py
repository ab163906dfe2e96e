"""A policy in the shadow: it decides next to the live one on every run, and nobody is touched by it.

Which policy is in the shadow, since when and until when, are acts in the book of acts. What it decides is kept in the
journal `shadow`, never as a run, so no reader can come upon it: for each run the counts of both, a digest of all its
decisions, and every account that the two treat otherwise. It is written when the live run is whole and published, and
a shadow that fails is logged and leaves the run as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import structlog

from graph.errors import BadInput, RingfenceError
from graph.reader import take_snapshot
from graph.snapshot import DECISIONS, OUTCOMES, Snapshot
from graph.store import RunRecord, Store
from integrity.acts import Act, Actor, Book, Draft, fingerprint
from integrity.columns import rows_of, texts
from integrity.costs import VERDICTS
from integrity.instants import to_iso
from integrity.policy import Policy, validate_policy
from integrity.policy_journal import read_journal

if TYPE_CHECKING:
    from integrity.runs import Computed

SHADOW = "shadow"
STARTED, STOPPED = "policy.shadowed", "policy.unshadowed"
_PART = 5_000
"""Accounts in one row of the journal."""
_PAGE = 20
"""Rows read at once where they are pruned: one may name thousands of accounts."""
_LIMITED = ("STORE_LIMITED", "PLATFORM_LIMITED")


@dataclass(frozen=True)
class Shadow:
    """The policy in the shadow: since when, and by whom."""

    version: str
    digest: str
    since: int
    by: str
    document: str = field(repr=False)

    @property
    def policy(self) -> Policy:
        """The policy itself. Raises `BadInput` where this version of Ringfence does not understand it."""
        return validate_policy(json.loads(self.document), where=f"shadow policy {self.version}")


@dataclass
class _Shadows:
    """The fold: what is in the shadow now."""

    current: Shadow | None = None

    def apply(self, act: Act) -> None:
        """Take up one act."""
        if act.kind == STARTED:
            self.current = Shadow(act.body["version"], act.subject, act.at, act.by, act.body["document"])
        elif act.kind == STOPPED:
            self.current = None


@dataclass(frozen=True)
class ShadowRun:
    """One run as the live policy and the one in the shadow decided it. `differ` holds (buyer id, live status, shadow
    status) where they differ; `digest` is that of all decisions of the shadow."""

    run_id: str
    as_of: int
    live: str
    shadow: str
    accounts: int
    live_limited: int
    shadow_limited: int
    digest: str
    differ: tuple[tuple[str, str, str], ...]

    def only(self, *, shadow: bool) -> list[str]:
        """Accounts that the shadow limits and the live policy does not, or the other way round."""
        return [
            buyer
            for buyer, live, other in self.differ
            if (
                (other in _LIMITED) and (live not in _LIMITED)
                if shadow
                else (live in _LIMITED) and (other not in _LIMITED)
            )
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            **asdict(self),
            "as_of": to_iso(self.as_of),
            "only_live_limits": self.only(shadow=False),
            "only_shadow_limits": self.only(shadow=True),
        }


@dataclass(frozen=True)
class ShadowReport:
    """The runs of one shadow policy, oldest first, and what later verdicts say of the accounts that only one of the two
    limited, by `integrity.costs.VERDICTS`."""

    shadow: Shadow
    runs: tuple[ShadowRun, ...]
    only_shadow: Mapping[str, int]
    only_live: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        who = {"version": self.shadow.version, "digest": self.shadow.digest, "since": to_iso(self.shadow.since)}
        return {
            "shadow": who | {"by": self.shadow.by},
            "runs": [run.to_json() for run in self.runs],
            "verdicts": {"only_shadow_limits": dict(self.only_shadow), "only_live_limits": dict(self.only_live)},
        }


def shadow_of(store: Store) -> Shadow | None:
    """The policy in the shadow now; None where there is none."""
    fold = _Shadows()
    Book(store, [fold], words=False).refresh()
    return fold.current


def start_shadow(store: Store, policy: Policy, *, by: Actor, now: int, signing_key: str = "") -> Shadow:
    """Put a policy in the shadow from the next run on, in place of one that is there."""
    fold = _Shadows()

    def draft() -> Draft:
        if fold.current is not None and fold.current.digest == policy.digest:
            raise BadInput("is in the shadow already", where=f"policy {policy.version}", do="--report compares it")
        return Draft(STARTED, policy.digest, {"version": policy.version, "document": policy.canonical})

    Book(store, [fold], signing_key, words=False).append(draft, by=by, now=now)
    assert fold.current is not None  # the act was taken up
    return fold.current


def stop_shadow(store: Store, *, by: Actor, now: int, signing_key: str = "") -> Shadow:
    """End the shadow; what it decided stays to be reported on. Raises `BadInput` where there is none."""
    fold, ended = _Shadows(), list[Shadow]()

    def draft() -> Draft:
        if fold.current is None:
            raise BadInput("no policy is in the shadow", where=store.url, do="start: ringfence policy shadow FILE")
        ended[:] = [fold.current]
        return Draft(STOPPED, fold.current.digest, {})

    Book(store, [fold], signing_key, words=False).append(draft, by=by, now=now)
    return ended[0]


def beside(
    store: Store, run: RunRecord, live: Policy, compute: Callable[[Policy], Computed], decisions: pa.Table
) -> None:
    """Decide a run by the policy in the shadow, if there is one, and note how it differs from `decisions`.

    `compute` decides the run's ground by a policy. Never raises: the live run stands whatever happens here."""
    log = structlog.get_logger("ringfence.shadow")
    try:
        shadow = shadow_of(store)
        if shadow is None:
            return
        other = compute(shadow.policy).decisions
        seen = _compare(run, live, shadow, decisions, other)
        store.note(SHADOW, list(_rows(run, shadow, seen)))
        log.info(
            "decided in the shadow",
            run=run.run_id,
            policy=shadow.version,
            limited=seen.shadow_limited,
            live=seen.live_limited,
        )
    except Exception as error:
        known = isinstance(error, RingfenceError)
        log.warning("the shadow policy failed; the run stands", run=run.run_id, error=str(error), exc_info=not known)


def prune_shadow(store: Store, *, before: int) -> int:
    """Erase what was decided in the shadow of runs that were started before an instant (UTC microseconds); how many
    rows of the journal. A report then begins with the first run that is left."""
    after = erased = 0
    while True:
        rows = store.notes(SHADOW, after=after, limit=_PAGE).to_pylist()
        old = [row["id"] for row in rows if row["at"] < before]
        erased += store.erase_notes(SHADOW, old)
        if len(rows) < _PAGE or not old:  # they are in the order of time
            return erased
        after = rows[-1]["seq"]


def shadow_report(store: Store, *, digest: str | None = None) -> ShadowReport:
    """What the policy in the shadow decided so far, or one that was (by its digest). Raises `BadInput` where there is
    none, or no run was decided by it."""
    book, fold = Book(store), _Shadows()
    book.refresh()
    known: dict[str, Shadow] = {}
    for act in book.acts:
        fold.apply(act)
        if act.kind == STARTED and fold.current is not None:
            known.pop(act.subject, None)  # one that came back is the latest
            known[act.subject] = fold.current
    wanted = digest if digest is not None else next(reversed(known), None)
    named = [one for one in known if wanted is not None and one.startswith(wanted)]
    if not named:
        raise BadInput("no policy was in the shadow", where=store.url, do="start: ringfence policy shadow FILE")
    shadow = known[named[-1]]
    runs = tuple(_read(store, shadow.digest))
    if not runs:
        raise BadInput("no run was decided in the shadow yet", where=f"policy {shadow.version}", do="wait for the next")
    heard = _heard(take_snapshot(store))
    return ShadowReport(
        shadow,
        runs,
        _verdicts({one: run.as_of for run in reversed(runs) for one in run.only(shadow=True)}, heard),
        _verdicts({one: run.as_of for run in reversed(runs) for one in run.only(shadow=False)}, heard),
    )


def _compare(run: RunRecord, live: Policy, shadow: Shadow, decisions: pa.Table, other: pa.Table) -> ShadowRun:
    ids, statuses, others = texts(decisions, "buyer_id"), texts(decisions, "status"), texts(other, "status")
    assert ids == texts(other, "buyer_id")  # both decide about every account of one snapshot
    return ShadowRun(
        run_id=run.run_id,
        as_of=run.as_of,
        live=live.version,
        shadow=shadow.version,
        accounts=len(ids),
        live_limited=sum(one in _LIMITED for one in statuses),
        shadow_limited=sum(one in _LIMITED for one in others),
        digest=fingerprint(rows_of(other)),
        differ=tuple((buyer, one, two) for buyer, one, two in zip(ids, statuses, others, strict=True) if one != two),
    )


def _rows(run: RunRecord, shadow: Shadow, seen: ShadowRun) -> Iterator[dict[str, Any]]:
    """Journal rows: the first has all but the accounts that did not fit, which follow a part a row."""
    told = asdict(seen)
    parts = [seen.differ[start : start + _PART] for start in range(0, len(seen.differ), _PART)] or [()]
    for number, part in enumerate(parts):
        body = (
            {**told, "differ": [list(one) for one in part]} if number == 0 else {"differ": [list(one) for one in part]}
        )
        name = f"{shadow.digest}:{run.run_id}"
        yield {"at": run.started_at, "id": f"{name}:{number:06d}", "body": json.dumps({"of": name, **body})}


def _read(store: Store, digest: str) -> Iterator[ShadowRun]:
    """The runs that a shadow policy decided, in the order noted."""
    found: dict[str, dict[str, Any]] = {}
    for row in read_journal(store, SHADOW):
        if not row["id"].startswith(f"{digest}:"):
            continue
        body = json.loads(row["body"])
        name, differ = body.pop("of"), [tuple(one) for one in body.pop("differ")]
        found.setdefault(name, {"differ": []}).update(body)
        found[name]["differ"] += differ
    for told in found.values():
        yield ShadowRun(**told | {"differ": tuple(told["differ"])})


def _heard(snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    """Buyer id to the last instants (0 where never) that spoke for it and against it: complaints by when they were
    filed, decisions of the platform."""
    heard: dict[str, tuple[int, int]] = {}
    complaints, past = snapshot.complaints, snapshot.past
    for refund, at, outcome in zip(complaints.refund, complaints.at, complaints.outcome, strict=True):
        _hear(heard, snapshot.buyers.ids[snapshot.refunds.buyer[refund]], int(at), OUTCOMES[outcome])
    for buyer, at, decision in zip(past.buyer, past.at, past.decision, strict=True):
        _hear(heard, snapshot.buyers.ids[buyer], int(at), DECISIONS[decision])
    return heard


def _hear(heard: dict[str, tuple[int, int]], buyer: str, at: int, what: str) -> None:
    good, bad = heard.get(buyer, (0, 0))
    if what in ("dismissed", "lifted"):
        good = max(good, at)
    elif what in ("upheld", "closed", "limited"):
        bad = max(bad, at)
    heard[buyer] = good, bad


def _verdicts(since: Mapping[str, int], heard: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """How many of these accounts have which verdict after the instant named for each."""
    counted: Counter[str] = Counter()
    for buyer, at in since.items():
        good, bad = heard.get(buyer, (0, 0))
        counted["abusive" if bad > at else "honest" if good > at else "none"] += 1
    return {name: counted[name] for name in VERDICTS if counted[name]}
