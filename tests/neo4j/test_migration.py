"""A database that another version made: an older one is brought up by whoever may write, a newer one is refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

import neo4j
import pytest

from graph.errors import StoreProblem
from graph.neo4j import check, migrations
from graph.neo4j.connection import Connection
from graph.neo4j.migrations import Migration
from graph.open import open_store
from graph.schema import SCHEMA_VERSION
from graph.store import Store
from graph.texts import row_digest
from scripts.neo4j_server import Server
from tests.conformance.support import ids, key, leased, load, order
from tests.neo4j.support import ServerDesk
from tests.neo4j.test_graph import refund

PROBLEM = 6
Cypher = Callable[..., list[neo4j.Record]]


@pytest.fixture
def cypher(server: Server, desk: ServerDesk) -> Iterator[Cypher]:
    """Plain Cypher on the server that may be harmed, with one load in it; the version is put right in the end."""
    with contextlib.closing(open_store(desk.url)) as store:
        load(store, orders=[order("o1")])
    with server.driver() as driver:
        yield lambda query, **given: list(driver.execute_query(query, **given).records)
        driver.execute_query(
            "MATCH (m:StoreMeta {ns: '', key: 'schema_version'}) SET m.value = $v", v=str(SCHEMA_VERSION)
        )


def made_by(cypher: Cypher, version: int) -> None:
    """Let the database be one that this version made."""
    cypher("MATCH (m:StoreMeta {ns: '', key: 'schema_version'}) SET m.value = $version", version=str(version))


def schema_is_whole(store: Store) -> bool:
    states = {one.name: one.state for one in store.check()}
    return states["constraints"] == states["indexes"] == "ok"


def test_an_older_database_is_brought_up_and_keeps_its_rows(desk: ServerDesk, cypher: Cypher) -> None:
    made_by(cypher, SCHEMA_VERSION - 1)
    # what the newer version has and the older had not
    cypher("DROP CONSTRAINT ringfence_Note")
    cypher("DROP INDEX ringfence_orders_device")
    cypher("DROP INDEX ringfence_Device")
    # and the other way round
    cypher("CREATE INDEX ringfence_Item IF NOT EXISTS FOR (n:Item) ON (n.ns, n.item_id)")
    with contextlib.closing(open_store(desk.url, create=False)) as store:
        assert store.meta()["schema_version"] == str(SCHEMA_VERSION)
        assert schema_is_whole(store)
        assert not cypher("SHOW INDEX YIELD name WHERE name = 'ringfence_Item'")
        assert ids(store) == ["o1"]
        assert load(store, orders=[order("o2")]) == 2
        assert ids(store) == ["o1", "o2"]


def test_claims_of_a_database_from_before_pictures_stood_in_the_graph_are_given_theirs(
    desk: ServerDesk, cypher: Cypher
) -> None:
    filed = [refund("r1", "o1", None, 1, ["00ff", "ff00"]), refund("r2", "o1", None, 2, ["00ff"])]
    with contextlib.closing(open_store(desk.url)) as store:
        load(store, refunds=filed)
        load(store, refunds=[refund("r2", "o1", None, 3)])
    made_by(cypher, 5)
    cypher("CREATE (:Refund {pictures: ['of another team']})")
    cypher("MATCH (p:Picture) DETACH DELETE p")
    cypher("DROP CONSTRAINT ringfence_Picture")
    with contextlib.closing(open_store(desk.url)) as store:
        assert schema_is_whole(store)
    cypher("MATCH (f:Refund) WHERE f.ns IS NULL DELETE f")
    found = cypher("MATCH (f:Refund)-[:SHOWS]->(p:Picture) RETURN f.refund_id, p.picture ORDER BY p.picture")
    assert [tuple(record.values()) for record in found] == [("r1", "00ff"), ("r1", "ff00")]


def test_a_database_whose_keys_are_indexed_with_their_namespace_is_read_and_loaded_into(
    desk: ServerDesk, cypher: Cypher
) -> None:
    for table, label, name in (("orders", "OrderRecord", "device"), ("identifiers", "Identifier", "key")):
        cypher(f"DROP INDEX ringfence_{table}_{name}")
        cypher(f"CREATE INDEX ringfence_{table}_{name} FOR (n:{label}) ON (n.ns, n.{name})")
    cypher("CALL db.awaitIndexes()")
    device = {"id": f"device:{key(3).hex()}", "kind": "device", "key": key(3), "masked": "…3"}
    with contextlib.closing(open_store(desk.url)) as store:
        load(store, identifiers=[device], orders=[order("o3", device=key(3)), order("o4", device=key(4))])
        assert store.find("orders", "device", [key(3)]).column("order_id").to_pylist() == ["o3"]
        assert store.find("identifiers", "key", [key(3)]).num_rows == 1
        assert len(cypher("MATCH (:Buyer)-[u:USED]->(:Device {key: $key}) RETURN u", key=key(3).hex())) == 1
        with leased(store) as lease:
            assert store.forget(lease, "b1")["identifiers"] == 1
        assert schema_is_whole(store)
    cypher("DROP INDEX ringfence_orders_device")
    cypher("DROP INDEX ringfence_identifiers_key")
    made_by(cypher, SCHEMA_VERSION - 1)
    open_store(desk.url).close()


def test_what_people_wrote_before_version_4_comes_into_one_journal(desk: ServerDesk, cypher: Cypher) -> None:
    body = json.dumps({"salt": "s", "text": "words"})
    namespaces = ("default", "other")
    for ns in namespaces:
        with contextlib.closing(open_store(desk.url, namespace=ns)) as store:
            for journal in ("appeal_texts", "case_notes"):
                store.note(
                    journal,
                    [{"at": n, "id": f"{ns} {n}", "body": body.replace("words", f"{journal} {n}")} for n in range(3)],
                )
    made_by(cypher, 3)
    open_store(desk.url).close()
    for ns in namespaces:
        with contextlib.closing(open_store(desk.url, namespace=ns)) as store:
            found = store.notes("texts").to_pylist()
            assert [row["id"] for row in found] == [row_digest(row["body"]) for row in found]
            assert sorted(row["at"] for row in found) == [0, 0, 1, 1, 2, 2]
            assert [store.notes(one).num_rows for one in ("appeal_texts", "case_notes")] == [0, 0]


def test_who_may_only_read_is_told_what_to_run_and_that_does_it(desk: ServerDesk, cypher: Cypher) -> None:
    made_by(cypher, SCHEMA_VERSION - 1)
    ran = desk("status")
    assert ran.code == PROBLEM
    assert "older schema version" in ran.told
    assert "run `ringfence doctor` once" in ran.told
    desk("doctor")
    assert desk("status").code == 0


def test_a_newer_database_is_refused_by_everybody_and_stays_as_it_was(desk: ServerDesk, cypher: Cypher) -> None:
    made_by(cypher, SCHEMA_VERSION + 1)
    for readonly in (False, True):
        with pytest.raises(StoreProblem, match=f"schema version {SCHEMA_VERSION + 1}, newer.*use the newer Ringfence"):
            open_store(desk.url, readonly=readonly)
    ran = desk("doctor")
    assert ran.code == PROBLEM
    assert "newer than this Ringfence" in ran.out
    (meta,) = cypher("MATCH (m:StoreMeta {ns: '', key: 'schema_version'}) RETURN m.value")
    assert meta[0] == str(SCHEMA_VERSION + 1)


def test_steps_are_taken_in_order_and_again_after_one_that_failed(
    desk: ServerDesk, cypher: Cypher, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = SCHEMA_VERSION + 2
    taken: list[int] = []
    fails = [True]

    def step(to: int) -> Migration:
        def apply(connection: Connection) -> None:
            taken.append(to)
            if to == newest and fails.pop():
                raise StoreProblem("no")
            connection.alone("MATCH (n:OrderRecord) SET n.step = coalesce(n.step, 0) + $to", to=to)

        return Migration(to, apply)

    def versions() -> None:
        for module in (migrations, check):
            monkeypatch.setattr(module, "SCHEMA_VERSION", newest)
        monkeypatch.setattr("graph.neo4j.store.SCHEMA_VERSION", newest)
        monkeypatch.setattr(migrations, "MIGRATIONS", (step(SCHEMA_VERSION), step(newest - 1), step(newest)))

    versions()
    with pytest.raises(StoreProblem, match="no"):
        open_store(desk.url)
    assert cypher("MATCH (m:StoreMeta {key: 'schema_version'}) RETURN m.value")[0][0] == str(SCHEMA_VERSION)
    fails.append(False)
    for _ in range(2):
        with contextlib.closing(open_store(desk.url)) as store:
            assert store.meta()["schema_version"] == str(newest)
            assert ids(store) == ["o1"]
    assert taken == [newest - 1, newest, newest - 1, newest]
