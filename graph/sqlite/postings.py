"""Postings: which rows hold a value, as sorted arrays of hash and row reference.

A segment covers what one batch brought for one column; it is cut into parts of up to 1,024 pairs, each one blob: the
hashes (int64, ascending), then the references (int64). Small segments are merged into larger ones as they add up, so
that a column has a number of segments that grows with the logarithm of its rows (the log-structured merge of
O'Neil et al., 1996, doi:10.1007/s002360050048). Hashes only point: whoever looks up compares the values themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graph.hashing import Ints, distinct

POSITION_BITS = 16
"""A row reference is block << POSITION_BITS | position in the block."""

_PART = 1024
_FAN = 16


def add(
    connection: sqlite3.Connection, namespace: str, name: str, column: str, load: int, keys: Ints, refs: Ints
) -> None:
    """Store one segment, marked with the load that it belongs to."""
    if not len(keys):
        return
    order = np.argsort(keys)
    keys, refs = keys[order], refs[order]
    seg = connection.execute(
        "INSERT INTO segments(namespace, name, col, load, n) VALUES(?, ?, ?, ?, ?)",
        (namespace, name, column, load, len(keys)),
    ).lastrowid
    parts = []
    for at in range(0, len(keys), _PART):
        part = keys[at : at + _PART]
        parts.append((seg, int(part[-1]), int(part[0]), part.tobytes() + refs[at : at + _PART].tobytes()))
    connection.executemany(f"INSERT INTO {name}_keys(seg, high, low, data) VALUES(?, ?, ?, ?)", parts)


def _pairs(blobs: Iterable[bytes]) -> tuple[Ints, Ints]:
    keys, refs = [], []
    for blob in blobs:
        both = np.frombuffer(blob, np.int64)
        keys.append(both[: len(both) // 2])
        refs.append(both[len(both) // 2 :])
    if not keys:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(keys), np.concatenate(refs)


def _parts_for(connection: sqlite3.Connection, name: str, seg: int, n: int, wanted: Ints) -> list[bytes]:
    """The parts of a segment that can hold the wanted hashes (sorted, distinct), in order and each once."""
    if len(wanted) * _PART > n:
        query = f"SELECT data FROM {name}_keys WHERE seg = ? ORDER BY high, part"  # noqa: S608
        return [row[0] for row in connection.execute(query, (seg,))]
    found: dict[int, bytes] = {}
    query = f"SELECT part, low, data FROM {name}_keys WHERE seg = ? AND high >= ? ORDER BY high, part"  # noqa: S608
    for key in wanted.tolist():
        for part, low, data in connection.execute(query, (seg, key)):
            if low > key:
                break
            found[part] = data
    return list(found.values())


def lookup(connection: sqlite3.Connection, namespace: str, name: str, column: str, wanted: Ints) -> Ints:
    """References of every row, of any version, whose value's hash is among `wanted`; ascending, distinct."""
    if not len(wanted):
        return np.empty(0, np.int64)
    wanted = distinct(wanted)
    segments = connection.execute(
        "SELECT seg, n FROM segments WHERE namespace = ? AND name = ? AND col = ? ORDER BY seg",
        (namespace, name, column),
    ).fetchall()
    found = []
    for seg, n in segments:
        keys, refs = _pairs(_parts_for(connection, name, seg, n, wanted))
        if not len(keys):
            continue
        at = np.searchsorted(wanted, keys)
        at[at == len(wanted)] = 0
        found.append(refs[wanted[at] == keys])
    return distinct(np.concatenate(found)) if found else np.empty(0, np.int64)


def due(connection: sqlite3.Connection, namespace: str, load: int, name: str = "") -> list[tuple[str, str, list[int]]]:
    """What should be merged among the segments that belong to `load` (0 for finished ones), of one table or of all.

    Table, column and segments of one size, eight or more of them."""
    tiers: dict[tuple[str, str, int], list[int]] = {}
    for table, column, seg, n in connection.execute(
        "SELECT name, col, seg, n FROM segments WHERE namespace = ?1 AND load = ?2 AND (?3 = '' OR name = ?3) "
        "ORDER BY name, col, seg",
        (namespace, load, name),
    ):
        tiers.setdefault((table, column, (n.bit_length() - 1) // 3), []).append(seg)
    return [(table, column, segs) for (table, column, _), segs in tiers.items() if len(segs) >= _FAN]


def merge(
    connection: sqlite3.Connection, namespace: str, name: str, column: str, load: int, segs: Sequence[int]
) -> None:
    """Make one segment of several."""
    query = f"SELECT data FROM {name}_keys WHERE seg = ?"  # noqa: S608
    keys, refs = _pairs(row[0] for seg in segs for row in connection.execute(query, (seg,)))
    drop(connection, name, segs)
    add(connection, namespace, name, column, load, keys, refs)


def drop(connection: sqlite3.Connection, name: str, segs: Iterable[int]) -> None:
    """Delete segments."""
    for seg in segs:
        connection.execute(f"DELETE FROM {name}_keys WHERE seg = ?", (seg,))  # noqa: S608
        connection.execute("DELETE FROM segments WHERE seg = ?", (seg,))


def erase(connection: sqlite3.Connection, namespace: str, name: str, column: str, keys: Ints, refs: Ints) -> None:
    """Take the given pairs (hash, reference) out of the column's segments."""
    if not len(keys):
        return
    gone = {(key, ref) for key, ref in zip(keys.tolist(), refs.tolist(), strict=True)}
    by_part = f"SELECT part, low, data FROM {name}_keys WHERE seg = ? AND high >= ? ORDER BY high, part"  # noqa: S608
    segments = connection.execute(
        "SELECT seg FROM segments WHERE namespace = ? AND name = ? AND col = ?", (namespace, name, column)
    ).fetchall()
    for (seg,) in segments:
        touched: dict[int, bytes] = {}
        for key in distinct(keys).tolist():
            for part, low, data in connection.execute(by_part, (seg, key)):
                if low > key:
                    break
                touched[part] = data
        for part, data in touched.items():
            kept_keys, kept_refs = _pairs([data])
            keep = np.array(
                [pair not in gone for pair in zip(kept_keys.tolist(), kept_refs.tolist(), strict=True)], bool
            )
            if keep.all():
                continue
            _rewrite(connection, name, part, kept_keys[keep], kept_refs[keep])


def _rewrite(connection: sqlite3.Connection, name: str, part: int, keys: Ints, refs: Ints) -> None:
    values: tuple[Any, ...]
    if len(keys):
        values = (int(keys[-1]), int(keys[0]), keys.tobytes() + refs.tobytes(), part)
        connection.execute(f"UPDATE {name}_keys SET high = ?, low = ?, data = ? WHERE part = ?", values)  # noqa: S608
    else:
        connection.execute(f"DELETE FROM {name}_keys WHERE part = ?", (part,))  # noqa: S608
