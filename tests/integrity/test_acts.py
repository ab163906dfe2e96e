"""The book of acts: order, repeats, several writers at once, and tampering that shows."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graph.errors import BadInput, Tampered
from graph.open import open_store
from graph.store import Store
from integrity.acts import FIRST, JOURNAL, Act, Actor, Book, Draft, Request
from integrity.acts_check import verify
from integrity.seals import Sealed, check_seals, seal

ANNA = Actor("anna", "investigator")
KEY = "a key that signs the book of acts of a test"


class Count:
    """A fold that adds up what `count` acts say."""

    def __init__(self) -> None:
        self.total = 0

    def apply(self, act: Act) -> None:
        self.total += act.body.get("by", 0) if act.kind == "count" else 0


def more(by: int = 1) -> Draft:
    return Draft("count", "it", {"by": by})


def test_acts_follow_each_other_and_fold(store: Store) -> None:
    count = Count()
    book = Book(store, [count])
    first = book.append(lambda: more(2), by=ANNA, now=100)
    second = book.append(lambda: more(3), by=ANNA, now=90)
    assert (first.act.n, first.act.prev, second.act.prev) == (1, FIRST, first.act.digest)
    assert second.act.at == 100, "the clock of the book never goes back"
    assert count.total == 5
    again = Count()
    Book(store, [again]).refresh()
    assert again.total == 5
    assert verify(store).head == book.head == second.act.digest


def test_a_clients_key_repeats_and_never_means_two_things(store: Store) -> None:
    book, asked = Book(store), Request("k", {"by": 2})
    first = book.append(lambda: more(2), by=ANNA, now=1, request=asked)
    # what comes of the request may be something else by now: it is the request that is the same
    again = book.append(lambda: more(5), by=ANNA, now=2, request=asked)
    assert again.repeated
    assert again.act == first.act
    assert not book.append(lambda: more(2), by=Actor("ben", "investigator"), now=2, request=asked).repeated
    with pytest.raises(BadInput, match="used for another request"):
        book.append(lambda: more(3), by=ANNA, now=3, request=Request("k", {"by": 3}))
    assert verify(store).acts == 2


def test_an_act_is_checked_against_the_state_that_it_follows(store: Store) -> None:
    """Eight books of one store, each allowed to count while the total is below 20: the sum is exact."""

    def writer(name: str) -> int:
        count = Count()
        book = Book(store, [count])

        def one() -> Draft:
            if count.total >= 20:
                raise BadInput("full")
            return more()

        done = 0
        while True:
            try:
                book.append(one, by=Actor(name, "investigator"), now=5)
            except BadInput:
                return done
            done += 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(writer, [f"w{n}" for n in range(8)])) == 20
    assert verify(store).acts == 20


def _edit(url: str, change: str, *values: Any) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert connection.execute(change, values).rowcount > 0


@pytest.fixture
def signed(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'acts.db'}"
    store = open_store(url)
    book = Book(store, signing_key=KEY)
    for number in range(5):
        book.append(lambda number=number: more(number), by=ANNA, now=number)
    store.close()
    return url


def _verify(url: str, **how: str) -> int:
    store = open_store(url)
    try:
        return verify(store, **({"signing_key": KEY} | how)).acts
    finally:
        store.close()


def _body(url: str, n: int) -> dict[str, Any]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        (text,) = connection.execute("SELECT body FROM journal WHERE journal = ? AND id = ?", (JOURNAL, f"{n:012d}"))
    told: dict[str, Any] = json.loads(text[0])
    return told


def test_a_whole_book_verifies(signed: str) -> None:
    assert _verify(signed) == 5
    assert _verify(signed, signing_key="") == 5


@pytest.mark.parametrize("part", ["body", "by", "subject", "kind", "at"])
def test_a_changed_act_shows(signed: str, part: str) -> None:
    if part == "at":
        _edit(signed, "UPDATE journal SET at = at + 1 WHERE journal = ? AND id = ?", JOURNAL, "000000000003")
    else:
        told = _body(signed, 3) | {part: {"by": 9} if part == "body" else "other"}
        _edit(signed, "UPDATE journal SET body = ? WHERE id = ?", json.dumps(told), "000000000003")
    with pytest.raises(Tampered, match="act 3 was changed"):
        _verify(signed)


def test_a_missing_act_shows(signed: str) -> None:
    _edit(signed, "DELETE FROM journal WHERE id = ?", "000000000002")
    with pytest.raises(Tampered, match="act 2"):
        _verify(signed)


def test_a_cut_off_tail_shows_to_whoever_kept_the_head(signed: str) -> None:
    head = _body(signed, 5)["digest"]
    assert _verify(signed, head=head) == 5
    _edit(signed, "DELETE FROM journal WHERE id = ?", "000000000005")
    assert _verify(signed) == 4
    with pytest.raises(Tampered, match="no act has the digest"):
        _verify(signed, head=head)


def test_a_chain_made_up_without_the_key_shows(signed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes the whole tail anew, links and digests right, lacks the MAC."""
    store = open_store(signed)
    _edit(signed, "DELETE FROM journal WHERE id >= ?", "000000000004")
    forger = Book(store)
    forger.refresh()
    forger.signing_key = "another key, of somebody who should not write"
    forger.append(lambda: more(7), by=ANNA, now=9)
    with pytest.raises(Tampered, match="act 4 was signed with another key"):
        verify(store, signing_key=KEY)
    _edit(signed, "DELETE FROM journal WHERE id >= ?", "000000000004")
    with pytest.raises(BadInput, match="set RINGFENCE_AUDIT_KEY"):
        Book(store).append(lambda: more(7), by=ANNA, now=9)
    monkeypatch.setattr(Book, "check_key", lambda _: None)  # whoever makes up a chain is not held up by that
    Book(store).append(lambda: more(7), by=ANNA, now=9)
    with pytest.raises(Tampered, match="act 4 is not signed, though"):
        verify(store, signing_key=KEY)
    store.close()


# -- seals over the audit journal --------------------------------------------------------------------------------------


def _note(store: Store, *ids: str) -> None:
    store.note("audit", [{"at": 1, "id": id_, "body": json.dumps({"who": "anna", "what": id_})} for id_ in ids])


def test_audit_lines_are_sealed_and_a_change_under_a_seal_shows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'acts.db'}"
    store = open_store(url)
    book = Book(store)
    assert seal(book, now=1) is None
    _note(store, "a", "b")
    first = seal(book, now=2)
    assert first is not None
    assert first.body["lines"] == 2
    assert seal(book, now=3) is None
    _note(store, "c")
    assert seal(book, now=4) is not None
    _note(store, "d")
    assert check_seals(store, book) == Sealed(2, 3, 1)
    for change, values in (
        ("UPDATE journal SET body = replace(body, 'anna', 'ben') WHERE journal = 'audit' AND id = ?", ("b",)),
        ("DELETE FROM journal WHERE journal = 'audit' AND id = ?", ("c",)),
    ):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(change, values)
        with pytest.raises(Tampered, match="audit lines sealed by act"):
            check_seals(store, book)
    store.close()
