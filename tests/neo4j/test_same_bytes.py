"""The same data, loaded whole or in pieces, gives the same bytes of every export on Neo4j as on SQLite."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from graph.open import open_store
from simulator.market import simulate
from tests.faults.support import Desk, rows_of
from tests.neo4j.support import ServerDesk, sample
from tests.require import require_data

EXAMPLES = Path(__file__).parents[2] / "examples"
BUYERS = 400
_NAMES = itertools.count()


@dataclass(frozen=True)
class Namespaced(Desk):
    """A desk with an embedded store, in a namespace: pseudonyms depend on it."""

    namespace: str = "default"

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, "RINGFENCE_NAMESPACE": self.namespace}


@pytest.fixture
def desks(neo4j_url: str, tmp_path: Path) -> tuple[Namespaced, ServerDesk]:
    namespace = f"same bytes {os.getpid()} {next(_NAMES)}"
    folders = [tmp_path / "embedded", tmp_path / "server"]
    for folder in folders:
        folder.mkdir()
    embedded = Namespaced(folders[0], namespace=namespace)
    return embedded, ServerDesk(folders[1], at=neo4j_url, namespace=namespace)


def visible(desk: Namespaced | ServerDesk) -> dict[str, object]:
    store = open_store(desk.url, namespace=desk.namespace, create=False)
    try:
        return rows_of(store)
    finally:
        store.close()


def pieces(market: Path, out: Path) -> list[Path]:
    """The market in two folders, every other row in each: refunds come before their orders as often as after."""
    folders = [out / "first", out / "second"]
    for part, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for file in sorted(market.glob("*.csv")):
            rows = pl.read_csv(file, infer_schema=False).sample(fraction=1.0, shuffle=True, seed=5)
            rows.gather_every(2, (part + (file.stem == "refunds")) % 2).write_csv(folder / file.name)
    return folders


@pytest.mark.parametrize("seed", sample([11, 12, 13], kept=(11,)))
def test_a_market_gives_the_same_bytes(desks: tuple[Namespaced, ServerDesk], tmp_path: Path, seed: int) -> None:
    embedded, server = desks
    market = simulate(tmp_path / "export", buyers=BUYERS, seed=seed).folder
    embedded.done("load", market)
    loads = [market] if seed % 2 else reversed(pieces(market, tmp_path / "pieces"))
    for folder in loads:
        server.done("load", folder)
    for desk in desks:
        desk.done("detect")
    exports = server.exports()
    assert exports == embedded.exports()
    assert exports["rings"].count(b"\n") > 1, "a market without a ring shows little"
    assert visible(server) == visible(embedded)
    told = server.done("load", market, "--json").json["tables"]
    assert all(count["new"] == count["changed"] == 0 for count in told.values())
    server.done("detect")
    assert server.exports() == exports


def test_real_users_and_cards_give_the_same_bytes(desks: tuple[Namespaced, ServerDesk], tmp_path: Path) -> None:
    folder = require_data("p2p")
    export = tmp_path / "export"
    export.mkdir()
    for file in sorted(folder.glob("*.parquet")):
        pl.scan_parquet(file).head(3_000).sink_parquet(export / file.name)
    same(desks, export, EXAMPLES / "p2p" / "mapping.toml")


def test_a_real_retailer_gives_the_same_bytes(desks: tuple[Namespaced, ServerDesk], tmp_path: Path) -> None:
    folder = require_data("online_retail")
    export = tmp_path / "export"
    export.mkdir()
    for file in sorted(folder.glob("*.parquet")):
        pl.scan_parquet(file).head(20_000).sink_parquet(export / file.name)
    same(desks, export, EXAMPLES / "online_retail" / "mapping.toml")


def same(desks: tuple[Namespaced, ServerDesk], export: Path, mapping: Path) -> None:
    for desk in desks:
        desk.done("load", export, "--mapping", mapping)
        desk.done("detect")
    embedded, server = desks
    assert server.exports() == embedded.exports()
    assert visible(server) == visible(embedded)
