"""Shared parcel: one return parcel that serves the refunds of several accounts, or of several stores.

One number can come back once. Members of one household may put two returns into one box, so accounts with one home
door are left out, and how often honest people share or combine parcels is read from the market.
"""

from __future__ import annotations

import numpy as np

from detectors.contract import REFUNDS, Context, Detector, Evidence, Family, Keys, evidence
from detectors.links.sharing import one_home, owners
from detectors.numerics import group, rarity_in, size_law, tally

CAP = 3.0
"""Most nats that a parcel serving several stores can say of the one account that used it."""


def run(ctx: Context) -> Evidence:
    """One row each claim on a parcel that several homes share; one each claim on an account's parcel for two stores."""
    refunds, claims = ctx.snapshot.refunds, ctx.claims
    with_parcel = np.flatnonzero(refunds.parcel[claims.row] >= 0)
    row, buyer = claims.row[with_parcel], claims.buyer[with_parcel]
    parcel, store = refunds.parcel[row].astype(np.int64), claims.store[with_parcel]
    n = len(ctx.snapshot.parcels)
    accounts = np.bincount(parcel[group(parcel, buyer).first], minlength=n)
    stores = np.bincount(parcel[group(parcel, store).first], minlength=n)
    household = one_home(ctx, parcel, buyer, n)
    used = int(np.count_nonzero(accounts))

    shared = np.flatnonzero((accounts >= 2) & ~household)
    number = np.full(n, -1, np.int64)
    number[shared] = np.arange(len(shared))
    all_ = np.flatnonzero(number[parcel] >= 0)
    pairs = group(number[parcel[all_]], buyer[all_])
    joint = all_[pairs.first]
    key = number[parcel[joint]]
    first = owners(number[parcel[all_]], buyer[all_], claims.at[with_parcel[all_]])
    law = ctx.measures.of("shared_parcel.sizes", lambda: size_law(accounts[shared], used))
    nats = rarity_in(law, accounts[shared])

    several = np.flatnonzero((stores >= 2) & (accounts == 1))
    alone = np.flatnonzero((stores[parcel] >= 2) & (accounts[parcel] == 1))
    law = ctx.measures.of("shared_parcel.stores", lambda: size_law(stores[several], used))
    own = np.minimum(rarity_in(law, stores[several]), CAP)
    value = np.zeros(n)
    value[several] = own
    claims_on = np.bincount(parcel, minlength=n)
    account_nats = value[parcel[alone]] / claims_on[parcel[alone]]
    # many combined parcels of one account are one habit
    total = tally(buyer[alone], account_nats, ctx.n)
    account_nats = account_nats * (np.minimum(total, CAP) / np.maximum(total, 1e-12))[buyer[alone]]
    return evidence(
        DETECTOR.name,
        key=np.concatenate([key, np.full(len(alone), -1)]).astype(np.int32),
        buyer=np.concatenate([buyer[joint], buyer[alone]]),
        nats=np.concatenate([nats[key], account_nats]),
        table=REFUNDS,
        row=np.concatenate([row[joint], row[alone]]),
        count=np.concatenate([pairs.count, np.ones(len(alone), np.int64)]),
        owned=np.concatenate([first, np.zeros(len(alone), np.int8)]),
        keys=Keys(ctx.snapshot.parcels[shared], accounts[shared], np.zeros(len(shared), bool)),
    )


DETECTOR = Detector(
    name="shared_parcel",
    title="one return parcel for several refunds",
    source="Reasoned: a parcel number comes back once; rarity as for shared identifiers (Sellke et al. 2001)",
    doc=(
        "A return parcel's number given for the refunds of accounts with different homes, or for orders of different "
        "stores. Housemates' joint parcels are left out; combined returns that are common in the market say nothing."
    ),
    family=Family.CONDUCT,
    run=run,
    prior=0.1,
    ceiling=0.3,
    weight=1.8,
    written=True,
    met=True,
)
