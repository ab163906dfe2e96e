"""The offline first load: what it leaves is what the same load over Bolt leaves, to the last property; whatever is not
an empty database of a stopped server is refused in one line, and a load that fails changes nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import neo4j
import polars as pl
import pytest

from graph.errors import StoreProblem
from graph.neo4j.bulk_home import Home, Staging
from graph.neo4j.bulk_schema import OWED
from graph.open import open_store
from scripts.neo4j_server import Server, Unavailable
from simulator.market import simulate
from tests.faults.support import Desk, Ran, ended, until
from tests.neo4j.support import ServerDesk
from tests.neo4j.test_same_bytes import Namespaced, visible
from tests.require import QUICK

BUYERS, SEED = 300, 4
PROBLEM, USAGE = 6, 2
START = "start the server now"
pytestmark = pytest.mark.timeout(600)


@dataclass
class Filled:
    """A server whose database was filled offline, beside an embedded store and a namespace on the shared server that
    were given the same folder; and what the commands said on the way."""

    server: Server
    desk: ServerDesk
    embedded: Namespaced
    online: ServerDesk
    market: Path
    said: dict[str, Ran] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder. What a lock is taken on says nothing."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith("_lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def troublesome(market: Path) -> None:
    """Add rows to a market that are hard to write down (line breaks, quotes, separators), and in a second file of
    orders rows that contradict or replace some of the first, which ends what this very load wrote."""
    orders = pl.read_csv(market / "orders.csv", infer_schema=False)
    texts = ["two\nlines", 'a "quoted" one', "back\\slash, comma; semicolon", "\r\n", " blank ", "tab\t\u2028é汉"]
    hard = orders.head(6).with_columns(
        pl.concat_str(pl.lit("hard "), "order_id").alias("order_id"), pl.Series("sku", texts, pl.String)
    )

    def like(id_: str, **values: str) -> pl.DataFrame:
        return hard.head(1).with_columns(
            pl.lit(value).alias(name) for name, value in {"order_id": id_, **values}.items()
        )

    older = like("dated", updated_at="2024-02-01T00:00:00Z", sku="older")
    newest = like("dated", updated_at="2024-03-01T00:00:00Z", sku="newest")
    broken = like("broken", amount="1\n2")
    (market / "orders.csv").unlink()
    (market / "orders").mkdir()
    for name, rows in (
        ("1.csv", [orders, hard, like("clash", sku="a"), broken, older]),
        ("2.csv", [like("clash", sku="b"), newest]),
    ):
        pl.concat(rows, how="diagonal").write_csv(market / "orders" / name)


def tried(home: Path, script: str, command: Callable[[], Ran]) -> Ran:
    """Run a command while the home has this script for a neo4j-admin."""
    tool = home / "bin" / "neo4j-admin"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    tool.chmod(0o755)
    try:
        return command()
    finally:
        shutil.rmtree(tool.parent)


@pytest.fixture(scope="module")
def filled(neo4j_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    root = tmp_path_factory.mktemp("bulk")
    for name in ("filled", "embedded", "online"):
        (root / name).mkdir()
    namespace = f"bulk {os.getpid()}"
    market = simulate(root / "market" / "export", buyers=BUYERS, seed=SEED, abuse="high").folder
    troublesome(market)
    server = Server(root / "home", jvm=QUICK)
    try:
        server.furnish()
    except Unavailable as missing:
        pytest.skip(f"no Neo4j server: {missing}")
    server.set_password()
    made = Filled(
        server,
        ServerDesk(root / "filled", at=server.url, namespace=namespace),
        Namespaced(root / "embedded", namespace=namespace),
        ServerDesk(root / "online", at=neo4j_url, namespace=namespace),
        market,
    )
    words = ("load", market, "--bulk", "--neo4j-home", server.home)
    data = server.home / "data"
    made.before["failed"] = files(data)
    half = """
        data=$(sed -n 's/^server.directories.data=//p' "$NEO4J_CONF/neo4j.conf")
        mkdir -p "$data/databases/neo4j" && echo half > "$data/databases/neo4j/neostore.nodestore.db"
        echo "Caused by: x.Y: java.io.IOException: No space" >&2
        echo "Caused by: java.io.IOException: No space" >&2
        exit 1"""
    made.said["failed"] = tried(server.home, half, lambda: made.desk(*words))
    made.before["after failed"] = files(data)
    process = made.desk.start(*words, "--wait", "120", "--json")
    try:
        assert until(process, START), "it ended before the server was to be started"
        made.said["again"] = made.desk(*words)
        server.start()
        made.said["bulk"] = ended(process)
        yield made
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        server.stop()


def graph(desk: ServerDesk) -> dict[str, Any]:
    """Everything of a namespace, without what is the server's: each node and relationship as text, counted, so that
    equal ones can't hide each other; and how many there are of each label and type."""
    login, _, place = desk.at.partition("://")[2].rpartition("@")
    user, _, password = login.partition(":")
    where = f"bolt://{place.partition('/')[0]}"
    with neo4j.GraphDatabase.driver(where, auth=(user, password)) as driver, driver.session() as session:
        nodes = {}
        for id_, labels, held in session.run(
            "MATCH (n {ns: $ns}) RETURN elementId(n), labels(n), properties(n)", ns=desk.namespace
        ):
            if "Load" in labels:
                held |= {"started_at": 0, "finished_at": 0}
            nodes[id_] = json.dumps([sorted(labels), held], sort_keys=True)
        edges = [
            json.dumps([nodes[begin], kind, nodes[end], held], sort_keys=True)
            for begin, kind, end, held in session.run(
                "MATCH (a {ns: $ns})-[r]->(b) RETURN elementId(a), type(r), elementId(b), properties(r)",
                ns=desk.namespace,
            )
        ]
        facts = session.run("MATCH (m:StoreMeta {ns: ''}) WHERE m.key <> 'check' RETURN m.key, m.value").values()
        schema = session.run("SHOW CONSTRAINTS YIELD name, labelsOrTypes, properties").values()
        schema += session.run(
            "SHOW INDEXES YIELD name, type, labelsOrTypes, properties, state WHERE type <> 'LOOKUP' "
            "RETURN name, type, labelsOrTypes, properties, state"
        ).values()
    return {
        "nodes": Counter(nodes.values()),
        "relationships": Counter(edges),
        "labels": Counter(label for text in nodes.values() for label in json.loads(text)[0]),
        "types": Counter(json.loads(text)[1] for text in edges),
        "facts": sorted(facts),
        "schema": sorted(schema, key=repr),
    }


