"""A story of people told by commands alone: complaints, judgements, an appeal, reservations, replay, the book; and all
that cannot be. What each command answers is returned, so that two stores can be compared."""

from __future__ import annotations

import json
from typing import Any

from graph.open import open_store
from graph.store import Store
from integrity.instants import DAY, to_iso
from integrity.runs import run_detection
from tests.faults.support import Desk, Ran
from tests.integrity.hand import NOW, load, load_market, market_findings, policy, refund

AUDIT_KEY = "the key that signs the book of both stores"
HOUR = DAY // 24
OK, WRONG, UNKNOWN, TAMPERED, NOT_ALLOWED = 0, 3, 8, 9, 10
ROOMY = policy(publication={"max_limited_share": 1.0})
ONLY = "abnormal_refund_only"
Told = list[tuple[str, int, Any]]


def fill(store: Store) -> None:
    """The small market with a claim that its buyer took back, and a published run: `actor` and `lone` are limited."""
    load_market(store)
    load(store, refunds=[refund("r-back", "o-lone-2", outcome="withdrawn")])
    made = market_findings()
    run_detection(store, policy=ROOMY, now=lambda: NOW, holder="test", as_of=NOW, detect=lambda _s, _d: made)


class SignedDesk(Desk):
    """A desk whose acts are signed."""

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, "RINGFENCE_AUDIT_KEY": AUDIT_KEY}


