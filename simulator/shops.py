"""Stores of very different size and quality, their items, and the events that befall them."""

from dataclasses import dataclass

import numpy as np

from simulator.draws import DAY, Bools, Floats, Ints, Pools, chance, floats, pick
from simulator.knobs import CATEGORIES, Knobs

QUIET, NORMAL, LOUD = range(3)


@dataclass(frozen=True)
class Shops:
    """Stores (one entry each) and their items (flat, `first` to `first + items`)."""

    category: Ints
    popularity: Floats
    trouble: Floats
    """Multiple of the trade's honest claim rate; 1 is common."""
    score: Floats
    opened: Ints
    cover: Ints
    """Index into ("all", "selected", "none")."""
    temper: Ints
    """How the store complains: QUIET, NORMAL or LOUD."""
    foreign: Bools
    first: Ints
    items: Ints
    item_price: Ints
    """Minor units."""
    item_weight: Floats
    """Grams."""

    def draw_stores(self, rng: np.random.Generator, category: Ints) -> Ints:
        """A store of each given trade, in proportion to popularity."""
        found = np.empty(len(category), dtype=np.int64)
        for trade in range(len(CATEGORIES)):
            rows = np.flatnonzero(category == trade)
            stores = np.flatnonzero(self.category == trade)
            found[rows] = stores[pick(rng, self.popularity[stores], len(rows))]
        return found

    def draw_items(self, rng: np.random.Generator, store: Ints) -> Ints:
        """An item of each given store; a store's first items sell best."""
        return self.first[store] + (self.items[store] * rng.random(len(store)) ** 2.2).astype(np.int64)


def open_shops(rng: np.random.Generator, knobs: Knobs, buyers: int, end: int) -> Shops:
    """Found as many stores as so many buyers support; each trade has at least two."""
    count = max(2 * len(CATEGORIES), round(buyers / knobs.buyers_per_store))
    share = np.array([c.share for c in CATEGORIES])
    category = pick(rng, share, count)
    category[: 2 * len(CATEGORIES)] = np.tile(np.arange(len(CATEGORIES)), 2)
    rank = rng.permutation(count)
    popularity = floats((2.0 + rank) ** -knobs.store_zipf)
    trouble = np.exp(rng.normal(-0.06, 0.33, count)) * np.where(chance(rng, 0.06, count), 2.2, 1.0)
    score = np.clip(4.72 - 0.38 * np.log(trouble) + rng.normal(0.0, 0.14, count), 1.0, 5.0)
    opened = end - (30 + rng.gamma(1.6, 700.0, count)).astype(np.int64) * DAY
    covers = np.array([c.freight_cover for c in CATEGORIES])[category]
    cover = np.where(chance(rng, covers, count), 0, np.where(chance(rng, 0.4, count), 1, 2)).astype(np.int64)
    temper = np.full(count, NORMAL)
    roll = rng.random(count)
    temper[roll < knobs.silent_stores] = QUIET
    temper[roll > 1.0 - knobs.loud_stores] = LOUD
    items = 4 + rng.poisson(8 + 60 * np.sqrt(popularity / popularity.max()))
    first = np.cumsum(items) - items
    owner = np.repeat(np.arange(count), items)
    trade = category[owner]
    median = np.array([c.price for c in CATEGORIES])[trade]
    sigma = np.array([c.price_sigma for c in CATEGORIES])[trade]
    total = int(items.sum())
    # Stores have a price level of their own, and prices end as shops like them to.
    level = np.exp(rng.normal(0.0, 0.35, count))[owner]
    price = np.maximum(3.0, median * level * np.exp(rng.normal(0.0, sigma, total)))
    ending = np.array([0, 90, 99, 50])[pick(rng, np.array([0.4, 0.35, 0.15, 0.1]), total)]
    grams = np.array([c.weight_g for c in CATEGORIES])[trade] * np.exp(rng.normal(0.0, 0.55, total))
    return Shops(
        category=category,
        popularity=popularity,
        trouble=trouble,
        score=score,
        opened=opened,
        cover=cover,
        temper=temper,
        foreign=chance(rng, knobs.foreign_stores, count),
        first=first,
        items=items.astype(np.int64),
        item_price=np.minimum(price, 60_000).astype(np.int64) * 100 + ending,
        item_weight=np.maximum(20.0, grams),
    )


@dataclass(frozen=True)
class Events:
    """What happens to items: bad batches (many honest claims) and rushes (many orders within hours)."""

    batch_item: Ints
    batch_from: Ints
    batch_until: Ints
    rush_item: Ints
    rush_store: Ints
    rush_at: Ints
    rush_size: Ints
    rush_price: Floats
    """Multiple of the common price: well below 1 is a price error, which the seller then cancels."""


def plan_events(rng: np.random.Generator, knobs: Knobs, shops: Shops, buyers: int, start: int, end: int) -> Events:
    """Choose items of busy stores for bad batches and price errors; half of the batches sell in a live broadcast."""
    batches = rng.poisson(knobs.bad_batches * buyers) if knobs.bad_batches else 0
    errors = rng.poisson(knobs.price_errors * buyers) if knobs.price_errors else 0
    batch_store = pick(rng, shops.popularity, batches)
    batch_item = shops.first[batch_store]
    batch_from = rng.integers(start, end - 20 * DAY, batches)
    aired = np.flatnonzero(chance(rng, 0.5, batches))
    error_store = pick(rng, shops.popularity, errors)
    error_at = rng.integers(start, end - 5 * DAY, errors)
    rush_store = np.concatenate([batch_store[aired], error_store])
    return Events(
        batch_item=batch_item,
        batch_from=batch_from,
        batch_until=batch_from + rng.integers(6 * DAY, 20 * DAY, batches),
        rush_item=np.concatenate([batch_item[aired], shops.draw_items(rng, error_store)]),
        rush_store=rush_store,
        rush_at=np.concatenate([batch_from[aired] + DAY, error_at]),
        rush_size=np.minimum(8 + rng.gamma(1.2, 40.0, len(rush_store)), 0.02 * buyers + 4).astype(np.int64),
        rush_price=np.concatenate([np.full(len(aired), 0.85), np.full(errors, 0.08)]),
    )


def in_bad_batch(events: Events, item: Ints, placed: Ints) -> Bools:
    """Which orders got something out of a bad batch."""
    bad = np.zeros(len(item), dtype=np.bool_)
    for what, since, until in zip(events.batch_item, events.batch_from, events.batch_until, strict=True):
        bad |= (item == what) & (placed >= since) & (placed < until)
    return bad


def store_lists(shops: Shops, rng: np.random.Generator, groups: int, low: int, high: int) -> Pools:
    """For each of `groups` groups of people the `low` to `high` stores that they go to together, by popularity."""
    lists = []
    for _ in range(groups):
        trade = pick(rng, np.array([c.share for c in CATEGORIES]), int(rng.integers(low, high + 1)))
        lists.append(np.unique(shops.draw_stores(rng, trade)))
    return Pools.of(lists)
