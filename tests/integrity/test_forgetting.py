"""Forgetting a buyer erases what people wrote about it, and the book of acts tells that from tampering."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.errors import BadInput, NotFound, StoreProblem, Tampered
from graph.leases import held
from graph.open import open_store
from graph.store import Store
from graph.texts import TEXTS
from integrity.acts import JOURNAL, Actor, Book, Draft, digest_of, row_of
from integrity.acts_check import Checked, said, verify
from integrity.affairs import Affairs
from integrity.cases import Candidate
from integrity.complaints import Complaint, Filing
from integrity.forgetting import Forgotten, forget_buyer
from integrity.judgements import About, Said, Target
from integrity.policy_journal import read_journal
from integrity.runs import run_detection
from integrity.texts import CHANGED, ERASED, GONE
from tests.integrity.hand import DAY, DEVICE, NOW, load, load_market, market_findings, policy, refund

SHOP, ANNA, BEN = Actor("shop", "store", "s1"), Actor("anna", "investigator"), Actor("ben", "senior_investigator")
OPERATOR = Actor("olga", "operator")
ROOMY = policy(publication={"max_limited_share": 1.0})
KEY = "the key that signs the book of these tests"
ONLY = "abnormal_refund_only"

OF_ACTOR = (
    "he shouted at the courier",
    "film-of-his-flat.mp4",
    "the weights of r-actor-1 tell it",
    "her own telephone",
    "withdrawn because of his illness",
    "I was in hospital, ward seven",
    "the hospital confirms it",
    "he has debts",
    "a note on his brother",
    "closed after his call",
)
OF_OTHERS = ("lone woolf kept the coat", "a café on the square")
RING_CASE = Candidate("ring", "ring-a", ("actor", "mother"), 1000, "CNY", 0.9, NOW, "run")


@pytest.fixture(params=["sqlite", "neo4j"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Opens one store again and again."""
    url, namespace = f"sqlite:///{tmp_path / 'store.db'}", "default"
    if request.param == "neo4j":
        url, namespace = request.getfixturevalue("neo4j_url"), f"forget-{uuid.uuid4().hex[:8]}"
    opened: list[Store] = []

    def again() -> Store:
        opened.append(open_store(url, namespace=namespace))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(place: Any) -> Store:
    made: Store = place()
    load_market(made)
    run_detection(made, policy=ROOMY, now=lambda: NOW, holder="test", detect=lambda _s, _d: market_findings())
    return made


def affairs_of(store: Store, key: str = "") -> Affairs:
    made = Affairs(store, lambda: ROOMY, signing_key=key)
    made.book.refresh()
    return made


def people_write(store: Store, key: str = "") -> Affairs:
    """All that people can write about `actor`, and something about others."""
    affairs = affairs_of(store, key)
    (mine, other) = affairs.complaint_desk.file(
        [
            Filing("r-actor-1", ONLY, OF_ACTOR[0], (OF_ACTOR[1],)),
            Filing("r-lone-1", ONLY, OF_OTHERS[0]),
        ],
        by=SHOP,
        now=NOW,
        key="filed",
    )
    assert isinstance(mine, Complaint)
    assert isinstance(other, Complaint)
    affairs.complaint_desk.decide(mine.complaint_id, "upheld", OF_ACTOR[2], by=BEN, now=NOW)
    judge = affairs.judgement_desk
    link = About(Target.LINK, f"device:{DEVICE.hex()}", Said.NOT_THEIRS, buyer_id="actor")
    made = judge.make(link, OF_ACTOR[3], by=ANNA, now=NOW)
    judge.withdraw(made.judgement_id, OF_ACTOR[4], by=ANNA, now=NOW)
    judge.make(About(Target.IDENTIFIER, f"door:{'6f' * 16}", Said.PUBLIC), OF_OTHERS[1], by=ANNA, now=NOW)
    appeal = affairs.appeal_desk.open("actor", OF_ACTOR[5], by=ANNA, now=NOW, key="appeal")
    affairs.appeal_desk.reject(appeal.appeal_id, OF_ACTOR[6], by=BEN, now=NOW)
    judge.make(About(Target.RECORD, "r-actor-2", Said.STRUCK, table="refunds"), OF_ACTOR[7], by=ANNA, now=NOW)
    case = affairs.case_desk.open(RING_CASE, by=ANNA, now=NOW)
    affairs.case_desk.note(case.case_id, OF_ACTOR[8], by=ANNA, now=NOW)
    affairs.case_desk.close(case.case_id, OF_ACTOR[9], by=BEN, now=NOW)
    return affairs