class Teller:
    """Runs the commands of a story, holds each against the exit code that it must have, and keeps what it said."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.told = desk, Told()

    def __call__(self, expected: int, *words: object, at: int | None = None, why: str = "") -> Any:
        more = () if at is None else ("--now", to_iso(at))
        ran = self.desk(*words, *more, "--json")
        assert ran.code == expected, (words, ran.code, ran.err)
        assert why in ran.err, (words, ran.err)
        said = _plain(ran, self.desk) if expected else ran.json
        self.told.append((" ".join(map(str, words)), ran.code, said))
        return said


def story(desk: Desk) -> Told:
    """What the commands say on the way; nothing of it depends on the store."""
    store = open_store(desk.url, namespace=desk.settings.get("RINGFENCE_NAMESPACE", "default"))
    try:
        fill(store)
    finally:
        store.close()
    (desk.folder / "letter.txt").write_text("that was not me")
    tell = Teller(desk)
    _complaints(tell)
    _judgements(tell)
    _reservations(tell)
    _appeal(tell)
    _afterwards(tell)
    return tell.told


def _complaints(tell: Teller) -> None:
    mine = ("complaint", "file", "r-actor-1", ONLY, "--store-id", "s1", "--key", "k1")
    filed = tell(OK, *mine, at=NOW + HOUR)
    assert tell(OK, *mine, at=NOW + 2 * HOUR) == filed, "the same again changes nothing"
    tell(WRONG, "complaint", "file", "r-lone-1", ONLY, "--store-id", "s1", "--key", "k1", at=NOW, why="k1")
    for claim, shop, type_, why in (
        ("r-none", "s1", ONLY, "there is no such claim at this store"),
        ("r-actor-1", "s2", ONLY, "there is no such claim at this store"),
        ("r-back", "s2", ONLY, "the buyer withdrew this claim"),
        ("r-shop", "s2", ONLY, "the store began this refund"),
        ("r-lone-1", "s1", "swapped_return", "nothing was to be sent back"),
        ("r-lone-1", "s1", "rudeness", "is no type of complaint"),
    ):
        tell(WRONG, "complaint", "file", claim, type_, "--store-id", shop, at=NOW + HOUR, why=why)
    decide = ("complaint", "decide", filed["complaint_id"])
    other = "dismissed" if filed["proposal"] == "upheld" else "upheld"
    tell(WRONG, *decide, other, "--by", "ada", at=NOW + 3 * HOUR, why="a verdict needs its reason")
    tell(OK, *decide, other, "--by", "ada", "--reason", "seen", at=NOW + 3 * HOUR)
    again = "upheld" if other == "dismissed" else "dismissed"
    tell(WRONG, *decide, again, "--by", "ben", "--reason", "no", at=NOW + 4 * HOUR, why="was decided already")
    tell(OK, *decide, again, "--by", "cy", "--senior", "--reason", "no", at=NOW + 4 * HOUR)
    tell(
        WRONG, *decide, again, "--by", "cy", "--senior", "--reason", "no", at=NOW + 5 * HOUR, why=f"is {again} already"
    )
    tell(UNKNOWN, "complaint", "decide", "rc-none", other, "--by", "ada", "--reason", "so", at=NOW + 5 * HOUR)


def _judgements(tell: Teller) -> None:
    judge = ("judge", "make", "account")
    first = tell(OK, *judge, "mother", "honest", "--by", "ada", "--reason", "spoke with her", at=NOW + 6 * HOUR)
    why = first["judgement_id"]
    tell(WRONG, *judge, "mother", "abusive", "--by", "ben", "--reason", "no", at=NOW + 6 * HOUR, why=why)
    tell(UNKNOWN, *judge, "nobody", "honest", "--by", "ada", "--reason", "so", at=NOW + 6 * HOUR)
    tell(WRONG, *judge, "lone", "purple", "--by", "ada", "--reason", "so", at=NOW + 6 * HOUR, why="'purple'")
    wide = tell(OK, *judge, "lone", "abusive", "--by", "ada", "--reason", "seen", at=NOW + 7 * HOUR)
    assert wide["state"] == "proposed"
    tell(NOT_ALLOWED, "judge", "second", wide["judgement_id"], "--by", "ada", at=NOW + 8 * HOUR)
    tell(OK, "judge", "second", wide["judgement_id"], "--by", "ben", at=NOW + 8 * HOUR)
    tell(WRONG, "judge", "second", wide["judgement_id"], "--by", "cy", at=NOW + 8 * HOUR)
    back = ("judge", "withdraw", wide["judgement_id"], "--reason", "a mistake")
    tell(NOT_ALLOWED, *back, "--by", "dee", at=NOW + 9 * HOUR)
    tell(OK, *back, "--by", "ada", at=NOW + 9 * HOUR)
    # the clock goes backwards: the act stands, under the instant of the one before
    late = tell(OK, *judge, "shopper", "honest", "--by", "ada", "--reason", "so", at=NOW - 100 * DAY)
    assert late["at"] == NOW + 9 * HOUR


def _reservations(tell: Teller) -> None:
    at = NOW + 30 * DAY
    reserve = ("--buyer", "lone", "--store-id", "s1", "--amount", "10.00")
    held = tell(OK, "reserve", "n1", *reserve, at=at)
    assert (held["state"], held["changed"]) == ("HELD", True)
    assert tell(OK, "reserve", "n1", *reserve, at=at)["changed"] is False
    tell(WRONG, "reserve", "n1", *reserve[:-1], "11.00", at=at, why="another amount")
    tell(WRONG, "reserve", "n1", "--buyer", "actor", *reserve[2:], at=at, why="another buyer")
    tell(WRONG, "confirm", "n1", "--amount", "11.00", at=at, why="another amount")
    assert tell(OK, "reserve", "n2", *reserve, at=at)["state"] == "REFUSED"
    assert tell(OK, "confirm", "n1", "--amount", "10.00", at=at)["changed"] is True
    twice = tell(OK, "confirm", "n1", at=at + 1)
    assert (twice["state"], twice["changed"]) == ("CONFIRMED", False)
    later = at + 2 * DAY
    assert tell(OK, "reserve", "n3", *reserve, at=later)["state"] == "HELD"
    assert tell(OK, "confirm", "n3", at=later + HOUR)["state"] == "EXPIRED", "the policy holds it for 30 minutes"
    assert tell(OK, "release", "n9", at=later)["state"] == "NONE"


def _appeal(tell: Teller) -> None:
    letter = str(tell.desk.folder / "letter.txt")
    at = NOW + 4 * DAY
    tell(UNKNOWN, "appeal", "open", "nobody", letter, "--by", "ada", at=at)
    tell(WRONG, "appeal", "open", "shopper", letter, "--by", "ada", at=at)
    opened = tell(OK, "appeal", "open", "actor", letter, "--by", "ada", at=at)
    tell(WRONG, "appeal", "open", "actor", letter, "--by", "ada", at=at, why=f"{opened['appeal_id']} is open")
    uphold = ("appeal", "uphold", opened["appeal_id"], "--reason", "so it was", "--by", "ben")
    tell(WRONG, *uphold, "--wrong", "account actor", at=at + HOUR, why="TARGET ID SAID")
    done = tell(OK, *uphold, "--wrong", "account actor honest", at=at + HOUR)
    assert ("actor", "CLEAR") in [(one["buyer_id"], one["after"]) for one in done["healed"]]
    tell(WRONG, "appeal", "open", "actor", letter, "--by", "ada", at=at + DAY)
    tell(WRONG, "appeal", "reject", opened["appeal_id"], "--by", "ada", "--reason", "no", at=at + DAY)


def _afterwards(tell: Teller) -> None:
    at = NOW + 6 * DAY
    assert tell(OK, "replay", "actor")["same"]
    assessed = tell(OK, "assess", "r-actor-2", at=at)
    assert tell(OK, "replay", "--claim", assessed["reference"])["same"]
    tell(TAMPERED, "replay", "--claim", assessed["reference"].replace("r-actor-2", "r-lone-1"))
    (first, *_) = tell(OK, "complaint", "list")
    assert tell(OK, "replay", "--complaint", first["complaint_id"])["same"]
    tell(UNKNOWN, "replay", "--complaint", "rc-none")
    for words in (
        ("complaint", "counts"),
        ("complaint", "accords"),
        ("judge", "list"),
        ("appeal", "list"),
        ("case", "queue"),
        ("case", "list"),
        ("runs",),
        ("rates", "s1", "--until", to_iso(at)),
        ("policy", "stages", "--store-id", "s1"),
        ("explain", "account", "lone"),
        ("look", "accounts"),
        ("look", "rings"),
        ("look", "order", "o-lone-1"),
        ("look", "refund", "r-lone-1"),
        ("look", "path", "actor", "mother"),
        ("return-risk", "o-lone-1", "o-none", "o-mother-1"),
    ):
        tell(OK, *words)
    for words in (("remedies", "lone"), ("remedies", "actor"), ("purchase-limit", "lone", "--store-id", "s1")):
        tell(OK, *words, at=at)
    tell(OK, "audit", "show")
    checked = tell(OK, "audit", "verify")
    assert checked["signed"] == checked["acts"] > 0
    tell.told = [(words, code, _steady(words, said)) for words, code, said in tell.told]


_CLOCK = ("started_at", "finished_at", "published_at")
_SALTED = ("text_digest", "digest", "mac", "prev", "body", "head", "asked")


def _steady(words: str, said: Any) -> Any:
    """What was said without what is of the wall clock or salted anew for each text."""
    if isinstance(said, list):
        return [_steady(words, one) for one in said]
    if not isinstance(said, dict):
        return said
    own = _SALTED + (_CLOCK if words.startswith("runs") else ())
    return {name: _steady(words, value) for name, value in said.items() if name not in own}


def _plain(ran: Ran, desk: Desk) -> str:
    """What a command said of an error, without the address of its store."""
    lines = [line for line in ran.err.splitlines() if line.startswith("ringfence: ")]
    assert len(lines) == 1, ran.err
    return lines[0].replace(desk.url, "STORE") if "neo4j" not in lines[0] else _masked(lines[0])


def _masked(line: str) -> str:
    words = ["STORE:" if "://" in word else word for word in line.split(" ")]
    return " ".join(words)


def as_bytes(told: object) -> bytes:
    """What was told, as bytes."""
    return json.dumps(told, ensure_ascii=False).encode()
