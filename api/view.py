"""A published run as investigators see it: its tables by row, with look-ups and sort keys, and what they cost to build
paid on first need.

A `View` belongs to one head (load and run) and never changes: whoever holds one sees one run and one load only.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from graph.places import resolve_places
from graph.store import Head, RunRecord, Store
from integrity.checkout_view import PublishedRun
from integrity.columns import frame_of, scan_frame
from integrity.policy import Policy
from integrity.return_risk import ReturnModel, read_model

if TYPE_CHECKING:
    from integrity.healing import Reopened

V = TypeVar("V")
Row = dict[str, Any]
NO_RISK = -1.0
"""Sort key of accounts and rings without the number asked for: behind all others when the largest come first."""


class View:
    """What is known at one head. Parts are computed once, on first need, and may be asked from several threads."""

    def __init__(self, store: Store, head: Head, published: PublishedRun | None) -> None:
        self.store, self.head, self.published = store, head, published
        self._parts: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._reopening = threading.Lock()
        self._again: Reopened | None = None

    @property
    def run(self) -> RunRecord | None:
        """The published run, if there is one."""
        return self.published.record if self.published is not None else None

    def _part(self, name: str, build: Callable[[], V]) -> V:
        with self._lock:
            if name not in self._parts:
                self._parts[name] = build()
            return cast(V, self._parts[name])

    def table(self, name: str) -> pa.Table:
        """All rows of one run table, sorted by id; the table must exist and a run be published."""
        assert self.published is not None  # callers look at `run` first
        return self.published.table(name)

    # -- accounts ----------------------------------------------------------------------------------------------

    @property
    def buyer_ids(self) -> list[str]:
        """Every judged account in code-point order; empty without a run."""
        return self._part("buyer_ids", lambda: _texts(self.table("run_decisions"), "buyer_id") if self.run else [])

    @property
    def _buyer_rows(self) -> Mapping[str, int]:
        return self._part("buyer_rows", lambda: {id_: row for row, id_ in enumerate(self.buyer_ids)})

    @property
    def _finding_rows(self) -> Mapping[str, int]:
        def build() -> Mapping[str, int]:
            return {id_: row for row, id_ in enumerate(_texts(self.table("run_accounts"), "buyer_id"))}

        return self._part("finding_rows", build)

    def judged(self, buyer_ids: Sequence[str]) -> dict[str, Row]:
        """Finding and decision, in one row, of those buyers that the run judged; the decision's reasons are
        `decision_reasons`, and their facts `decision_facts`."""
        if self.run is None:
            return {}
        known = [(id_, self._buyer_rows[id_]) for id_ in buyer_ids if id_ in self._buyer_rows]
        decisions = _rows(self.table("run_decisions"), [row for _, row in known])
        found = {}
        for (id_, _), decision in zip(known, decisions, strict=True):
            decision["decision_reasons"] = decision.pop("reasons")
            decision["decision_facts"] = decision.pop("reason_facts")
            found[id_] = decision
        with_finding = [(id_, self._finding_rows[id_]) for id_ in found if id_ in self._finding_rows]
        findings = _rows(self.table("run_accounts"), [row for _, row in with_finding])
        for (id_, _), finding in zip(with_finding, findings, strict=True):
            found[id_].update(finding)
        return found

    def account_column(self, name: str) -> npt.NDArray[Any]:
        """One column of `accounts_frame` as an array aligned with `buyer_ids`."""
        return self.accounts_frame[name].to_numpy()

    @property
    def accounts_frame(self) -> pl.DataFrame:
        """What accounts are filtered and sorted by, aligned with `buyer_ids`: status, risk, ring_id, claims."""

        def build() -> pl.DataFrame:
            decided = _frame(self.table("run_decisions"), "buyer_id", "status")
            found = _frame(self.table("run_accounts"), "buyer_id", "risk", "ring_id", "claims")
            joined = decided.join(found, on="buyer_id", how="left", maintain_order="left")
            return joined.with_columns(pl.col("risk").fill_null(NO_RISK), pl.col("claims").fill_null(0))

        return self._part("accounts_frame", build)

    @property
    def claimed(self) -> Mapping[str, Mapping[str, int]]:
        """Buyer to currency to minor units claimed, over claims that the buyer began and whose order is known."""

        def build() -> Mapping[str, Mapping[str, int]]:
            known_by = self.head.load
            scan = partial(scan_frame, self.store, known_by=known_by)
            orders = scan("orders", ("order_id", "buyer_id", "amount", "currency"))
            refunds = scan("refunds", ("refund_id", "order_id", "amount", "initiated_by", "requested_at"))
            refunds = refunds.filter(pl.col("initiated_by") == "buyer")
            if self.run is not None:
                refunds = refunds.filter(pl.col("requested_at") <= self.run.as_of)
            sums = (
                refunds.select("order_id", asked="amount")
                .join(orders, on="order_id", how="inner")
                .group_by("buyer_id", "currency")
                .agg(pl.coalesce("asked", "amount").sum())
            )
            result: dict[str, dict[str, int]] = defaultdict(dict)
            for buyer, currency, total in sums.sort("buyer_id", "currency").iter_rows():
                result[buyer][currency] = total
            return dict(result)

        return self._part("claimed", build)

    def claimed_in(self, currency: str) -> npt.NDArray[np.float64]:
        """Minor units claimed in one currency, aligned with `buyer_ids`."""

        def build() -> npt.NDArray[np.float64]:
            return np.array([float(self.claimed.get(id_, {}).get(currency, 0)) for id_ in self.buyer_ids])

        return self._part(f"claimed_in:{currency}", build)

    @property
    def main_currency(self) -> str:
        """The currency that most accounts claimed in; CNY before any claim."""

        def build() -> str:
            counts: dict[str, int] = defaultdict(int)
            for sums in self.claimed.values():
                for currency in sums:
                    counts[currency] += 1
            return min(counts, key=lambda currency: (-counts[currency], currency), default="CNY")

        return self._part("main_currency", build)

    @property
    def store_claims(self) -> Mapping[str, list[tuple[str, int]]]:
        """Store to its claims whose order is known, whoever began them: (refund id, requested at), by refund id."""

        def build() -> Mapping[str, list[tuple[str, int]]]:
            scan = partial(scan_frame, self.store, known_by=self.head.load)
            found = scan("refunds", ("refund_id", "order_id", "requested_at")).join(
                scan("orders", ("order_id", "store_id")), on="order_id", how="inner"
            )
            groups: dict[str, list[tuple[str, int]]] = defaultdict(list)
            for store, refund, at in found.select("store_id", "refund_id", "requested_at").iter_rows():
                groups[store].append((refund, at))
            return {store: sorted(claims) for store, claims in groups.items()}

        return self._part("store_claims", build)

    def return_model(self, policy: Policy) -> ReturnModel:
        """What the records at this head teach of orders that come back, by the policy first asked with."""
        return self._part(
            "return_model", lambda: read_model(self.store, self.published, policy, known_by=self.head.load)
        )

    # -- rings -------------------------------------------------------------------------------------------------

    @property
    def rings(self) -> list[Row]:
        """Every ring, in order of id; empty without a run."""
        return self._part("rings", lambda: self.table("run_rings").to_pylist() if self.run else [])

    @property
    def ring_by_id(self) -> Mapping[str, Row]:
        """Ring id to ring."""
        return self._part("ring_by_id", lambda: {row["ring_id"]: row for row in self.rings})

    @property
    def lineage(self) -> Mapping[str, Row]:
        """Ring id to what became of it since the parent run; rings of the parent that are gone among them."""

        def build() -> Mapping[str, Row]:
            return {row["ring_id"]: row for row in (self.table("run_lineage").to_pylist() if self.run else ())}

        return self._part("lineage", build)

    @property
    def _members(self) -> Mapping[str, Mapping[str, list[Row]]]:
        def build() -> Mapping[str, Mapping[str, list[Row]]]:
            by: dict[str, dict[str, list[Row]]] = {"ring_id": defaultdict(list), "buyer_id": defaultdict(list)}
            for row in self.table("run_members").to_pylist() if self.run else ():
                for column, groups in by.items():
                    groups[row[column]].append(row)
            return by

        return self._part("members", build)

    def members_of(self, ring_id: str) -> list[Row]:
        """Members of a ring, by buyer id."""
        return self._members["ring_id"].get(ring_id, [])

    def memberships_of(self, buyer_id: str) -> list[Row]:
        """Memberships of an account, by ring id."""
        return self._members["buyer_id"].get(buyer_id, [])

    # -- evidence ----------------------------------------------------------------------------------------------

    @property
    def evidence_ids(self) -> list[str]:
        """Every piece of evidence, in order of id."""
        return self._part("evidence_ids", lambda: _texts(self.table("run_evidence"), "evidence_id") if self.run else [])

    @property
    def evidence_nats(self) -> npt.NDArray[np.float64]:
        """Weights aligned with `evidence_ids`."""

        def build() -> npt.NDArray[np.float64]:
            return np.asarray(self.table("run_evidence")["nats"].to_numpy(), dtype=np.float64)

        return self._part("evidence_nats", build)

    def evidence_rows(self, column: str, value: str) -> list[int]:
        """Row numbers of the evidence whose `column` (ring_id, buyer_id, kind or identifier) is `value`."""

        def build() -> Mapping[str, list[int]]:
            groups: dict[str, list[int]] = defaultdict(list)
            for row, text in enumerate(_texts(self.table("run_evidence"), column) if self.run else ()):
                if text is not None:
                    groups[text].append(row)
            return groups

        return self._part(f"evidence:{column}", build).get(value, [])

    def evidence(self, rows: Sequence[int]) -> list[Row]:
        """Pieces of evidence by row number."""
        return _rows(self.table("run_evidence"), rows) if rows else []

    # -- the run judged again ----------------------------------------------------------------------------------

    @property
    def reopened(self) -> Reopened:
        """The published run to be asked "what if"; read and judged once, while other parts are served. Raises
        `BadInput` for a run that kept no measures."""
        from integrity.healing import reopen  # detection is loaded by a server where it is first asked for

        assert self.run is not None  # callers look at `run` first
        with self._reopening:
            if self._again is None:
                self._again = reopen(self.store, self.run.run_id)
            return self._again

    @property
    def opened(self) -> Reopened | None:
        """`reopened` where somebody has asked for it already."""
        return self._again

    # -- places ------------------------------------------------------------------------------------------------

    @property
    def hubs(self) -> Mapping[str, Row]:
        """Identifier id to what the run made of it as a hub."""

        def build() -> Mapping[str, Row]:
            return {row["identifier"]: row for row in (self.table("run_hubs").to_pylist() if self.run else ())}

        return self._part("hubs", build)

    def keys_within(self, kind: str, key: bytes) -> list[bytes]:
        """Keys under which orders and uses may know the place: itself, its other writings, and what lies in it."""

        def build() -> tuple[Mapping[bytes, list[bytes]], Mapping[bytes, list[bytes]]]:
            places = scan_frame(self.store, "identifiers", _PLACE_COLUMNS, known_by=self.head.load)
            inside: dict[bytes, list[bytes]] = defaultdict(list)
            for child, parent in places.select("key", "within").drop_nulls().iter_rows():
                inside[parent].append(child)
            same: dict[bytes, list[bytes]] = defaultdict(list)
            canonical = dict(resolve_places(_with_estates(places)).select("key", "canonical").iter_rows())
            for one, stands_for in canonical.items():
                same[stands_for].append(one)
            return inside, {one: same[stands_for] for one, stands_for in canonical.items()}

        if kind not in ("door", "building", "estate", "ip_prefix"):
            return [key]
        inside, same = self._part("places", build)
        found: set[bytes] = set()
        pending = [key]
        while pending:
            one = pending.pop()
            if one not in found:
                found.add(one)
                pending += [*same.get(one, ()), *inside.get(one, ())]
        return sorted(found)


_PLACE_COLUMNS = ("id", "kind", "key", "within", "bare", "has_city")


def _with_estates(places: pl.DataFrame) -> pl.DataFrame:
    """Doors, buildings and estates as `resolve_places` takes them: with the city-less key of the estate they lie in."""
    levels = places.filter(pl.col("kind").is_in(["door", "building", "estate"]))
    up = levels.select("key", "kind", "within", "bare")
    first = up.rename({"key": "within", "kind": "kind_1", "within": "within_1", "bare": "bare_1"})
    second = up.select(within_1="key", kind_2="kind", bare_2="bare")
    chain = levels.join(first, on="within", how="left").join(second, on="within_1", how="left")
    estate = (
        pl.when(pl.col("kind") == "estate")
        .then("bare")
        .when(pl.col("kind_1") == "estate")
        .then("bare_1")
        .when(pl.col("kind_2") == "estate")
        .then("bare_2")
    )
    return chain.select("key", "has_city", "bare", level="kind", bare_estate=estate)


def _rows(table: pa.Table, numbers: Sequence[int]) -> list[Row]:
    # typed, since no numbers at all would otherwise be an array of nulls
    return table.take(pa.array(numbers, pa.int64())).to_pylist()


def _texts(table: pa.Table, column: str) -> list[str]:
    return cast(list[str], table[column].to_pylist())


def _frame(table: pa.Table, *columns: str) -> pl.DataFrame:
    return frame_of(table.select(list(columns)))
