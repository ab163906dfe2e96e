"""What an adversary can do, how hard it tries, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

PRICES: Final = {"account": 10.0, "phone": 5.0, "device": 30.0, "address": 15.0, "card": 20.0}
"""Assumed price in yuan of one more account, number, device fingerprint, delivery address and payment instrument. The
counts in the table do not depend on them."""
LOSS: Final = 0.3
"""Assumed share of an honest order's price that is lost when its goods are sold on."""


@dataclass(frozen=True)
class Tactic:
    """One way for a ring to act. Shares are of the ring's accounts that have their own instead of the ring's."""

    name: str
    effort: str
    accounts: int = 8
    claims: int = 5
    """Refund-only claims of each account."""
    own_device: float = 0.0
    own_address: float = 0.0
    own_card: float = 0.0
    own_network: float = 0.0
    days: int = 60
    """The ring claims within so many days."""
    sessions: int = 5
    """On so many days, give or take one; 0: everybody on days of its own."""
    stores: int = 4
    """Stores that the ring claims at; 0: everybody anywhere."""
    camouflage: float = 0.0
    """Honest orders for each claim."""
    same_picture: bool = False
    frame_door: float = 0.0
    """Share of the ring's orders sent to an innocent buyer's door, under that buyer's name and number."""
    frame_parcel: int = 0
    """Returns of the ring that name the parcel which an innocent buyer sent back."""


BASE: Final = Tactic("careless ring", "one device, door, card and network")


def all_own(tactic: Tactic, share: float) -> Tactic:
    """The tactic with a share of accounts that have a device, door, card and network each of their own."""
    return replace(tactic, own_device=share, own_address=share, own_card=share, own_network=share)


def ladder() -> list[Tactic]:
    """Every tactic at every effort, from the careless ring up."""
    fresh = all_own(BASE, 1.0)
    apart = replace(fresh, name="fresh everything, apart", stores=0, sessions=0, days=350)
    of = "{:.0%} of accounts".format
    return [
        BASE,
        *(replace(BASE, name="fresh devices", effort=of(share), own_device=share) for share in (0.5, 1.0)),
        *(replace(BASE, name="fresh addresses", effort=of(share), own_address=share) for share in (0.5, 1.0)),
        *(replace(BASE, name="fresh cards", effort=of(share), own_card=share) for share in (0.5, 1.0)),
        *(replace(all_own(BASE, share), name="fresh everything", effort=of(share)) for share in (0.5, 0.8, 1.0)),
        *(
            replace(BASE, name="paced claims", effort=f"over {days} days", days=days, sessions=days // 12)
            for days in (120, 240, 350)
        ),
        *(replace(BASE, name="fewer claims", effort=f"{claims} an account", claims=claims) for claims in (4, 3, 2)),
        *(
            replace(BASE, name="camouflage", effort=f"{ratio:g} honest orders a claim", camouflage=ratio)
            for ratio in (1.0, 3.0, 6.0)
        ),
        replace(BASE, name="no common stores or days", effort="over 350 days", stores=0, sessions=0, days=350),
        *(
            replace(apart, effort=f"{claims} claims, {ratio:g} honest orders each", claims=claims, camouflage=ratio)
            for claims, ratio in ((5, 0.0), (5, 3.0), (3, 0.0), (3, 3.0), (2, 3.0))
        ),
        replace(fresh, name="one picture for all", effort="fresh everything else", same_picture=True),
        *(
            replace(BASE, name="framing: a stranger's door", effort=f"{share:.0%} of orders", frame_door=share)
            for share in (0.3, 0.6)
        ),
        *(
            replace(BASE, name="framing: a stranger's parcel", effort=f"{returns} returns", frame_parcel=returns)
            for returns in (2, 6)
        ),
        replace(
            BASE, name="framing: door and parcel", effort="60% of orders, 6 returns", frame_door=0.6, frame_parcel=6
        ),
    ]


@dataclass(frozen=True)
class Spent:
    """What rings used and got: counts, honest goods bought in yuan, and yuan refunded."""

    accounts: int = 0
    phones: int = 0
    devices: int = 0
    addresses: int = 0
    cards: int = 0
    honest_orders: int = 0
    honest_yuan: float = 0.0
    claims: int = 0
    refunded: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """Two rings together."""
        return Spent(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def yuan(self) -> float:
        """All spending at the assumed prices."""
        things = {
            "account": self.accounts, "phone": self.phones, "device": self.devices, "address": self.addresses,
            "card": self.cards,
        }  # fmt: skip
        return sum(PRICES[name] * count for name, count in things.items()) + LOSS * self.honest_yuan
