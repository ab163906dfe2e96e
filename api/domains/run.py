"""Detection runs: which there are, what changed between two, and starting one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import orjson
import strawberry

from api.context import Context, Info
from api.describe import choice, mutation, resolver
from api.domains.account import AccountStatus
from api.domains.common import After, First, In, Language, check_id, page_rows, speaks
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.scalars import Instant, instant
from graph.errors import LeaseHeld
from graph.store import RunRecord
from integrity.diff import AccountChange as ChangedAccount
from integrity.diff import RingChange as ChangedRing
from integrity.diff import RingMove as MovedRing
from integrity.diff import RunDiff as Difference
from integrity.diff import diff_runs
from integrity.invariants import why_held
from integrity.publication import RUN_LEASE, lacking
from integrity.run_book import started


@strawberry.enum(description="What became of a run.")
class RunState(Enum):
    """States of a whole run."""

    COMPLETE = choice("complete", "Whole, and never published.")
    HELD = choice("held", "Whole, and waiting for a person; see `heldReason`.")
    PUBLISHED = choice("published", "Published, now or before.")


@strawberry.enum(description="What runs are sorted by.")
class RunOrder(Enum):
    """Sort keys of runs."""

    STARTED_AT = choice("STARTED_AT", "When it was started.")
    ID = choice("ID", "The run's id.")


@strawberry.input(description="How runs are sorted; ties are in order of id.")
class RunSort:
    """Sort of runs."""

    by: RunOrder = strawberry.field(default=RunOrder.STARTED_AT, description="The key.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")


@strawberry.type(description="How many accounts have a status.")
class StatusCount:
    """One status of a run."""

    status: AccountStatus = strawberry.field(description="The status.")
    accounts: int = strawberry.field(description="Accounts that have it.")


@strawberry.type(description="One detection over one snapshot with one policy.")
class Run:
    """One whole run; nothing here leads to a person."""

    id: strawberry.ID = strawberry.field(description="Derived from all that the run rests on.")
    state: RunState = strawberry.field(description="What became of it.")
    current: bool = strawberry.field(description="Whether it is the one that readers see now.")
    as_of: Instant = strawberry.field(description="It looked at what had happened by then.")
    known_by: int = strawberry.field(description="It looked at what loads up to this number had told.")
    policy: str = strawberry.field(description="The policy's version.")
    policy_digest: str = strawberry.field(description="SHA-256 of the policy.")
    version: str = strawberry.field(description="The version of Ringfence that ran it.")
    snapshot_digest: str = strawberry.field(description="SHA-256 of the data it saw.")
    parent_id: strawberry.ID | None = strawberry.field(description="The run published when it was started.")
    started_at: Instant = strawberry.field(description="When it was started.")
    finished_at: Instant | None = strawberry.field(description="When it was whole.")
    published_at: Instant | None = strawberry.field(description="When it was last published.")
    account_count: int | None = strawberry.field(description="Accounts it judged.")
    limited_count: int | None = strawberry.field(description="Accounts it limits.")
    ring_count: int | None = strawberry.field(description="Rings it found.")
    statuses: list[StatusCount] = strawberry.field(description="Accounts by status.")
    replay_lacks: list[strawberry.ID] = strawberry.field(
        description="Runs that replaying it would need and that retention dropped; empty: it can be replayed."
    )
    record: strawberry.Private[RunRecord]

    @resolver("Why it is held.")
    def held_reason(self, language: In = Language.EN) -> str | None:
        """The reason."""
        return why_held(self.record, speaks(language)) or None


@strawberry.type(description="An account that stands otherwise after a run than before; null: not known to that run.")
class AccountChange:
    """One changed account."""

    account_id: strawberry.ID = strawberry.field(description="The account's id.")
    status_before: AccountStatus | None = strawberry.field(description="Its status in the first run.")
    status_after: AccountStatus | None = strawberry.field(description="Its status in the second run.")
    risk_before: float | None = strawberry.field(description="Its risk in the first run.")
    risk_after: float | None = strawberry.field(description="Its risk in the second run.")
    ring_before: strawberry.ID | None = strawberry.field(description="Its ring in the first run.")
    ring_after: strawberry.ID | None = strawberry.field(description="Its ring in the second run.")
    limits_changed: bool = strawberry.field(description="Whether its limits differ.")


@strawberry.type(description="A ring that goes on with other members; under another id where no run led to the other.")
class RingChange:
    """One changed ring."""

    before: strawberry.ID = strawberry.field(description="Its id in the first run.")
    after: strawberry.ID = strawberry.field(description="Its id in the second run.")
    joined: list[strawberry.ID] = strawberry.field(description="Accounts that came to it.")
    left: list[strawberry.ID] = strawberry.field(description="Accounts that left it.")


@strawberry.type(description="A ring of one run of which most members are in another ring in the other run.")
class RingMove:
    """A ring that came out of another one, or went into it."""

    ring: strawberry.ID = strawberry.field(description="The ring that only one of the two runs has.")
    other: strawberry.ID = strawberry.field(description="The ring of the other run that most of its members are in.")


@strawberry.type(description="A ring that only one of the two runs has.")
class RingId:
    """A ring by id."""

    id: strawberry.ID = strawberry.field(description="The ring's id.")


@strawberry.type(description="What changed from one run to another.")
class RunDiff:
    """A difference of runs."""

    a: strawberry.ID = strawberry.field(description="The first run.")
    b: strawberry.ID = strawberry.field(description="The second run.")
    difference: strawberry.Private[Difference]

    @resolver("Accounts whose status, limits or ring changed, or the risk by a tenth; by id.")
    def accounts(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[AccountChange]:
        """Changed accounts, paged."""
        rows = [{"id": one.buyer_id, "one": one} for one in self.difference.accounts]
        cut, page = page_rows(info.context, f"diff:{self.a}:{self.b}", rows, "id", first=first, after=after)
        for row in cut:
            info.context.saw("account", row["id"])
        return page.of([_account_change(row["one"]) for row in cut])

    @resolver("Rings that only the second run has, by id.")
    def rings_appeared(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RingId]:
        """New rings, paged."""
        return _ring_ids(info.context, f"appeared:{self.a}:{self.b}", self.difference.rings_appeared, first, after)

    @resolver("Rings that only the first run has, by id.")
    def rings_disappeared(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RingId]:
        """Gone rings, paged."""
        return _ring_ids(info.context, f"gone:{self.a}:{self.b}", self.difference.rings_disappeared, first, after)

    @resolver("Rings that go on with other members, by their id in the first run.")
    def rings_changed(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RingChange]:
        """Changed rings, paged."""
        rows = [{"id": one.before, "one": one} for one in self.difference.rings_changed]
        cut, page = page_rows(info.context, f"changed:{self.a}:{self.b}", rows, "id", first=first, after=after)
        for row in cut:
            for buyer in (*row["one"].joined, *row["one"].left):
                info.context.saw("account", buyer)
        return page.of([_ring_change(row["one"]) for row in cut])

    @resolver("Rings that appeared out of another one, by id.")
    def rings_split(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RingMove]:
        """Split rings, paged."""
        return _ring_moves(info.context, f"split:{self.a}:{self.b}", self.difference.rings_split, first, after)

    @resolver("Rings that disappeared into another one, by id.")
    def rings_merged(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[RingMove]:
        """Merged rings, paged."""
        return _ring_moves(info.context, f"merged:{self.a}:{self.b}", self.difference.rings_merged, first, after)


@strawberry.type(description="A detection run was started; it goes on after this answer.")
class RunStarted:
    """Outcome of startRun: begun."""

    reference: str = strawberry.field(description="Names the started work in the server's log.")


@strawberry.type(description="A detection run is under way already; none was started.")
class RunAlreadyRunning:
    """Outcome of startRun: not begun."""

    message: str = strawberry.field(description="Says so, for a person.")


StartRunResult = Annotated[
    RunStarted | RunAlreadyRunning, strawberry.union("StartRunResult", description="What became of `startRun`.")
]


@dataclass(frozen=True)
class _Stats:
    accounts: int | None
    limited: int | None
    rings: int | None
    statuses: dict[str, int]


def _stats(record: RunRecord) -> _Stats:
    stats = orjson.loads(record.stats or "{}")
    return _Stats(stats.get("accounts"), stats.get("limited"), stats.get("rings"), stats.get("statuses", {}))


def run_of(context: Context, record: RunRecord) -> Run:
    """The run of a record."""
    stats, current = _stats(record), context.view.run
    return Run(
        id=strawberry.ID(record.run_id),
        state=RunState(record.state),
        current=current is not None and current.run_id == record.run_id,
        as_of=Instant(record.as_of),
        known_by=record.known_by,
        policy=record.policy,
        policy_digest=record.policy_digest,
        version=record.version,
        snapshot_digest=record.snapshot_digest,
        parent_id=None if record.parent is None else strawberry.ID(record.parent),
        started_at=Instant(record.started_at),
        finished_at=instant(record.finished_at),
        published_at=instant(record.published_at),
        record=record,
        account_count=stats.accounts,
        limited_count=stats.limited,
        ring_count=stats.rings,
        statuses=[
            StatusCount(status=status, accounts=stats.statuses.get(status.value, 0))
            for status in AccountStatus
            if stats.statuses
        ],
        replay_lacks=[strawberry.ID(name) for name in lacking(record, _kept(context))],
    )


def _kept(context: Context) -> Mapping[str, RunRecord]:
    found: Mapping[str, RunRecord] = context.once(
        ("runs", "kept"), lambda: {one.run_id: one for one in context.view.store.runs()}
    )
    return found


def _account_change(one: ChangedAccount) -> AccountChange:
    def status(text: str | None) -> AccountStatus | None:
        return None if text is None else AccountStatus(text)

    def ring(text: str | None) -> strawberry.ID | None:
        return None if text is None else strawberry.ID(text)

    return AccountChange(
        account_id=strawberry.ID(one.buyer_id),
        status_before=status(one.status_before),
        status_after=status(one.status_after),
        risk_before=one.risk_before,
        risk_after=one.risk_after,
        ring_before=ring(one.ring_before),
        ring_after=ring(one.ring_after),
        limits_changed=one.limits_changed,
    )


def _ring_change(one: ChangedRing) -> RingChange:
    return RingChange(
        before=strawberry.ID(one.before),
        after=strawberry.ID(one.after),
        joined=[strawberry.ID(buyer) for buyer in one.joined],
        left=[strawberry.ID(buyer) for buyer in one.left],
    )


def _ring_ids(context: Context, name: str, ids: tuple[str, ...], first: int, after: str | None) -> Connection[RingId]:
    cut, page = page_rows(context, name, [{"id": id_} for id_ in ids], "id", first=first, after=after)
    return page.of([RingId(id=row["id"]) for row in cut])


def _ring_moves(
    context: Context, name: str, moves: tuple[MovedRing, ...], first: int, after: str | None
) -> Connection[RingMove]:
    rows = [{"id": one.ring, "other": one.other} for one in moves]
    cut, page = page_rows(context, name, rows, "id", first=first, after=after)
    return page.of([RingMove(ring=row["id"], other=row["other"]) for row in cut])


def _record(context: Context, run_id: str) -> RunRecord | None:
    return next((run for run in context.view.store.runs() if run.run_id == run_id), None)


@strawberry.type
class RunQuery:
    """Root fields about runs."""

    @resolver("One run by its id, or the published one without; null where there is none.")
    def run(
        self,
        info: Info,
        id_: Annotated[
            strawberry.ID | None,
            strawberry.argument(name="id", description="The run's id; the published run without it."),
        ] = None,
    ) -> Run | None:
        """A run."""
        context = info.context
        record = context.view.run if id_ is None else _record(context, check_id(id_, "a run's id"))
        return None if record is None else run_of(context, record)

    @resolver("All whole runs, latest first where not sorted otherwise.")
    def runs(
        self,
        info: Info,
        sort: Annotated[RunSort | None, strawberry.argument(description="Order of the list.")] = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Run]:
        """Runs, sorted and paged."""
        sort = sort or RunSort()
        records = sorted(info.context.view.store.runs(), key=lambda run: run.run_id)
        rows = [{"id": record.run_id, "record": record} for record in records]
        cut, page = page_rows(
            info.context,
            f"runs:{sort.by.value}",
            rows,
            "id",
            first=first,
            after=after,
            key=(lambda row: row["record"].started_at) if sort.by is RunOrder.STARTED_AT else None,
            direction=sort.direction,
        )
        return page.of([run_of(info.context, row["record"]) for row in cut])

    @resolver("What changed from run `a` to run `b`: for whom, and in which rings.")
    def run_diff(
        self,
        info: Info,
        a: Annotated[strawberry.ID, strawberry.argument(description="The first run's id.")],
        b: Annotated[strawberry.ID, strawberry.argument(description="The second run's id.")],
    ) -> RunDiff:
        """A difference of two runs; an unknown id is a NOT_FOUND error."""
        difference = diff_runs(info.context.view.store, check_id(a, "a run's id"), check_id(b, "a run's id"))
        return RunDiff(a=strawberry.ID(difference.before), b=strawberry.ID(difference.after), difference=difference)


@strawberry.type
class RunMutation:
    """Mutations about runs."""

    @mutation("Start a detection run, which is published when it is whole unless it is held.")
    def start_run(
        self,
        info: Info,
        as_of: Annotated[
            Instant | None,
            strawberry.argument(description="Look at what had happened by then; the latest event where not given."),
        ] = None,
    ) -> StartRunResult:
        """Begin a run outside the server's way."""
        start = info.context.start_run
        if start is None:
            raise ApiError(ErrorCode.FORBIDDEN, "this server was started without the means to run detection")
        store = info.context.view.store
        try:
            # Whoever runs anywhere holds the lease; looking at it first saves starting a process in vain.
            store.release(store.acquire(RUN_LEASE, f"startRun of {info.context.token.subject}"))
        except LeaseHeld as held:
            return RunAlreadyRunning(message=f"a detection run is under way already: {held.what}")
        book = info.context.state.affairs.book
        book.refresh()  # nobody acts where it was tampered with
        book.check_key()
        reference = start(as_of=as_of)
        if reference is None:
            return RunAlreadyRunning(message="a detection run is under way already; ask again when it has ended")
        started(book, reference, info.context.actor, info.context.state.now(), as_of=as_of)
        return RunStarted(reference=reference)
