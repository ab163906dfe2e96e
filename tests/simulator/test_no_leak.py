"""Nobody is given away by how the data are made; and yet rings leave what a joint view can see."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp, mannwhitneyu, poisson

from simulator.claims import FRESH, lags
from simulator.places import HOME
from simulator.tables import Draft

from .conftest import Market

P = 0.001
"""Below this a difference counts as real; the fixed seeds make the outcome final."""


def alone(draft: Draft) -> NDArray[np.bool_]:
    """Claims that stand for themselves: one of each joint session is enough, the rest repeat its lag."""
    session = draft.orders.session[draft.claims.order]
    first = np.zeros(len(session), dtype=np.bool_)
    first[np.unique(session, return_index=True)[1]] = True
    return (session < 0) | first


def groups(draft: Draft) -> list[tuple[str, NDArray[np.bool_]]]:
    claims = draft.claims
    fresh = draft.shops.category[draft.orders.store[claims.order]] == FRESH
    return [
        ("keeps fresh", claims.keeps & fresh),
        ("keeps other", claims.keeps & ~fresh),
        ("returns", ~claims.keeps),
    ]


def test_lags_of_abusive_and_honest_claims_come_from_one_function(abused: Draft) -> None:
    claims = abused.claims
    lag = claims.requested - abused.goods.signed[claims.order]
    # The end of the year cuts lags off; claims with room for the longest lag are compared.
    usable = alone(abused) & (lag > 0) & (abused.goods.signed[claims.order] < abused.end - 16 * 86_400)
    for name, rows in groups(abused):
        fresh = abused.shops.category[abused.orders.store[claims.order]] == FRESH
        for part in (rows & fresh, rows & ~fresh):
            a, h = lag[part & usable & claims.abusive], lag[part & usable & ~claims.abusive]
            if len(a) > 30:
                assert ks_2samp(a, h).pvalue > P, (name, len(a))
    slow = lags(np.random.default_rng(1), np.zeros(4000, np.bool_), np.zeros(4000, np.bool_))
    quick = lags(np.random.default_rng(2), np.ones(4000, np.bool_), np.zeros(4000, np.bool_))
    assert ks_2samp(slow, quick).pvalue < P  # the check can fail


def test_reasons_picture_counts_and_notes_come_from_one_function(abused: Draft) -> None:
    claims = abused.claims
    # Before delivery there is another reason; abusive or not.
    arrived = claims.requested >= abused.goods.signed[claims.order]
    for what, values in (("reason", claims.reason), ("pictures", claims.picture_count), ("note", claims.note)):
        for name, rows in groups(abused):
            rows = rows & arrived
            if (rows & claims.abusive).sum() < 60:
                continue
            names = [v for v, c in Counter(values[rows & claims.abusive].tolist()).items() if c >= 5]
            table = np.array(
                [[(values[rows & (claims.abusive == b)] == v).sum() for v in names] for b in (True, False)]
            )
            assert chi2_contingency(table).pvalue > P, (what, name)


def test_hours_stores_prices_and_quantities_of_orders_come_from_one_function(abused: Draft) -> None:
    orders, goods, shops = abused.orders, abused.goods, abused.shops
    single = orders.session < 0
    planned, usual = orders.abusive & single, ~orders.abusive & (orders.crew < 0) & (orders.item < 0)
    hour = (orders.placed + 8 * 3600) % 86_400
    bins = [np.bincount(hour[rows] // 7200, minlength=12) for rows in (planned, usual)]
    assert chi2_contingency(np.array(bins)).pvalue > P
    # Each store of a ring's list is one draw, however many orders follow from it.
    chosen = np.unique(np.column_stack([orders.crew[planned], orders.store[planned]]), axis=0)[:, 1]
    busy = np.sort(shops.popularity)[-len(shops.popularity) // 10]
    share = [float((shops.popularity[s] >= busy).mean()) for s in (chosen, orders.store[usual])]
    assert share[0] == pytest.approx(share[1], abs=0.06)
    quantities = [np.bincount(np.minimum(goods.quantity[rows], 4), minlength=5)[1:] for rows in (planned, usual)]
    assert chi2_contingency(np.array(quantities)).pvalue > P


def test_networks_are_the_same_mixture(abused: Draft) -> None:
    """Who uses a dormitory, carrier, office, café or home network doesn't depend on honesty."""
    ip = abused.marks.ip
    kind = np.where(ip < 0, 0, np.where((ip & 0xFFFFFF) >= 0xF00000, 1, 2))
    rows = ~abused.orders.abusive
    guilty = abused.abusers[abused.orders.buyer]
    shares = [
        np.bincount(kind[rows & (guilty == g)], minlength=3) / (rows & (guilty == g)).sum() for g in (True, False)
    ]
    assert np.abs(shares[0] - shares[1]).max() < 0.06


