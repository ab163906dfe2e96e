"""Purchase limits in every situation that is defined, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrity.allowances import own_lines
from integrity.checkout import (
    AccountDecision,
    Caps,
    CountedOrder,
    Left,
    Measure,
    PurchaseAnswer,
    PurchaseRequest,
    Reason,
    RunFacts,
    Scope,
    Status,
    Verdict,
    Whose,
    judge,
    standing,
)
from integrity.instants import DAY
from tests.integrity.hand import NOW, policy

HOUR = DAY // 24
OWN = (Measure.ORDERS_PER_DAY, Measure.ORDERS_PER_30_DAYS, Measure.AMOUNT_PER_DAY, Measure.AMOUNT_PER_30_DAYS)


class Usage(NamedTuple):
    """What was bought in the windows of an account's own limits."""

    orders_1d: int = 0
    orders_30d: int = 0
    amount_1d: int = 0
    amount_30d: int = 0


RUN = RunFacts("run-1", as_of=NOW - HOUR, finished_at=NOW - HOUR, policy=policy())
LIMITED = AccountDecision(Status.PLATFORM_LIMITED, 1, 3, 10_000, 25_000, 2, "CNY", frozenset(), NOW + 80 * DAY)
AT_STORE = AccountDecision(Status.STORE_LIMITED, 1, 2, None, 20_000, 1, "CNY", frozenset({"s1"}), NOW + 80 * DAY)
NOTHING = Usage()
ASK = PurchaseRequest("b", "s1", amount=5_000)


def allowance(request: PurchaseRequest, caps: Caps, usage: Usage, run: RunFacts) -> PurchaseAnswer:
    """The answer where so much of the account's own limits is used."""
    limits = zip(OWN, (caps.orders_1d, caps.orders_30d, caps.amount_1d, caps.amount_30d), usage, strict=True)
    left = [Left(one, Whose.ACCOUNT, max(cap - used, 0)) for one, cap, used in limits if cap is not None]
    return judge(request, caps, left, run)


def count_usage(orders: Sequence[CountedOrder], caps: Caps, request: PurchaseRequest, *, now: int) -> Usage:
    """What orders use of limits that are all there."""
    return Usage(*(line.used for line in own_lines(request, caps, orders, now=now)))


def ask(
    request: PurchaseRequest = ASK,
    decision: AccountDecision | None = LIMITED,
    usage: Usage = NOTHING,
    run: RunFacts | None = RUN,
    **more: Any,
) -> PurchaseAnswer:
    chosen = more.pop("policy", policy())
    found = standing(request, decision, run, chosen.checkout, now=more.pop("now", NOW), **more)
    if isinstance(found, PurchaseAnswer):
        return found
    assert run is not None
    return allowance(request, found, usage, run)


def test_an_account_that_is_clear_or_watched_buys_freely() -> None:
    for status in (Status.CLEAR, Status.WATCH):
        answer = ask(decision=AccountDecision(status))
        assert (answer.verdict, answer.reason, answer.scope) == (Verdict.ALLOW, Reason.NOT_LIMITED, Scope.NONE)
        assert (answer.remaining_orders, answer.remaining_amount, answer.run_id) == (None, None, "run-1")


def test_a_limited_account_that_asks_for_what_fits_is_allowed_and_told_what_remains() -> None:
    answer = ask(usage=Usage(0, 1, 0, 4_000))
    assert (answer.verdict, answer.reason, answer.scope) == (Verdict.ALLOW, Reason.WITHIN_LIMIT, Scope.PLATFORM)
    assert (answer.remaining_orders, answer.remaining_amount, answer.max_quantity) == (1, 10_000, 2)
    assert answer.expires_at == LIMITED.expires_at


def test_more_than_remains_is_allowed_up_to_what_remains() -> None:
    answer = ask(replace(ASK, amount=9_000), usage=Usage(0, 2, 0, 20_000))
    assert (answer.verdict, answer.reason) == (Verdict.ALLOW_UP_TO, Reason.AMOUNT_LIMIT)
    assert (answer.remaining_amount, answer.binding) == (5_000, Measure.AMOUNT_PER_30_DAYS)


def test_without_an_amount_the_answer_says_how_much_it_may_be() -> None:
    answer = ask(replace(ASK, amount=None))
    assert (answer.verdict, answer.remaining_amount) == (Verdict.ALLOW_UP_TO, 10_000)


