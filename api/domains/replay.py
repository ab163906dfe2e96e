"""Replaying a decision: the run once more from what it recorded, compared to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import strawberry

from api.context import Info
from api.describe import resolver
from api.domains.common import check_id
from api.errors import ApiError, ErrorCode
from api.state import State
from integrity.replay import replay
from integrity.replay_complaints import replay_complaint

T = TypeVar("T")


@strawberry.type(description="One table of a run, computed once more.")
class ReplayedTable:
    """One table."""

    name: str = strawberry.field(description="The table.")
    same: bool = strawberry.field(description="Whether its rows are the same, to the byte.")


@strawberry.type(description="A decision, or all of a run, once more from what the run recorded.")
class DecisionReplay:
    """As in integrity.replay.Replayed."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    version: str = strawberry.field(description="The version of Ringfence that made it, and this one.")
    account_id: strawberry.ID | None = strawberry.field(description="The account asked about; null: all.")
    same: bool = strawberry.field(description="Whether the decision, or all of them, is the same to the byte.")
    recorded: str = strawberry.field(description="SHA-256 of what was recorded.")
    again: str = strawberry.field(description="SHA-256 of what came of it now.")
    tables: list[ReplayedTable] = strawberry.field(description="The run's tables, by name.")
    ground_same: bool = strawberry.field(description="Whether the records are still what the run saw.")
    forgotten: int = strawberry.field(
        description="How often somebody was forgotten since: the records tell less, and what comes of them may differ."
    )


@strawberry.type(description="What triage made of a complaint, weighed once more from what its act recorded.")
class ComplaintReplay:
    """As in integrity.replay_complaints.ReplayedComplaint."""

    id: strawberry.ID = strawberry.field(description="The complaint.")
    run_id: strawberry.ID | None = strawberry.field(description="The run that it rests on; null before any.")
    same: bool = strawberry.field(description="Whether triage says the same, to the byte.")
    recorded: str = strawberry.field(description="Fingerprint of what it said then.")
    again: str = strawberry.field(description="Fingerprint of what it says of the same now.")
    forgotten: int = strawberry.field(description="How often somebody was forgotten since: then records tell less.")


@strawberry.type
class ReplayQuery:
    """Root fields about replays."""

    @resolver(
        "What triage made of a complaint that was filed here, once more from the load, run, rules and acts of then. "
        "One is under way at a time."
    )
    async def replay_complaint(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The complaint.")],
    ) -> ComplaintReplay:
        """A replay, off the event loop."""
        state, id_ = info.context.state, strawberry.ID(check_id(id_, "a complaint's id"))
        info.context.saw("complaint", id_)
        found = await asyncio.to_thread(lambda: _alone(state, lambda: replay_complaint(state.store, id_)))
        return ComplaintReplay(
            id=id_,
            run_id=None if found.run_id is None else strawberry.ID(found.run_id),
            same=found.same,
            recorded=found.recorded,
            again=found.again,
            forgotten=found.forgotten,
        )

    @resolver(
        "A decision once more, from the inputs, policy and version that its run recorded. It takes as long as a run, "
        "and one is under way at a time. A run of another version is an error that names the version."
    )
    async def replay_decision(
        self,
        info: Info,
        account_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The account; all of the run without it.")
        ] = None,
        run_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The run; the published one without it.")
        ] = None,
    ) -> DecisionReplay:
        """A replay, off the event loop."""
        context = info.context
        for id_, what in ((account_id, "an account's id"), (run_id, "a run's id")):
            if id_ is not None:
                check_id(id_, what)
        if account_id is not None:
            context.saw("account", account_id)
        store = context.state.store
        found = await asyncio.to_thread(
            lambda: _alone(context.state, lambda: replay(store, run_id, buyer_id=account_id))
        )
        return DecisionReplay(
            run_id=strawberry.ID(found.run_id),
            version=found.version,
            account_id=account_id,
            same=found.same,
            recorded=found.recorded,
            again=found.again,
            tables=[ReplayedTable(name=name, same=same) for name, same in sorted(found.tables.items())],
            ground_same=found.ground_same,
            forgotten=found.forgotten,
        )


def _alone(state: State, work: Callable[[], T]) -> T:
    if not state.working.acquire(blocking=False):
        raise ApiError(ErrorCode.STORE_UNAVAILABLE, "another replay or trial is under way; ask again when it has ended")
    try:
        return work()
    finally:
        state.working.release()
