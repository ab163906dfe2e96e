"""Orders: everybody's own, those of groups that act together, and rushes; then what was bought and how it travelled.

All orders, honest or not, draw store, item, hour and delivery through the functions of this file.
"""

from dataclasses import dataclass

import numpy as np

from simulator.crews import Crew, Plan
from simulator.draws import DAY, Bools, Floats, Ints, chance, pick
from simulator.knobs import CATEGORIES, Knobs
from simulator.people import NEVER, People
from simulator.shops import Events, Shops, store_lists

_ZONE = 8 * 3600
# Orders by the hour of the day in China, midnight first.
_HOURS = np.array([
    2.2, 1.2, 0.7, 0.4, 0.3, 0.4, 0.9, 1.8, 3.0, 4.3, 5.4, 5.3,
    5.2, 4.6, 4.5, 4.6, 4.7, 4.4, 4.3, 5.2, 6.6, 7.4, 6.8, 4.4,
])  # fmt: skip
_IDLE = 0.03


@dataclass
class Orders:
    """One entry an order. `session` groups orders that one group placed within hours, -1 otherwise."""

    buyer: Ints
    store: Ints
    placed: Ints
    item: Ints
    price_factor: Floats
    crew: Ints
    session: Ints
    abusive: Bools
    sure: Bools
    """Abusive orders that do end in a claim: an account's first."""

    def __len__(self) -> int:
        """Number of orders."""
        return len(self.buyer)

    def take(self, rows: Ints) -> "Orders":
        """The given rows, in that order."""
        return Orders(**{name: column[rows] for name, column in vars(self).items()})


