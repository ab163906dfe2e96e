"""How declared tables stand in Neo4j: labels, keys, indexes, and Arrow columns as statement parameters and back.

A row of a SOURCE table is a record: a node of label `OrderRecord`, `RefundRecord` … that carries, besides its declared
columns, the namespace `ns`, `since` and `until` (see ADR 2), `digest`, `updated_at`, `file` and `line`. Records are the
store's. Those that readers see have the table's own label too (`Order`, `Refund` …), which is for people: replaced rows
and rows of unfinished loads have not (but see `AT_ONCE`). One of a RUN table carries `ns` and `run_id`. Identifiers
have the label of their kind too. Keys stand as hex text, as people copy them, which Neo4j keeps as compactly as bytes.
See ADR 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from graph.columns import NO_INT, NO_TEXT
from graph.schema import BY_NAME, TABLES, Kind, Table, Type

KIND_LABELS: Final = {
    "device": "Device",
    "ip": "Ip",
    "ip_prefix": "IpPrefix",
    "payment": "Payment",
    "phone": "Phone",
    "recipient": "Recipient",
    "door": "Address",
    "building": "Building",
    "estate": "Estate",
    "parcel": "Parcel",
}
"""Labels of identifiers by kind."""

INTERNAL: Final = {
    "StoreMeta": ("ns", "key"),
    "Head": ("ns",),
    "Lease": ("ns", "name"),
    "Load": ("ns", "load"),
    "Touched": ("ns", "load", "name"),
    "Conflict": ("ns", "load", "name", "id"),
    "Sequence": ("ns", "name"),
    "Quarantined": ("ns", "seq"),
    "Run": ("ns", "run_id"),
    "Counter": ("ns", "key", "period"),
    "Note": ("ns", "journal", "id"),
    "Reservation": ("ns", "order_id"),
}
"""Labels of the store's own nodes, and what identifies one."""

ENTITIES: Final = {"Buyer": ("ns", "buyer_id"), "Store": ("ns", "store_id"), "Picture": ("ns", "picture")}
"""Accounts and stores themselves, known from a row of their own or from orders only; pictures, known from claims."""

AT_ONCE: Final = ("order_items", "uses", "refunds", "complaints", "past_decisions")
"""Tables whose rows have the label that people ask for from the start in the first load of a namespace: drawing them
changes nothing else of them. An order's says that its relationships are there."""

_UNKNOWN: Final = {"Item", "Use", "PastDecision"}
"""Labels of rows whose ids are made up here: people come to them from an order or an account."""

_HIDDEN: Final = {"digest": Type.INT, "updated_at": Type.INT, "file": Type.INT, "line": Type.INT, "since": Type.INT}


def label_of(table: Table) -> str:
    """The label of the table's rows."""
    return f"{table.label}Record" if table.kind is Kind.SOURCE else table.label


def key_of(table: Table) -> tuple[str, ...]:
    """The properties that identify a node of the table."""
    if table.kind is Kind.SOURCE:
        return ("ns", table.id, "since")
    return ("ns", table.id) if table.kind is Kind.PLACE else ("ns", "run_id", table.id)


def using(name: str, label: str, key: Sequence[str]) -> str:
    """A hint: a statement planned while the database was all but empty would go through all nodes for ever after."""
    return f"USING INDEX {name}:{label}({', '.join(key)})"


def by_id(table: Table) -> str:
    """The hint to go along the index of ids."""
    return using("n", label_of(table), key_of(table))


def index_of(table: Table, column: str) -> tuple[str, ...]:
    """The properties of the index by which rows are found by a column. Keys stand in it without their namespace: it is
    filled in two thirds of the time, and namespaces have a key in common only where they share a deployment's key."""
    return (column,) if table.column(column).type is Type.KEY else ("ns", column)


def constraints(*, loaded: bool = True) -> list[str]:
    """What keeps nodes unique, each created where it is missing. Names say whose they are. Without those of what loads
    bring (not `loaded`), a database is ready for its first load."""
    tables = [table for table in TABLES if loaded or table.kind is Kind.RUN]
    keys = [*INTERNAL.items(), *ENTITIES.items(), *((label_of(table), key_of(table)) for table in tables)]
    found = [_unique(label, key) for label, key in keys]
    found.append("CREATE INDEX ringfence_Note_seq IF NOT EXISTS FOR (n:Note) ON (n.ns, n.journal, n.seq)")
    found.append("CREATE INDEX ringfence_Take_ends IF NOT EXISTS FOR (n:Take) ON (n.expires_at)")
    found.append("CREATE INDEX ringfence_Reservation_keep IF NOT EXISTS FOR (n:Reservation) ON (n.ns, n.keep_until)")
    return found


def _unique(label: str, key: Sequence[str]) -> str:
    columns = ", ".join(f"n.{name}" for name in key)
    return f"CREATE CONSTRAINT ringfence_{label} IF NOT EXISTS FOR (n:{label}) REQUIRE ({columns}) IS UNIQUE"


def _index(name: str, label: str, names: Sequence[str]) -> str:
    columns = ", ".join(f"n.{one}" for one in names)
    return f"CREATE INDEX ringfence_{name} IF NOT EXISTS FOR (n:{label}) ON ({columns})"


