"""The settings of a simulated marketplace: trades, rates, hubs, noise and the mixture of abuse.

Every number that shapes the market stands here, so that a study can turn one of them and leave the rest alone.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Final, Literal

import numpy as np

Abuse = Literal["none", "low", "default", "high"]

ABUSE_RATE: Final[dict[str, float]] = {"none": 0.0, "low": 0.001, "default": 0.008, "high": 0.03}
"""Abusive accounts as a share of all buyers, by the name of the level."""


@dataclass(frozen=True)
class Category:
    """A trade: how much of it is sold, how often honest people claim, and what a claim in it looks like."""

    name: str
    share: float
    """Share of all orders."""
    claim_rate: float
    """Honest claims an order, before store and buyer."""
    refund_only: float
    """Share of honest claims that keep the goods."""
    price: float
    """Median price of an item in major units."""
    price_sigma: float
    weight_g: float
    """Median weight of an item."""
    delivery_days: float
    peak_month: int
    """Month in which claims peak (1 to 12)."""
    peak: float
    """How much higher the claim rate is in the peak month than on average."""
    freight_cover: float
    """Share of stores that cover the way back for everything."""


CATEGORIES: Final[tuple[Category, ...]] = (
    Category("apparel", 0.25, 0.135, 0.14, 129.0, 0.7, 450.0, 2.8, 11, 0.35, 0.75),
    Category("fresh_food", 0.15, 0.075, 0.92, 45.0, 0.5, 2500.0, 1.2, 7, 0.60, 0.05),
    Category("electronics", 0.12, 0.050, 0.25, 299.0, 1.0, 700.0, 2.4, 11, 0.20, 0.35),
    Category("beauty", 0.13, 0.035, 0.35, 99.0, 0.7, 260.0, 2.6, 6, 0.15, 0.30),
    Category("home", 0.14, 0.045, 0.45, 79.0, 0.8, 1600.0, 3.2, 11, 0.15, 0.25),
    Category("toys", 0.07, 0.040, 0.40, 69.0, 0.7, 600.0, 2.9, 6, 0.25, 0.25),
    Category("books", 0.06, 0.012, 0.50, 39.0, 0.5, 500.0, 2.7, 9, 0.20, 0.10),
    Category("shoes", 0.08, 0.115, 0.10, 199.0, 0.6, 950.0, 2.8, 11, 0.30, 0.75),
)

KINDS: Final[tuple[str, ...]] = (
    "device_farm",
    "one_door",
    "recycled_pictures",
    "lockstep",
    "fake_return",
    "swapped_return",
    "refund_only",
    "aged_camouflage",
    "come_back",
    "lone",
)
"""The kinds of planted abuse, as `truth.csv` names them."""


@dataclass(frozen=True)
class Knobs:
    """What can be turned. Shares are of buyers unless a line says otherwise; all lie between 0 and 1."""

    orders_per_buyer: float = 7.8
    orders_sigma: float = 1.0
    """Spread of the log of a buyer's order rate: the heavy tail."""
    sprees: float = 0.0
    """Share of a buyer's own orders that follow another of its orders within days, half of them at the same store."""
    buyers_per_store: float = 70.0
    store_zipf: float = 0.9
    festival: float = 3.5
    """Order rate on a sales festival as a multiple of a common day; 1 switches festivals off."""
    season: float = 1.0
    """Multiple of how far each trade's claim rate swings over the year; 0 switches it off."""
    claim_rate: float = 1.0
    """Multiple of every trade's honest claim rate."""
    claim_shape: float = 0.7
    """Shape of the gamma that spreads honest claim propensity over buyers; small is uneven."""
    fussy: float = 0.024
    fussy_factor: float = 6.0
    fresh_lovers: float = 0.02
    fresh_factor: float = 5.0

    household_sizes: tuple[float, ...] = (0.60, 0.21, 0.11, 0.05, 0.03)
    """Share of households with 1, 2, … accounts."""
    flatshares: float = 0.25
    """Share of the households of two and more that are flat-shares, not families."""
    dorms: float = 0.06
    stations: float = 0.16
    """Buyers who have most parcels sent to a parcel station."""
    offices: float = 0.35
    office_delivery: float = 0.15
    parents: float = 0.05
    """Buyers who sometimes order to the home of another household."""
    buyers_per_station: float = 600.0
    buyers_per_dorm: float = 300.0
    buyers_per_cafe: float = 3000.0
    nat: float = 0.5
    """Buyers whose carrier puts thousands behind one IP."""
    buyers_per_nat: float = 1500.0
    moves: float = 0.06
    device_resets: float = 0.6
    """New device fingerprints a device a year."""
    second_hand: float = 0.012
    borrowed: float = 0.006
    """Share of orders placed on somebody else's phone."""
    favours: float = 0.003
    """Share of orders that a friend pays, and share that are a present: to a friend's door, number and name."""
    kiosks: float = 0.0
    """Buyers who place half of their orders on a net café's public computers, `buyers_per_kiosk` to each."""
    buyers_per_kiosk: float = 60.0
    recycled_phones: float = 0.004
    address_noise: float = 1.0
    """Multiple of how often an address is written in another way than the common one."""
    latin: float = 0.015
    agents: float = 0.008
    """Buyers who order through a group-buying agent: one device, one pick-up door, much fresh food, all honest."""
    friends: float = 0.01
    """Honest buyers who order together: the same store in the same hour, several times."""

    stock_pictures: float = 0.05
    """Share of filed pictures that are a picture of the goods on offer …"""
    common_goods: float = 0.4
    """… and share of these that are the maker's, which every store shows that sells the goods."""
    found_pictures: float = 0.01
    """Share of filed pictures that were found somewhere, as by searching for a broken cup: many find the same few."""
    blank_pictures: float = 0.015
    shared_parcels: float = 0.30
    """Share of chances (two returns of one buyer within days) in which both go into one parcel."""
    partial_returns: float = 0.45
    weight_errors: float = 0.10
    complaint_rate: float = 0.012
    """Complaints an honest claim, at a store that complains now and then."""
    silent_stores: float = 0.35
    loud_stores: float = 0.05
    """Stores that complain about nearly everyone."""
    smeared: float = 0.0
    """Honest buyers of whom all stores where they claimed complain within days, as agreed among the stores."""
    smear_upheld: float = 0.3
    """Share of such complaints that the platform upholds."""
    mistaken_decisions: float = 0.0008
    bad_batches: float = 0.0003
    """Bad batches a buyer of the market."""
    price_errors: float = 0.00012
    foreign_stores: float = 0.02

    abusers: float | None = None
    """Abusive accounts as a share of all buyers; None leaves it to the level of abuse that is asked for."""
    unseen: float = 0.0
    """Accounts in rings of kinds that no detector was written for, as a share of all buyers: `simulator.unseen`."""
    kind_mix: tuple[float, ...] = (0.16, 0.13, 0.12, 0.12, 0.10, 0.08, 0.09, 0.08, 0.06, 0.06)
    """Share of abusive accounts by kind, in the order of `KINDS`."""
    ring_size: float = 6.0
    """Mean of what a ring has beyond three members; at most forty in all."""
    abusive_orders: float = 4.8
    """Mean of the orders an account places for abuse (at least two)."""
    abusive_claims: float = 0.85
    """Share of these that end in a claim."""
    trace: float = 1.0
    """Multiple of how often a ring uses what its members share; less is harder."""
    camouflage: float = 1.15
    """Multiple of the common orders of accounts in a ring."""
    hub_homes: float = 0.2
    """Share of shared doors that hide behind a parcel station now and then."""
    framed: float = 0.3
    """Share of rings that drag in the door or device of somebody innocent."""

    order_items: bool = True
    """Whether the optional table of order lines is written."""
    left_out: tuple[tuple[str, str], ...] = field(default=())
    """(table, column) pairs that the export lacks, such as ("refunds", "return_weight_g"); column "*" is the table."""

    def __post_init__(self) -> None:
        """Refuse settings that make no market."""
        if len(self.kind_mix) != len(KINDS) or min(self.kind_mix) < 0 or sum(self.kind_mix) <= 0:
            raise ValueError(f"Knobs.kind_mix needs {len(KINDS)} shares that are not negative, one for each of {KINDS}")
        if not self.household_sizes or min(self.household_sizes) < 0 or sum(self.household_sizes) <= 0:
            raise ValueError("Knobs.household_sizes needs shares that are not negative, one for each size from 1 up")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not value >= 0:
                raise ValueError(f"Knobs.{item.name} is {value}; give a number that is not negative")
        for name in ("claim_shape", "orders_per_buyer", "buyers_per_store", "ring_size", "buyers_per_kiosk"):
            if getattr(self, name) <= 0:
                raise ValueError(f"Knobs.{name} must be above 0")

    def varied(self, rng: np.random.Generator) -> "Knobs":
        """The same market as another town would have it: hubs, noise and the mixture of abuse shift a little.

        A detector that was fitted to one seed's mixture meets another with the next seed.
        """
        shifted = {
            name: float(getattr(self, name) * np.exp(rng.normal(0.0, 0.18)))
            for name in (
                "dorms",
                "stations",
                "agents",
                "friends",
                "fussy",
                "fresh_lovers",
                "second_hand",
                "borrowed",
                "favours",
                "device_resets",
                "stock_pictures",
                "common_goods",
                "found_pictures",
                "complaint_rate",
                "silent_stores",
                "loud_stores",
                "ring_size",
            )
        }
        shifted["trace"] = self.trace * float(rng.uniform(0.95, 1.1))
        mix = np.asarray(self.kind_mix)
        jitter = mix * np.exp(rng.normal(0.0, 0.18, mix.size))
        shares = tuple(float(x) for x in jitter / jitter.sum())
        return replace(self, kind_mix=shares, **shifted)  # type: ignore[arg-type]  # names are its own fields
