"""What would flip a decision, and what was weighed: answers of the published run judged again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import strawberry

from api.context import Context
from api.domains.account import AccountStatus
from api.domains.common import Language, speaks
from api.domains.evidence import Evidence, evidence_of
from api.errors import ApiError, ErrorCode
from graph.errors import BadInput

if TYPE_CHECKING:
    from integrity.healing import Reopened


@strawberry.type(description="The fewest pieces of evidence without which the account would stand more mildly.")
class Flip:
    """Outcome of taking evidence out and judging the run again, the market as it was measured."""

    flips: bool = strawberry.field(
        description="Whether the decision turns; false where not all evidence together would do, or none is held."
    )
    evidence: list[Evidence] = strawberry.field(description="What would have to be taken out, heaviest first.")
    risk_after: float = strawberry.field(description="The account's risk without it.")
    status_after: AccountStatus = strawberry.field(description="The account's status without it.")
    others: int = strawberry.field(description="Other accounts whose status, risk or ring would be another one, too.")


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
        evidence=[evidence_of(context, row) for row in found.evidence],
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
