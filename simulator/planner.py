"""Who acts together: honest group-buying agents and friends, and the planted rings.

Honest crews and rings go through the same code: only their plans differ.
"""

from collections.abc import Callable

import numpy as np

from simulator.crews import NOTHING, Crew, Plan
from simulator.draws import DAY, Ints, chance
from simulator.knobs import KINDS, Knobs
from simulator.people import FLATSHARE, ROOM, People, World, draw_resets, new_phones

_KEEPS = {
    "device_farm": 0.75,
    "one_door": 0.65,
    "recycled_pictures": 0.92,
    "lockstep": 0.70,
    "fake_return": 0.08,
    "swapped_return": 0.05,
    "refund_only": 1.0,
    "aged_camouflage": 0.6,
    "come_back": 0.65,
    "lone": 0.6,
}
# By kind: how often a claim's order uses what the ring shares (device, place, phone, payment, IP).
_HABITS: dict[str, tuple[float, float, float, float, float]] = {
    "device_farm": (0.78, 0.05, 0.00, 0.05, 0.30),
    "one_door": (0.05, 0.85, 0.10, 0.00, 0.10),
    "recycled_pictures": (0.12, 0.05, 0.00, 0.05, 0.10),
    "lockstep": (0.06, 0.00, 0.00, 0.05, 0.06),
    "fake_return": (0.10, 0.10, 0.05, 0.10, 0.10),
    "swapped_return": (0.25, 0.40, 0.00, 0.50, 0.15),
    "refund_only": (0.30, 0.15, 0.50, 0.15, 0.15),
    "aged_camouflage": (0.42, 0.40, 0.12, 0.20, 0.20),
    "come_back": (0.55, 0.00, 0.00, 0.00, 0.00),
    "lone": (0.0, 0.0, 0.0, 0.0, 0.0),
}


