"""The findings as tables of the declared schema, sorted by id, floats rounded to six decimals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from detectors.context.hubs import Hub
from detectors.contract import SOURCES, Context
from detectors.ledger import Ledger
from detectors.names import Lineage
from detectors.reasons import Teller, ring_reasons
from detectors.registry import ALL
from detectors.words.fact import Fact
from graph.columns import arrow_schema
from graph.schema import BY_NAME
from graph.snapshot import NEVER, Bools, Floats, Ints, Longs

_DECIMALS: Final = 6


@dataclass(frozen=True)
class Ring:
    """A published ring: its id, actors and bystanders (buyer indices in order), confidence with its q-value, and
    score."""

    ring_id: str
    actors: Ints
    bystanders: Ints
    confidence: float
    q_value: float
    score: float

    @property
    def members(self) -> Ints:
        """All of them in canonical order."""
        return np.sort(np.concatenate([self.actors, self.bystanders]))


def _table(name: str, columns: Mapping[str, Any], order: list[int] | None = None) -> pa.Table:
    schema = arrow_schema(BY_NAME[name])
    if order is not None:
        columns = {key: [values[i] for i in order] for key, values in columns.items()}
    return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def accounts_table(teller: Teller, risk: Floats, rings: Sequence[Ring], only: Bools | None = None) -> pa.Table:
    """`run_accounts`: one row each account, or each of `only` (n,); reasons for those in the ledger."""
    rows = np.arange(teller.ctx.n) if only is None else np.flatnonzero(only)
    ring = np.full(teller.ctx.n, None, object)
    for item in rings:
        ring[item.members] = item.ring_id
    reasons: dict[int, list[Fact]] = {}
    against: dict[int, list[Fact]] = {}
    for buyer, entries in _by_buyer(teller.ledger):
        if only is not None and not only[buyer]:
            continue
        speaks_for, speaks_against = teller.account(entries)
        reasons[buyer] = speaks_for
        against[buyer] = [*speaks_against, *teller.context(buyer)]
    return _table(
        "run_accounts",
        {
            "buyer_id": teller.ctx.snapshot.buyers.ids[rows],
            "risk": np.round(risk, _DECIMALS)[rows],
            "ring_id": ring[rows],
            "orders": teller.made[rows],
            "claims": teller.claims[rows],
            "expected_claims": np.round(teller.expected, _DECIMALS)[rows],
            "reasons": _lists(rows, {buyer: _texts(facts) for buyer, facts in reasons.items()}),
            "against": _lists(rows, {buyer: _texts(facts) for buyer, facts in against.items()}),
            "reason_facts": _lists(rows, {buyer: _stored(facts) for buyer, facts in reasons.items()}),
            "against_facts": _lists(rows, {buyer: _stored(facts) for buyer, facts in against.items()}),
        },
    )


def _lists(rows: Longs, few: Mapping[int, list[str]]) -> pa.Array[Any]:
    """A list for each of the ascending `rows`: that of `few` (by row, ascending), mostly none."""
    length = np.zeros(len(rows), np.int32)
    length[np.searchsorted(rows, list(few))] = [len(texts) for texts in few.values()]
    offsets: Any = np.append(0, np.cumsum(length)).astype(np.int32)
    lists: pa.Array[Any] = pa.ListArray.from_arrays(
        offsets, pa.array([one for texts in few.values() for one in texts], pa.string())
    )
    return lists


def _texts(facts: Sequence[Fact]) -> list[str]:
    return [one.text() for one in facts]


def _stored(facts: Sequence[Fact]) -> list[str]:
    return [one.stored() for one in facts]


def _by_buyer(ledger: Ledger) -> list[tuple[int, Longs]]:
    if not len(ledger.buyer):
        return []
    starts = np.flatnonzero(np.append(True, ledger.buyer[1:] != ledger.buyer[:-1]))
    parts = np.split(np.arange(len(ledger.buyer)), starts[1:])
    return [(int(ledger.buyer[part[0]]), part) for part in parts]


def rings_table(teller: Teller, rings: Sequence[Ring]) -> pa.Table:
    """`run_rings`: stores, amount and span of the actors' claims."""
    ctx = teller.ctx
    snapshot, claims = ctx.snapshot, ctx.claims
    columns: dict[str, list[Any]] = {column.name: [] for column in BY_NAME["run_rings"].columns}
    for ring in rings:
        rows = teller.claims_of(ring.actors)
        refund = claims.row[rows]
        currency = snapshot.orders.currency[claims.order[rows]]
        most = int(np.argmax(np.bincount(currency, minlength=len(snapshot.currencies)))) if len(rows) else 0
        spent = snapshot.refunds.amount[refund][currency == most] if len(rows) else np.zeros(1, np.int64)
        at = claims.at[rows][claims.at[rows] != NEVER]
        columns["ring_id"].append(ring.ring_id)
        columns["members"].append(snapshot.buyers.ids[ring.members].tolist())
        columns["stores"].append(snapshot.stores.ids[np.unique(claims.store[rows])].tolist())
        columns["amount"].append(int(spent.sum()))
        columns["currency"].append(snapshot.currencies[most] if snapshot.currencies else "")
        columns["confidence"].append(round(ring.confidence, _DECIMALS))
        columns["q_value"].append(round(ring.q_value, _DECIMALS))
        columns["first_at"].append(int(at.min()) if len(at) else snapshot.as_of)
        columns["last_at"].append(int(at.max()) if len(at) else snapshot.as_of)
        reasons = ring_reasons(teller, ring.actors, ring.score, ring.confidence)
        columns["reasons"].append(_texts(reasons))
        columns["reason_facts"].append(_stored(reasons))
    return _table("run_rings", columns, _order(columns["ring_id"]))


