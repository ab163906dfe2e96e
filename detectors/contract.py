"""What a detector is, what it may look at, and what it returns.

Evidence is in star form: one row says that one account has something to do with one key (a device, a parcel, a
picture …), never that two accounts have something to do with each other, so a key shared by k accounts costs k rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from detectors.frozen import Measures
from detectors.numerics import tally
from detectors.settings import DetectionSettings
from graph.snapshot import Bools, Floats, Ints, Longs, Snapshot

SOURCES: Final = ("buyers", "orders", "uses", "refunds", "complaints", "past_decisions")
"""Tables that evidence rows may point to; `Evidence.table` holds the index."""

BUYERS, ORDERS, USES, REFUNDS, COMPLAINTS, PAST = range(len(SOURCES))

T = TypeVar("T")
Small = npt.NDArray[np.int8]

EARLY, OWN = 1, 2
"""How far a key is the account's own: it came before most of the others did, or had it to itself; 0 neither."""

STRANGERS, ACCOMPLICES = 1, 2
"""How the accounts of a key claim; 0 not known."""


class Family(Enum):
    """Kinds that tell the same fact belong to one family: a flat's door, Wi-Fi and post name are one household, not
    three coincidences. ACCOUNT is what an account did on its own."""

    PLACE = 0
    INSTRUMENT = 1
    CONDUCT = 2
    ACCOUNT = 3


@dataclass(frozen=True)
class Keys:
    """The `n` keys of one link detector. `label` (n,) is the identifier's row id or "" where the key is no identifier;
    `size` (n,) accounts that share it; `explained` (n,) true where a common household explains the sharing; `grade`
    (n,), where the detector looks at that, whether its accounts claim as `STRANGERS` do or as `ACCOMPLICES`."""

    label: npt.NDArray[np.object_]
    size: Longs
    explained: Bools
    grade: Ints | None = None

    @property
    def graded(self) -> Ints:
        """(n,) the grade, 0 where the detector doesn't look at it."""
        return np.zeros(len(self.size), np.int32) if self.grade is None else self.grade


@dataclass(frozen=True)
class Evidence:
    """`m` rows of one detector. `key` (m,) index into `keys`, -1 where the row speaks of the account alone; `buyer`
    (m,) index; `nats` (m,) log-likelihood ratio of abuse against honesty; `table` (m,) index into `SOURCES` and `row`
    (m,) the row of that table in the snapshot; `count` (m,) source rows that say the same; `owned` (m,) `OWN` where
    the key was the account's own before others came to it, `EARLY` where it was there before most of them, so that the
    sharing is their doing, not the account's; else 0; `part` (m,) nats that this account's own part in what the key's
    accounts did is one of theirs against a stranger's among them, 0 where the detector does not tell."""

    detector: str
    key: Ints
    buyer: Ints
    nats: Floats
    table: Small
    row: Ints
    count: Longs
    owned: Small
    part: Floats
    keys: Keys

    def account_nats(self, n: int) -> Floats:
        """Sum of the rows without a key for each of the `n` accounts: (n,) nats."""
        alone = self.key < 0
        return tally(self.buyer[alone], self.nats[alone], n)


NO_KEYS: Final = Keys(np.empty(0, object), np.empty(0, np.int64), np.empty(0, bool))


def evidence(
    detector: str,
    *,
    buyer: Ints,
    nats: Floats,
    table: int | Small,
    row: Ints,
    key: Ints | None = None,
    count: Longs | None = None,
    owned: Small | None = None,
    part: Floats | None = None,
    keys: Keys = NO_KEYS,
) -> Evidence:
    """Build `Evidence` with the types that its columns promise; `key` defaults to none, `count` to one,
    `owned` and `part` to 0."""
    m = len(buyer)
    return Evidence(
        detector=detector,
        key=np.full(m, -1, np.int32) if key is None else key.astype(np.int32),
        buyer=buyer.astype(np.int32),
        nats=nats.astype(np.float64),
        table=np.full(m, table, np.int8) if isinstance(table, int) else table.astype(np.int8),
        row=row.astype(np.int32),
        count=np.ones(m, np.int64) if count is None else count.astype(np.int64),
        owned=np.zeros(m, np.int8) if owned is None else owned.astype(np.int8),
        part=np.zeros(m) if part is None else part.astype(np.float64),
        keys=keys,
    )


def nothing(detector: str) -> Evidence:
    """Evidence without rows: what the detector needs is absent."""
    none = np.empty(0, np.int32)
    return evidence(detector, buyer=none, nats=np.empty(0), table=0, row=none)


@dataclass(frozen=True)
class Surged:
    """A stretch of time in which a store (or its `item`, where it is not empty) was claimed at by `people` unrelated
    people where `due` claims were expected."""

    store: str
    item: str
    people: float
    due: float