def test_no_order_left_today_is_denied_and_named() -> None:
    answer = ask(usage=Usage(1, 1, 100, 100))
    assert (answer.verdict, answer.reason, answer.binding) == (Verdict.DENY, Reason.ORDER_LIMIT, Measure.ORDERS_PER_DAY)
    assert answer.remaining_orders == 0


def test_no_order_left_in_30_days_is_denied_and_named() -> None:
    assert ask(usage=Usage(0, 3, 0, 300)).binding is Measure.ORDERS_PER_30_DAYS


def test_no_amount_left_is_denied() -> None:
    answer = ask(usage=Usage(0, 2, 0, 25_000))
    assert (answer.verdict, answer.reason, answer.remaining_amount) == (Verdict.DENY, Reason.AMOUNT_LIMIT, 0)


def test_too_many_pieces_are_allowed_up_to_what_an_order_may_hold() -> None:
    answer = ask(replace(ASK, quantity=5))
    assert (answer.verdict, answer.reason, answer.max_quantity) == (Verdict.ALLOW_UP_TO, Reason.QUANTITY_LIMIT, 2)


def test_no_pieces_at_all_is_a_denial() -> None:
    answer = ask(decision=LIMITED._replace(quantity=0))
    assert (answer.verdict, answer.reason) == (Verdict.DENY, Reason.QUANTITY_LIMIT)


def test_a_store_limit_holds_at_its_stores_and_nowhere_else() -> None:
    here, there = ask(decision=AT_STORE), ask(replace(ASK, store_id="s2"), decision=AT_STORE)
    assert (here.scope, here.remaining_amount) == (Scope.STORE, 20_000)
    assert (there.verdict, there.reason, there.scope) == (Verdict.ALLOW, Reason.LIMITED_ELSEWHERE, Scope.NONE)


def test_limits_end_at_their_expiry_to_the_microsecond() -> None:
    assert LIMITED.expires_at is not None
    fresh = replace(RUN, finished_at=LIMITED.expires_at)
    before = ask(run=fresh, now=LIMITED.expires_at - 1)
    after = ask(run=fresh, now=LIMITED.expires_at)
    assert before.reason is Reason.WITHIN_LIMIT
    assert (after.verdict, after.reason) == (Verdict.ALLOW, Reason.LIMIT_EXPIRED)


def test_a_currency_without_a_rule_counts_orders_and_leaves_the_amount_free() -> None:
    free = ask(replace(ASK, currency="KWD", amount=10**9))
    assert (free.verdict, free.reason) == (Verdict.ALLOW, Reason.CURRENCY_WITHOUT_RULE)
    assert (free.remaining_orders, free.remaining_amount) == (1, None)
    assert ask(replace(ASK, currency="KWD"), usage=Usage(1, 1, 0, 0)).reason is Reason.ORDER_LIMIT


def test_another_currency_that_has_a_rule_has_an_allowance_of_its_own() -> None:
    in_kwd = LIMITED._replace(currency="KWD", amount_1d=None, amount_30d=None)
    assert ask(decision=in_kwd).remaining_amount == 10_000


def test_a_buyer_never_judged_is_allowed_where_nothing_speaks_against_it() -> None:
    answer = ask(decision=None)
    assert (answer.verdict, answer.reason, answer.status) == (Verdict.ALLOW, Reason.NEW_ACCOUNT, None)


def test_a_buyer_never_judged_with_an_identifier_of_limited_accounts_gets_the_limits_of_new_accounts() -> None:
    fits, more = ask(decision=None, suspect=True), ask(replace(ASK, amount=6_000), decision=None, suspect=True)
    assert (fits.verdict, fits.reason, fits.scope) == (Verdict.ALLOW, Reason.KNOWN_IDENTIFIER, Scope.PLATFORM)
    assert (more.verdict, more.remaining_amount, more.remaining_orders) == (Verdict.ALLOW_UP_TO, 5_000, 5)


@pytest.mark.parametrize(("rule", "verdict"), [("allow", Verdict.ALLOW), ("deny", Verdict.DENY)])
def test_before_any_run_the_policy_answers(rule: str, verdict: Verdict) -> None:
    answer = ask(decision=None, run=None, policy=policy(checkout={"when_no_run": rule}))
    assert (answer.verdict, answer.reason, answer.run_id) == (verdict, Reason.NO_RUN, None)


def stale(rule: str, decision: AccountDecision | None) -> PurchaseAnswer:
    old = replace(RUN, finished_at=NOW - 49 * HOUR)
    return ask(decision=decision, run=old, policy=policy(checkout={"when_stale": rule}))


