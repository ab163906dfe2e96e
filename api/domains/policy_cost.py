"""What a policy would have done and cost: the types that trials of policies tell by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from api.domains.account import AccountStatus
from api.scalars import Currency, DecimalText, Instant, Money
from integrity.instants import from_iso


@strawberry.type(description="An account that another policy would treat otherwise.")
class AccountMove:
    """One change."""

    account_id: strawberry.ID = strawberry.field(description="The account.")
    before: AccountStatus = strawberry.field(description="Its status by the run.")
    after: AccountStatus = strawberry.field(description="Its status by the policy.")


@strawberry.type(description="Orders, and what they come to, one amount a currency.")
class OrderTally:
    """As in integrity.costs.Tally."""

    orders: int = strawberry.field(description="How many.")
    amounts: list[Money] = strawberry.field(description="What they come to; currencies are never added.")


@strawberry.type(description="Part of the orders that were not sold, by what is known of them later.")
class OrderGroup:
    """One part of a split."""

    name: str = strawberry.field(description="What is known: of the order, or by later verdicts of the account.")
    orders: int = strawberry.field(description="How many orders.")
    amounts: list[Money] = strawberry.field(description="What they come to.")


@strawberry.type(description="What was not sold, shared out by the run's own risk.")
class RiskShare:
    """One part of the split by risk."""

    name: str = strawberry.field(description="Honest or abusive, as likely as the run had it.")
    amounts: list[Money] = strawberry.field(description="The share.")


@strawberry.type(description="What a policy would have cost, on records alone.")
class PolicyCost:
    """As in integrity.costs.Cost."""

    denied: int = strawberry.field(description="Orders that would have been denied.")
    cut: int = strawberry.field(description="Orders that would have been cut.")
    accounts: int = strawberry.field(description="Accounts that these are of.")
    stopped: OrderTally = strawberry.field(description="What would not have been sold.")
    honest_stopped: OrderTally = strawberry.field(description="Of it what speaks for honest orders.")
    abuse_let_through: OrderTally = strawberry.field(description="What abuse claimed back that was not stopped.")
    by_outcome: list[OrderGroup] = strawberry.field(description="Split by what became of the order.")
    by_verdict: list[OrderGroup] = strawberry.field(description="Split by later verdicts on the account.")
    by_risk: list[RiskShare] = strawberry.field(description="Split by the run's own risk.")


@strawberry.type(
    description="What a policy makes of one run's moment, with what was known then, and what it would cost."
)
class PolicyJudgement:
    """As in integrity.backtest.Judgement, with its cost."""

    run_id: strawberry.ID = strawberry.field(description="The run.")
    as_of: Instant = strawberry.field(description="The instant that it looked at.")
    known_by: int = strawberry.field(description="The last load that it knew of.")
    accounts: int = strawberry.field(description="Accounts.")
    limited: int = strawberry.field(description="Accounts that would be limited.")
    share: float = strawberry.field(description="Their share.")
    held: bool = strawberry.field(description="Whether that is more than the policy allows.")
    digest: str = strawberry.field(description="SHA-256 of all decisions: the same whatever was loaded later.")
    detected: bool = strawberry.field(description="Whether detection was done anew, its settings being others.")
    after: Instant = strawberry.field(description="Costs are of orders after this instant.")
    until: Instant = strawberry.field(description="And up to this one.")
    cost: PolicyCost = strawberry.field(description="What it would have cost.")


def move_of(told: Mapping[str, str]) -> AccountMove:
    """A change, from plain values."""
    return AccountMove(
        account_id=strawberry.ID(told["buyer_id"]),
        before=AccountStatus(told["before"]),
        after=AccountStatus(told["after"]),
    )


def judgement_of(
    run_id: str, told: Mapping[str, Any], cost: Mapping[str, Any], after: Instant, until: Instant
) -> PolicyJudgement:
    """A judgement, from plain values."""
    names = ("known_by", "accounts", "limited", "share", "held", "digest", "detected")
    return PolicyJudgement(
        run_id=strawberry.ID(run_id),
        as_of=Instant(from_iso(told["as_of"], where="as_of")),
        after=after,
        until=until,
        cost=cost_of(cost),
        **{name: told[name] for name in names},
    )


def cost_of(told: Mapping[str, Any]) -> PolicyCost:
    """A cost, from plain values."""
    return PolicyCost(
        denied=told["denied"],
        cut=told["cut"],
        accounts=told["accounts"],
        stopped=_tally(told["stopped"]),
        honest_stopped=_tally(told["honest_stopped"]),
        abuse_let_through=_tally(told["abuse_let_through"]),
        by_outcome=_groups(told["by_outcome"]),
        by_verdict=_groups(told["by_verdict"]),
        by_risk=[RiskShare(name=name, amounts=_money(amounts)) for name, amounts in told["by_risk"].items()],
    )


def _tally(told: Mapping[str, Any]) -> OrderTally:
    return OrderTally(orders=told["orders"], amounts=_money(told["amounts"]))


def _groups(told: Mapping[str, Mapping[str, Any]]) -> list[OrderGroup]:
    return [OrderGroup(name=name, orders=one["orders"], amounts=_money(one["amounts"])) for name, one in told.items()]


def _money(amounts: Mapping[str, str]) -> list[Money]:
    return [Money(amount=DecimalText(text), currency=Currency(code)) for code, text in amounts.items()]
