"""What would flip a decision, and what was weighed: answers of the published run judged again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import strawberry

from api.context import Context, Info
from api.describe import resolver
from api.domains.account import AccountStatus
from api.domains.common import After, First, Language, page_rows, speaks
from api.domains.evidence import Evidence, evidence_of
from api.errors import ApiError, ErrorCode
from api.pages import DEFAULT_PAGE, Connection, Direction
from api.view import Row
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.healing import Reopened


@strawberry.type(description="The fewest pieces of evidence without which the account would stand more mildly.")
class Flip:
    """Outcome of taking evidence out and judging the run again, the market as it was measured."""

    flips: bool = strawberry.field(
        description="Whether the decision turns; false where not all evidence together would do, or none is held."
    )
    risk_after: float = strawberry.field(description="The account's risk without it.")
    status_after: AccountStatus = strawberry.field(description="The account's status without it.")
    others: int = strawberry.field(description="Other accounts whose status, risk or ring would be another one, too.")
    buyer_id: strawberry.Private[str]
    rows: strawberry.Private[list[Row]]

    @resolver("What would have to be taken out, heaviest first.")
    def evidence(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Evidence]:
        """Evidence, paged."""
        rows, page = page_rows(
            info.context,
            f"flip:{self.buyer_id}",
            self.rows,
            "evidence_id",
            first=first,
            after=after,
            key=lambda row: row["nats"],
            direction=Direction.DESC,
        )
        return page.of([evidence_of(info.context, row) for row in rows])


@strawberry.type(description="What was looked at of an account: why it is limited, or why not.")
class Weighed:
    """Facts of the run judged again, as sentences."""

    reasons: list[str] = strawberry.field(description="What speaks for abuse, strongest first.")
    against: list[str] = strawberry.field(
        description="What speaks against it, strongest first; then surges, and shared keys that turned out benign."
    )


async def flip_of(context: Context, buyer_id: str) -> Flip:
    """What would flip the decision on an account that the run judged."""
    from integrity.flip import flip  # detection is loaded by a server where it is first asked for

    found = await asyncio.to_thread(lambda: flip(_reopened(context), buyer_id))
    for one in found.others:
        context.saw("account", one.buyer_id)
    return Flip(
        flips=found.flips,
        buyer_id=buyer_id,
        rows=sorted(map(dict, found.evidence), key=lambda row: row["evidence_id"]),
        risk_after=found.risk_after,
        status_after=AccountStatus(found.status_after),
        others=len(found.others),
    )


async def weighed_of(context: Context, buyer_id: str, language: Language) -> Weighed:
    """What was weighed of an account that the run judged."""
    from integrity.flip import look

    found = await asyncio.to_thread(lambda: look(_reopened(context), buyer_id))
    reasons, against = ([one.text(speaks(language)) for one in facts] for facts in (found.reasons, found.against))
    return Weighed(reasons=reasons, against=against)


def _reopened(context: Context) -> Reopened:
    try:
        return context.view.reopened
    except BadInput as problem:
        raise ApiError(ErrorCode.BAD_INPUT, str(problem)) from problem
