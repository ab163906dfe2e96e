"""Reasons: what the evidence says, in plain sentences with numbers, strongest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from detectors.contract import COMPLAINTS, PAST, Context, Family
from detectors.fusion import Beliefs
from detectors.ledger import Ledger
from detectors.numerics import tally
from detectors.registry import ALL, LINKS
from detectors.web import Web
from graph.snapshot import OUTCOMES, Floats, Ints, Longs

_NOUNS: Final = {
    "shared_device": ("device", "devices"),
    "shared_door": ("door", "doors"),
    "shared_phone": ("phone number", "phone numbers"),
    "shared_payment": ("payment instrument", "payment instruments"),
    "shared_ip": ("IP address", "IP addresses"),
    "shared_picture": ("evidence picture", "evidence pictures"),
    "shared_parcel": ("return parcel", "return parcels"),
    "same_targets": (
        "pattern of claims at the same stores in the same weeks",
        "patterns of claims at the same stores and weeks",
    ),
    "comeback": ("trace of an account closed or limited earlier", "traces of accounts closed or limited earlier"),
    "lockstep": ("rhythm of claims at the same stores in the same hours", "rhythms of claims in the same hours"),
}
AGAINST: Final = -0.3
"""Conduct of this many nats or fewer is named as speaking for the account."""


@dataclass(frozen=True)
class Teller:
    """Turns ledger entries into sentences."""

    ctx: Context
    web: Web
    beliefs: Beliefs
    ledger: Ledger

    @cached_property
    def claims(self) -> Longs:
        """(n,) claims each account began."""
        return np.bincount(self.ctx.claims.buyer, minlength=self.ctx.n)

    @cached_property
    def made(self) -> Longs:
        """(n,) orders of each account."""
        return np.bincount(self.ctx.snapshot.orders.buyer, minlength=self.ctx.n)

    @cached_property
    def expected(self) -> Floats:
        """(n,) claims that each account's baskets predict."""
        return tally(self.ctx.snapshot.orders.buyer, self.ctx.expectation.any, self.ctx.n)

    @cached_property
    def _crowds(self) -> list[tuple[Longs, Floats, Longs]]:
        """For each link detector: claims, expected claims and accounts of each key."""
        result = []
        for item in self.ledger.found[: len(LINKS)]:
            linked = np.flatnonzero(item.key >= 0)
            key, buyer = item.key[linked], item.buyer[linked]
            n = len(item.keys.size)
            result.append(
                (
                    tally(key, self.claims[buyer], n).astype(np.int64),
                    tally(key, self.expected[buyer], n),
                    item.keys.size,
                )
            )
        return result

    def crowd(self, detector: int, key: int, buyer: int) -> tuple[int, int, float]:
        """The other accounts of a key, their claims, and what their baskets predict."""
        claims, expected, size = self._crowds[detector]
        return (
            int(size[key]) - 1,
            int(claims[key] - self.claims[buyer]),
            max(float(expected[key] - self.expected[buyer]), 0.0),
        )

    def entry(self, at: int) -> str:
        """A sentence for one ledger entry."""
        ledger = self.ledger
        detector, key, buyer = int(ledger.detector[at]), int(ledger.key[at]), int(ledger.buyer[at])
        if key >= 0:
            others, claims, expected = self.crowd(detector, key, buyer)
            return (
                f"shares {ALL[detector].title} with {_accounts(others)} that filed {_claims(claims)} where their "
                f"baskets predict {expected:.1f}"
            )
        return self._conduct(detector, buyer, np.array([at]))

    def account(self, entries: Longs) -> tuple[list[str], list[str]]:
        """Reasons for and against, strongest first, from one account's ledger entries."""
        ledger = self.ledger
        told: list[tuple[float, str]] = []
        for number in np.unique(ledger.detector[entries]).tolist():
            mine = entries[ledger.detector[entries] == number]
            for linked in (True, False):
                part = mine[(ledger.key[mine] >= 0) == linked]
                if not len(part):
                    continue
                nats = float(ledger.nats[part].sum())
                if linked:
                    told.append((nats, self._links(number, part)))
                else:
                    told.append((nats, self._conduct(number, int(ledger.buyer[part[0]]), part)))
        told.sort(key=lambda pair: (-pair[0], pair[1]))
        reasons = [text for nats, text in told if nats >= 0.1]
        against = [text for nats, text in reversed(told) if nats <= AGAINST]
        return reasons, against

    def _links(self, detector: int, part: Longs) -> str:
        ledger = self.ledger
        buyer = int(ledger.buyer[part[0]])
        keys = np.unique(ledger.key[part])
        one, many = _NOUNS[ALL[detector].name]
        if len(keys) == 1:
            others, claims, expected = self.crowd(detector, int(keys[0]), buyer)
        else:
            item = ledger.found[detector]
            people = np.unique(item.buyer[np.isin(item.key, keys)])
            people = people[people != buyer]
            others, claims = len(people), int(self.claims[people].sum())
            expected = float(self.expected[people].sum())
        noun = one if len(keys) == 1 else many
        return (
            f"shares {len(keys)} {noun} with {_accounts(others)} that filed {_claims(claims)} where their baskets "
            f"predict {expected:.1f}"
        )

    def _conduct(self, detector: int, buyer: int, part: Longs) -> str:
        tell: dict[str, Callable[[int, Longs], str]] = {
            "claim_excess": self._claim_excess,
            "refund_only_excess": self._refund_only,
            "swapped_return": self._weights,
            "complaints": self._complaints,
            "bursts": self._bursts,
            "comeback": self._comeback,
            "shared_parcel": self._parcel,
        }
        return tell[ALL[detector].name](buyer, part)

    def _claim_excess(self, buyer: int, _part: Longs) -> str:
        return (
            f"filed {_claims(int(self.claims[buyer]))} on {int(self.made[buyer])} orders where its baskets predict "
            f"{self.expected[buyer]:.1f}"
        )

    def _refund_only(self, buyer: int, _part: Longs) -> str:
        claims, ahead = self.ctx.claims, self.ctx.expectation
        mine = claims.buyer == buyer
        order = claims.order[mine]
        predicted = float((ahead.only[order] / (ahead.only[order] + ahead.back[order])).sum())
        return (
            f"{int(claims.only[mine].sum())} of its {_claims(int(mine.sum()))} are refund-only where its orders "
            f"predict "
            f"{predicted:.1f}"
        )

    def _weights(self, _buyer: int, part: Longs) -> str:
        refunds = self.ctx.snapshot.refunds
        rows = self.ledger.row[part]
        ratio = refunds.returned_g[rows] / refunds.shipped_g[rows]
        if float(self.ledger.nats[part].sum()) < 0:
            return "its returns weigh what was shipped"
        off = ", ".join(f"{value:.0%}" for value in ratio.tolist())
        return f"its returns weigh {off} of what was shipped, as honest returns seldom do"

    def _complaints(self, _buyer: int, part: Longs) -> str:
        complaints = self.ctx.snapshot.complaints
        rows = self.ledger.row[part[self.ledger.table[part] == COMPLAINTS]]
        if not len(rows):
            return "no store complained of its claims"
        fates = complaints.outcome[rows]
        named = [f"{int((fates == number).sum())} {OUTCOMES[number]}" for number in np.unique(fates).tolist()]
        return f"stores complained of its claims: {', '.join(named)}, weighed by how often these stores complain"

    def _bursts(self, _buyer: int, part: Longs) -> str:
        if float(self.ledger.nats[part].sum()) < 0:
            return "its claims are spread over time as its orders are"
        return "its age and the crowding of its claims in time are those of accounts that abuse refunds"

    def _comeback(self, _buyer: int, part: Longs) -> str:
        if (self.ledger.table[part] == PAST).any():
            return "the platform itself closed or limited it earlier"
        return "first seen after the platform had closed or limited an account with which it shares identifiers"

    def _parcel(self, _buyer: int, part: Longs) -> str:
        return f"gave one return parcel for claims at different stores ({_claims(len(part))})"

    def context(self, buyer: int) -> list[str]:
        """What the surroundings say in favour: claims in surges, hubs that turned out benign."""
        result = []
        claims, ahead = self.ctx.claims, self.ctx.expectation
        order = claims.order[claims.buyer == buyer]
        surges = ahead.surge[order]
        for surge in np.unique(surges[surges >= 0]).tolist():
            count = int((surges == surge).sum())
            one = ahead.surges[surge]
            what = f"item {one.item} of " if one.item else ""
            result.append(
                f"{_claims(count)} of its own lie in a surge: {what}store {one.store}: claims of {one.people:.0f} "
                f"unrelated people where {one.due:.1f} were expected"
            )
        rows = np.flatnonzero(self.web.buyer == buyer)
        keys = self.web.key[rows]
        hubs = keys[(self.web.size[keys] >= self.ctx.settings.hub_buyers) & (self.beliefs.guilt[keys] < 0.1)]
        for key in sorted(hubs.tolist(), key=lambda k: (-int(self.web.size[k]), k))[:2]:
            one = _NOUNS[LINKS[int(self.web.detector[key])].name][0]
            result.append(f"its {one} is shared by {int(self.web.size[key])} accounts that do not act alike: benign")
        return result


