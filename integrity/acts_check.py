"""The check of the whole book of acts: every link, every signature, and every text that acts name.

A text that an act behind it says was erased is gone by right; any other that is missing, or is not as it was written,
was tampered with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from graph.errors import Tampered
from graph.store import Store
from graph.texts import TEXTS, text_digest
from integrity.acts import FIRST, JOURNAL, Act, read_act, tampered, vouched
from integrity.policy_journal import read_journal
from integrity.texts import ERASED, SALTED, places


@dataclass(frozen=True)
class Checked:
    """Outcome of `verify`: how many acts, how many of them signed, the head's digest; how many texts are as they were
    written, and how many were `erased`. `rewritten` are acts of before that were written anew without texts: the
    chain vouches for what is left of them. `unfinished` texts were to be erased and are still there; `loose` ones no
    act names."""

    acts: int
    signed: int
    head: str
    texts: int = 0
    erased: int = 0
    rewritten: tuple[int, ...] = ()
    unfinished: int = 0
    loose: int = 0


def verify(store: Store, *, signing_key: str = "", head: str = "") -> Checked:
    """Read the whole book and check every link and text. With a key every act must be signed by it, once the first one
    is; with `head` that digest must be among the acts. Raises `Tampered` naming the first act that is wrong."""
    before: Act | None = None
    signed, found = 0, not head or head == FIRST
    named: dict[str, int] = {}
    within: set[str] = set()
    erased: set[str] = set()
    rewritten: set[int] = set()
    allowed: dict[int, set[str]] | None = None
    last = 0

    def vouch(act: Act) -> set[str]:
        nonlocal allowed
        if allowed is None:
            allowed = vouched(store, signing_key)
        rewritten.add(act.n)
        return allowed.get(act.n, set())

    for row in read_journal(store, JOURNAL):
        before, last = read_act(row, before, signing_key, vouch), row["seq"]
        if signing_key and signed and not before.mac:
            raise tampered(before.n, "is not signed, though acts before it are")
        signed += bool(before.mac)
        found = found or before.digest == head
        if before.kind == ERASED:
            erased |= set(before.body["texts"])
        for place in places(before.n, before.kind, before.body):
            named.setdefault(place.key, before.n)
            if place.text is not None:
                within.add(place.key)
        if before.asked.startswith(SALTED):
            named.setdefault(before.asked, before.n)
    if not found:
        raise Tampered(
            f"no act has the digest {head}", where="book of acts", do="acts were cut off or replaced since it was noted"
        )
    there, loose = _there(store, named)
    there |= within
    if any(key not in there and key not in erased for key in named):  # erased while we read?
        after = before
        for row in read_journal(store, JOURNAL, after=last):
            after = read_act(row, after, signing_key, vouch)
            erased |= set(after.body["texts"]) if after.kind == ERASED else set()
    missing = sorted((n, key) for key, n in named.items() if key not in there and key not in erased)
    if missing:
        raise tampered(missing[0][0], "names a text that is missing, and nobody said that it was erased")
    return Checked(
        before.n if before else 0,
        signed,
        before.digest if before else FIRST,
        texts=sum(not key.startswith(SALTED) for key in there - erased),
        erased=sum(not key.startswith(SALTED) for key in named.keys() & erased),
        rewritten=tuple(sorted(rewritten)),
        unfinished=len(there & erased),
        loose=loose,
    )


def said(found: Checked) -> str:
    """What was found of texts, in a sentence for people."""
    told = f"{found.texts} texts are as they were written, {found.erased} were erased"
    if found.rewritten:
        told += f"; written anew without theirs: acts {', '.join(map(str, found.rewritten))}"
    if found.unfinished:
        told += f"; {found.unfinished} were to be erased and are still there: forget the buyer again"
    if found.loose:
        told += f"; {found.loose} are of acts that were never written"
    return told


def _there(store: Store, named: dict[str, int]) -> tuple[set[str], int]:
    """Of the texts named those that are kept, each compared with its digest; and how many are kept that none names."""
    there: set[str] = set()
    loose = 0
    for row in read_journal(store, TEXTS):
        n = named.get(row["id"])
        if n is None:
            loose += 1
            continue
        there.add(row["id"])
        if row["id"].startswith(SALTED):
            continue
        try:
            told = json.loads(row["body"])
            same = text_digest(told["salt"], told["text"]) == row["id"]
        except (ValueError, TypeError, KeyError):
            same = False
        if not same:
            raise tampered(n, "names a text that was changed after it was written")
    return there, loose