@dataclass(frozen=True)
class Expectation:
    """What honest people with the same baskets would claim. `only`, `back` (orders,) expected refund-only and
    return claims of each order, leave-one-buyer-out; `surge` (orders,) index of the surge that the order lies in, -1
    none; `surges` what each surge is."""

    only: Floats
    back: Floats
    surge: Ints
    surges: tuple[Surged, ...]

    @cached_property
    def any(self) -> Floats:
        """(orders,) expected claims of either kind, below one an order."""
        return np.minimum(self.only + self.back, 0.98)


@dataclass(frozen=True)
class Claims:
    """Claims that buyers began. `row` (c,) rows of `snapshot.refunds` in their order; `order`, `buyer`, `store`, `at`,
    `only` of each; `claimed`, `claimed_only` (orders,) whether the order has such a claim; `category` (orders,);
    `first_seen`, `last_seen` (buyers,) instants, `NEVER` where an account was never seen; `home` (buyers,) door used
    most, -1 unknown; `company` (buyers,) number of the accounts taken as one with it."""

    row: Ints
    order: Ints
    buyer: Ints
    store: Ints
    at: Longs
    only: Bools
    claimed: Bools
    claimed_only: Bools
    category: Ints
    first_seen: Longs
    last_seen: Longs
    home: Ints
    company: Longs


@dataclass(frozen=True)
class Context:
    """All that a detector may look at. `suspicion` (buyers,) is the former round's probability that an account is
    abusive (zeros at first): `honest` weighs what the market's own people teach, `suspicion` what its abusers do.
    `links` is
    the evidence of the plain link detectors, for those detectors that look at groups which others name. `measures` is
    where they get what they take from the market as a whole."""

    snapshot: Snapshot
    settings: DetectionSettings
    claims: Claims
    expectation: Expectation
    suspicion: Floats
    links: tuple[Evidence, ...] = ()
    measures: Measures = field(default_factory=Measures)
    _kept: dict[object, object] = field(default_factory=dict)
    """What was made of `snapshot` and `claims` alone; the contexts of later rounds have it, too."""

    @cached_property
    def honest(self) -> Floats:
        """(buyers,) how much each account teaches of honest people: the probability that it is honest; while nobody is
        suspected, its share of its company, so that a gang on one phone does not pass for six fussy people."""
        if self.measures.number("anyone suspected", lambda: float(self.suspicion.any())):
            return 1.0 - self.suspicion
        company = self.claims.company
        return 1.0 / np.bincount(company)[company]

    @cached_property
    def due(self) -> Floats:
        """(buyers,) claims that each account's orders were expected to bring."""
        return tally(self.snapshot.orders.buyer, self.expectation.any, self.n)

    @cached_property
    def _made(self) -> dict[object, object]:
        return {}

    def once(self, make: Callable[[Context], T]) -> T:
        """What `make` makes of this context; asked for again, what it made."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(T, self._made[make])

    def always(self, make: Callable[[Snapshot, Claims], T]) -> T:
        """What `make` makes of the snapshot and its claims, which stay the same in every round."""
        if make not in self._kept:
            self._kept[make] = make(self.snapshot, self.claims)
        return cast(T, self._kept[make])

    def forget(self) -> None:
        """Let go of what `always` made: no round follows, and a context may be kept for as long as a server runs."""
        self._kept.clear()

    @property
    def n(self) -> int:
        """Number of accounts."""
        return len(self.snapshot.buyers.ids)


@dataclass(frozen=True)
class Detector:
    """One detector. `name` is what evidence carries, `title` what people read, `source` the paper or the reasoning it
    rests on, `doc` what it looks for and when it keeps silent. `prior` is the probability, before the market has been
    looked at, that a key of this kind which several accounts share stands for acting together, and
    `ceiling` the greatest that the evidence's own nats may raise it to (links only).

    `weight` is how much of what such a key says to an account counts beside all else that is known of it: facts about
    one household repeat each other (below 1), claims made together are told more timidly than they deserve (above 1).
    The weights lie between 1 and those with which a logistic regression explains the truth of simulated markets, tuning
    seeds alone (`python -m benchmarks.quality --weights`, ADR 7); they are the same for every market. `pairs`
    says whether such a key can make a ring of two accounts alone, `written` whether others can write it onto their
    orders and claims: a door, a number, a parcel, a picture, but not a device or a payment; `met` whether each claim is
    one more occasion to come upon such a key, as with pictures."""

    name: str
    title: str
    source: str
    doc: str
    family: Family
    run: Callable[[Context], Evidence]
    prior: float = 0.0
    ceiling: float = 0.0
    weight: float = 1.0
    pairs: bool = False
    written: bool = False
    met: bool = False