class Planner:
    """Chooses who acts together; each buyer is in one crew at most."""

    def __init__(
        self, rng: np.random.Generator, knobs: Knobs, people: People, world: World, start: int, end: int
    ) -> None:
        """All buyers are free."""
        self.rng, self.knobs, self.people, self.world = rng, knobs, people, world
        self.start, self.end = start, end
        n = len(people.household)
        self.free = np.ones(n, dtype=np.bool_)
        mixed = rng.permutation(n)
        self.queues: dict[int, list[int]] = {-1: mixed.tolist()}
        for city in range(int(people.city.max()) + 1):
            self.queues[city] = mixed[people.city[mixed] == city].tolist()
        # Households as drawn: a come-back moves house later.
        self.house_of = people.household.copy()
        self.by_house = np.argsort(self.house_of, kind="stable")
        self.house_start = np.searchsorted(self.house_of[self.by_house], np.arange(int(self.house_of.max()) + 2))
        self.kind = ["honest"] * n
        self.crew_of = np.full(n, -1)
        self.crews: list[Crew] = []
        self.slots = len(people.reset_at)
        self.extra_resets: list[Ints] = []
        self.payments = 2 * n

    def next_free(self, city: int) -> int:
        """The next free buyer of a city (-1: of anywhere) in shuffled order; -1 when there is none left."""
        queue = self.queues[city]
        while queue:
            buyer = queue.pop()
            if self.free[buyer]:
                return buyer
        return -1

    def take(self, size: int, together: float) -> Ints:
        """Free buyers, each of the first one's city with chance `together`; their housemates stay out of it."""
        rng, people = self.rng, self.people
        found: list[int] = []
        city = -1
        while len(found) < size:
            near = bool(found) and rng.random() < together
            buyer = self.next_free(city if near else -1)
            if buyer < 0 and near:
                buyer = self.next_free(-1)
            if buyer < 0:
                break
            found.append(buyer)
            city = int(people.city[found[0]])
            self.free[buyer] = False
            # A housemate would be a member for no reason but the dice, and innocent housemates are wanted.
            house = int(self.house_of[buyer])
            mates = self.by_house[self.house_start[house] : self.house_start[house + 1]]
            self.free[mates[chance(rng, 0.9, len(mates))]] = False
        return np.array(found, dtype=np.int64)

    def new_slots(self, size: int, yearly: float) -> Ints:
        """Hardware that belongs to a crew, reset as often as `yearly` times a year."""
        self.extra_resets.append(draw_resets(self.rng, size, yearly, self.start, self.end))
        self.slots += size
        return np.arange(self.slots - size, self.slots)

    def new_payments(self, size: int) -> Ints:
        """Payment instruments that belong to a crew."""
        self.payments += size
        return np.arange(self.payments - size, self.payments)

    def add(self, crew: Crew) -> None:
        """Take a planned crew in and name its members' kind."""
        self.crew_of[crew.members] = len(self.crews)
        self.crews.append(crew)
        for member in crew.members.tolist():
            self.kind[member] = crew.kind if crew.abusive else "honest"

    def sign_up_together(self, members: Ints, before: int) -> None:
        """Some groups open their accounts within weeks, be it in a campaign or for abuse."""
        width = int(self.rng.integers(5, 40)) * DAY
        opened = max(self.start - 300 * DAY, before - int(self.rng.integers(20, 200)) * DAY)
        self.people.registered[members] = opened - (self.rng.random(len(members)) * width).astype(np.int64)

    def agents(self) -> None:
        """Group-buying leaders: neighbours order through one device and collect at one door."""
        people, rng = self.people, self.rng
        wanted = round(self.knobs.agents * len(people.city))
        while wanted >= 4:
            size = min(wanted, int(rng.integers(6, 28)))
            members = self.take(size, 1.0)
            if len(members) < 4:
                return
            wanted -= size
            leader = int(members[0])
            people.primary[members] = np.where(chance(rng, 0.6, len(members)), 1, people.primary[members])
            if chance(rng, 0.3, 1)[0]:
                self.sign_up_together(members, int(rng.integers(self.start, self.end)))
            self.add(
                Crew(
                    "agent",
                    members,
                    abusive=False,
                    habits=(0.6, 0.7, 0.1, 0.1, 0.5),
                    always=True,
                    slots=people.first_slot[[leader]],
                    places=people.home[[leader]],
                    phones=people.phone[[leader]],
                    payments=people.payment[[leader]],
                    host=leader,
                    sessions=(0, 0),
                )
            )

    def friends(self) -> None:
        """Colleagues and friends who order together, and honestly."""
        wanted = round(self.knobs.friends * len(self.people.city))
        while wanted >= 3:
            size = min(wanted, int(self.rng.integers(3, 8)))
            members = self.take(size, 0.95)
            if len(members) < 2:
                return
            wanted -= size
            since = int(self.rng.integers(self.start, self.end - 120 * DAY))
            self.add(
                Crew(
                    "friends",
                    members,
                    abusive=False,
                    tight=True,
                    sessions=(2, 7),
                    turnout=0.75,
                    since=since,
                    until=min(self.end - 5 * DAY, since + int(self.rng.integers(40, 200)) * DAY),
                )
            )

    def rings(self, accounts: int) -> None:
        """Plant rings and lone abusers with `accounts` accounts in all."""
        mix = np.asarray(self.knobs.kind_mix)
        order = self.rng.permutation(len(KINDS) - 1)
        left = accounts
        quota = np.floor(mix / mix.sum() * accounts).astype(int)
        lone = int(quota[-1])
        left -= lone
        for index in order.tolist():
            share = int(quota[index]) if index != order[-1] else left
            left -= share
            while share > 0:
                size = self.size_of(KINDS[index], share)
                if size < (2 if KINDS[index] == "come_back" else 3):
                    # What is too small for a ring acts alone.
                    lone += share
                    break
                self.ring(KINDS[index], size)
                share -= size
        for member in self.take(lone, 0.0).tolist():
            self.ring("lone", 1, np.array([member]))

    def size_of(self, kind: str, left: int) -> int:
        """Members of the next ring of a kind: 3 to 40, heavy-tailed; one person's accounts are fewer."""
        if kind == "come_back":
            size, top = 2 + int(self.rng.random() < 0.35), 4
        else:
            top = 12 if kind in ("swapped_return", "refund_only") else 40
            size = min(top, 3 + int(self.rng.gamma(1.3, self.knobs.ring_size / 1.3)))
        # Never leave one or two over, if it can be helped.
        return left if left <= min(size + 2, top) else size

    def ring(self, kind: str, size: int, members: Ints | None = None) -> None:
        """One ring: who, since when, with which shared things."""
        people, rng, knobs = self.people, self.rng, self.knobs
        members = self.take(size, 0.7) if members is None else members
        if not len(members):
            return
        length = int(rng.integers(50, 220)) * DAY
        until = self.end - int(rng.integers(8, 60)) * DAY
        if kind == "aged_camouflage":
            length = int(rng.integers(35, 80)) * DAY
        elif chance(rng, 0.6, 1)[0]:
            until = int(rng.integers(self.start + 70 * DAY, until))
        since = max(self.start + 3 * DAY, until - length)
        if kind == "come_back":
            since, until = self.start + 3 * DAY, self.end - int(rng.integers(8, 40)) * DAY
        late = people.registered[members] > since + (until - since) // 3
        if kind == "aged_camouflage":
            people.registered[members] = np.minimum(
                people.registered[members], self.start - (rng.random(len(members)) * 500 * DAY).astype(np.int64)
            )
            people.rate[members] *= 1.5
        elif kind != "come_back" and kind != "lone" and chance(rng, 0.3, 1)[0]:
            self.sign_up_together(members, since)
        people.registered[members[late]] = np.minimum(
            people.registered[members[late]], since - rng.integers(0, 60 * DAY, int(late.sum()))
        )
        people.rate[members] *= knobs.camouflage
        trace = knobs.trace
        device, place, phone, payment, ip = (min(0.97, x * trace) for x in _HABITS[kind])
        leader = int(members[0])
        crew = Crew(
            kind,
            members,
            abusive=True,
            habits=(device, place, phone, payment, ip),
            keeps=_KEEPS[kind],
            tight=kind == "lockstep",
            sessions=(5, 9) if kind == "lockstep" else (3, 7),
            turnout=0.85,
            since=since,
            until=until,
            parcels=kind == "fake_return",
        )
        if kind == "come_back":
            self.come_back(crew)
        elif kind != "lone":
            crew.slots = self.new_slots(max(1, -(-size // 5)), 1.6)
            crew.places = people.home[[leader]]
            crew.phones = new_phones(rng, max(1, size // 4))
            crew.payments = self.new_payments(max(1, size // 6))
            crew.host = leader
            if chance(rng, knobs.hub_homes, 1)[0]:
                crew.places = np.append(crew.places, people.station[leader])
            if chance(rng, knobs.framed, 1)[0]:
                victim = self.take(1, 0.0)
                if len(victim):
                    crew.framed = int(victim[0])
                    self.kind[crew.framed] = "framed"
                    crew.slots = np.append(crew.slots, people.first_slot[victim])
                    crew.places = np.append(crew.places, people.home[victim])
            if kind == "recycled_pictures" or chance(rng, 0.1, 1)[0]:
                crew.pictures = rng.integers(0, 2**64, max(1, size // 4) + 1, dtype=np.uint64)
        self.add(crew)

    def come_back(self, crew: Crew) -> None:
        """One person, one account after another: each is closed, and the next opens at the same door."""
        people, rng = self.people, self.rng
        members = crew.members
        first = int(members[0])
        crew.always = True
        crew.slots = people.first_slot[[first]]
        span = (crew.until - crew.since) // len(members)
        opened = crew.since
        people.registered[first] = min(int(people.registered[first]), opened)
        for number, member in enumerate(members.tolist()):
            if number:
                people.registered[member] = opened
                for name in ("home", "new_home", "moved_at", "city", "station", "lease", "household", "bond", "dorm"):
                    getattr(people, name)[member] = getattr(people, name)[first]
                people.office[member] = people.office[first]
                for name, p in (("phone", 0.5), ("name", 0.7), ("payment", 0.35)):
                    if chance(rng, p, 1)[0]:
                        getattr(people, name)[member] = getattr(people, name)[first]
            if number < len(members) - 1:
                shut = opened + int(rng.uniform(0.6, 0.95) * span)
                people.closed_at[member] = shut
                opened = min(shut + int(rng.integers(1, 30)) * DAY, crew.until - 12 * DAY)

    def bystanders(self) -> None:
        """Name the honest people who live with members: they are the hard cases."""
        people = self.people
        abusive = [c.members for c in self.crews if c.abusive]
        members = np.concatenate(abusive) if abusive else NOTHING
        homes = np.isin(people.household, people.household[members])
        homes[members] = False
        for buyer in np.flatnonzero(homes).tolist():
            if self.kind[buyer] == "honest":
                self.kind[buyer] = "flatmate" if people.bond[buyer] in (FLATSHARE, ROOM) else "family"


def plan_crews(
    rng: np.random.Generator,
    knobs: Knobs,
    people: People,
    world: World,
    abusers: int,
    start: int,
    end: int,
    more: Callable[[Planner], None] | None = None,
) -> Plan:
    """Choose who acts together; `more` plans further crews. `people` is changed where a plan needs it: sign-up,
    closing, a come-back's door."""
    planner = Planner(rng, knobs, people, world, start, end)
    planner.rings(abusers)
    planner.agents()
    planner.friends()
    if more is not None:
        more(planner)
    planner.bystanders()
    reset_at = np.concatenate([people.reset_at, *planner.extra_resets])
    return Plan(planner.crews, planner.crew_of, planner.kind, reset_at, planner.payments)