def ring_reasons(teller: Teller, members: Ints, score: float, confidence: float) -> list[str]:
    """Why these accounts are a ring, strongest first."""
    ledger = teller.ledger
    claims, expected = int(teller.claims[members].sum()), float(teller.expected[members].sum())
    inside = np.flatnonzero(np.isin(ledger.buyer, members))
    told: list[tuple[float, str]] = [
        (
            score,
            f"{len(members)} accounts filed {_claims(claims)} where their baskets predict {expected:.1f}",
        )
    ]
    for number in np.unique(ledger.detector[inside]).tolist():
        part = inside[ledger.detector[inside] == number]
        nats = float(ledger.nats[part].sum())
        if nats < 1.0:
            continue
        people = len(np.unique(ledger.buyer[part]))
        if number < len(LINKS) and LINKS[number].family is not Family.ACCOUNT:
            linked = part[ledger.key[part] >= 0]
            if not len(linked):
                continue
            keys = len(np.unique(ledger.key[linked]))
            one, many = _NOUNS[ALL[number].name]
            told.append((nats, f"{people} of them are joined by {keys} shared {one if keys == 1 else many}"))
        elif ALL[number].name != "claim_excess":
            told.append((nats, f"{people} of them: {ALL[number].title}"))
    told.sort(key=lambda pair: (-pair[0], pair[1]))
    texts = [text for _, text in told]
    return [*texts, f"honest markets with the same links bring such a group by chance in {1 - confidence:.2%} of cases"]


def _accounts(count: int) -> str:
    return f"{count} other account" + ("s" if count != 1 else "")


def _claims(count: int) -> str:
    return f"{count} claim" + ("s" if count != 1 else "")
