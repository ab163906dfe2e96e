"""Judgements and appeals: what people say outranks every run, and one wrong link removed heals everyone it touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graph.changes import Removals
from graph.errors import BadInput, Forbidden, NotFound
from graph.open import open_store
from graph.store import Store
from graph.texts import TEXTS
from integrity.acts import Actor
from integrity.affairs import Affairs
from integrity.anew import decide_anew
from integrity.appeals import ORDER, may_see
from integrity.assess import basis_of, read_accounts, told_to_buyers
from integrity.checkout_view import published_run
from integrity.forgetting import forget_buyer
from integrity.healing import reopen
from integrity.judgements import About, Said, Target
from integrity.policy import Policy, default_policy
from integrity.policy_journal import read_journal
from integrity.remedies import Remedy, account_remedies
from integrity.replay import replay
from integrity.runs import run_detection
from integrity.words import Language
from loaders.keying import Keyer
from loaders.load import load_folder
from simulator.market import simulate
from tests.integrity import hand
from tests.integrity.hand import DAY, NOW, load, market_findings

ANNA, BEN, CARL = (
    Actor("anna", "investigator"),
    Actor("ben", "investigator"),
    Actor("carl", "senior_investigator"),
)
SHOP = Actor("shop", "store", "s1")
ROOMY = hand.policy(publication={"max_limited_share": 1.0})
HONEST = About(Target.ACCOUNT, "actor", Said.HONEST)
DEVICE = f"device:{hand.DEVICE.hex()}"


def run(store: Store, policy: Policy | None = None, **more: Any) -> str:
    def detect(_snapshot: Any, _settings: Any) -> Any:
        return market_findings()

    return run_detection(
        store, policy=policy or ROOMY, now=lambda: NOW, holder="test", **({"detect": detect} | more)
    ).run.run_id


@pytest.fixture
def affairs(market: Store) -> Affairs:
    run(market)
    return Affairs(market, hand.policy)


def status(store: Store, buyer: str) -> str:
    rows = store.run_rows(store.head().run or "", "run_decisions").to_pylist()
    return next(row["status"] for row in rows if row["buyer_id"] == buyer)


def judge(affairs: Affairs, about: About, *, by: Actor = ANNA, **more: Any) -> Any:
    return affairs.judgement_desk.make(about, "looked at it", by=by, **({"now": NOW} | more))


def test_a_judgement_outranks_every_run_until_it_is_withdrawn(affairs: Affairs) -> None:
    store = affairs.book.store
    assert status(store, "actor") == "PLATFORM_LIMITED"
    made = judge(affairs, HONEST)
    run(store)
    assert status(store, "actor") == "CLEAR"
    load(store, stores=[{"store_id": "s9", "category": "toys"}])
    run(store)
    assert status(store, "actor") == "CLEAR", "a re-load changes nothing about it"
    affairs.judgement_desk.withdraw(made.judgement_id, "looked again", by=ANNA, now=NOW)
    run(store)
    assert status(store, "actor") == "PLATFORM_LIMITED"


def test_an_account_judged_abusive_is_limited_at_the_stores_named(affairs: Affairs) -> None:
    store = affairs.book.store
    judge(affairs, About(Target.ACCOUNT, "shopper", Said.ABUSIVE, store_ids=("s2",)))
    run(store)
    rows = {row["buyer_id"]: row for row in store.run_rows(store.head().run or "", "run_decisions").to_pylist()}
    row = rows["shopper"]
    assert (row["status"], row["limit_store_ids"], row["limit_orders_30d"]) == ("STORE_LIMITED", ["s2"], 2)
    assert row["reasons"][0].startswith("anna (investigator) judged it abusive")
    assert row["expires_at"] > NOW


def test_a_platform_wide_limit_needs_a_second_person(affairs: Affairs) -> None:
    store, desk = affairs.book.store, affairs.judgement_desk
    made = judge(affairs, About(Target.ACCOUNT, "shopper", Said.ABUSIVE))
    assert made.state == "proposed"
    run(store)
    assert status(store, "shopper") == "CLEAR", "one person's word is a proposal"
    with pytest.raises(Forbidden, match="must be another"):
        desk.second(made.judgement_id, by=ANNA, now=NOW)
    assert desk.second(made.judgement_id, by=BEN, now=NOW).state == "standing"
    with pytest.raises(BadInput, match="is standing"):
        desk.second(made.judgement_id, by=CARL, now=NOW)
    run(store)
    assert status(store, "shopper") == "PLATFORM_LIMITED"


def test_where_the_policy_asks_for_one_person_one_is_enough(market: Store) -> None:
    run(market)
    affairs = Affairs(market, lambda: hand.policy(people={"two_for_platform_limits": False}))
    assert judge(affairs, About(Target.ACCOUNT, "shopper", Said.ABUSIVE)).state == "standing"


def test_a_ring_judged_to_be_none_limits_nobody(affairs: Affairs) -> None:
    store = affairs.book.store
    judge(affairs, About(Target.RING, "ring-a", Said.NOT_A_RING))
    run(store)
    assert status(store, "actor") == "WATCH"
    assert status(store, "lone") == "STORE_LIMITED", "it was in no ring"


def test_a_link_an_identifier_and_a_record_leave_the_snapshot(affairs: Affairs) -> None:
    seen: list[Any] = []

    def detect(snapshot: Any, _settings: Any) -> Any:
        seen.append(snapshot)
        return market_findings()

    def used() -> dict[str, int]:
        run(affairs.book.store, detect=detect)
        snapshot = seen[-1]
        column = snapshot.orders.used["device"]
        return {id_: int((column[snapshot.orders.buyer == n] >= 0).sum()) for n, id_ in enumerate(snapshot.buyers.ids)}

    judge(affairs, About(Target.LINK, DEVICE, Said.NOT_THEIRS, buyer_id="mother"))
    assert used() == {"actor": 3, "lone": 0, "mother": 0, "shopper": 0}
    judge(affairs, About(Target.IDENTIFIER, DEVICE, Said.PUBLIC))
    assert used() == {"actor": 0, "lone": 0, "mother": 0, "shopper": 0}
    judge(affairs, About(Target.RECORD, "r-lone-1", Said.STRUCK, table="refunds"))
    used()
    assert "r-lone-1" not in seen[-1].refunds.ids


@pytest.mark.parametrize(
    ("about", "error", "why"),
    [
        (About(Target.ACCOUNT, "nobody", Said.HONEST), NotFound, "no account"),
        (About(Target.RING, "ring-zz", Said.NOT_A_RING), NotFound, "no ring"),
        (About(Target.IDENTIFIER, "device:ff", Said.PUBLIC), NotFound, "no identifier"),
        (About(Target.IDENTIFIER, "picture:zz", Said.PUBLIC), BadInput, "no picture's hash"),
        (About(Target.LINK, DEVICE, Said.NOT_THEIRS, buyer_id="nobody"), NotFound, "no account"),
        (About(Target.RECORD, "o-actor-1", Said.STRUCK, table="orders"), BadInput, "cannot be struck"),
        (About(Target.RECORD, "r-0", Said.STRUCK, table="refunds"), NotFound, "no record in refunds"),
        (About(Target.ACCOUNT, "actor", Said.PUBLIC), BadInput, "cannot be said of a account"),
    ],
)
def test_judgements_that_cannot_be(affairs: Affairs, about: About, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        judge(affairs, about)
    assert not affairs.book.acts


def test_contradictions_and_repeats_name_what_stands(affairs: Affairs) -> None:
    made = judge(affairs, HONEST)
    with pytest.raises(BadInput, match=f"{made.judgement_id} says 'honest'"):
        judge(affairs, About(Target.ACCOUNT, "actor", Said.ABUSIVE), by=BEN)
    with pytest.raises(BadInput, match="nothing needs to be done"):
        judge(affairs, HONEST, by=BEN)
    with pytest.raises(Forbidden, match="anna made it"):
        affairs.judgement_desk.withdraw(made.judgement_id, "no", by=BEN, now=NOW)
    affairs.judgement_desk.withdraw(made.judgement_id, "no", by=CARL, now=NOW)
    with pytest.raises(BadInput, match="was withdrawn by carl"):
        affairs.judgement_desk.withdraw(made.judgement_id, "no", by=CARL, now=NOW)
    with pytest.raises(Forbidden):
        judge(affairs, HONEST, by=SHOP)


# -- appeals -----------------------------------------------------------------------------------------------------

TEXT = "I never used that telephone; my flat-mate did."


def opened(affairs: Affairs, buyer: str = "actor", **more: Any) -> Any:
    return affairs.appeal_desk.open(buyer, TEXT, by=ANNA, **({"now": NOW} | more))


def test_an_appeal_has_a_deadline_and_a_status(affairs: Affairs) -> None:
    appeal = opened(affairs, key="k")
    assert (appeal.state, appeal.status_then, appeal.deadline) == ("open", "PLATFORM_LIMITED", NOW + 7 * DAY)
    assert not appeal.overdue(NOW + 7 * DAY)
    assert appeal.overdue(NOW + 7 * DAY + 1)
    assert opened(affairs, key="k") == appeal
    with pytest.raises(BadInput, match="is open"):
        opened(affairs)
    done = affairs.appeal_desk.reject(appeal.appeal_id, "the device is its own", by=BEN, now=NOW + DAY)
    assert (done.state, done.decided_by) == ("rejected", "ben")
    with pytest.raises(BadInput, match="was rejected by ben"):
        affairs.appeal_desk.withdraw(appeal.appeal_id, "no", by=BEN, now=NOW)
    late = affairs.appeal_desk.open("actor", TEXT, by=ANNA, now=NOW - 40 * DAY)
    assert (late.opened_at, late.deadline) == (NOW + DAY, NOW + 8 * DAY), "a clock that goes back costs nobody days"


def test_what_the_buyer_may_see_of_an_appeal(affairs: Affairs) -> None:
    desk, store = affairs.appeal_desk, affairs.book.store
    appeal = opened(affairs)

    def seen(now: int, language: Language = "en") -> list[str]:
        found = affairs.appeals.all[appeal.appeal_id]
        published = published_run(store, store.head().run or "", ROOMY)
        return may_see(found, told_to_buyers(published, ["actor"], ROOMY, now=now)["actor"], now=now, language=language)

    (stands, *done) = seen(NOW)
    assert stands.startswith("The appeal of 2024-12-31T12:00:00Z is being looked at. It will be decided by ")
    assert done == [one.buyer.en for one in _remedies(store)]
    assert "still being looked at" in seen(appeal.deadline + 1)[0]
    assert seen(NOW, "zh")[0].startswith("2024-12-31T12:00:00Z 提出的申诉正在处理")
    desk.uphold(appeal.appeal_id, [HONEST], "his sister rang", by=BEN, now=NOW, recompute=lambda: run(store))
    told = seen(NOW)
    assert told == [
        "The appeal of 2024-12-31T12:00:00Z was right. What was wrong has been corrected.",
        "A review found that what was held against your account was wrong. Nothing limits it any more.",
    ]
    assert "sister" not in repr(told), "what a person wrote is not the buyer's to see"


def _remedies(store: Store) -> list[Remedy]:
    published = published_run(store, store.head().run or "", ROOMY)
    facts = read_accounts(published, ["actor"], ROOMY)["actor"]
    return account_remedies(facts, ROOMY, basis_of(published, ROOMY), now=NOW)


def test_no_appeal_against_what_was_lifted_or_of_nobody(affairs: Affairs) -> None:
    judge(affairs, HONEST)
    run(affairs.book.store)
    with pytest.raises(BadInput, match="nothing stands against this account now"):
        opened(affairs)
    with pytest.raises(NotFound, match="no account"):
        opened(affairs, "nobody")
    with pytest.raises(Forbidden):
        affairs.appeal_desk.open("actor", TEXT, by=SHOP, now=NOW)


def test_what_the_buyer_wrote_stays_in_its_case(affairs: Affairs) -> None:
    store = affairs.book.store
    appeal = opened(affairs)
    assert affairs.appeal_desk.text(appeal.appeal_id, by=BEN) == TEXT
    with pytest.raises(Forbidden):
        affairs.appeal_desk.text(appeal.appeal_id, by=SHOP)
    affairs.appeal_desk.uphold(
        appeal.appeal_id, [HONEST], "a flat-mate's telephone", by=BEN, now=NOW, recompute=lambda: run(store)
    )
    for journal in ("acts", "audit", "policies"):
        assert TEXT not in json.dumps(list(read_journal(store, journal)), ensure_ascii=False)
    assert sum(TEXT in row["body"] for row in read_journal(store, TEXTS)) == 1


def test_upholding_judges_decides_anew_and_lists_who_was_healed(affairs: Affairs) -> None:
    store = affairs.book.store
    appeal = opened(affairs)
    done = affairs.appeal_desk.uphold(
        appeal.appeal_id, [HONEST], "a flat-mate's", by=BEN, now=NOW, recompute=lambda: run(store), key="u"
    )
    assert done.state == "upheld"
    assert [(one.buyer_id, one.before, one.after) for one in done.healed] == [("actor", "PLATFORM_LIMITED", "CLEAR")]
    assert "Nothing limits it any more" in done.healed[0].words
    assert done.healed_by == store.head().run
    (judgement,) = [affairs.judgements.all[id_] for id_ in done.judgement_ids]
    assert (judgement.state, judgement.appeal_id) == ("standing", appeal.appeal_id)
    again = affairs.appeal_desk.uphold(
        appeal.appeal_id, [HONEST], "a flat-mate's", by=BEN, now=NOW, recompute=lambda: "never", key="u"
    )
    assert again == done


@pytest.mark.parametrize("decided", [False, True])
def test_an_uphold_cut_short_is_healed_by_asking_again(affairs: Affairs, decided: bool) -> None:
    """Whether the process died before everything was decided anew, or after."""
    store, desk = affairs.book.store, affairs.appeal_desk
    appeal = opened(affairs)

    def cut() -> str:
        if decided:
            run(store)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.uphold(appeal.appeal_id, [HONEST], "so", by=BEN, now=NOW, recompute=cut)
    assert affairs.appeals.all[appeal.appeal_id].state == "upheld"
    other = About(Target.ACCOUNT, "lone", Said.HONEST)
    with pytest.raises(BadInput, match="was upheld by ben"):
        desk.uphold(appeal.appeal_id, [other], "so", by=BEN, now=NOW, recompute=lambda: run(store))
    done = desk.uphold(appeal.appeal_id, [HONEST], "so", by=BEN, now=NOW, recompute=lambda: run(store))
    assert [one.buyer_id for one in done.healed] == ["actor"]
    assert len(done.judgement_ids) == 1
    with pytest.raises(BadInput, match="was upheld by ben"):
        desk.uphold(appeal.appeal_id, [HONEST], "so", by=BEN, now=NOW, recompute=lambda: run(store))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([], "nothing is named as wrong"),
        ([HONEST, HONEST], "named twice"),
        ([About(Target.ACCOUNT, "shopper", Said.ABUSIVE)], "limits nobody"),
        ([About(Target.ACCOUNT, "nobody", Said.HONEST)], "no account"),
    ],
)
def test_upholding_what_cannot_be_leaves_the_appeal_open(affairs: Affairs, wrong: list[About], why: str) -> None:
    appeal = opened(affairs)
    with pytest.raises((BadInput, NotFound), match=why):
        affairs.appeal_desk.uphold(appeal.appeal_id, wrong, "so", by=BEN, now=NOW, recompute=lambda: "never")
    assert affairs.appeals.all[appeal.appeal_id].state == "open"


# -- replay, on a market that detection itself judged --------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Store:
    home: Path = tmp_path_factory.mktemp("market")
    simulate(home / "export", buyers=1_500, seed=11, abuse="high")
    store = open_store(f"sqlite:///{home / 'store.db'}")
    load_folder(store, Keyer("k" * 40), home / "export", now=NOW + DAY)
    return store


def full(store: Store) -> str:
    return run(store, default_policy(), detect=None)


def test_a_decision_replays_to_the_byte_whatever_came_later(simulated: Store) -> None:
    first = full(simulated)
    limited = [
        row["buyer_id"]
        for row in simulated.run_rows(first, "run_decisions").to_pylist()
        if row["status"] == "STORE_LIMITED"
    ]
    affairs = Affairs(simulated, default_policy)
    judge(affairs, About(Target.ACCOUNT, limited[0], Said.HONEST))
    second = full(simulated)
    load(
        simulated,
        complaints=[{"complaint_id": "late", "refund_id": "r", "filed_at": NOW, "type": "x", "outcome": "pending"}],
    )
    for run_id, expected in ((first, "STORE_LIMITED"), (second, "CLEAR")):
        again = replay(simulated, run_id, buyer_id=limited[0])
        assert again.same
        assert all(again.tables.values())
        assert again.decision is not None
        assert again.decision["status"] == expected


def test_an_upheld_appeal_moves_only_who_hangs_on_what_was_wrong(
    simulated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market stays as the run measured it: everybody else's rows are the same to the byte, those who are moved are
    those that asking the run beforehand names. Decided from the touched part alone, it is the run that detecting all of
    it again gives: it replays."""
    first = full(simulated)
    evidence = simulated.run_rows(first, "run_evidence").to_pylist()
    statuses = {row["buyer_id"]: row["status"] for row in simulated.run_rows(first, "run_decisions").to_pylist()}
    opened = reopen(simulated)
    links = [
        (row["buyer_id"], row["identifier"])
        for row in sorted(evidence, key=lambda row: (row["nats"], row["evidence_id"]))
        if row["identifier"] and row["nats"] > 0 and statuses[row["buyer_id"]] != "CLEAR"
    ]
    buyer, device, asked = next(
        (buyer, identifier, told)
        for buyer, identifier in links
        for told in [opened.ask(Removals(links=frozenset({(buyer, identifier)})))]
        if len(told.accounts) > 1
    )
    affairs = Affairs(simulated, default_policy)
    appeal = affairs.appeal_desk.open(buyer, TEXT, by=ANNA, now=NOW)
    monkeypatch.setattr("detectors.pipeline.weigh", lambda *_: pytest.fail("nothing needs to be weighed again"))
    done = affairs.appeal_desk.uphold(
        appeal.appeal_id,
        [About(Target.LINK, device, Said.NOT_THEIRS, buyer_id=buyer)],
        "the flat-mate's",
        by=BEN,
        now=NOW,
        recompute=lambda: decide_anew(
            simulated, policy=default_policy(), now=lambda: NOW, holder="test", opened=opened
        ),
    )
    monkeypatch.undo()
    assert done.healed_by is not None
    risks = [
        {row["buyer_id"]: row for row in simulated.run_rows(run_id, "run_accounts").to_pylist()}
        for run_id in (first, done.healed_by)
    ]
    moved = {id_ for id_ in risks[0].keys() | risks[1].keys() if _stands(risks[0], id_) != _stands(risks[1], id_)}
    assert moved == {one.buyer_id for one in asked.accounts}
    assert {(one.buyer_id, one.after) for one in done.healed} == {
        (one.buyer_id, one.status_after) for one in asked.accounts if ORDER[one.status_after] < ORDER[one.status_before]
    }
    again = replay(simulated, done.healed_by)
    assert again.same
    assert all(again.tables.values())
    assert opened.after(simulated) is None, "another run is published"
    following = reopen(simulated)
    assert following.after(simulated) is not None
    lease = simulated.acquire("load", "test")
    forget_buyer(simulated, lease, next(iter(statuses)), by=BEN, now=NOW)
    simulated.release(lease)
    assert following.after(simulated) is None, "it still holds somebody who was forgotten"
    following = reopen(simulated)
    affairs.judgement_desk.withdraw(done.judgement_ids[0], "it was hers", by=BEN, now=NOW)
    assert following.after(simulated) is None, "what comes back is not in the run that was opened"


def _stands(rows: dict[str, Any], buyer: str) -> tuple[Any, ...]:
    row = rows.get(buyer) or {}
    return row.get("risk"), row.get("ring_id")


def test_a_decision_that_was_tampered_with_does_not_replay(affairs: Affairs) -> None:
    other = market_findings(actor=hand.Account("actor", 0.5, 3, "ring-a"))
    found = replay(affairs.book.store, buyer_id="actor", detect=lambda _s, _d: other)
    assert not found.same
    assert found.tables["run_hubs"]
    assert not found.tables["run_accounts"]


def test_replay_asks_for_the_version_that_made_the_run(affairs: Affairs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrity.replay.ringfence_version", lambda: "9.9")
    with pytest.raises(BadInput, match="was made by version"):
        replay(affairs.book.store)
    with pytest.raises(NotFound):
        replay(affairs.book.store, "run-none")
