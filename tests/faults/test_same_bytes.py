"""The same data in another row order, other formats, other files or other loads gives the same bytes of every
export, and so does a run whose parent is another; another key changes no finding."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.faults.support import Desk


def _tables(market: Path) -> dict[str, pl.DataFrame]:
    return {file.stem: pl.read_csv(file, infer_schema=False) for file in sorted(market.glob("*.csv"))}


def _shuffled(market: Path, out: Path) -> list[Path]:
    for name, rows in _tables(market).items():
        rows.sample(fraction=1.0, shuffle=True, seed=5).select(reversed(rows.columns)).write_csv(out / f"{name}.csv")
    return [out]


def _parquet(market: Path, out: Path) -> list[Path]:
    for name, rows in _tables(market).items():
        rows.reverse().write_parquet(out / f"{name}.parquet", row_group_size=1000)
    return [out]


def _json(market: Path, out: Path) -> list[Path]:
    for name, rows in _tables(market).items():
        (out / f"{name}.jsonl.gz").write_bytes(gzip.compress(rows.write_ndjson().encode()))
    return [out]


def _many_files(market: Path, out: Path) -> list[Path]:
    for name, rows in _tables(market).items():
        (out / name).mkdir()
        for part in range(4):
            rows.gather_every(4, part).write_csv(out / name / f"{9 - part}.csv")
    return [out]


def _two_loads(market: Path, out: Path) -> list[Path]:
    folders = [out / "first", out / "second"]
    for part, folder in enumerate(folders):
        folder.mkdir()
        for name, rows in _tables(market).items():
            # every other row; refunds come before their orders as often as after
            rows.gather_every(2, (part + (name == "refunds")) % 2).write_csv(folder / f"{name}.csv")
    return folders


SHAPES: list[Callable[[Path, Path], list[Path]]] = [_shuffled, _parquet, _json, _many_files, _two_loads]


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.__name__.strip("_") for shape in SHAPES])
def test_the_same_data_in_another_shape_gives_the_same_bytes(
    published: Desk, empty_desk: Desk, market: Path, tmp_path: Path, shape: Callable[[Path, Path], list[Path]]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for folder in shape(market, out):
        empty_desk.done("load", folder)
    empty_desk.done("detect")
    assert empty_desk("quarantine", "list", "--json").json == []
    assert empty_desk.exports() == published.exports()


def test_another_key_gives_the_same_findings(published: Desk, empty_desk: Desk, market: Path) -> None:
    other = replace(empty_desk, key="another key altogether, of the same tests")
    other.done("load", market)
    other.done("detect")
    ours, theirs = published.exports(), other.exports()
    assert (theirs["accounts"], theirs["rings"]) == (ours["accounts"], ours["rings"])
    # the id of a piece of evidence rests on the pseudonym that it is about, all else is the same
    assert _without_ids(theirs["evidence"]) == _without_ids(ours["evidence"])
    assert _pseudonyms(other).isdisjoint(_pseudonyms(published))


def test_a_run_over_equal_data_gives_the_same_bytes_whatever_its_parent(desk: Desk) -> None:
    before = desk.exports()
    first = desk.done("runs", "--json").json[-1]
    again = desk.done("detect", "--json").json["run"]
    assert again["parent"] == first["run_id"]
    assert again["run_id"] != first["run_id"]
    assert desk.exports() == before


def test_a_load_of_what_is_known_already_changes_no_byte(desk: Desk, market: Path) -> None:
    before = desk.exports()
    told = desk.done("load", market, "--json").json["tables"]
    assert all(count["new"] == count["changed"] == 0 for count in told.values())
    desk.done("detect")
    assert desk.exports() == before


def _without_ids(evidence: bytes) -> list[tuple[object, ...]]:
    return sorted(pl.read_csv(evidence, infer_schema=False).drop("evidence_id").fill_null("").rows())


def _pseudonyms(desk: Desk) -> set[bytes]:
    return {key for key in desk.rows()["orders"]["device"].to_pylist() if key is not None}