def forget(store: Store, buyer: str = "actor", key: str = "", **more: Any) -> Forgotten:
    with held(store, "load", "test") as lease:
        return forget_buyer(store, lease, buyer, by=OPERATOR, now=NOW + DAY, signing_key=key, **more)


def written(store: Store) -> str:
    """Everything in the journals."""
    journals = (JOURNAL, TEXTS, "audit", "policies", "shadow")
    return json.dumps([list(read_journal(store, one)) for one in journals], ensure_ascii=False)


def folded(affairs: Affairs) -> str:
    return repr((affairs.complaints, affairs.judgements, affairs.appeals, affairs.cases, affairs.book.acts))


def test_what_people_write_is_no_part_of_the_chain(store: Store) -> None:
    affairs = people_write(store)
    acts = json.dumps(list(read_journal(store, JOURNAL)), ensure_ascii=False)
    assert not [text for text in (*OF_ACTOR, *OF_OTHERS) if text in acts]
    again = affairs_of(store)
    apart = (OF_ACTOR[5], OF_ACTOR[8])  # shown on request only
    for one in (affairs, again):
        assert [text for text in (*OF_ACTOR, *OF_OTHERS) if text not in folded(one)] == list(apart)
        assert one.appeal_desk.text(next(iter(one.appeals.all)), by=BEN) == apart[0]
        assert [text for _, text in one.case_desk.texts(next(iter(one.cases.all)), by=BEN)] == [apart[1]]
    assert verify(store).texts == len(OF_ACTOR) + len(OF_OTHERS)


def test_forgetting_erases_every_text_about_the_buyer_and_keeps_what_was_decided(store: Store, place: Any) -> None:
    serving = people_write(store, KEY)
    before = verify(store, signing_key=KEY)
    elsewhere = place()
    done = forget(elsewhere, key=KEY)
    assert (done.texts, done.shared) == (len(OF_ACTOR), 0)
    assert done.records["orders"] == 3
    left = written(store)
    assert not [text for text in OF_ACTOR if text in left]
    assert [text for text in OF_OTHERS if text in left] == list(OF_OTHERS)
    # the chain is what it was: a head noted before is still in it, and every signature holds
    found = verify(store, signing_key=KEY, head=before.head)
    assert (found.acts, found.signed) == (before.acts + 1, before.acts + 1)
    assert (found.texts, found.erased) == (len(OF_OTHERS), len(OF_ACTOR))
    assert (found.unfinished, found.loose, found.rewritten) == (0, 0, ())
    assert f"{len(OF_ACTOR)} were erased" in said(found)
    # a server that held them lets go of them; one that starts later never had them
    serving.book.refresh()
    for one in (serving, affairs_of(store, KEY)):
        assert not [text for text in OF_ACTOR if text in folded(one)]
        filed = {known.buyer_id: known for known in one.complaints.filed.values()}
        assert (filed["actor"].note, filed["actor"].evidence) == (GONE, (GONE,))
        assert (filed["actor"].outcome, filed["actor"].verdicts[-1].reason) == ("upheld", GONE)
        assert filed["lone"].note == OF_OTHERS[0]
        (link, door, record) = one.judgements.all.values()
        assert (link.state, link.reason, link.withdrawn_why) == ("withdrawn", GONE, GONE)
        assert (record.state, record.reason, door.reason) == ("standing", GONE, OF_OTHERS[1])
        (appeal,) = one.appeals.all.values()
        assert (appeal.state, appeal.reason, appeal.decided_by) == ("rejected", GONE, "ben")
        (case,) = one.cases.all.values()
        assert (case.state, case.closed_why) == ("closed", GONE)
        assert [text for _, text in one.case_desk.texts(case.case_id, by=BEN)] == [GONE]
        with pytest.raises(NotFound, match="was erased"):
            one.appeal_desk.text(appeal.appeal_id, by=BEN)