def lookups() -> list[str]:
    """The indexes by which finished loads are read. Made when the first load of the database is finished: filling an
    index whole takes a third of the time of filling it row by row."""
    return [
        _index(f"{table.name}_{column}", label_of(table), index_of(table, column))
        for table in TABLES
        for column in table.indexes
    ]


def signposts() -> list[str]:
    """The indexes by which people find where to begin: made when the first load has been drawn."""
    rows = [(table.label, index_of(table, table.id)) for table in _drawn() if table.label not in _UNKNOWN]
    places = [(label, index_of(BY_NAME["identifiers"], "key")) for label in KIND_LABELS.values()]
    return [_index(label, label, names) for label, names in [*rows, *places]]


def no_signposts() -> list[str]:
    """Takes away the indexes that earlier versions made for people, and that nobody begins with."""
    return [f"DROP INDEX ringfence_{table.label} IF EXISTS" for table in _drawn() if table.label in _UNKNOWN]


def _drawn() -> list[Table]:
    return [table for table in TABLES if table.kind is Kind.SOURCE and table.label not in ENTITIES]


def type_of(table: Table, name: str) -> Type:
    """The declared type of a column, or that of one that the store adds."""
    return _HIDDEN[name] if name in _HIDDEN and name not in table.names else table.column(name).type


def given(column: pa.ChunkedArray[Any] | pa.Array[Any], kind: Type) -> list[Any]:
    """A column as a list of property values."""
    # polars makes a list of Python values in a tenth of the time that Arrow takes
    values: Any = pl.from_arrow(column)
    found: list[Any] = (values.cast(pl.Binary).bin.encode("hex") if kind is Type.KEY else values).to_list()
    return found


def returned(name: str, kind: Type) -> str:
    """What collects a property of many nodes: `collect` leaves nulls out, so they are given as a value of their own."""
    place = f"n.{name}"
    match kind:
        case Type.TEXT | Type.KEY:
            value = f"coalesce({place}, '\\u0000')"
        case Type.REAL:
            value = f"coalesce({place}, 0.0/0.0)"
        case Type.BOOL:
            value = f"coalesce(toInteger({place}), {NO_INT})"
        case Type.TEXTS:
            value = f"coalesce({place}, ['\\u0000'])"
        case _:
            value = f"coalesce({place}, {NO_INT})"
    return f"collect({value})"


def received(values: Sequence[Any], kind: Type, type_: pa.DataType) -> pa.Array[Any]:
    """A collected column as Arrow."""
    match kind:
        case Type.TEXT:
            return _without(pa.array(values, type_), NO_TEXT)
        case Type.KEY:
            return _keys(values, type_)
        case Type.REAL:
            return pa.array([None if value != value else float(value) for value in values], type_)
        case Type.BOOL:
            return pa.array([None if value == NO_INT else bool(value) for value in values], type_)
        case Type.TEXTS:
            return pa.array([None if value == [NO_TEXT] else list(value) for value in values], type_)
        case _:
            return _without(pa.array(values, pa.int64()), NO_INT).cast(type_)


def _without(column: pa.Array[Any], stands_for_null: str | int) -> pa.Array[Any]:
    null = pc.equal(column, pa.scalar(stands_for_null, column.type))
    found: pa.Array[Any] = pc.if_else(null, pa.scalar(None, column.type), column)
    return found


def _keys(values: Sequence[str], type_: pa.DataType) -> pa.Array[Any]:
    """Hex text as keys, all at once."""
    there = pa.array([value != NO_TEXT for value in values], pa.bool_())
    nothing = "00" * type_.byte_width
    data = bytes.fromhex("".join([nothing if value == NO_TEXT else value for value in values]))
    found: pa.Array[Any] = pa.Array.from_buffers(type_, len(values), [there.buffers()[1], pa.py_buffer(data)])
    return found


_NO_KEY: Final = "-" * 32


def joined_keys(names: Sequence[str]) -> str:
    """What collects several keys of each of many nodes as one text: that costs little more than one of them."""
    each = " + ".join(f"coalesce(n.{name}, '{_NO_KEY}')" for name in names)
    return f"collect({each})"


def received_keys(values: Sequence[str], count: int) -> list[pa.Array[Any]]:
    """The columns of `count` keys that `joined_keys` collected."""
    text = "".join(values)
    first = np.frombuffer(text.encode(), np.uint8).reshape(len(values), count, len(_NO_KEY))[:, :, 0]
    there = first != ord(_NO_KEY[0])
    raw = np.frombuffer(bytes.fromhex(text.replace(_NO_KEY[0], "0")), np.uint8).reshape(len(values), count, -1)
    columns = []
    for at in range(count):
        known: Any = pa.array(there[:, at])
        data = pa.py_buffer(raw[:, at].tobytes())
        columns.append(pa.Array.from_buffers(pa.binary(raw.shape[2]), len(values), [known.buffers()[1], data]))
    return columns


def visible() -> str:
    """The condition that a reader of load `$known_by` sees row `n`."""
    return "n.since <= $known_by AND (n.until IS NULL OR n.until > $known_by)"


def assigned(names: Sequence[str], **more: str) -> str:
    """The properties of row `i` of columns that are parameters, as a map; and `more`, by expression."""
    return "{" + ", ".join([*(f"{name}: ${name}[i]" for name in names), *(f"{n}: {e}" for n, e in more.items())]) + "}"
