"""Reasons: what the evidence says, as facts with numbers, strongest first; `detectors.words` has the sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from detectors.accounts.repeated_stores import repeats_beyond
from detectors.contract import ACCOMPLICES, COMPLAINTS, PAST, Context, Family
from detectors.fusion import Beliefs
from detectors.ledger import Ledger
from detectors.numerics import Rows, tally
from detectors.registry import ALL, LINKS
from detectors.web import Web
from detectors.words.fact import Fact, fact
from graph.snapshot import OUTCOMES, Floats, Ints, Longs

BENIGN: Final = 0.1
"""A shared key that is guilty with less probability than this is a benign place."""
COUNTED: Final = ("activity", "claim_excess")
"""Detectors of counts, which a ring's first sentence tells already."""
AGAINST: Final = -0.3
"""Conduct of this many nats or fewer is named as speaking for the account."""


@dataclass(frozen=True)
class Teller:
    """Turns ledger entries into facts."""

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

    @property
    def expected(self) -> Floats:
        """(n,) claims that each account's baskets predict."""
        return self.ctx.due

    @cached_property
    def _claimed(self) -> Rows:
        """The claims of each account."""
        return Rows.of(self.ctx.claims.buyer, self.ctx.n)

    @cached_property
    def _linked(self) -> Rows:
        """The rows of the web of each account."""
        return Rows.of(self.web.buyer, self.ctx.n)

    @cached_property
    def _told(self) -> dict[tuple[str, int], Fact]:
        """What was told of an account's conduct as a whole, by detector and account: every record tells the same."""
        return {}

    @cached_property
    def _said(self) -> dict[tuple[int, int, int], Fact]:
        """What was told of a key and an account: every record of it tells the same."""
        return {}

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

    @cached_property
    def _holders(self) -> dict[int, tuple[Longs, Rows]]:
        """By link detector, where it was asked for: its rows with a key, and which of them each key has."""
        return {}

    def _members(self, detector: int, key: int) -> Ints:
        """The accounts of a key."""
        item = self.ledger.found[detector]
        if detector not in self._holders:
            linked = np.flatnonzero(item.key >= 0)
            self._holders[detector] = linked, Rows.of(item.key[linked], len(item.keys.size))
        linked, rows = self._holders[detector]
        return item.buyer[linked[rows[key]]]

    def claims_of(self, buyers: Ints) -> Longs:
        """The claims of some accounts, ascending."""
        return np.sort(np.concatenate([self._claimed[buyer] for buyer in buyers.tolist()]))

    def entries_of(self, buyers: Ints) -> Longs:
        """The ledger's entries of some accounts, ascending: it is sorted by account."""
        ranked = np.sort(buyers)
        first = np.searchsorted(self.ledger.buyer, ranked)
        last = np.searchsorted(self.ledger.buyer, ranked, side="right")
        return np.concatenate([np.arange(begin, end) for begin, end in zip(first, last, strict=True)])

    def crowd(self, detector: int, key: int, buyer: int) -> tuple[int, int, float]:
        """The other accounts of a key, their claims, and what their baskets predict."""
        claims, expected, size = self._crowds[detector]
        return (
            int(size[key]) - 1,
            int(claims[key] - self.claims[buyer]),
            max(float(expected[key] - self.expected[buyer]), 0.0),
        )

    def entry(self, at: int) -> Fact:
        """What one ledger entry says."""
        ledger = self.ledger
        detector, key, buyer = int(ledger.detector[at]), int(ledger.key[at]), int(ledger.buyer[at])
        if key < 0:
            return self._conduct(detector, buyer, np.array([at]))
        about = (detector, key, buyer)
        if about not in self._said:
            others, claims, expected = self.crowd(detector, key, buyer)
            self._said[about] = fact(
                "link",
                kind=ALL[detector].name,
                accounts=others,
                claims=claims,
                expected=_one(expected),
                **self._apart(detector, [key]),
            )
        return self._said[about]

    def account(self, entries: Longs, *, least: float = AGAINST) -> tuple[list[Fact], list[Fact]]:
        """Reasons for and against, strongest first, from one account's ledger entries; against where they say `least`
        nats or less."""
        ledger = self.ledger
        told: list[tuple[float, str, Fact]] = []
        parts: dict[tuple[int, bool], list[int]] = {}
        about = (column[entries].tolist() for column in (ledger.detector, ledger.key))
        for at, number, key in zip(entries.tolist(), *about, strict=True):
            parts.setdefault((number, key < 0), []).append(at)
        for number, alone in sorted(parts):
            part = np.array(parts[number, alone])
            nats = float(ledger.nats[part].sum())
            buyer = int(ledger.buyer[part[0]])
            one = self._conduct(number, buyer, part) if alone else self._links(number, part)
            told.append((nats, one.text(), one))
        told.sort(key=lambda row: (-row[0], row[1]))
        reasons = [one for nats, _, one in told if nats >= 0.1]
        against = [one for nats, _, one in reversed(told) if nats <= least]
        return reasons, against

    def _links(self, detector: int, part: Longs) -> Fact:
        ledger = self.ledger
        buyer = int(ledger.buyer[part[0]])
        keys = sorted(set(ledger.key[part].tolist()))
        if len(keys) == 1:
            others, claims, expected = self.crowd(detector, keys[0], buyer)
        else:
            people = np.unique(np.concatenate([self._members(detector, key) for key in keys]))
            people = people[people != buyer]
            others, claims = len(people), int(self.claims[people].sum())
            expected = float(self.expected[people].sum())
        return fact(
            "links",
            kind=ALL[detector].name,
            keys=len(keys),
            accounts=others,
            claims=claims,
            expected=_one(expected),
            **self._apart(detector, keys),
        )

    def _apart(self, detector: int, keys: Sequence[int]) -> dict[str, bool]:
        """Whether any of the keys is a picture filed for goods of different trades, as the detector of pictures alone
        tells."""
        grade = self.ledger.found[detector].keys.grade
        apart = grade is not None and any(grade[key] == ACCOMPLICES for key in keys)
        return {"apart": True} if apart else {}

    def _conduct(self, detector: int, buyer: int, part: Longs) -> Fact:
        name = ALL[detector].name
        as_a_whole: dict[str, Callable[[int], Fact]] = {
            "activity": self._activity,
            "claim_excess": self._claim_excess,
            "refund_only_excess": self._refund_only,
            "repeated_stores": self._repeats,
        }
        if name in as_a_whole:
            if (name, buyer) not in self._told:
                self._told[name, buyer] = as_a_whole[name](buyer)
            return self._told[name, buyer]
        by_record: dict[str, Callable[[Longs], Fact]] = {
            "swapped_return": self._weights,
            "complaints": self._complaints,
            "bursts": self._bursts,
            "comeback": self._comeback,
            "shared_parcel": self._parcel,
        }
        return by_record[name](part)

    def _activity(self, buyer: int) -> Fact:
        return fact("activity_unlike", orders=int(self.made[buyer]))

    def _claim_excess(self, buyer: int) -> Fact:
        claims, orders = int(self.claims[buyer]), int(self.made[buyer])
        return fact("claim_excess", claims=claims, orders=orders, expected=_one(float(self.expected[buyer])))

    def _refund_only(self, buyer: int) -> Fact:
        claims, ahead = self.ctx.claims, self.ctx.expectation
        mine = self._claimed[buyer]
        order = claims.order[mine]
        predicted = float((ahead.only[order] / (ahead.only[order] + ahead.back[order])).sum())
        return fact("refund_only", only=int(claims.only[mine].sum()), claims=len(mine), expected=_one(predicted))

    def _repeats(self, buyer: int) -> Fact:
        at = self.ctx.claims.store[self._claimed[buyer]]
        stores = len(np.unique(at))
        usual = stores + float(self.ctx.once(repeats_beyond)[buyer])
        return fact("repeated_stores", claims=len(at), stores=stores, expected=_one(usual))

    def _weights(self, part: Longs) -> Fact:
        refunds = self.ctx.snapshot.refunds
        rows = self.ledger.row[part]
        if float(self.ledger.nats[part].sum()) < 0:
            return fact("weights_even")
        ratio = refunds.returned_g[rows] / refunds.shipped_g[rows]
        return fact("weights_off", ratios=[round(value, 4) for value in ratio.tolist()])

    def _complaints(self, part: Longs) -> Fact:
        complaints = self.ctx.snapshot.complaints
        rows = self.ledger.row[part[self.ledger.table[part] == COMPLAINTS]]
        if not len(rows):
            return fact("complaints_none")
        fates = complaints.outcome[rows]
        counts = {OUTCOMES[number]: int((fates == number).sum()) for number in np.unique(fates).tolist()}
        return fact("complaints", **counts)

    def _bursts(self, part: Longs) -> Fact:
        return fact("bursts_spread" if float(self.ledger.nats[part].sum()) < 0 else "bursts_crowded")

    def _comeback(self, part: Longs) -> Fact:
        return fact("comeback_decided" if (self.ledger.table[part] == PAST).any() else "comeback_linked")

    def _parcel(self, part: Longs) -> Fact:
        return fact("parcel", claims=len(part))

    def context(self, buyer: int, *, links: bool = False) -> list[Fact]:
        """What the surroundings say in favour: claims in surges, hubs that turned out benign; with `links` every shared
        key that turned out benign, the largest first, and every place or instrument that says nothing against the
        account because it had it before others came to it (`Web.theirs`)."""
        result = []
        claims, ahead = self.ctx.claims, self.ctx.expectation
        order = claims.order[self._claimed[buyer]]
        surges = ahead.surge[order]
        for surge in np.unique(surges[surges >= 0]).tolist():
            one, count = ahead.surges[surge], int((surges == surge).sum())
            result.append(
                fact("surge", claims=count, store=one.store, item=one.item, people=_one(one.people), due=_one(one.due))
            )
        rows = self._linked[buyer]
        keys = self.web.key[rows]
        benign = keys[self.beliefs.guilt[keys] < BENIGN].tolist()
        benign.sort(key=lambda k: (-int(self.web.size[k]), k))
        hubs = [key for key in benign if self.web.size[key] >= self.ctx.settings.hub_buyers]
        for key in hubs if links else hubs[:2]:
            kind = LINKS[int(self.web.detector[key])].name
            result.append(fact("hub_benign", kind=kind, accounts=int(self.web.size[key])))
        told = [("link_benign", key) for key in benign[len(hubs) :]]
        own = self.web.theirs(self.beliefs.conduct.own, rows) & (self.web.family[keys] != Family.CONDUCT.value)
        # borne out by a device, a door speaks against whoever had it first, too
        own &= (self.beliefs.guilt[keys] >= BENIGN) & (self.beliefs.message[rows] <= 0.0)
        told += [("link_own", key) for key in keys[own].tolist()]
        for say, key in told if links else ():
            people = self.web.buyer[(self.web.key == key) & (self.web.buyer != buyer)]
            crowd = {"claims": int(self.claims[people].sum()), "expected": _one(float(self.expected[people].sum()))}
            kind = LINKS[int(self.web.detector[key])].name
            result.append(fact(say, kind=kind, accounts=len(people), **crowd))
        return result


