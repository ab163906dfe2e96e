"""Cases: the queue by money at risk, the steps of a case, its brief, its drawing and its bundle."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from graph.errors import BadInput, Forbidden, NotFound
from graph.store import Store
from integrity.acts import Actor, Tampered, digest_of
from integrity.acts_check import verify
from integrity.affairs import Affairs
from integrity.case_brief import brief, brief_text
from integrity.case_bundle import bundle
from integrity.case_drawing import NoDrawing, draw_ring
from integrity.case_queue import Candidate, candidates, find_candidate
from integrity.cases import Case, waiting
from integrity.checkout_view import published_run
from integrity.instants import DAY
from integrity.judgements import About, Said, Target
from integrity.runs import run_detection
from integrity.words import text_of
from tests.integrity import hand
from tests.integrity.hand import NOW, Account, Ring, findings, load, market_findings, order, refund

ADA, BEN = Actor("ada", "investigator"), Actor("ben", "investigator")
EVE = Actor("eve", "senior_investigator")
AUDITOR, SHOP = Actor("carl", "auditor"), Actor("shop", "store", "s1")
SECRET = "the neighbour told me about his debts"


def publish(store: Store, found: Any = None, *, at: int = NOW) -> None:
    made = found if found is not None else market_findings()
    run_detection(store, policy=hand.policy(), now=lambda: at, holder="test", detect=lambda _s, _d: made)


@pytest.fixture
def affairs(market: Store) -> Affairs:
    """The affairs of the hand-made market with its run published."""
    publish(market)
    made = Affairs(market, hand.policy)
    made.book.refresh()
    return made


def queue_of(store: Store) -> list[Candidate]:
    run = store.head().run
    assert run is not None
    return candidates(store, published_run(store, run, hand.policy()), hand.policy())


def opened(affairs: Affairs, target: str = "ring", id_: str = "ring-a", **more: Any) -> Case:
    found = find_candidate(queue_of(affairs.book.store), target, id_)
    return affairs.case_desk.open(found, **({"by": ADA, "now": NOW} | more))


def names(found: Sequence[Candidate]) -> list[str]:
    return [one.target_id for one in found]


# -- the queue -------------------------------------------------------------------------------------------------------


def test_rings_and_accounts_limited_alone_wait_by_money_at_risk(affairs: Affairs) -> None:
    ring, lone = queue_of(affairs.book.store)
    assert (ring.target, ring.target_id, ring.amount, ring.confidence) == ("ring", "ring-a", 123_456, 0.97)
    assert ring.at_risk == round(123_456 * 0.97)
    assert (lone.target, lone.target_id, lone.buyer_ids, lone.amount) == ("account", "lone", ("lone",), 1_000)
    assert lone.at_risk == 970
    assert lone.last_at == NOW - 4 * DAY


def test_confidence_counts_as_much_as_money_and_currencies_are_never_compared(store: Store) -> None:
    orders = [order(f"o{n}", "yen", currency="JPY", amount=10**9) for n in range(3)]
    orders += [order(f"h{n}", f"honest{n}") for n in range(5)]
    load(store, orders=orders, refunds=[refund(f"r{n}", f"o{n}") for n in range(3)])
    accounts = [Account("a", 0.98, 3, "ring-sure"), Account("b", 0.98, 3, "ring-unsure"), Account("yen", 0.98, 3)]
    publish(store, findings(accounts, [Ring("ring-unsure", confidence=0.4), Ring("ring-sure", confidence=0.9)]))
    assert [(one.target_id, one.currency) for one in queue_of(store)] == [
        ("ring-sure", "CNY"),
        ("ring-unsure", "CNY"),
        ("yen", "JPY"),
    ]


def test_accounts_that_are_only_watched_or_in_a_ring_are_no_cases_of_their_own(market: Store) -> None:
    publish(market, market_findings(lone=Account("lone", 0.85, 4)))
    assert names(queue_of(market)) == ["ring-a"]


def test_a_case_leaves_the_queue_and_comes_back_only_where_it_stirs_after_it_was_closed(affairs: Affairs) -> None:
    def left() -> list[str]:
        return names(waiting(queue_of(affairs.book.store), affairs.cases))

    case = opened(affairs, now=NOW - 3 * DAY)
    assert left() == ["lone"]
    desk = affairs.case_desk
    desk.close(case.case_id, "known already", by=EVE, now=NOW - 2 * DAY)  # the ring was active a day ago
    assert left() == ["ring-a", "lone"]
    again = opened(affairs)
    assert again.case_id != case.case_id
    desk.close(again.case_id, "done", by=EVE, now=NOW)
    assert left() == ["lone"]


# -- the steps -------------------------------------------------------------------------------------------------------


def test_a_case_goes_from_open_to_closed_and_each_step_is_an_act(affairs: Affairs) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    assert (case.state, case.buyer_ids, case.amount, case.opened_by) == ("open", ("actor", "mother"), 123_456, "ada")
    desk.assign(case.case_id, "ada", by=BEN, now=NOW + 1)
    desk.note(case.case_id, SECRET, by=ADA, now=NOW + 2)
    desk.decide(case.case_id, "abusive", "eleven empty parcels", by=ADA, now=NOW + 3)
    done = desk.close(case.case_id, "limits stand", by=ADA, now=NOW + 4)
    assert (done.state, done.assignee, done.decision, done.closed_at) == ("closed", "ada", "abusive", NOW + 4)
    kinds = [act.kind for act in affairs.book.acts if act.subject == case.case_id]
    assert kinds == ["case.opened", "case.assigned", "case.noted", "case.decided", "case.closed"]
    fresh = Affairs(affairs.book.store, hand.policy)
    fresh.book.refresh()
    assert fresh.cases.all == affairs.cases.all


def test_opening_what_is_open_answers_as_it_stands(affairs: Affairs) -> None:
    first = opened(affairs, key="k")
    assert opened(affairs, by=BEN) == opened(affairs, key="k") == first
    assert len(affairs.book.acts) == 1


def test_who_a_case_belongs_to_decides_it_or_a_senior(affairs: Affairs) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    with pytest.raises(Forbidden, match="is nobody's"):
        desk.decide(case.case_id, "honest", "so", by=ADA, now=NOW)
    desk.assign(case.case_id, "ada", by=ADA, now=NOW)
    with pytest.raises(Forbidden, match="is ada's"):
        desk.decide(case.case_id, "honest", "so", by=BEN, now=NOW)
    desk.decide(case.case_id, "honest", "so", by=ADA, now=NOW)
    with pytest.raises(BadInput, match="decided already"):
        desk.decide(case.case_id, "abusive", "on second thoughts", by=ADA, now=NOW)
    assert desk.decide(case.case_id, "abusive", "look again", by=EVE, now=NOW).decided_by == "eve"


def test_only_a_senior_closes_what_was_not_decided_and_nothing_follows_a_close(affairs: Affairs) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    with pytest.raises(BadInput, match="was not decided"):
        desk.close(case.case_id, "no time", by=ADA, now=NOW)
    desk.close(case.case_id, "a duplicate", by=EVE, now=NOW)
    for step in (
        lambda: desk.assign(case.case_id, "ada", by=ADA, now=NOW),
        lambda: desk.note(case.case_id, "late", by=ADA, now=NOW),
        lambda: desk.decide(case.case_id, "honest", "so", by=EVE, now=NOW),
        lambda: desk.close(case.case_id, "again", by=EVE, now=NOW),
    ):
        with pytest.raises(BadInput, match="was closed by eve"):
            step()


@pytest.mark.parametrize("who", [AUDITOR, SHOP, Actor("till", "order_service"), Actor("cron", "scheduler")])
def test_nobody_but_investigators_works_on_cases(affairs: Affairs, who: Actor) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    before = len(affairs.book.acts)
    for step in (
        lambda: opened(affairs, "account", "lone", by=who),
        lambda: desk.assign(case.case_id, "ada", by=who, now=NOW),
        lambda: desk.note(case.case_id, "x", by=who, now=NOW),
        lambda: desk.decide(case.case_id, "honest", "so", by=who, now=NOW),
        lambda: desk.close(case.case_id, "so", by=who, now=NOW),
    ):
        with pytest.raises(Forbidden):
            step()
    assert len(affairs.book.acts) == before


def test_what_makes_no_sense_is_refused_with_the_reason(affairs: Affairs) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    with pytest.raises(NotFound, match="no ring 'ring-z'"):
        opened(affairs, "ring", "ring-z")
    with pytest.raises(NotFound, match="no case 'case-none'"):
        desk.assign("case-none", "ada", by=ADA, now=NOW)
    with pytest.raises(BadInput, match="choose one of abusive, honest, inconclusive"):
        desk.decide(case.case_id, "guilty", "so", by=EVE, now=NOW)
    for reason in ("", "  ", "x" * 10_001):
        with pytest.raises(BadInput, match="a reason is needed"):
            desk.decide(case.case_id, "honest", reason, by=EVE, now=NOW)
    for text in ("", "x" * 10_001):
        with pytest.raises(BadInput, match="a note needs its text"):
            desk.note(case.case_id, text, by=ADA, now=NOW)
    with pytest.raises(BadInput, match="assigned to a person"):
        desk.assign(case.case_id, "", by=ADA, now=NOW)


def test_what_a_note_says_stays_with_the_case(affairs: Affairs) -> None:
    desk, case = affairs.case_desk, opened(affairs)
    desk.note(case.case_id, SECRET, by=ADA, now=NOW, key="n")
    desk.note(case.case_id, SECRET, by=ADA, now=NOW, key="n")
    assert [(note.by, text) for note, text in desk.texts(case.case_id, by=BEN)] == [("ada", SECRET)]
    assert desk.texts(case.case_id, by=AUDITOR)[0][1] == SECRET
    with pytest.raises(Forbidden):
        desk.texts(case.case_id, by=SHOP)
    told = brief(affairs.book.store, desk.one(case.case_id), affairs)
    rest = [
        json.dumps(told.to_json(), default=str),
        brief_text(told),
        json.dumps([act.body for act in affairs.book.acts]),
        *(data.decode("utf-8", "replace") for data in files(bundle(affairs.book.store, told, affairs)).values()),
    ]
    assert [text for text in rest if "debts" in text] == []
    assert told.to_json()["case"]["notes"] == 1


# -- the brief -------------------------------------------------------------------------------------------------------


def test_a_brief_ties_each_fact_to_its_record_and_tells_what_happened_in_order(affairs: Affairs) -> None:
    told = brief(affairs.book.store, opened(affairs), affairs)
    (fact,) = told.facts
    assert (fact["source_table"], fact["source_id"], fact["nats"]) == ("orders", "o-actor-1", 3.25)
    assert fact["record"]["buyer_id"] == "actor"
    assert [(event.table, event.id) for event in told.timeline] == [("refunds", f"r-actor-{n}") for n in (1, 2, 3)]
    assert [event.at for event in told.timeline] == sorted(event.at for event in told.timeline)
    text = brief_text(told)
    assert "1. +3.25 actor: ordered from a device of two accounts (orders o-actor-1, dev***1)" in text
    assert "actor asks 10.00 CNY back at s1 (refund only) (refunds r-actor-1)" in text
    assert text.endswith("Nothing.\n")
    chinese = brief_text(brief(affairs.book.store, told.case, affairs, "zh"))
    assert "actor 在 s1 申请退款 10.00 CNY（仅退款） (refunds r-actor-1)" in chinese
    assert chinese.endswith("## 此前的处理\n\n无。\n")


def test_a_brief_tells_what_was_decided_of_its_accounts_before_and_of_nobody_else(affairs: Affairs) -> None:
    store = affairs.book.store
    past = {"decided_at": NOW - 50 * DAY, "decision": "limited", "scope": "store", "store_id": "s2"}
    load(
        store,
        past_decisions=[
            {"decision_id": "p1", "buyer_id": "actor", **past},
            {"decision_id": "p2", "buyer_id": "lone", **past},
        ],
    )
    publish(store, at=NOW + 1)
    case = opened(affairs)
    said = affairs.judgement_desk.make(About(Target.ACCOUNT, "mother", Said.HONEST), "she lives there", by=ADA, now=NOW)
    affairs.judgement_desk.make(About(Target.ACCOUNT, "lone", Said.HONEST), "a mistake", by=ADA, now=NOW)
    told = brief(store, case, affairs)
    assert [(event.table, event.id) for event in told.before] == [
        ("past_decisions", "p1"),
        ("acts", said.judgement_id),
    ]
    alone = brief(store, opened(affairs, "account", "lone"), affairs)
    assert alone.before[0].id == "p2"
    assert alone.told["buyer_id"] == "lone"


def test_an_earlier_case_on_the_same_accounts_is_told(affairs: Affairs) -> None:
    first = opened(affairs)
    affairs.case_desk.decide(first.case_id, "inconclusive", "too early", by=EVE, now=NOW)
    affairs.case_desk.close(first.case_id, "wait", by=EVE, now=NOW)
    (event,) = brief(affairs.book.store, opened(affairs), affairs).before
    assert (event.id, text_of(event.what).rpartition(": ")[2]) == (first.case_id, "inconclusive")


def test_a_brief_rests_on_the_run_that_its_case_was_opened_on(affairs: Affairs) -> None:
    case = opened(affairs)
    load(affairs.book.store, orders=[order("later", "shopper", placed_at=NOW - DAY)])
    publish(affairs.book.store, findings([]), at=NOW + 1)
    assert affairs.book.store.head().run != case.run_id
    assert brief(affairs.book.store, case, affairs).run.run_id == case.run_id


# -- the drawing -----------------------------------------------------------------------------------------------------


def drawing(store: Store, kind: Any, ring_id: str = "ring-a") -> bytes:
    run = store.head().run
    assert run is not None
    tables = [store.run_rows(run, f"run_{name}") for name in ("rings", "members", "evidence")]
    return draw_ring(*tables, ring_id, kind)


def test_a_ring_is_drawn_the_same_each_time(affairs: Affairs) -> None:
    store = affairs.book.store
    svg, png = drawing(store, "svg"), drawing(store, "png")
    assert (svg, png) == (drawing(store, "svg"), drawing(store, "png"))
    texts = {"".join(one.itertext()).strip() for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"actor", "mother", "device", "ring-a: 2 accounts"} <= texts
    assert png.startswith(b"\x89PNG")
    assert b"dev***1" not in svg


def test_odd_ids_are_drawn_as_they_are(store: Store) -> None:
    odd = ["$x^2$", "<b>&amp;", "\ufffe", "😀 面", "a" * 200]
    load(store, orders=[order(f"o{n}", id_) for n, id_ in enumerate(odd)])
    publish(store, findings([Account(id_, 0.98, 3, "ring-a") for id_ in odd], [Ring("ring-a")]))
    texts = {
        "".join(one.itertext()).strip()
        for one in ET.fromstring(drawing(store, "svg")).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"$x^2$", "<b>&amp;", "😀 面", "a" * 19 + "…"} <= texts


def test_without_matplotlib_a_drawing_says_what_to_install_and_a_bundle_goes_without(
    affairs: Affairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoDrawing, match=r"install ringfence\[cases\]"):
        drawing(affairs.book.store, "svg")
    found = bundled(affairs, opened(affairs))
    assert "ring.svg" not in found
    assert json.loads(found["manifest.json"])["drawing"] == "not drawn: matplotlib is not installed"


# -- the bundle ------------------------------------------------------------------------------------------------------


def files(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def bundled(affairs: Affairs, case: Case) -> Mapping[str, bytes]:
    store = affairs.book.store
    return files(bundle(store, brief(store, case, affairs), affairs))


def test_a_bundle_holds_the_case_and_hashes_that_show_any_change(affairs: Affairs) -> None:
    case = opened(affairs)
    found = bundled(affairs, case)
    assert sorted(found) == [
        "SHA256SUMS", "acts.jsonl", "brief.json", "brief.md", "evidence.csv", "manifest.json", "ring.png", "ring.svg",
        "timeline.csv",
    ]  # fmt: skip
    manifest = json.loads(found["manifest.json"])
    assert {one["name"]: one["sha256"] for one in manifest["files"]} == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in found.items()
        if name not in ("manifest.json", "SHA256SUMS")
    }
    sums = dict(reversed(line.split("  ")) for line in found["SHA256SUMS"].decode().splitlines())
    assert sums["manifest.json"] == hashlib.sha256(found["manifest.json"]).hexdigest()
    assert manifest["acts"] == {"count": 1, "head": affairs.book.head}
    assert (manifest["run_id"], manifest["case_id"]) == (case.run_id, case.case_id)
    (row,) = csv.DictReader(io.StringIO(found["evidence.csv"].decode()))
    assert (row["source_table"], row["source_id"], row["shown"]) == ("orders", "o-actor-1", "dev***1")
    assert len(found["timeline.csv"].decode().splitlines()) == 4


def test_the_same_case_run_and_book_give_the_same_bytes_and_another_act_other_ones(affairs: Affairs) -> None:
    store, case = affairs.book.store, opened(affairs)

    def made(one: Affairs) -> bytes:
        return bundle(store, brief(store, one.case_desk.one(case.case_id), one), one)

    fresh = Affairs(store, hand.policy)
    fresh.book.refresh()
    assert made(affairs) == made(fresh)
    affairs.case_desk.assign(case.case_id, "ada", by=ADA, now=NOW)
    assert made(affairs) != made(fresh)


def test_acts_of_a_bundle_can_be_checked_against_the_book(affairs: Affairs) -> None:
    case = opened(affairs)
    affairs.case_desk.note(case.case_id, SECRET, by=ADA, now=NOW)
    acts = [json.loads(line) for line in bundled(affairs, case)["acts.jsonl"].splitlines()]
    assert [act["kind"] for act in acts] == ["case.opened", "case.noted"]
    for act, kept in zip(acts, affairs.book.acts, strict=True):
        assert act["digest"] == kept.digest == digest_of(kept)
    head = json.loads(bundled(affairs, case)["manifest.json"])["acts"]["head"]
    assert verify(affairs.book.store, head=head).acts == 2
    with pytest.raises(Tampered):
        verify(affairs.book.store, head="f" * 64)


def test_a_bundle_on_one_account_has_no_drawing(affairs: Affairs) -> None:
    found = bundled(affairs, opened(affairs, "account", "lone"))
    assert "ring.svg" not in found
    assert json.loads(found["manifest.json"])["drawing"] == "the case is about one account"