def test_a_stale_run_can_keep_its_limits_and_says_that_it_is_stale() -> None:
    limited, free = stale("keep", LIMITED), stale("keep", AccountDecision(Status.CLEAR))
    assert (limited.verdict, limited.reason, limited.stale) == (Verdict.ALLOW, Reason.WITHIN_LIMIT, True)
    assert limited.remaining_orders == 1
    assert (free.verdict, free.reason, free.stale) == (Verdict.ALLOW, Reason.STALE_RUN, True)


def test_a_stale_run_can_fail_open_or_closed() -> None:
    for decision in (LIMITED, AccountDecision(Status.CLEAR), None):
        assert (stale("allow", decision).verdict, stale("allow", decision).reason) == (Verdict.ALLOW, Reason.STALE_RUN)
        assert (stale("deny", decision).verdict, stale("deny", decision).remaining_orders) == (Verdict.DENY, 0)


def test_a_run_of_exactly_the_age_allowed_is_not_stale() -> None:
    assert not ask(run=replace(RUN, finished_at=NOW - 48 * HOUR)).stale


CAPS = Caps(Scope.PLATFORM, Status.PLATFORM_LIMITED, None, 1, 3, 100, 250, None, None, stale=False)


def bought(order_id: str, ago: int, *, store_id: str = "s1", amount: int = 10, currency: str = "CNY") -> CountedOrder:
    return CountedOrder(order_id, store_id, NOW - ago, amount, currency)


def test_windows_roll_and_orders_after_now_do_not_count() -> None:
    orders = [bought("a", 0), bought("b", DAY - 1), bought("c", DAY), bought("d", 30 * DAY - 1), bought("e", 30 * DAY)]
    assert count_usage([*orders, bought("f", -1)], CAPS, ASK, now=NOW) == Usage(2, 4, 20, 40)


def test_the_order_asked_about_does_not_count_against_itself() -> None:
    asked = replace(ASK, order_id="a")
    assert count_usage([bought("a", 0)], CAPS, asked, now=NOW) == Usage()


def test_amounts_of_other_currencies_are_never_added_but_their_orders_count() -> None:
    assert count_usage([bought("a", 0, currency="HKD")], CAPS, ASK, now=NOW) == Usage(1, 1, 0, 0)


def test_a_store_limit_counts_orders_at_its_stores_only() -> None:
    at_store = replace(CAPS, stores=frozenset({"s1"}))
    assert count_usage([bought("a", 0), bought("b", 0, store_id="s2")], at_store, ASK, now=NOW) == Usage(1, 1, 10, 10)


counts = st.integers(0, 10)
caps_or_none = st.none() | st.integers(0, 6)
money = st.none() | st.integers(0, 60)


@given(
    caps=st.tuples(caps_or_none, caps_or_none, money, money, caps_or_none),
    used=st.tuples(counts, counts, st.integers(0, 90), st.integers(0, 90)),
    amount=st.none() | st.integers(0, 90),
    quantity=st.integers(1, 9),
)
def test_no_answer_leaves_less_than_nothing_or_allows_beyond_a_cap(
    caps: tuple[int | None, ...], used: tuple[int, int, int, int], amount: int | None, quantity: int
) -> None:
    orders_1d, orders_30d, amount_1d, amount_30d, pieces = caps
    held = Caps(
        Scope.PLATFORM, Status.PLATFORM_LIMITED, None, orders_1d, orders_30d, amount_1d, amount_30d, pieces, None, False
    )
    usage = Usage(*used)
    answer = allowance(replace(ASK, amount=amount, quantity=quantity), held, usage, RUN)
    assert answer.remaining_orders is None or answer.remaining_orders >= 0
    assert answer.remaining_amount is None or answer.remaining_amount >= 0
    allowed = {
        Verdict.ALLOW: amount if amount is not None else 0,
        Verdict.ALLOW_UP_TO: min(x for x in (answer.remaining_amount, amount, 10**9) if x is not None),
    }.get(answer.verdict)
    if allowed is None:
        return
    for cap, before, more in (
        (orders_1d, usage.orders_1d, 1),
        (orders_30d, usage.orders_30d, 1),
        (amount_1d, usage.amount_1d, allowed),
        (amount_30d, usage.amount_30d, allowed),
    ):
        assert cap is None or more == 0 or before + more <= cap
    if answer.verdict is Verdict.ALLOW:
        assert pieces is None or quantity <= pieces
    else:
        assert pieces is None or pieces > 0
