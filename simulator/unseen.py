"""Rings of kinds that no detector was written for: what happens with the unknown.

They are planted only where `Knobs.unseen` asks for them, and no detector may be tuned on them.

- referral_tree: invited one by one for the newcomers' coupon; each shares one thing with whoever invited it, and
  no thing is common to more than a few.
- sellers_staff: people of one office who claim at one rival's store; nothing else is theirs alone.
- rotating: every claim from another device, phone, card, network and door; only stores, days and habit are common.
"""

from typing import Final

import numpy as np

from simulator.crews import Crew, Plan
from simulator.draws import DAY, Ints, chance, pick
from simulator.marks import Marks
from simulator.orders import Orders
from simulator.people import RESETS, People, new_phones
from simulator.planner import Planner
from simulator.shops import Shops

UNSEEN: Final = ("referral_tree", "sellers_staff", "rotating")
SIZES: Final = {"referral_tree": (8, 30), "sellers_staff": (4, 14), "rotating": (5, 20)}
KEEPS: Final = {"referral_tree": 0.9, "sellers_staff": 0.6, "rotating": 0.9}
_DEVICE, _PAYMENT, _DOOR, _NETWORK = range(4)
_FRESH = 10**13
"""Numbers of devices and cards from here on were used once."""


def plant(planner: Planner, shops: Shops, accounts: int) -> None:
    """Plan rings of `accounts` accounts in all, a third of each kind."""
    for kind in UNSEEN:
        left = accounts // len(UNSEEN)
        low, high = SIZES[kind]
        while left >= low:
            size = min(left, int(planner.rng.integers(low, high + 1)))
            members = planner.take(size, 0.9)
            if len(members) < low:
                return
            left -= len(members)
            _ring(planner, shops, kind, members)


def _ring(planner: Planner, shops: Shops, kind: str, members: Ints) -> None:
    people, rng = planner.people, planner.rng
    until = planner.end - int(rng.integers(8, 120)) * DAY
    since = max(planner.start + 3 * DAY, until - int(rng.integers(60, 200)) * DAY)
    crew = Crew(kind, members, abusive=True, keeps=KEEPS[kind], sessions=(3, 7), turnout=0.85, since=since, until=until)
    if kind == "referral_tree":
        size = len(members)
        crew.parents = np.array([-1, *(int(rng.integers(max(0, at - 6), at)) for at in range(1, size))])
        opened = since - int(rng.integers(0, 20)) * DAY
        for at, member in enumerate(members.tolist()):
            if at:
                opened = int(people.registered[members[crew.parents[at]]]) + int(rng.exponential(5.0) * DAY) + 3600
            people.registered[member] = min(opened, until - 10 * DAY)
    else:
        late = people.registered[members] > since
        people.registered[members[late]] = since - rng.integers(0, 90 * DAY, int(late.sum()))
    if kind == "sellers_staff":
        office = int(people.office[members].max())
        if office >= 0:
            people.office[members] = office
        people.network[members] = np.array([0.25, 0.2, 0.5])
        crew.stores = pick(rng, shops.popularity, 1)
    planner.add(crew)


def remark(rng: np.random.Generator, people: People, plan: Plan, orders: Orders, marks: Marks) -> None:
    """Change what the abusive orders of these rings show; `marks` is changed in place."""
    for index, crew in enumerate(plan.crews):
        rows = np.flatnonzero((orders.crew == index) & orders.abusive)
        if crew.kind == "rotating":
            _rotate(rng, people, rows, marks)
        elif crew.kind == "referral_tree":
            _inherit(rng, people, crew, rows, orders, marks)


def _rotate(rng: np.random.Generator, people: People, rows: Ints, marks: Marks) -> None:
    size = len(rows)
    marks.device[rows] = _FRESH + rng.integers(0, 10**12, size)
    marks.payment[rows] = _FRESH + rng.integers(0, 10**12, size)
    marks.phone[rows] = new_phones(rng, size)
    marks.ip[rows] = -1 - (_FRESH + rng.integers(0, 10**12, size))
    stranger = rng.integers(0, len(people.city), size)
    marks.place[rows] = people.station[stranger]
    marks.name[rows] = people.name[stranger]


def _inherit(rng: np.random.Generator, people: People, crew: Crew, rows: Ints, orders: Orders, marks: Marks) -> None:
    """Half of each member's orders show the one thing that it has from whoever invited it."""
    place = {member: at for at, member in enumerate(crew.members.tolist())}
    bond = rng.integers(0, 4, len(crew.members))
    for row in rows[chance(rng, 0.5, len(rows))].tolist():
        at = place[int(orders.buyer[row])]
        if crew.parents[at] < 0:
            continue
        inviter = int(crew.members[crew.parents[at]])
        if bond[at] == _DEVICE:
            marks.device[row] = _first_device(people, inviter)
        elif bond[at] == _PAYMENT:
            marks.payment[row] = people.payment[inviter]
        elif bond[at] == _DOOR:
            marks.place[row] = people.home[inviter]
        elif bond[at] == _NETWORK:
            own = np.flatnonzero(orders.buyer == inviter)
            near = own[np.argmin(np.abs(orders.placed[own] - orders.placed[row]))] if len(own) else row
            marks.ip[row] = marks.ip[near]


def _first_device(people: People, buyer: int) -> int:
    return int(people.first_slot[buyer]) * (RESETS + 1)
