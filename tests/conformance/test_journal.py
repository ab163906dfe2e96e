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


def test_rows_are_found_by_id_in_the_order_written(store):
    store.note("texts", [entry("b"), entry("a"), entry("c")])
    store.note("audit", [entry("a", body="another journal's")])
    found = store.noted("texts", ["c", "b", "b", "nobody"])
    assert found.column("id").to_pylist() == ["b", "c"]
    assert found.schema == store.notes("texts").schema
    assert store.noted("texts", []).num_rows == 0
    store.note("many", [entry(str(n)) for n in range(1_200)])
    assert store.noted("many", [str(n) for n in range(1_200)]).num_rows == 1_200


def test_rows_are_erased_by_id_and_their_numbers_are_not_given_again(store):
    store.note("texts", [entry("a"), entry("b"), entry("c")])
    store.note("audit", [entry("b")])
    last = store.notes("texts").column("seq").to_pylist()[-1]
    assert store.erase_notes("texts", ["b", "c", "c", "nobody"]) == 2
    assert store.erase_notes("texts", []) == 0
    assert store.notes("texts").column("id").to_pylist() == ["a"]
    assert store.notes("audit").num_rows == 1
    store.note("texts", [entry("d")])
    assert store.notes("texts", after=last).column("id").to_pylist() == ["d"]
    store.scrub()


def test_a_row_is_worded_anew_and_stays_where_it_is(store):
    store.note("acts", [entry("a", 5, "first"), entry("b", 6, "second")])
    before = store.notes("acts").to_pylist()
    assert store.reword_notes("acts", {"a": "less", "nobody": "x"}) == 1
    assert store.reword_notes("acts", {}) == 0
    assert store.notes("acts").to_pylist() == [before[0] | {"body": "less"}, before[1]]


def test_one_namespace_erases_nothing_of_another(backend):
    here, there = backend.open(), backend.open(namespace="other")
    for one in (here, there):
        one.note("texts", [entry("a", body="whole")])
    assert here.erase_notes("texts", ["a"]) == 1
    assert here.noted("texts", ["a"]).num_rows == 0
    assert here.reword_notes("texts", {"a": "less"}) == 0
    assert there.noted("texts", ["a"]).column("body").to_pylist() == ["whole"]
