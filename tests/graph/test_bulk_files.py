"""Import files: what stands in them, and that a disk that gives out is told of."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from graph.neo4j.bulk_files import ImportFiles


def test_nodes_are_numbered_in_order_and_each_kind_of_row_has_its_file(tmp_path: Path) -> None:
    with ImportFiles(tmp_path) as files:
        first = files.node(("Buyer",), pl.DataFrame({"buyer_id": ["a", "b"]}))
        second = files.node(("Order", "OrderRecord"), pl.DataFrame({"id": ["x\ny"], "parts": [["p", "q"]]}))
        more = files.node(("Buyer",), pl.DataFrame({"buyer_id": ["c"]}))
        files.node(("Nobody",), pl.DataFrame({"buyer_id": []}, schema={"buyer_id": pl.String}))
        files.relationship("PLACED", pl.DataFrame({"begin": first.slice(0, 1), "end": second, "orders": [1]}))
    assert [*first, *second, *more] == [0, 1, 2, 3]
    assert (files.nodes, files.relationships) == (4, 1)
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert written == {
        "000.csv": ":ID,buyer_id:string\n0,a\n1,b\n3,c\n",
        "001.csv": ':ID,id:string,parts:string[]\n2,"x\ny",p\u001fq\n',
        "002.csv": ":START_ID,:END_ID,orders:long\n0,2,1\n",
    }
    assert "--multiline-fields=001.csv" in files.arguments()
    assert [one for one in files.arguments() if one.startswith(("--nodes", "--rel"))] == [
        "--nodes=Buyer=000.csv",
        "--nodes=Order:OrderRecord=001.csv",
        "--relationships=PLACED=002.csv",
    ]


@pytest.mark.parametrize("later", [0, 5])
def test_what_could_not_be_written_is_told_at_the_latest_on_leaving(tmp_path: Path, later: int) -> None:
    (tmp_path / "000.csv").symlink_to("/dev/full")
    rows = pl.DataFrame({"buyer_id": [f"b{number}" for number in range(50_000)]})
    with pytest.raises(OSError, match="space"), ImportFiles(tmp_path) as files:  # noqa: PT012  any of these may raise
        for _ in range(1 + later):
            files.node(("Buyer",), rows)


def test_what_is_left_in_the_middle_ends_with_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ImportFiles(tmp_path) as files:  # noqa: PT012  it leaves in the middle
        files.node(("Buyer",), pl.DataFrame({"buyer_id": ["a"]}))
        raise KeyError("x")