def members_table(teller: Teller, rings: Sequence[Ring], risk: Floats) -> pa.Table:
    """`run_members`: actors and bystanders of each ring."""
    columns: dict[str, list[Any]] = {column.name: [] for column in BY_NAME["run_members"].columns}
    for ring in rings:
        acting = set(ring.actors.tolist())
        for member in ring.members.tolist():
            buyer = str(teller.ctx.snapshot.buyers.ids[member])
            columns["member_id"].append(f"{ring.ring_id}\x1f{buyer}")
            columns["ring_id"].append(ring.ring_id)
            columns["buyer_id"].append(buyer)
            columns["probability"].append(round(float(risk[member]), _DECIMALS))
            columns["role"].append("actor" if member in acting else "bystander")
    return _table("run_members", columns, _order(columns["member_id"]))


def evidence_table(teller: Teller, rings: Sequence[Ring]) -> pa.Table:
    """`run_evidence`: one row each account, kind, source record and identifier."""
    ctx, ledger = teller.ctx, teller.ledger
    snapshot = ctx.snapshot
    ids = {
        "buyers": snapshot.buyers.ids,
        "orders": snapshot.orders.ids,
        "uses": snapshot.uses.ids,
        "refunds": snapshot.refunds.ids,
        "complaints": snapshot.complaints.ids,
        "past_decisions": snapshot.past.ids,
    }
    ring_of = {int(member): ring.ring_id for ring in rings for member in ring.members.tolist()}
    merged: dict[tuple[str, str, str, str, str], tuple[float, Fact, str | None]] = {}
    buyers = snapshot.buyers.ids[ledger.buyer].tolist()
    entries = zip(
        buyers,
        *(c.tolist() for c in (ledger.detector, ledger.key, ledger.buyer, ledger.table, ledger.row, ledger.nats)),
        strict=True,
    )
    for at, (buyer_id, number, key, buyer, source, row, nats) in enumerate(entries):
        table = SOURCES[source]
        label = str(ledger.found[number].keys.label[key]) if key >= 0 else ""
        about = (buyer_id, ALL[number].name, table, str(ids[table][row]), label)
        said = teller.entry(at)
        if about in merged:  # one claim's pictures may lie in several clusters: the record is still one
            nats, said = nats + merged[about][0], merged[about][1]
        merged[about] = (nats, said, ring_of.get(buyer))
    columns: dict[str, list[Any]] = {column.name: [] for column in BY_NAME["run_evidence"].columns}
    words: dict[int, tuple[str, str]] = {}
    for about, (nats, said, ring) in merged.items():
        buyer_id, kind, table, record, label = about
        if id(said) not in words:  # many records tell one and the same fact
            words[id(said)] = said.text(), said.stored()
        text, stored = words[id(said)]
        stated = "\x1f".join((*about, ring or "", f"{nats:.6f}", text))
        columns["evidence_id"].append(hashlib.blake2b(stated.encode(), digest_size=10).hexdigest())
        columns["ring_id"].append(ring)
        columns["buyer_id"].append(buyer_id)
        columns["kind"].append(kind)
        columns["nats"].append(round(nats, _DECIMALS))
        columns["source_table"].append(table)
        columns["source_id"].append(record)
        columns["identifier"].append(label or None)
        columns["text"].append(text)
        columns["fact"].append(stored)
    return _table("run_evidence", columns, _order(columns["evidence_id"]))


def lineage_table(lineage: Sequence[Lineage]) -> pa.Table:
    """`run_lineage`, given in order of ring id."""
    return _table(
        "run_lineage",
        {
            "ring_id": [one.ring_id for one in lineage],
            "state": [one.state for one in lineage],
            "splits_from": [one.splits_from for one in lineage],
            "merges": [list(one.merges) for one in lineage],
            "into": [one.into for one in lineage],
            "gone_at": [one.gone_at for one in lineage],
            "members": [list(one.members) for one in lineage],
        },
    )


def hubs_table(hubs: list[Hub]) -> pa.Table:
    """`run_hubs`, sorted by identifier."""
    return _table(
        "run_hubs",
        {
            "identifier": [hub.identifier for hub in hubs],
            "kind": [hub.kind for hub in hubs],
            "buyers": [hub.buyers for hub in hubs],
            "claims": [hub.claims for hub in hubs],
            "expected_claims": [round(hub.expected, _DECIMALS) for hub in hubs],
            "nats": [round(hub.nats, _DECIMALS) for hub in hubs],
            "verdict": [hub.verdict for hub in hubs],
            "text": [hub.said.text() for hub in hubs],
            "fact": [hub.said.stored() for hub in hubs],
        },
    )


def _order(ids: list[str]) -> list[int]:
    return sorted(range(len(ids)), key=ids.__getitem__)


def known(ctx: Context) -> dict[str, int]:
    """Counts of what the snapshot holds."""
    snapshot = ctx.snapshot
    return {
        "buyers": ctx.n,
        "orders": len(snapshot.orders.ids),
        "refunds": len(snapshot.refunds.ids),
        "claims": len(ctx.claims.row),
        "complaints": len(snapshot.complaints.ids),
    }