# -- what it leaves ----------------------------------------------------------------------------------------------------


def test_the_graph_is_the_one_that_a_load_over_bolt_leaves(filled: Filled) -> None:
    assert filled.said["bulk"].code == 0, filled.said["bulk"].err
    told = filled.online.done("load", filled.market, "--json").json
    assert filled.said["bulk"].json == told
    ours, theirs = graph(filled.desk), graph(filled.online)
    assert ours["labels"] == theirs["labels"]
    assert ours["types"] == theirs["types"]
    assert ours["nodes"] - theirs["nodes"] == theirs["nodes"] - ours["nodes"] == Counter()
    assert ours["relationships"] - theirs["relationships"] == Counter()
    assert theirs["relationships"] - ours["relationships"] == Counter()
    assert (ours["facts"], ours["schema"]) == (theirs["facts"], theirs["schema"])
    assert ours["labels"]["Order"] < ours["labels"]["OrderRecord"], "no row was replaced or in conflict"
    assert ours["labels"]["Quarantined"] >= 3
    assert {"USED", "PLACED", "AT", "IN", "REFUNDED_BY", "RETURNED_IN", "ABOUT"} <= ours["types"].keys()


def test_readers_runs_and_later_loads_go_on_from_there(filled: Filled) -> None:
    filled.embedded.done("load", filled.market)
    assert visible(filled.desk) == visible(filled.embedded)
    for desk in (filled.embedded, filled.desk):
        desk.done("detect")
    exports = filled.desk.exports()
    assert exports == filled.embedded.exports()
    assert exports["rings"].count(b"\n") > 1, "a market without a ring shows little"
    told = filled.desk.done("load", filled.market, "--reread", "--json").json
    assert told["load"] == 2
    assert all(count["new"] == count["changed"] == 0 for count in told["tables"].values())
    filled.desk.done("detect")
    assert filled.desk.exports() == exports
    assert filled.desk("doctor").code == 0