def _join(parts: list[Orders]) -> Orders:
    return Orders(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


def _plain(buyer: Ints, store: Ints, placed: Ints) -> Orders:
    size = len(buyer)
    return Orders(
        buyer.astype(np.int64),
        store.astype(np.int64),
        placed.astype(np.int64),
        item=np.full(size, -1),
        price_factor=np.ones(size),
        crew=np.full(size, -1),
        session=np.full(size, -1),
        abusive=np.zeros(size, dtype=np.bool_),
        sure=np.zeros(size, dtype=np.bool_),
    )


def hours(rng: np.random.Generator, size: int) -> Ints:
    """Seconds after local midnight, as people shop."""
    return pick(rng, _HOURS, size) * 3600 + rng.integers(0, 3600, size)


def day_weights(knobs: Knobs, start: int, days: int) -> Floats:
    """How much is ordered on each day from `start`: weekends, festivals, the quiet New Year weeks."""
    dates = (np.datetime64("1970-01-01") + (start + _ZONE) // DAY + np.arange(days)).astype("datetime64[D]")
    year_start = dates.astype("datetime64[Y]")
    month = dates.astype("datetime64[M]").astype(int) % 12 + 1
    day = (dates - dates.astype("datetime64[M]")).astype(int) + 1
    weekday = (dates.astype(int) + 3) % 7
    weight = 1.0 + 0.12 * (weekday >= 5) + 0.25 * ((dates - year_start).astype(int) / 365.0)
    extra = knobs.festival - 1.0
    weight += extra * (((month == 6) & (day == 18)) | ((month == 11) & (day == 11)))
    weight += (
        0.35 * extra * (((month == 6) & (day < 18)) | ((month == 11) & (day < 11)) | ((month == 12) & (day == 12)))
    )
    weight *= np.where((month == 2) & (day < 18), 0.6, 1.0)
    return np.asarray(weight, dtype=np.float64)


def own_orders(rng: np.random.Generator, knobs: Knobs, people: People, shops: Shops, start: int, end: int) -> Orders:
    """What buyers order by themselves: a heavy-tailed number each, at favourite stores and others, by season."""
    n = len(people.household)
    days = (end - start) // DAY
    edges = np.concatenate([[0.0], np.cumsum(day_weights(knobs, start, days))])
    edges /= edges[-1]
    low = np.clip(people.registered, start, end)
    high = np.clip(people.closed_at, low, end)
    share_low = np.interp((low - start) / DAY, np.arange(days + 1), edges)
    share_high = np.interp((high - start) / DAY, np.arange(days + 1), edges)
    # Newcomers order more eagerly than their share of the year: hence the root.
    mean = people.rate * np.sqrt(share_high - share_low) * 1.22
    count = 1 + rng.poisson(np.maximum(0.0, mean - 1.0))
    count = np.where(chance(rng, _IDLE, n) | (high <= low), 0, np.minimum(count, 2000))
    buyer = np.repeat(np.arange(n), count)
    size = len(buyer)
    where = share_low[buyer] + rng.random(size) * (share_high - share_low)[buyer]
    day = np.interp(where, edges, np.arange(days + 1)).astype(np.int64)
    placed = start + np.minimum(day, days - 1) * DAY + hours(rng, size)
    outside = (placed <= people.registered[buyer]) | (placed >= high[buyer])
    room = np.maximum(high - low - 2, 1)
    placed = np.where(outside, low[buyer] + 1 + (rng.random(size) * room[buyer]).astype(np.int64), placed)

    share = np.array([c.share for c in CATEGORIES])
    liked = np.where(chance(rng, 0.6, 3 * n), np.repeat(people.primary, 3), pick(rng, share, 3 * n))
    favourites = shops.draw_stores(rng, liked).reshape(n, 3)
    trade = np.where(chance(rng, 0.4, size), people.primary[buyer], pick(rng, share, size))
    store = shops.draw_stores(rng, trade)
    loyal = chance(rng, 0.4, size)
    store = np.where(loyal, favourites[buyer, pick(rng, np.array([0.5, 0.3, 0.2]), size)], store)
    if knobs.sprees:
        placed, store = _in_sprees(rng, knobs, buyer, placed, store, high)
    return _plain(buyer, store, placed)


def _in_sprees(
    rng: np.random.Generator, knobs: Knobs, buyer: Ints, placed: Ints, store: Ints, until: Ints
) -> tuple[Ints, Ints]:
    """Time and store of own orders when some follow another one of the buyer; `until` is when each buyer's time ends.

    People shop in sprees: what they need for a trip, a flat or a child comes within days, and often from one store."""
    size = len(buyer)
    first = np.append(True, buyer[1:] != buyer[:-1])[:size]
    follows = chance(rng, knobs.sprees, size) & ~first
    leader = np.maximum.accumulate(np.where(follows, 0, np.arange(size)))
    later = placed[leader] + (rng.exponential(1.2, size) * DAY).astype(np.int64)
    follows &= later < until[buyer] - 60
    same = follows & chance(rng, 0.5, size)
    return np.where(follows, later, placed), np.where(same, store[leader], store)


def _crew_rows(
    rng: np.random.Generator, knobs: Knobs, people: People, crew: Crew
) -> tuple[list[int], list[int], list[int]]:
    """Member, time and session number (-1: none) of each order that a crew places together."""
    members = crew.members
    low = np.maximum(crew.since, people.registered[members] + 3600)
    high = np.maximum(low + DAY, np.minimum(crew.until, people.closed_at[members] - 3600))
    days = crew.since + rng.integers(
        0, max(DAY, crew.until - crew.since), int(rng.integers(*crew.sessions, endpoint=True))
    )
    # A session opens at an hour of the local day, like any order.
    opens = (days + _ZONE) // DAY * DAY - _ZONE + hours(rng, len(days))
    buyer: list[int] = []
    placed: list[int] = []
    session: list[int] = []
    if crew.tight:
        for number, at in enumerate(opens.tolist()):
            there = np.flatnonzero(chance(rng, crew.turnout, len(members)) & (low <= at) & (high > at))
            buyer += members[there].tolist()
            placed += (at + rng.integers(0, int(2.5 * 3600), len(there))).tolist()
            session += [number] * len(there)
    mean = max(0.0, knobs.abusive_orders - 2.0)
    for index, member in enumerate(members.tolist()):
        if crew.tight:
            missing = 1 if crew.abusive and member not in buyer else 0
        else:
            missing = 2 + int(rng.poisson(rng.gamma(4.0, mean / 4.0)))
        for at in rng.choice(opens, missing).tolist() if missing else []:
            at += int(rng.normal(0.0, 1.2) * DAY)
            if not low[index] <= at < high[index]:
                at = int(rng.integers(low[index], high[index]))
            at = (at + _ZONE) // DAY * DAY - _ZONE + int(hours(rng, 1)[0])
            buyer.append(member)
            placed.append(int(min(max(at, low[index]), high[index])))
            session.append(-1)
    return buyer, placed, session


def crew_orders(rng: np.random.Generator, knobs: Knobs, people: People, shops: Shops, plan: Plan) -> Orders:
    """What rings and friends order together, on top of what each orders alone."""
    active = [i for i, c in enumerate(plan.crews) if c.sessions[1] > 0]
    lists = store_lists(shops, rng, len(plan.crews), 3, 7)
    parts, sessions = [], 0
    for index in active:
        crew = plan.crews[index]
        buyer, placed, session = _crew_rows(rng, knobs, people, crew)
        size = len(buyer)
        group = np.array(session, dtype=np.int64)
        one_each = lists.draw(rng, np.full(int(max(session, default=-1)) + 1, index))
        own = lists.draw(rng, np.full(size, index))
        if len(crew.stores):
            own = crew.stores[rng.integers(0, len(crew.stores), size)]
        store = np.where(group >= 0, one_each[group], own) if len(one_each) else own
        part = _plain(np.array(buyer, dtype=np.int64), store, np.array(placed, dtype=np.int64))
        part.crew[:] = index
        part.session = np.where(group >= 0, group + sessions, -1)
        sessions += len(one_each)
        if crew.abusive:
            part.abusive[:] = True
            order = np.lexsort((part.placed, part.buyer))
            first = np.unique(part.buyer[order], return_index=True)[1]
            part.sure[order[first]] = True
        parts.append(part)
    return _join(parts) if parts else _plain(*(np.empty(0, dtype=np.int64) for _ in range(3)))


def rush_orders(rng: np.random.Generator, people: People, events: Events) -> Orders:
    """Many unrelated people buy one item within hours: a broadcast or a wrong price."""
    parts = [_plain(*(np.empty(0, dtype=np.int64) for _ in range(3)))]
    for item, store, at, size, factor in zip(
        events.rush_item, events.rush_store, events.rush_at, events.rush_size, events.rush_price, strict=True
    ):
        able = np.flatnonzero((people.registered < at) & (people.closed_at > at + DAY))
        if not len(able):
            continue
        buyer = able[pick(rng, people.rate[able], int(size))]
        part = _plain(
            buyer, np.full(len(buyer), store), at + (rng.gamma(1.0, 4000.0, len(buyer))).astype(np.int64) % DAY
        )
        part.item[:] = item
        part.price_factor[:] = factor
        parts.append(part)
    return _join(parts)


def all_orders(parts: list[Orders], start: int, end: int) -> Orders:
    """The parts as one, by time, without what would lie outside the year."""
    orders = _join(parts)
    inside = np.flatnonzero((orders.placed >= start) & (orders.placed <= end - 60))
    return orders.take(inside[np.argsort(orders.placed[inside], kind="stable")])


@dataclass
class Goods:
    """What was bought and how it travelled (one entry an order); the second line is empty where quantity is 0."""

    item: Ints
    quantity: Ints
    amount: Ints
    """Minor units, both lines."""
    second_item: Ints
    second_quantity: Ints
    second_amount: Ints
    weight: Floats
    signed: Ints
    """NEVER while the parcel is on its way."""
    cancelled: Bools
    """The seller called the order off."""


def fill(rng: np.random.Generator, shops: Shops, orders: Orders, end: int) -> Goods:
    """Items, quantities, amounts, delivery and the seller's own cancellations of all orders."""
    size = len(orders)
    item = np.where(orders.item >= 0, orders.item, shops.draw_items(rng, orders.store))
    quantity = 1 + pick(rng, np.array([0.8, 0.13, 0.04, 0.02, 0.01]), size)
    unit = np.maximum(1, np.round(shops.item_price[item] * orders.price_factor)).astype(np.int64)
    more = chance(rng, 0.14, size) & (orders.price_factor > 0.5)
    second_item = shops.draw_items(rng, orders.store)
    more &= second_item != item
    second_quantity = np.where(more, 1 + pick(rng, np.array([0.85, 0.12, 0.03]), size), 0)
    second_amount = second_quantity * shops.item_price[second_item]
    weight = shops.item_weight[item] * quantity + shops.item_weight[second_item] * second_quantity
    days = np.array([c.delivery_days for c in CATEGORIES])[shops.category[orders.store]]
    way = days * np.exp(rng.normal(0.0, 0.35, size)) * DAY
    # Parcels that leave one store in the same hour arrive about together.
    session = orders.session
    together = np.flatnonzero(session >= 0)
    if len(together):
        first = np.unique(session[together], return_index=True)[1]
        common = np.zeros(int(session.max()) + 1)
        common[session[together[first]]] = way[together[first]]
        way[together] = common[session[together]] + rng.normal(0.0, 0.1, len(together)) * DAY
    signed = orders.placed + np.maximum(4 * 3600, way).astype(np.int64)
    # Couriers ring between eight and nine.
    local = signed + _ZONE
    signed = np.maximum(local // DAY * DAY + 8 * 3600 + local % DAY * 13 // 24 - _ZONE, orders.placed + 3600)
    cancelled = chance(rng, np.where(orders.price_factor < 0.5, 0.92, 0.008), size) & ~orders.abusive
    return Goods(
        item=item,
        quantity=quantity,
        amount=unit * quantity + second_amount,
        second_item=second_item,
        second_quantity=second_quantity,
        second_amount=second_amount,
        weight=weight,
        signed=np.where(cancelled | (signed > end), NEVER, signed),
        cancelled=cancelled,
    )
