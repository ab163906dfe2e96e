"""The book of acts, as an auditor reads it."""

from __future__ import annotations

from typing import Annotated

import orjson
import strawberry

from api.context import Info
from api.describe import resolver
from api.scalars import Instant
from integrity.acts import Act as Done
from integrity.acts_check import verify


@strawberry.type(description="One act of a person or service; never changed.")
class Act:
    """One act."""

    n: int = strawberry.field(description="Its number, from 1.")
    at: Instant = strawberry.field(description="When.")
    by: str = strawberry.field(description="Who.")
    role: str = strawberry.field(description="In what role.")
    store_id: strawberry.ID | None = strawberry.field(description="The store that the actor speaks for.")
    kind: str = strawberry.field(description="What was done: `complaint.filed`, `judgement.made` …")
    subject: strawberry.ID = strawberry.field(description="To what.")
    body: str = strawberry.field(description="All that was said, as JSON; of what people wrote its digest.")
    digest: str = strawberry.field(description="SHA-256 over the act and the digest of the one before.")
    signed: bool = strawberry.field(description="Whether it carries a MAC.")


@strawberry.type(description="How far the book of acts holds.")
class ActsChecked:
    """Outcome of a check."""

    acts: int = strawberry.field(description="Acts in the book.")
    signed: int = strawberry.field(description="Of these signed.")
    head: str = strawberry.field(description="Digest of the last one: keep it elsewhere to notice a cut-off tail.")
    texts: int = strawberry.field(description="Texts of people that are as they were written.")
    erased: int = strawberry.field(description="Texts that were erased, as an act says.")
    rewritten: list[int] = strawberry.field(description="Acts of before that were written anew without their texts.")
    unfinished: int = strawberry.field(description="Texts that were to be erased and are still there.")


def act_of(act: Done) -> Act:
    """An act of the book."""
    return Act(
        n=act.n,
        at=Instant(act.at),
        by=act.by,
        role=act.role,
        store_id=strawberry.ID(act.store_id) if act.store_id else None,
        kind=act.kind,
        subject=strawberry.ID(act.subject),
        body=orjson.dumps(act.body, option=orjson.OPT_SORT_KEYS).decode(),
        digest=act.digest,
        signed=bool(act.mac),
    )


@strawberry.type
class ActsQuery:
    """Root fields on the book of acts."""

    @resolver("Acts in the order done, those after number `after`.")
    def acts(
        self,
        info: Info,
        after: Annotated[int, strawberry.argument(description="Go on behind this number.")] = 0,
        first: Annotated[int, strawberry.argument(description="At most this many, up to 100.")] = 20,
    ) -> list[Act]:
        """Some acts."""
        start, count = max(after, 0), min(max(first, 0), info.context.settings.max_page)
        return [act_of(one) for one in info.context.state.affairs.book.acts[start : start + count]]

    @resolver("Check every link of the whole book; an error names the first act that is wrong.")
    def check_acts(self, info: Info) -> ActsChecked:
        """The check."""
        book = info.context.state.affairs.book
        found = verify(book.store, signing_key=book.signing_key)
        return ActsChecked(
            acts=found.acts,
            signed=found.signed,
            head=found.head,
            texts=found.texts,
            erased=found.erased,
            rewritten=list(found.rewritten),
            unfinished=found.unfinished,
        )
