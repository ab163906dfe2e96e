"""Source records as a person reads them: instants and money as text, identifiers in their masked form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graph.schema import BY_NAME, Type
from graph.store import Store
from integrity.columns import rows_of
from integrity.instants import to_iso
from integrity.money import to_text


def read_records(
    store: Store, wanted: Iterable[tuple[str, str]], *, known_by: int
) -> dict[tuple[str, str], dict[str, Any]]:
    """The records (table, id) as they were known by load `known_by`, each a dict of column to shown value.

    Null columns are left out; a record that is no longer there is missing from the answer."""
    by_table: dict[str, set[str]] = {}
    for table, row_id in wanted:
        by_table.setdefault(table, set()).add(row_id)
    rows = {table: _find(store, table, sorted(ids), known_by) for table, ids in sorted(by_table.items())}
    orders = {row["order_id"] for table in ("refunds", "order_items") for row in rows.get(table, ())}
    currencies = {row["order_id"]: row["currency"] for row in _find(store, "orders", sorted(orders), known_by)}
    masks = _masks(store, rows)
    return {
        (table, row[BY_NAME[table].id]): _shown(table, row, currencies, masks)
        for table, found in rows.items()
        for row in found
    }


def masked_identifiers(store: Store, ids: Iterable[str]) -> dict[str, str]:
    """Identifier row id to the form that may be shown."""
    rows = _find(store, "identifiers", sorted(set(ids)), None)
    return {row["id"]: row["masked"] or "" for row in rows}


def _find(store: Store, table: str, ids: Sequence[str], known_by: int | None) -> list[dict[str, Any]]:
    if not ids:
        return []
    return rows_of(store.find(table, BY_NAME[table].id, ids, known_by=known_by))


def _masks(store: Store, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[bytes, str]:
    keys = {
        row[column.name]
        for table, found in rows.items()
        for column in BY_NAME[table].columns
        if column.type is Type.KEY
        for row in found
        if row[column.name] is not None
    }
    if not keys:
        return {}
    known = rows_of(store.find("identifiers", "key", sorted(keys), columns=("id", "key", "masked")))
    return {row["key"]: row["masked"] or "" for row in known}


def _shown(
    table: str, row: Mapping[str, Any], currencies: Mapping[str, str], masks: Mapping[bytes, str]
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for column in BY_NAME[table].columns:
        value = row[column.name]
        if value is None or value == []:
            continue
        if column.type is Type.INSTANT:
            value = to_iso(value)
        elif column.type is Type.MONEY:
            currency = row.get("currency") or currencies.get(row.get("order_id", ""))
            value = f"{to_text(value, currency)} {currency}" if currency else f"{value} minor units"
        elif column.type is Type.KEY:
            value = masks.get(value, "(keyed)")
        shown[column.name] = value
    return shown
