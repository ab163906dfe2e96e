"""Mixtures: kinds of market, each a few settings of the simulator turned, by how much drawn from the seed.

Seeds are dealt out once and for all, so that nothing is reported on what it was tuned on:

- 1 to 20: reports, one market each;
- 101 to 9,999: tuning, whatever is tried;
- from 10,001: reports that pool many small markets;
- from 20,001: rings of unknown kinds, looked at only when the detectors are done.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from simulator.draws import stream
from simulator.knobs import Knobs

REPORT: Final = range(1, 21)
TUNING: Final = range(101, 10_000)
POOLED: Final = range(10_001, 20_000)
UNSEEN: Final = range(20_001, 30_000)

Range = tuple[float, float]


@dataclass(frozen=True)
class Mixture:
    """A kind of market. `abusers` is the range of the share of abusive accounts; `turned` maps settings of `Knobs` to
    the range they are drawn from, evenly in the logarithm where both ends are above 0; of `may_lack`, groups of
    (table, column), each is left out with probability `lacks`, at least one."""

    name: str
    says: str
    abusers: Range
    turned: dict[str, Range] = field(default_factory=dict)
    may_lack: tuple[tuple[tuple[str, str], ...], ...] = ()
    lacks: float = 0.45


NO_PHONE: Final = (("orders", "phone"),)
NO_PICTURES: Final = (("refunds", "evidence"),)
NO_WEIGHTS: Final = (("refunds", "shipped_weight_g"), ("refunds", "return_weight_g"))
NO_PARCELS: Final = (("refunds", "return_tracking_no"),)
NO_PAYMENT: Final = (("orders", "payment_id"),)
NO_NETWORK: Final = (("orders", "ip"),)
NO_LOGINS: Final = (("uses", "*"),)
NO_COMPLAINTS: Final = (("complaints", "*"),)

MIXTURES: Final = (
    Mixture("plain", "the simulator's defaults", (0.008, 0.012)),
    Mixture("large rings", "rings of a dozen and more", (0.02, 0.03), {"ring_size": (10.0, 16.0)}),
    Mixture("small rings", "rings of three to six", (0.008, 0.015), {"ring_size": (1.5, 3.0)}),
    Mixture(
        "camouflage",
        "members order much for themselves and claim less",
        (0.01, 0.02),
        {"camouflage": (1.6, 2.4), "abusive_orders": (4.0, 4.8), "abusive_claims": (0.7, 0.8)},
    ),
    Mixture(
        "hubs",
        "dormitories, parcel stations, net cafés, carriers' shared addresses; rings hide behind stations",
        (0.008, 0.015),
        {
            "dorms": (0.12, 0.2),
            "stations": (0.25, 0.4),
            "buyers_per_dorm": (500.0, 1200.0),
            "nat": (0.6, 0.8),
            "kiosks": (0.03, 0.08),
            "hub_homes": (0.4, 0.6),
            "agents": (0.01, 0.025),
        },
    ),
    Mixture(
        "no season",
        "no festival, no season, no bad batch",
        (0.01, 0.02),
        {"festival": (1.0, 1.0), "season": (0.0, 0.0), "bad_batches": (0.0, 0.0), "price_errors": (0.0, 0.0)},
    ),
    Mixture(
        "missing columns",
        "an export without some of phone, pictures, weights, parcels, payment, network, log-ins, complaints",
        (0.01, 0.02),
        may_lack=(
            NO_PHONE,
            NO_PICTURES,
            NO_WEIGHTS,
            NO_PARCELS,
            NO_PAYMENT,
            NO_NETWORK,
            NO_LOGINS,
            NO_COMPLAINTS,
        ),
        lacks=0.3,
    ),
    Mixture(
        "complaining stores",
        "stores that complain of everybody, and stores that agree to smear a buyer",
        (0.008, 0.015),
        {
            "loud_stores": (0.15, 0.3),
            "silent_stores": (0.1, 0.5),
            "complaint_rate": (0.015, 0.04),
            "smeared": (0.001, 0.003),
            "smear_upheld": (0.2, 0.5),
        },
    ),
    Mixture(
        "address noise",
        "doors in many writings, people who move",
        (0.008, 0.02),
        {"address_noise": (1.6, 2.6), "latin": (0.03, 0.08), "moves": (0.08, 0.15)},
    ),
    Mixture(
        "changing devices",
        "devices reset, lent and sold",
        (0.008, 0.02),
        {"device_resets": (1.5, 3.0), "second_hand": (0.02, 0.05), "borrowed": (0.01, 0.025)},
    ),
    Mixture(
        "careful rings",
        "rings use what they share less, claim less, and frame the innocent more",
        (0.01, 0.02),
        {"trace": (0.7, 0.85), "abusive_claims": (0.65, 0.8), "framed": (0.5, 0.8)},
    ),
    Mixture(
        "bad year",
        "bad batches, wrong prices and fussy buyers abound",
        (0.008, 0.015),
        {
            "bad_batches": (0.0008, 0.0015),
            "price_errors": (0.0003, 0.0006),
            "fussy": (0.04, 0.07),
            "claim_rate": (1.2, 1.6),
        },
    ),
)
EVERYWHERE: Final[dict[str, Range]] = {"sprees": (0.15, 0.45)}
"""Settings turned in all mixtures: people shop in sprees, so honest claims crowd in time as well."""
BY_NAME: Final = {mixture.name: mixture for mixture in MIXTURES}


def mixture_of(seed: int) -> Mixture:
    """The mixture that a seed stands for: they are dealt out in turn, so twelve seeds in a row hold each once."""
    return MIXTURES[(seed - 1) % len(MIXTURES)]


def knobs_of(mixture: Mixture, seed: int, abusers: float | None = None) -> Knobs:
    """The simulator's settings for one market; `abusers` outranks the mixture's share of abusive accounts."""
    rng = stream(seed, "mixture")
    drawn = {name: _between(rng, limits) for name, limits in {**EVERYWHERE, **mixture.turned}.items()}
    share = _between(rng, mixture.abusers)
    left_out: list[tuple[str, str]] = []
    if mixture.may_lack:
        gone = rng.random(len(mixture.may_lack)) < mixture.lacks
        gone[rng.integers(len(gone))] = True
        left_out = [pair for group, out in zip(mixture.may_lack, gone.tolist(), strict=True) if out for pair in group]
    base = replace(Knobs(), **drawn, left_out=tuple(left_out))  # type: ignore[arg-type]  # names are its own fields
    return replace(base.varied(rng), abusers=share if abusers is None else abusers)


def _between(rng: np.random.Generator, limits: Range) -> float:
    low, high = limits
    at = float(rng.random())
    return float(low * (high / low) ** at) if low > 0 else float(low + (high - low) * at)