def test_what_is_owed_is_made_by_whoever_opens_the_store_for_writing(filled: Filled) -> None:
    owed = "MATCH (m:StoreMeta {ns: '', key: $key}) RETURN count(m)"
    made = "SHOW CONSTRAINTS YIELD name WHERE name = 'ringfence_Load' RETURN count(*)"
    with filled.server.driver() as driver:

        def ask(query: str) -> int:
            return int(driver.execute_query(query, key=OWED).records[0][0])

        driver.execute_query("DROP CONSTRAINT ringfence_Load")
        driver.execute_query("CREATE (:StoreMeta {ns: '', key: $key, value: 'owed'})", key=OWED)
        open_store(filled.desk.url, namespace=filled.desk.namespace, readonly=True).close()
        assert (ask(owed), ask(made)) == (1, 0), "a reader changes nothing"
        open_store(filled.desk.url, namespace=filled.desk.namespace, create=False).close()
        assert (ask(owed), ask(made)) == (0, 1)


# -- what is refused, and what failure leaves --------------------------------------------------------------------------


def test_a_failed_import_changes_nothing_and_can_be_repeated(filled: Filled) -> None:
    failed = filled.said["failed"]
    assert failed.code == PROBLEM
    assert "could not import (code 1: No space)" in failed.told
    assert filled.before["failed"] == filled.before["after failed"]
    assert filled.said["bulk"].code == 0


def test_a_database_that_is_not_empty_is_refused(filled: Filled) -> None:
    again = filled.said["again"]
    assert again.code == PROBLEM
    assert "is not empty" in again.told


def test_a_server_that_runs_is_refused(filled: Filled) -> None:
    ran = filled.desk("load", filled.market, "--bulk", "--neo4j-home", filled.server.home)
    assert ran.code == PROBLEM
    assert "a server runs" in ran.told
    assert filled.server.pid is not None


def empty_home(folder: Path) -> Path:
    """A home with files as of an empty database that was stopped."""
    database = folder / "data" / "databases" / "neo4j"
    database.mkdir(parents=True)
    for name in ("neostore.nodestore.db", "neostore.relationshipstore.db"):
        (database / name).touch()
    (folder / "data" / "transactions" / "neo4j").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 4.4.30", "4.4.30"),
        ("echo 2031.01.0", "2031.01.0"),
        ("exit 3", "does not run"),
        ('case $1 in --version) echo 5.26.30;; *) echo \'{"recoveryRequired": "true"}\';; esac', "orderly way"),
    ],
)
def test_a_tool_or_a_database_that_is_not_fit_is_refused(tmp_path: Path, script: str, told: str) -> None:
    home, market = empty_home(tmp_path / "home"), tmp_path / "market"
    market.mkdir()
    desk = ServerDesk(tmp_path, at="neo4j://neo4j:secret@127.0.0.1:1/neo4j")
    ran = tried(home, script, lambda: desk("load", market, "--bulk", "--neo4j-home", home))
    assert ran.code == PROBLEM
    assert told in ran.told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: (data / "databases/neo4j/neostore.nodestore.db").write_bytes(b"\1"), "not empty"),
        (lambda data: (data / "databases/neo4j/schema/index/range-1.0/3").mkdir(parents=True), "not empty"),
        (lambda data: shutil.rmtree(data / "databases/neo4j"), "not empty"),
        (lambda data: (data / "databases/neo4j/neostore.nodestore.db").unlink(), "store format"),
    ],
)
def test_files_that_are_no_empty_database_are_refused(
    tmp_path: Path, change: Callable[[Path], object], told: str
) -> None:
    home = empty_home(tmp_path / "home")
    change(home / "data")
    desk = ServerDesk(tmp_path, at="neo4j://neo4j:secret@127.0.0.1:1/neo4j")
    ran = tried(home, "echo 5.26.30", lambda: desk("load", tmp_path, "--bulk", "--neo4j-home", home))
    assert ran.code == PROBLEM
    assert told in ran.told


