"""Journals: appended in order, each id once."""

from __future__ import annotations


def entry(name: str, at: int = 1, body: str = "{}"):
    return {"at": at, "id": name, "body": body}


def test_rows_come_in_the_order_written(store):
    store.note("audit", [entry("b", 5, '{"who": "é"}'), entry("a", 3)])
    store.note("audit", [entry("c", 1)])
    rows = store.notes("audit")
    assert rows.column_names == ["seq", "at", "id", "body"]
    assert rows.column("id").to_pylist() == ["b", "a", "c"]
    assert rows.column("at").to_pylist() == [5, 3, 1]
    assert rows.column("body").to_pylist()[0] == '{"who": "é"}'


def test_an_id_is_noted_once(store):
    store.note("audit", [entry("a", 1, "first"), entry("a", 2, "second")])
    store.note("audit", [entry("a", 3, "third"), entry("b", 4)])
    assert store.notes("audit").column("body").to_pylist() == ["first", "{}"]


def test_journals_are_apart_and_are_read_on_from_where_one_was(store):
    store.note("audit", [entry(str(n)) for n in range(5)])
    store.note("policies", [entry("0")])
    page = store.notes("audit", limit=2)
    rest = store.notes("audit", after=page.column("seq").to_pylist()[-1])
    assert page.column("id").to_pylist() + rest.column("id").to_pylist() == ["0", "1", "2", "3", "4"]
    assert store.notes("policies").num_rows == 1
    assert store.notes("revoked_tokens").num_rows == 0
    store.note("audit", [])