def test_ids_and_row_order_say_nothing(market: Market) -> None:
    guilty = dict(market.truth.select("buyer_id", pl.col("abuser") == "1").iter_rows())
    for frame in (market.table("buyers"), market.truth):
        flags = np.array([guilty[b] for b in frame["buyer_id"]])
        place = np.arange(len(flags))
        assert mannwhitneyu(place[flags], place[~flags]).pvalue > P
    values = np.array([int(b, 16) % 2**48 for b in guilty])
    flags = np.array(list(guilty.values()))
    assert mannwhitneyu(values[flags], values[~flags]).pvalue > P
    orders = market.table("orders")
    assert orders["placed_at"].is_sorted()
    flags = np.array([guilty[b] for b in orders["buyer_id"]])
    for column in ("order_id", "device_id", "store_id"):
        number = np.array([int(v[:12], 16) for v in orders[column]])
        by_owner = {}
        for b, v in zip(orders["buyer_id"], number, strict=True):
            by_owner.setdefault(b, v)
        first = np.array(list(by_owner.values()))
        owner = np.array([guilty[b] for b in by_owner])
        assert mannwhitneyu(first[owner], first[~owner]).pvalue > P, column
    lengths = orders.select(pl.col("order_id", "buyer_id", "store_id", "device_id").str.len_chars().n_unique())
    assert lengths.row(0) == (1, 1, 1, 1)


def test_honest_people_file_one_picture_for_goods_of_several_trades_too(abused: Draft) -> None:
    """The maker's picture, and those that anybody can find; in a market of little abuse about as often as rings."""
    claims = abused.claims
    bits = np.bitwise_count(claims.pictures[:, 0])
    rows = np.flatnonzero((claims.picture_count > 0) & (bits > 7) & (bits < 57))
    picture, order = claims.pictures[rows, 0], claims.order[rows]
    trade, buyer = abused.shops.category[abused.orders.store[order]], abused.orders.buyer[order]
    shared: Counter[bool] = Counter()
    for at in range(len(rows)):
        near = np.flatnonzero(np.bitwise_count(picture ^ picture[at]) <= 7)
        if (trade[near] != trade[at]).any() and (buyer[near] != buyer[at]).any():
            shared[bool(claims.abusive[rows[at]])] += 1
    assert shared[False] > 20
    assert shared[True] > 40


@pytest.mark.parametrize("name", ["payment", "phone"])
def test_who_shows_a_strangers_card_or_number_once_is_mostly_honest(abused: Draft, name: str) -> None:
    """A friend pays, a present goes to a friend: to have met so is no sign of a ring."""
    value, buyer = getattr(abused.marks, name), abused.orders.buyer
    known = value >= 0
    pairs, shown = np.unique(np.column_stack([value[known], buyer[known]]), axis=0, return_counts=True)
    _, first, people = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    one = first[people == 2]
    left, right = pairs[one, 1], pairs[one + 1, 1]
    once = np.minimum(shown[one], shown[one + 1]) == 1
    strangers = once & (abused.people.household[left] != abused.people.household[right])
    ring = abused.abusers[left] & abused.abusers[right]
    assert (strangers & ring).sum() >= 5
    assert (strangers & ~ring).sum() > 5 * (strangers & ring).sum()


