"""Commands of people and of orders answer by the policy in force, as a server of the store does."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.store import Store
from integrity.instants import from_iso, to_iso
from integrity.runs import run_detection
from tests.cli.conftest import Command
from tests.integrity.hand import DAY, NOW, POLICY_TEXT, load_market, market_findings, policy

AT = to_iso(NOW + DAY)
OURS = POLICY_TEXT.replace('"t1"', '"ours"').replace("deadline_ms = 20000", "deadline_ms = 20000\nhold_minutes = 7")
OURS += (
    "[people]\ntwo_for_platform_limits = false\nappeal_days = 3\n[complaints]\ndismiss_below = 0.0\nuphold_from = 1.0\n"
)
COMPLAINT = ("complaint", "file", "r-actor-1", "abnormal_refund_only", "--store-id", "s1", "--now", AT, "--json")


def _deadline_days(ringfence: Command, home: Path, *more: object) -> float:
    (home / "letter.txt").write_text("not me")
    made = ringfence("appeal", "open", "actor", "letter.txt", "--by", "ada", "--now", AT, "--json", *more)
    assert made.code == 0, made.err
    return float(made.json["deadline"] - made.json["opened_at"]) / DAY


@pytest.fixture
def published(ringfence: Command, store: Store, home: Path) -> Command:
    """A store with a published run, and the policy `ours` put in force after it."""
    load_market(store)
    made = market_findings()
    run_detection(store, policy=policy(), now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _s, _d: made)
    (home / "ours.toml").write_text(OURS)
    done = ringfence("policy", "publish", "ours.toml", "--force", "--reason", "a test")
    assert done.code == 0, done.err
    return ringfence


def test_complaints_judgements_and_appeals_go_by_the_published_policy(published: Command, home: Path) -> None:
    assert published(*COMPLAINT).json["proposal"] == "needs_a_person", "it decides nothing at once"
    wide = published("judge", "make", "account", "lone", "abusive", "--reason", "seen", "--by", "ada", "--json")
    assert wide.json["state"] == "standing", "one person is enough"
    assert _deadline_days(published, home) == 3


def test_a_file_that_is_named_wins(published: Command, home: Path) -> None:
    (home / "other.toml").write_text(OURS.replace('"ours"', '"other"').replace("appeal_days = 3", "appeal_days = 5"))
    assert _deadline_days(published, home, "--policy", "other.toml") == 5


def test_a_reservation_is_held_as_long_as_the_published_policy_says(published: Command) -> None:
    words = ("--buyer", "lone", "--store-id", "s1", "--amount", "1.00", "--now", AT, "--json")
    held = published("reserve", "o-new", *words)
    assert (held.code, held.json["state"]) == (0, "HELD"), held.err
    assert from_iso(held.json["expires_at"], where="test") == NOW + DAY + 7 * 60_000_000


def test_a_policy_published_before_any_run_holds_too(ringfence: Command, store: Store, home: Path) -> None:
    load_market(store)
    (home / "ours.toml").write_text(OURS)
    assert ringfence("policy", "publish", "ours.toml").code == 0
    assert ringfence("assess", "r-actor-1", "--json").json["policy"] == "ours"
    assert ringfence(*COMPLAINT).json["proposal"] == "needs_a_person"


def test_what_is_done_to_old_data_stands_at_the_instant_that_is_named(
    ringfence: Command, store: Store, home: Path
) -> None:
    load_market(store)
    (home / "ours.toml").write_text(OURS)
    (home / "mine.toml").write_text(OURS.replace('"ours"', '"mine"').replace("appeal_days = 3", "appeal_days = 5"))
    for words in (
        ("policy", "publish", "ours.toml"),
        ("policy", "publish", "mine.toml"),
        ("policy", "rollback"),
        ("policy", "shadow", "mine.toml"),
        ("policy", "shadow", "--stop"),
        ("forget", "actor"),
    ):
        done = ringfence(*words, "--now", AT)
        assert done.code == 0, done.err
    acts = ringfence("audit", "show", "--json").json
    assert {act["at"] for act in acts} == {from_iso(AT, where="test")}
    assert acts[-1]["kind"] == "texts.erased"
