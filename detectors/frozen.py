"""Frozen values: what a run takes from the whole market, kept so that one account can be judged again as it was then.

Whatever an account's result depends on beyond the accounts it is linked to is *measured* in the market: the share of
abusers, how guilty keys of each class are, what each stratum claims, who was suspected while the market taught, the
laws of the detectors, the curve from a ring's score to its confidence. A run measures all of it; given the values of an
earlier run it measures nothing. Values are small arrays with names: they are stored with the run, and a run over the
same snapshot with its own values is that run to the byte.

Not among them: a store's claims hour by hour, which lockstep reads. They are as large as the claims themselves; they
are read from the snapshot each time, and a struck claim is gone from them for everybody.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.columns import arrow_schema
from graph.errors import BadInput
from graph.schema import BY_NAME
from graph.snapshot import Floats, Longs, Snapshot

Values = npt.NDArray[Any]
PART: Final = 48_000
"""Bytes of a value in one row of `run_frozen`."""
GROUND: Final = "ground"
GENERATION: Final = "generation"
NOW: Final = 3
"""Generation of what is measured, and of what each name means."""
SUSPECTED: Final = "suspected"
_TYPES: Final = ("<f8", "<i8")


@dataclass(frozen=True)
class Frozen:
    """The measured values of one run by name: arrays of float64 or int64."""

    values: Mapping[str, Values]

    def check(self, snapshot: Snapshot) -> None:
        """Raise `BadInput` where the values were measured in another market or at another instant."""
        if GROUND not in self.values or self.values[GROUND].tolist() != ground(snapshot).tolist():
            raise BadInput(
                "the frozen values were measured over another snapshot",
                where=f"snapshot as of {snapshot.as_of}",
                do="take the snapshot at the as_of and load of the run that the values are of",
            )


def ground(snapshot: Snapshot) -> Longs:
    """What tells a market and an instant: as_of, and how many accounts, orders, stores and items there are. Striking
    out links or records changes none of them."""
    sizes = (snapshot.buyers.ids, snapshot.orders.ids, snapshot.stores.ids, snapshot.skus)
    return np.array([snapshot.as_of, *(len(ids) for ids in sizes)], np.int64)


@dataclass(frozen=True)
class Measures:
    """Where detectors get what they take from the market. Without `given` they measure, and `taken` keeps what they
    measured last under each name; with `given` they are told."""

    given: Frozen | None = None
    taken: dict[str, Values] = field(default_factory=dict)

    def of(self, name: str, measure: Callable[[], Values]) -> Values:
        """The value of that name, measured where none is given."""
        if self.given is not None:
            return self.given.values[name]
        value = np.ascontiguousarray(measure())
        self.taken[name] = value
        return value

    def number(self, name: str, measure: Callable[[], float]) -> float:
        """A single number."""
        return float(self.of(name, lambda: np.array([measure()], np.float64))[0])

    def by(self, stratum: str, name: str, keys: Longs, measure: Callable[[], Values]) -> Values:
        """(g, …) the values of `g` strata with ascending `keys` (g,). Given values may be of more strata than these;
        `BadInput` where one of these is not among them."""
        if self.given is None:
            self.taken[f"{stratum}.keys"] = keys
            return self.of(name, measure)
        known = self.given.values[f"{stratum}.keys"]
        at = np.searchsorted(known, keys)
        if len(keys) and (not len(known) or (known[np.minimum(at, len(known) - 1)] != keys).any()):
            raise BadInput(
                f"the frozen values do not know every {stratum} of the snapshot",
                do="take them from a run over this snapshot",
            )
        return self.given.values[name][at]

    def knows(self, name: str, present: bool) -> bool:
        """Whether there is anything to measure: in the snapshot, or in the market that the values are of."""
        return present if self.given is None else name in self.given.values

    def suspicion(self, measured: Floats) -> Floats:
        """(n,) suspicion while the market taught, zero for most accounts."""
        n = len(measured)
        rows = self.of(f"{SUSPECTED}.buyers", lambda: np.flatnonzero(measured))
        values = self.of(SUSPECTED, lambda: measured[measured != 0])
        suspicion = np.zeros(n)
        suspicion[rows] = values
        return suspicion

    def freeze(self, snapshot: Snapshot) -> Frozen:
        """What was measured, or given, with the ground that it is of."""
        return self.given or Frozen(
            {**dict(sorted(self.taken.items())), GROUND: ground(snapshot), GENERATION: np.array([NOW])}
        )


def pack(high: npt.NDArray[np.integer], low: npt.NDArray[np.integer]) -> Longs:
    """One key for two numbers, each from 0 to 2³²: sorted as the pairs are."""
    return (high.astype(np.int64) << 32) | low.astype(np.int64)


def frozen_table(frozen: Frozen) -> pa.Table:
    """`run_frozen`: each value in base64, little-endian, in rows of `PART` bytes."""
    rows: list[dict[str, str]] = []
    for name, value in frozen.values.items():
        kind = _TYPES[value.dtype.kind != "f"]
        data = np.ascontiguousarray(value, np.dtype(kind)).tobytes()
        shape = "x".join(map(str, (kind, *value.shape)))
        for number, start in enumerate(range(0, max(len(data), 1), PART)):
            text = base64.b64encode(data[start : start + PART]).decode()
            rows.append({"part_id": f"{name}\x1f{number:06d}", "name": name, "shape": shape, "data": text})
    rows.sort(key=lambda row: row["part_id"])
    return pa.Table.from_pylist(rows, schema=arrow_schema(BY_NAME["run_frozen"]))


def read_frozen(table: pa.Table) -> Frozen | None:
    """The values of a run from its table `run_frozen`; None where the run kept none, or those of another generation."""
    if not table.num_rows:
        return None
    parts: dict[str, list[bytes]] = {}
    shapes: dict[str, str] = {}
    for row in sorted(table.to_pylist(), key=lambda row: row["part_id"]):
        parts.setdefault(row["name"], []).append(base64.b64decode(row["data"]))
        shapes[row["name"]] = row["shape"]
    values = {}
    for name, data in parts.items():
        kind, *shape = shapes[name].split("x")
        values[name] = np.frombuffer(b"".join(data), np.dtype(kind)).reshape([int(n) for n in shape])
    if values.get(GENERATION, np.zeros(1)).tolist() != [NOW]:
        return None
    return Frozen(values)