def test_most_kinds_of_trace_occur_among_the_innocent_too(market: Market) -> None:
    orders = market.table("orders").join(market.truth, on="buyer_id").filter(pl.col("abuser") == "0")
    claims = market.table("refunds").join(orders.select("order_id", "buyer_id"), on="order_id")
    for column, least in (("device_id", 1000), ("payment_id", 500)):
        shared = orders.group_by(column).agg(pl.col("buyer_id").n_unique()).drop_nulls()["buyer_id"]
        assert (shared > 1).sum() > least
        assert shared.max() >= 5
    parcels = (
        claims.drop_nulls("return_tracking_no")
        .group_by("return_tracking_no")
        .agg(pl.col("buyer_id").n_unique(), pl.len())
    )
    assert (parcels["len"] > 1).sum() > 20
    assert (parcels["buyer_id"] > 1).sum() >= 2
    light = claims.filter(pl.col("return_weight_g").cast(pl.Int64) * 2 < pl.col("shipped_weight_g").cast(pl.Int64))
    assert light.height > 100
    decided = market.table("decisions").join(market.truth, on="buyer_id")
    assert decided.filter((pl.col("abuser") == "0") & (pl.col("decision") != "lifted")).height >= 5
    reports = market.table("complaints").join(claims, on="refund_id")
    assert (reports["outcome"] == "dismissed").sum() > 0.5 * reports.height > 50


def shared_by_members(draft: Draft, members: NDArray[np.int64]) -> set[int]:
    """Members who share a device, phone, payment, home door, picture, parcel or two joint claims with another one."""
    orders, marks, claims = draft.orders, draft.marks, draft.claims
    mine = np.isin(orders.buyer, members)
    home = draft.world.places.kind[marks.place] == HOME
    found: set[int] = set()
    for values, rows in (
        (marks.device, mine),
        (marks.phone, mine),
        (marks.payment, mine & (marks.payment >= 0)),
        (marks.place, mine & home),
    ):
        pairs = np.unique(np.column_stack([values[rows], orders.buyer[rows]]), axis=0)
        often = np.isin(pairs[:, 0], [v for v, c in Counter(pairs[:, 0].tolist()).items() if c > 1])
        found |= set(pairs[often, 1].tolist())
    own = np.flatnonzero(mine[claims.order] & claims.abusive)
    buyer = orders.buyer[claims.order]
    joint: Counter[int] = Counter()
    for i in own.tolist():
        for j in own.tolist():
            if buyer[i] == buyer[j]:
                continue
            if claims.parcel[i] >= 0 and claims.parcel[i] == claims.parcel[j]:
                found.add(int(buyer[i]))
            near = int(claims.pictures[i, 0] ^ claims.pictures[j, 0]).bit_count() <= 10
            if near and min(claims.picture_count[i], claims.picture_count[j]) > 0:
                found.add(int(buyer[i]))
        session = orders.session[claims.order[i]]
        if session >= 0 and (orders.session[claims.order[own]] == session).sum() > 1:
            joint[int(buyer[i])] += 1
    return found | {b for b, c in joint.items() if c >= 2}


def test_an_ideal_detector_can_reach_most_abusers(abused: Draft) -> None:
    """Rings claim beyond what their baskets predict, and their members share something that is theirs."""
    orders, claims = abused.orders, abused.claims
    buyer, trade = orders.buyer[claims.order], abused.shops.category[orders.store]
    size = len(abused.abusers)
    rate = np.bincount(trade[claims.order]) / np.bincount(trade)
    expected = np.bincount(orders.buyer, rate[trade], minlength=size)
    claimed = np.bincount(buyer, minlength=size)
    reached = 0
    for crew in abused.plan.crews:
        if not crew.abusive or crew.kind == "lone":
            continue
        members = crew.members[abused.abusers[crew.members]]
        excess = poisson.sf(claimed[members].sum() - 1, expected[members].sum()) < P
        if excess:
            reached += len(shared_by_members(abused, members))
    assert reached >= 0.82 * abused.abusers.sum()
    abusive = np.bincount(buyer[claims.abusive], minlength=size)[abused.abusers]
    assert np.median(abusive) >= 3
    assert abusive.min() >= 1