def ring_reasons(teller: Teller, members: Ints, score: float, confidence: float) -> list[Fact]:
    """Why these accounts are a ring, strongest first."""
    ledger = teller.ledger
    claims, expected = int(teller.claims[members].sum()), float(teller.expected[members].sum())
    inside = teller.entries_of(members)
    told = [(score, fact("ring_claims", accounts=len(members), claims=claims, expected=_one(expected)))]
    for number in np.unique(ledger.detector[inside]).tolist():
        part = inside[ledger.detector[inside] == number]
        nats = float(ledger.nats[part].sum())
        if nats < 1.0:
            continue
        people, kind = len(np.unique(ledger.buyer[part])), ALL[number].name
        if number < len(LINKS) and LINKS[number].family is not Family.ACCOUNT:
            linked = part[ledger.key[part] >= 0]
            if not len(linked):
                continue
            keys = len(np.unique(ledger.key[linked]))
            told.append((nats, fact("ring_links", accounts=people, kind=kind, keys=keys)))
        elif kind not in COUNTED:
            told.append((nats, fact("ring_conduct", accounts=people, kind=kind)))
    told.sort(key=lambda pair: (-pair[0], pair[1].text()))
    return [*(one for _, one in told), fact("ring_chance", share=round(1 - confidence, 6))]


def _one(value: float) -> float:
    """A number as it is told: no finer than people read it, so that equal sentences are equal facts."""
    return round(value, 2)