def test_words_on_a_picture_go_with_the_last_who_gave_it(store: Store) -> None:
    mine, both = "00ff00ff00ff00ff", "0f0f0f0f0f0f0f0f"
    given = {"r-actor-1": ("o-actor-1", [mine, both]), "r-lone-1": ("o-lone-1", [both])}
    load(store, refunds=[refund(id_, order, pictures=held_) for id_, (order, held_) in given.items()])
    judge = affairs_of(store).judgement_desk
    about_mine, about_both = "his own kitchen is on it", "a picture from the shop's page"
    for picture, text in ((mine, about_mine), (both, about_both)):
        judge.make(About(Target.IDENTIFIER, f"picture:{picture}", Said.PUBLIC), text, by=ANNA, now=NOW)
    assert forget(store).texts == 1
    assert about_mine not in written(store)
    assert about_both in written(store)
    standing = affairs_of(store).judgements.all.values()
    assert [(one.state, one.reason) for one in standing] == [("standing", GONE), ("standing", about_both)]
    assert forget(store, "lone").texts == 1
    assert about_both not in written(store)
    assert verify(store).unfinished == 0


def test_a_server_weighs_complaints_by_nothing_that_was_forgotten(store: Store, place: Any) -> None:
    picture = ["0f0f0f0f0f0f0f0f"]
    given = [refund("r-actor-1", "o-actor-1", pictures=picture), refund("r-lone-1", "o-lone-1", pictures=picture)]
    load(store, refunds=given)
    serving = affairs_of(store)
    (filed,) = serving.complaint_desk.file([Filing("r-actor-1", ONLY)], by=SHOP, now=NOW)
    assert isinstance(filed, Complaint)
    assert any("picture" in reason for reason in filed.reasons)
    forget(place(), "lone")
    serving.book.refresh()
    again = serving.complaint_desk.weigh_again(filed.complaint_id)
    assert not any("picture" in reason for reason in again.reasons), "nobody else holds it any more"


def test_forgetting_again_erases_nothing_more_and_what_is_written_later_goes_the_next_time(store: Store) -> None:
    affairs = people_write(store)
    forget(store)
    acts = verify(store).acts
    assert forget(store).texts == 0
    assert verify(store).acts == acts
    affairs.judgement_desk.make(About(Target.ACCOUNT, "actor", Said.HONEST), "his sister wrote", by=ANNA, now=NOW)
    assert forget(store).texts == 1
    assert "his sister wrote" not in written(store)
    assert forget(store, "never was").texts == 0


def test_texts_about_others_too_can_be_kept(store: Store) -> None:
    people_write(store)
    done = forget(store, keep_shared=True)
    assert (done.texts, done.shared) == (len(OF_ACTOR) - 2, 2)
    left = written(store)
    assert [text for text in OF_ACTOR if text in left] == list(OF_ACTOR[8:])
    assert forget(store).texts == 2
    assert verify(store).texts == len(OF_OTHERS)


def digests(store: Store, text: str) -> list[str]:
    return [row["id"] for row in read_journal(store, TEXTS) if text in row["body"]]


def test_a_text_that_nobody_said_was_erased_is_missed(store: Store) -> None:
    people_write(store)
    (digest,) = digests(store, OF_ACTOR[2])
    assert store.erase_notes(TEXTS, [digest]) == 1
    with pytest.raises(Tampered, match="act 2 names a text that is missing"):
        verify(store)


@pytest.mark.parametrize(("text", "act"), [(OF_ACTOR[2], 2), (OF_ACTOR[5], 6)])
def test_a_text_that_was_changed_shows_and_is_not_shown(store: Store, text: str, act: int) -> None:
    people_write(store)
    (digest,) = digests(store, text)
    (row,) = store.noted(TEXTS, [digest]).to_pylist()
    store.reword_notes(TEXTS, {digest: row["body"].replace(text, "somebody else's words")})
    with pytest.raises(Tampered, match=f"act {act} names a text that was changed"):
        verify(store)
    assert "somebody else's words" not in folded(affairs_of(store))
    if act == 2:
        assert next(iter(affairs_of(store).complaints.filed.values())).verdicts[-1].reason == CHANGED


