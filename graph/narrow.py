"""Some accounts of a snapshot with all that is theirs, as a snapshot of its own."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from graph.snapshot import Bools, Buyers, Longs, Snapshot


def narrow(snapshot: Snapshot, kept: Bools) -> Snapshot:
    """The snapshot of the accounts `kept` (n,) alone: their orders, lines, uses, claims, pictures, complaints and past
    decisions, in the order in which they stood. Stores, items and identifiers stay whole, with their numbers."""
    buyer = _renumbered(kept)
    on_order, on_refund = kept[snapshot.orders.buyer], kept[snapshot.refunds.buyer]
    order, refund = _renumbered(on_order), _renumbered(on_refund)
    orders = _cut(snapshot.orders, on_order)
    refunds = _cut(snapshot.refunds, on_refund)
    items = _cut(snapshot.items, on_order[snapshot.items.order])
    pictures = _cut(snapshot.pictures, on_refund[snapshot.pictures.refund])
    complaints = _cut(snapshot.complaints, on_refund[snapshot.complaints.refund])
    uses, past = snapshot.uses, _cut(snapshot.past, kept[snapshot.past.buyer])
    used = {kind: column[on_order] for kind, column in snapshot.orders.used.items()}
    mine = kept[uses.buyer]
    return replace(
        snapshot,
        buyers=Buyers(snapshot.buyers.ids[kept], snapshot.buyers.registered_at[kept]),
        orders=replace(orders, buyer=buyer[orders.buyer], used=used),
        items=replace(items, order=order[items.order]),
        refunds=replace(refunds, order=order[refunds.order], buyer=buyer[refunds.buyer]),
        pictures=replace(pictures, refund=refund[pictures.refund]),
        complaints=replace(complaints, refund=refund[complaints.refund]),
        uses=replace(
            uses,
            row=uses.row[mine],
            buyer=buyer[uses.buyer[mine]],
            kind=uses.kind[mine],
            identifier=uses.identifier[mine],
            at=uses.at[mine],
        ),
        past=replace(past, buyer=buyer[past.buyer]),
    )


def _renumbered(kept: Bools) -> Any:
    return np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)


def _cut(part: Any, rows: Bools | Longs) -> Any:
    """The rows of a table's arrays; what is no array stays."""
    whole = {field.name: getattr(part, field.name) for field in fields(part)}
    return type(part)(**{name: v[rows] if isinstance(v, np.ndarray) else v for name, v in whole.items()})
