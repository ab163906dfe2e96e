"""What is allowed in a policy and yet hardly meant: told by `ringfence policy check`, never refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from integrity.policy import Limits, Policy
from integrity.policy_stages import Band
from integrity.words import Fact, fact

_MANY = 0.2
"""A guard that lets more than this share of accounts be limited guards little."""


def doubts(policy: Policy) -> list[Fact]:
    """Sentences about what probably isn't meant, in the order of the document; empty where nothing is in doubt."""
    return [*_statuses(policy), *_limits(policy), *_stages(policy), *_guards(policy)]


def _statuses(policy: Policy) -> Iterator[Fact]:
    rules = policy.statuses
    if rules.alone_limited_risk < rules.store_limited_risk:
        yield fact("doubt_alone", risk=rules.alone_limited_risk, bound=rules.store_limited_risk)


def _limits(policy: Policy) -> Iterator[Fact]:
    scopes = {
        "platform": policy.limits.platform,
        "store": policy.limits.store,
        "new_account": policy.limits.new_account,
    }
    for name, limits in scopes.items():
        if _above(limits.orders_per_day, limits.orders_per_30_days):
            yield fact("doubt_orders", where=name, orders=limits.orders_per_day)
        for currency, rule in sorted(limits.amounts.items()):
            day, month = rule.amount_per_day, rule.amount_per_30_days
            if day is not None and month is not None and day > month:
                yield fact("doubt_amounts", where=name, currency=currency)
    currencies = {name: set(limits.amounts) for name, limits in scopes.items()}
    for name, has in currencies.items():
        missing = sorted(set.union(*currencies.values()) - has)
        if missing and _limits_anything(scopes[name]):
            yield fact("doubt_currencies", where=name, currencies=", ".join(missing))


def _above(day: int | None, month: int | None) -> bool:
    return day is not None and month is not None and day > month


def _limits_anything(limits: Limits) -> bool:
    return bool(limits.amounts) or limits.orders_per_day is not None or limits.orders_per_30_days is not None


def _stages(policy: Policy) -> Iterator[Fact]:
    """A better store should never have less, nor wait longer."""
    last: dict[float, Band] = {}
    first: dict[float, Band] = {}
    for band in policy.stages.bands:  # stages of one band come earliest first
        last[band.at_least] = band
        first.setdefault(band.at_least, band)
    for above, below in pairwise(sorted(last, reverse=True)):
        lost = [name for name in last[below].entitlements if name not in last[above].entitlements]
        if lost:
            yield fact("doubt_lacks", above=above, below=below, what=", ".join(lost))
        if first[below].entitlements and _day(first[above]) > _day(first[below]):
            yield fact("doubt_later", above=above, below=below, since=str(first[above].since))


def _day(band: Band) -> date:
    return band.since or date.min


def _guards(policy: Policy) -> Iterator[Fact]:
    most = policy.publication.max_limited_share
    if most > _MANY:
        yield fact("doubt_share", most=most)