def test_a_folder_without_the_tool_and_stores_of_another_kind_are_refused(tmp_path: Path) -> None:
    desk = ServerDesk(tmp_path, at="neo4j://neo4j:secret@127.0.0.1:1/neo4j")
    ran = desk("load", tmp_path, "--bulk", "--neo4j-home", tmp_path)
    assert (ran.code, "no import tool" in ran.told) == (PROBLEM, True)
    ran = desk("load", tmp_path, "--bulk", "--neo4j-home", tmp_path / "nowhere")
    assert (ran.code, "no such folder" in ran.told) == (PROBLEM, True)
    ran = Desk(tmp_path)("load", tmp_path, "--bulk", "--neo4j-home", tmp_path)
    assert (ran.code, "fills a Neo4j database" in ran.told) == (PROBLEM, True)
    assert desk("load", tmp_path, "--bulk").code == USAGE


class _Power(Exception):
    """Stands for a process that ends here."""


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("after", range(6))
def test_a_process_that_ends_in_the_middle_leaves_the_old_database_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, there: bool
) -> None:
    home = Home.of(empty_home(tmp_path / "home") if there else tmp_path, "neo4j", {})
    (home.folder / "data").mkdir(exist_ok=True)
    old = files(home.folder / "data")
    done = [0]
    really = {name: getattr(Path, name) for name in ("rename", "unlink")}

    def counted(name: str) -> Callable[..., Any]:
        def act(path: Path, *to: Any, **more: Any) -> Any:
            if done[0] == after:
                raise _Power
            done[0] += 1
            return really[name](path, *to, **more)

        return act

    with home.stopped(), pytest.MonkeyPatch.context() as patch:
        # the folders are made by hand: nothing removes them when the process ends
        folder = home.databases.parent / "ringfence-import-x"
        made = Staging(folder, home.transactions / folder.name)
        new = {made.data / "databases" / "neo4j": b"new", made.logs / "neo4j": b"new logs"}
        for place, held in new.items():
            place.mkdir(parents=True)
            (place / "neostore.nodestore.db").write_bytes(held)
        patch.setattr(Path, "rename", counted("rename"))
        patch.setattr(Path, "unlink", counted("unlink"))
        try:
            home.put(made)
            whole = True
        except _Power:
            whole = False
    with home.stopped():
        found = files(home.folder / "data")
    if whole:
        places = [home.place / "neostore.nodestore.db", home.transactions / "neo4j" / "neostore.nodestore.db"]
        assert [place.read_bytes() for place in places] == [b"new", b"new logs"]
    else:
        assert found == old
    assert not list(home.databases.parent.glob("ringfence-import-*"))


def test_a_home_is_read_as_its_configuration_says(tmp_path: Path) -> None:
    conf = tmp_path / "etc"
    conf.mkdir()
    (conf / "neo4j.conf").write_text(
        "# server.directories.data=nowhere\nserver.directories.data = /srv/data\n", encoding="utf-8"
    )
    home = Home.of(tmp_path, "Neo4j", {"NEO4J_CONF": str(conf)})
    assert home.place == Path("/srv/data/databases/neo4j")
    assert home.transactions == Path("/srv/data/transactions")
    for name in ("system", "../x", "a"):
        with pytest.raises(StoreProblem, match="can't be filled"):
            Home.of(tmp_path, name, {})
    (conf / "neo4j.conf").write_text("server.directories.data=$(pwd)\n", encoding="utf-8")
    with pytest.raises(StoreProblem, match="worked out by a command"):
        Home.of(tmp_path, "neo4j", {"NEO4J_CONF": str(conf)})