def test_a_text_put_back_after_it_was_erased_shows(store: Store) -> None:
    people_write(store)
    (digest,) = digests(store, OF_ACTOR[2])
    rows = store.noted(TEXTS, [digest]).to_pylist()
    forget(store)
    store.note(TEXTS, rows)
    assert verify(store).unfinished == 1
    assert "forget the buyer again" in said(verify(store))
    forget(store)
    assert verify(store).unfinished == 0


def test_a_forgetting_cut_short_is_told_and_ended_by_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people_write(store)

    def fails(*_: Any) -> int:
        raise StoreProblem("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "erase_notes", fails)
        with pytest.raises(StoreProblem, match="disk is full"):
            forget(store)
    assert verify(store).unfinished == len(OF_ACTOR) + 2  # the salts of two keyed requests too
    forget(store)
    found = verify(store)
    assert (found.unfinished, found.erased) == (0, len(OF_ACTOR))


def test_a_forgetting_cut_short_before_its_act_is_said_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise StoreProblem("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Book, "append", fails)
        with pytest.raises(StoreProblem, match="disk is full"):
            forget(store)
    assert verify(store).acts == 0
    assert not any(forget(store).records.values()), "they were erased by the first"
    assert verify(store).acts == 1
    forget(store)
    assert verify(store).acts == 1


def test_a_clients_key_still_repeats_after_the_words_of_its_request_were_erased(store: Store) -> None:
    affairs = people_write(store)
    with pytest.raises(BadInput, match="used for another request"):
        affairs.appeal_desk.open("actor", "other words", by=ANNA, now=NOW, key="appeal")
    forget(store)
    again = affairs.appeal_desk.open("actor", "other words", by=ANNA, now=NOW, key="appeal")
    assert again.state == "rejected"
    assert len(affairs.appeals.all) == 1


def test_an_act_that_is_refused_leaves_no_text_behind(store: Store, place: Any) -> None:
    """Two write about the same: the slower one is refused after its text was put down."""
    affairs, rival = affairs_of(store), affairs_of(place())
    rival.judgement_desk.make(About(Target.ACCOUNT, "actor", Said.HONEST), "the first", by=BEN, now=NOW)
    about = About(Target.ACCOUNT, "actor", Said.ABUSIVE, store_ids=("s1",))
    refresh = affairs.book.refresh
    calls: list[int] = []

    def late() -> None:
        calls.append(1)
        if len(calls) > 1:  # not yet when the act is drafted
            refresh()

    affairs.book.refresh = late  # type: ignore[method-assign]
    with pytest.raises(BadInput, match="says 'honest'"):
        affairs.judgement_desk.make(about, "the second", by=ANNA, now=NOW)
    assert digests(store, "the first")
    assert not digests(store, "the second")
    assert verify(store).loose == 0


def test_what_a_writer_that_died_left_behind_goes_with_the_next_forgetting(store: Store) -> None:
    people_write(store)
    body = json.dumps({"salt": "ab", "text": "never filed"})
    store.note(TEXTS, [{"at": at, "id": str(at), "body": body} for at in (NOW - 1, NOW + 1)])
    assert verify(store).loose == 2
    forget(store, "shopper")
    assert verify(store).loose == 1, "one of today may be about to be named by its act"


def test_a_signed_book_is_not_added_to_without_its_key(store: Store) -> None:
    people_write(store, KEY)
    with pytest.raises(BadInput, match=r"no key to sign with.*RINGFENCE_AUDIT_KEY"):
        forget(store)
    assert all(row["device"] is None for row in store.find("orders", "buyer_id", ["actor"]).to_pylist())
    assert verify(store, signing_key=KEY).erased == 0


# -- books of before, whose acts hold their texts themselves -----------------------------------------------------------


@pytest.fixture
def former(store: Store, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """The same story as an earlier version wrote it, but for the appeal and the note."""
    with monkeypatch.context() as patched:
        patched.setattr("integrity.acts.put_away", lambda _kind, body, _salt: (body, {}))
        patched.setattr("integrity.acts.PLACES", {})
        affairs = affairs_of(store, KEY)
        filings = [Filing("r-actor-1", ONLY, OF_ACTOR[0], (OF_ACTOR[1],)), Filing("r-lone-1", ONLY, OF_OTHERS[0])]
        affairs.complaint_desk.file(filings, by=SHOP, now=NOW, key="filed")
        complaint = next(iter(affairs.complaints.filed))
        affairs.complaint_desk.decide(complaint, "upheld", OF_ACTOR[2], by=BEN, now=NOW)
        affairs.judgement_desk.make(About(Target.RING, "ring-a", Said.NOT_A_RING), OF_ACTOR[3], by=ANNA, now=NOW)
    acts = json.dumps(list(read_journal(store, JOURNAL)), ensure_ascii=False)
    assert all(text in acts for text in (*OF_ACTOR[:4], *OF_OTHERS[:1]))
    return verify(store, signing_key=KEY)


def test_acts_of_before_are_written_anew_without_their_texts_and_the_chain_holds(
    store: Store, former: Checked, place: Any
) -> None:
    serving = affairs_of(store, KEY)
    assert OF_ACTOR[0] in folded(serving)
    assert forget(place(), key=KEY).texts == 4
    left = written(store)
    assert not [text for text in OF_ACTOR if text in left]
    assert OF_OTHERS[0] in left
    found = verify(store, signing_key=KEY, head=former.head)
    assert (found.acts, found.rewritten, found.erased, found.unfinished) == (former.acts + 1, (1, 2, 3), 4, 0)
    assert "written anew without theirs: acts 1, 2, 3" in said(found)
    serving.book.refresh()
    for one in (serving, affairs_of(store, KEY)):
        assert not [text for text in OF_ACTOR if text in folded(one)]
        assert {known.buyer_id: known.note for known in one.complaints.filed.values()} == {
            "actor": GONE,
            "lone": OF_OTHERS[0],
        }
        assert [known.state for known in one.judgements.all.values()] == ["standing"]
        # the request's fingerprint went with them: it would confirm a guess
        assert one.book.acts[0].asked == ""
        filings = [Filing("r-actor-1", ONLY, "a guess"), Filing("r-lone-1", ONLY)]
        assert len(one.complaint_desk.file(filings, by=SHOP, now=NOW, key="filed")) == 2
    # and another buyer of the same act later
    assert forget(store, "lone", key=KEY).texts == 1
    assert OF_OTHERS[0] not in written(store)
    assert verify(store, signing_key=KEY, head=former.head).erased == 5


def test_an_act_of_before_that_was_changed_otherwise_shows(store: Store, former: Checked) -> None:
    forget(store, key=KEY)
    (row,) = store.noted(JOURNAL, ["000000000002"]).to_pylist()
    store.reword_notes(JOURNAL, {"000000000002": row["body"].replace("upheld", "dismissed")})
    with pytest.raises(Tampered, match="act 2 was changed"):
        verify(store, signing_key=KEY)
    with pytest.raises(Tampered, match="act 2 was changed"):
        affairs_of(store, KEY)
    assert former.acts == 3


def test_nobody_without_the_key_can_vouch_for_a_change(
    store: Store, former: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An act that says that texts were erased allows for a change only where it is signed."""
    monkeypatch.setattr(Book, "check_key", lambda _: None)  # whoever forges is not held up by that
    book = Book(store)
    book.refresh()
    forged = book.acts[1].__class__(**{**vars(book.acts[1]), "body": {"outcome": "dismissed", "reason": "x"}})
    book.append(lambda: Draft(ERASED, "actor", {"texts": [], "acts": {"2": digest_of(forged)}}), by=ANNA, now=NOW)
    store.reword_notes(JOURNAL, {"000000000002": row_of(forged)["body"]})
    with pytest.raises(Tampered, match="act 2 was changed"):
        verify(store, signing_key=KEY)
    # and without a key to check with, the act is named
    assert verify(store).rewritten == (2,)
    assert former.rewritten == ()


pytestmark = pytest.mark.timeout(300)
