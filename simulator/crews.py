"""Crews: groups that act together, honest or not, by what their members share and how often they use it."""

from dataclasses import dataclass, field

import numpy as np

from simulator.draws import Floats, Ints, Words

NOTHING = np.empty(0, dtype=np.int64)
"""An empty pool: the habit that goes with it is not exercised."""


@dataclass
class Crew:
    """What a group shares. Pools may be empty: then the habit that goes with them is not exercised."""

    kind: str
    members: Ints
    abusive: bool
    habits: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    always: bool = False
    """Whether members use the pools for every order, not only for orders of the crew."""
    slots: Ints = field(default_factory=lambda: NOTHING)
    places: Ints = field(default_factory=lambda: NOTHING)
    phones: Ints = field(default_factory=lambda: NOTHING)
    payments: Ints = field(default_factory=lambda: NOTHING)
    host: int = -1
    """Buyer whose home network the crew uses, -1 for none."""
    tight: bool = False
    """Whether a session happens within hours; else its orders spread over days."""
    sessions: tuple[int, int] = (3, 6)
    turnout: float = 0.7
    since: int = 0
    until: int = 0
    keeps: float = 0.5
    """Share of the crew's claims that keep the goods."""
    pictures: Words = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    parcels: bool = False
    """Whether several returns are filed under one parcel."""
    framed: int = -1
    stores: Ints = field(default_factory=lambda: NOTHING)
    """Where the crew claims; empty: a list drawn by popularity."""
    parents: Ints = field(default_factory=lambda: NOTHING)
    """For each member the number of the member that invited it, -1 for none; empty where nobody was invited."""


@dataclass
class Plan:
    """All crews, and what is known of each buyer because of them (arrays have one entry a buyer)."""

    crews: list[Crew]
    crew_of: Ints
    kind: list[str]
    reset_at: Ints
    """As in `People`, with the slots of crews appended."""
    payments: int
    """How many payment instruments there are."""


def habit_table(crews: list[Crew]) -> Floats:
    """(crews, 5): how often an order of a crew uses the shared device, place, phone, payment, IP; 0 for empty pools."""
    rows = []
    for crew in crews:
        full = (len(crew.slots), len(crew.places), len(crew.phones), len(crew.payments), crew.host + 1)
        rows.append([p if size else 0.0 for p, size in zip(crew.habits, full, strict=True)])
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
