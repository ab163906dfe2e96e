"""Which run readers see: publishing one that was held or left aside, and going back. Both are acts in the book."""

from __future__ import annotations

from typing import Annotated

import strawberry

from api.context import Context, Info
from api.describe import mutation
from api.domains.common import check_id
from api.domains.run import Run, run_of
from graph.store import RunRecord
from integrity import run_book

Why = Annotated[str, strawberry.argument(description="Why; stands in the book of acts.")]


def _chosen(context: Context, reason: str) -> run_book.Chosen:
    state = context.state
    return run_book.Chosen(context.actor, state.now(), reason, state.affairs.book.signing_key)


def _seen(context: Context, record: RunRecord) -> Run:
    context.state.refresh()
    return run_of(context, record)


@strawberry.type
class RunBookMutation:
    """Root fields that choose the run that readers see."""

    @mutation("Make a whole run the one that readers see, held ones included.")
    def publish_run(
        self,
        info: Info,
        id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="The run.")],
        reason: Why,
    ) -> Run:
        """The run, published."""
        context = info.context
        name, holder = check_id(id_, "a run's id"), f"run published by {context.token.subject}"
        return _seen(context, run_book.publish(context.state.store, name, _chosen(context, reason), holder=holder))

    @mutation("Go back to the run that was published before the one that readers see, or to any earlier one.")
    def rollback_run(
        self,
        info: Info,
        reason: Why,
        id_: Annotated[
            strawberry.ID | None,
            strawberry.argument(name="id", description="A run that was published; the one before without it."),
        ] = None,
    ) -> Run:
        """The run, published again."""
        context = info.context
        to, holder = None if id_ is None else check_id(id_, "a run's id"), f"run chosen by {context.token.subject}"
        store = context.state.store
        return _seen(context, run_book.rollback(store, _chosen(context, reason), to=to, holder=holder))
