"""Complaints, verdicts, judgements, appeals and replay: both stores hold the same book and decide the same."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graph.errors import BadInput
from graph.open import open_store
from graph.store import Store
from integrity.acts import Actor, Book, Draft
from integrity.acts_check import verify
from integrity.affairs import Affairs, acted
from integrity.assess import assess_claim
from integrity.checkout_view import published_run
from integrity.complaint_counts import counts
from integrity.complaints import Filing
from integrity.judgements import About, Said, Target
from integrity.publication import DROPPED
from integrity.replay import digest_of, replay
from integrity.replay_claims import replay_claim
from integrity.runs import run_detection
from tests.cli import people_story
from tests.integrity.hand import DAY, DEVICE, NOW, load_market, market_findings, policy
from tests.neo4j.support import ServerDesk

SHOP, ANNA, BEN = Actor("shop", "store", "s1"), Actor("anna", "investigator"), Actor("ben", "senior_investigator")
ROOMY = policy(publication={"max_limited_share": 1.0})
KEY = "the key that signs the book of both stores"


def _run(store: Store, at: int) -> str:
    return run_detection(
        store, policy=ROOMY, now=lambda: at, holder="test", detect=lambda _s, _d: market_findings()
    ).run.run_id


def story(store: Store) -> list[Any]:
    """What a store says on the way; nothing of it depends on the store."""
    load_market(store)
    told: list[Any] = [_run(store, NOW)]
    affairs = Affairs(store, lambda: ROOMY, signing_key=KEY)
    filings = [
        Filing(id_, "abnormal_refund_only", "it was whole") for id_ in ("r-actor-1", "r-lone-1", "r-actor-2", "no")
    ]
    told.append(affairs.complaint_desk.file(filings, by=SHOP, now=NOW + 1, key="k"))
    told.append(affairs.complaint_desk.file(filings, by=SHOP, now=NOW + 2, key="k"))
    decide = affairs.complaint_desk.decide
    told += [decide(one, "upheld", "seen", by=BEN, now=NOW + DAY) for one in list(affairs.complaints.filed)]
    told.append(counts(store, affairs.complaints))
    told.append(affairs.judgement_desk.make(
        About(Target.LINK, f"device:{DEVICE.hex()}", Said.NOT_THEIRS, buyer_id="mother"), "hers", by=ANNA, now=NOW
    ))  # fmt: skip
    told.append(_run(store, NOW + DAY))
    appeal = affairs.appeal_desk.open("actor", "not me", by=ANNA, now=NOW + DAY)
    wrong = [About(Target.ACCOUNT, "actor", Said.HONEST)]
    done = affairs.appeal_desk.uphold(
        appeal.appeal_id, wrong, "true", by=BEN, now=NOW + DAY, recompute=lambda: _run(store, NOW + 2 * DAY)
    )
    told += [done.healed, done.healed_by]
    told += [digest_of(store.run_rows(store.head().run or "", f"run_{name}")) for name in ("accounts", "decisions")]
    told.append(replay(store, detect=lambda _s, _d: market_findings()).same)
    run = store.head().run or ""
    published = published_run(store, run, ROOMY)
    assessed = assess_claim(
        store, "r-actor-2", published, ROOMY, known_by=store.head().load, now=NOW + 2 * DAY, acted=acted(store)
    )
    told += [assessed.reference, replay_claim(store, assessed.reference).same]
    few = policy(publication={"keep_published_runs": 2, "max_limited_share": 1.0})
    for hour in range(5, 0, -1):
        made = run_detection(
            store,
            policy=few,
            now=lambda hour=hour: NOW + 3 * DAY - hour,
            holder="test",
            as_of=NOW - hour * DAY // 24,
            detect=lambda _s, _d: market_findings(),
        )
        told.append(made.dropped)
    told.append([(row["id"], row["body"]) for row in store.notes(DROPPED).to_pylist()])
    told += [[one.run_id for one in store.runs()], replay(store, detect=lambda _s, _d: market_findings()).same]
    told.append(store.find("complaints", "refund_id", ["r-actor-1"]).to_pylist())
    told.append([(act.n, act.at, act.by, act.kind) for act in affairs.book.acts])
    told.append(verify(store, signing_key=KEY, head=affairs.book.head).signed)
    return told


def test_both_stores_tell_the_same_story_of_people(neo4j_url: str, tmp_path: Path) -> None:
    embedded = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    server = open_store(neo4j_url, namespace=f"people-{uuid.uuid4().hex[:8]}")
    try:
        one, other = story(embedded), story(server)
    finally:
        embedded.close()
        server.close()
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        assert mine == theirs


class _Signed(ServerDesk):
    """A desk on a server whose acts are signed."""

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, "RINGFENCE_AUDIT_KEY": people_story.AUDIT_KEY}


@pytest.mark.timeout(900)
def test_both_stores_tell_the_same_story_by_command_to_the_byte(neo4j_url: str, tmp_path: Path) -> None:
    """Complaints, judgements, an appeal, reservations, replay, the book and look-ups; and every refusal."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one = people_story.story(people_story.SignedDesk(tmp_path / "one"))
    desk = _Signed(tmp_path / "other", at=neo4j_url, namespace=f"commands-{uuid.uuid4().hex[:8]}")
    other = people_story.story(desk)
    for mine, theirs in zip(one, other, strict=True):
        assert mine[1:] == theirs[1:], mine[0]
    assert people_story.as_bytes([one[1:] for one in one]) == people_story.as_bytes([one[1:] for one in other])


def test_several_writers_of_one_book_on_a_server_never_pass_what_is_allowed(neo4j_url: str) -> None:
    """Six connections, each allowed to add an act while there are fewer than twelve: twelve there are."""
    namespace = f"acts-{uuid.uuid4().hex[:8]}"

    def writer(name: str) -> int:
        store = open_store(neo4j_url, namespace=namespace)
        book = Book(store, signing_key=KEY)

        def one() -> Draft:
            if len(book.acts) >= 12:
                raise BadInput("full")
            return Draft("count", name, {})

        done = 0
        try:
            while True:
                book.append(one, by=Actor(name, "investigator"), now=done)
                done += 1
        except BadInput:
            return done
        finally:
            store.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(writer, [f"w{n}" for n in range(6)])) == 12
    store = open_store(neo4j_url, namespace=namespace)
    try:
        assert verify(store, signing_key=KEY).acts == 12
    finally:
        store.close()


pytestmark = pytest.mark.timeout(300)
