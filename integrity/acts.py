"""The book of acts: everything that people do to accounts, claims and rings, in one hash-chained journal.

A complaint, a verdict, a judgement, an appeal, a step in a case, a published policy: each is one act, appended and
never changed. What stands now is a fold over the acts (`Fold`), so every state can be had again as it was after any
act. An act carries the digest of the one before it; with a signing key it also carries a MAC, so that somebody who can
write to the store but does not hold the key cannot make up a chain of his own. The digest of the last act, kept
elsewhere, shows a cut-off tail.

Acts are appended one after the other whatever the number of processes: an act is written under its number, the first
writer of a number wins, and the other looks again at what stands before it tries the next number. So an act was always
checked against the very state that it follows.

What people write freely about somebody is no part of the chain: an act holds its digest (`integrity.texts`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from graph.errors import BadInput, StoreProblem, Tampered
from graph.store import Store
from graph.texts import TEXTS
from integrity.policy_journal import read_journal
from integrity.texts import APART, ERASED, PLACES, SALTED, filled, places, put_away, taken_out, texts_of

JOURNAL = "acts"
FIRST = "0" * 64
"""What the first act names as the digest before it."""
_PAGE = 1_000
_TRIES = 10_000
_MAX_BODY_BYTES = 1 << 20


@dataclass(frozen=True)
class Actor:
    """Who acts: the person or service, its role, and the store it speaks for (None: the platform)."""

    name: str
    role: str
    store_id: str | None = None


@dataclass(frozen=True)
class Draft:
    """An act before it is written. `kind` is what is done (`complaint.filed`), `subject` to what (an id), `body` plain
    JSON values."""

    kind: str
    subject: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A client's own name for what it asks (`key`), and all that it asks in plain JSON values (`asked`). The same key
    with the same request answers as the first time; without a key every request is a new one."""

    key: str = ""
    asked: object = None


@dataclass(frozen=True)
class Act:
    """One act. `n` counts from 1, `at` is UTC microseconds and never falls, `asked` is the fingerprint of the request
    where it had a key, `digest` is over all but itself and the MAC; `mac` is empty where no key signed."""

    n: int
    at: int
    by: str
    role: str
    store_id: str | None
    kind: str
    subject: str
    body: Mapping[str, Any]
    key: str
    asked: str
    prev: str
    digest: str
    mac: str

    @property
    def actor(self) -> Actor:
        """Who acted."""
        return Actor(self.by, self.role, self.store_id)


class Fold(Protocol):
    """What stands after some acts: takes them up in order, and nothing else changes it."""

    def apply(self, act: Act) -> None:
        """Take up one act, its texts in their places; acts of other kinds are passed over. One that says that texts
        were erased (`texts.ERASED`) comes where some of them were taken up before."""


@dataclass(frozen=True)
class Outcome:
    """An act as it stands in the book; `repeated` says that it stood there already under the client's key."""

    act: Act
    repeated: bool


@dataclass
class Book:
    """The acts of one store, read on from where the last reading ended, and the folds over them.

    May be used from several threads. `signing_key` signs what is appended and checks what is read where it is signed.
    With `until`, acts after that number are not taken up and nothing can be appended: what stood then. Without `words`
    the folds are not told what people wrote.
    """

    store: Store
    folds: Sequence[Fold] = ()
    signing_key: str = ""
    until: int | None = None
    words: bool = True
    acts: list[Act] = field(default_factory=list)
    erasures: int = 0
    """Acts read that say that somebody was forgotten: what was read of the records before the last may hold him."""
    _after: int = 0
    _signed: bool = False
    _told: set[str] = field(default_factory=set)
    _vouched: dict[int, set[str]] | None = None
    _by_key: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def head(self) -> str:
        """Digest of the last act read; `FIRST` before any. Keep it elsewhere to notice a cut-off tail."""
        return self.acts[-1].digest if self.acts else FIRST

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is taken up meanwhile, so that what is read from several folds belongs together."""
        with self._lock:
            yield

    def refresh(self) -> None:
        """Read what was appended since. Raises `Tampered` at the first act that does not follow from the one before."""
        with self._lock:
            while True:
                rows = self.store.notes(JOURNAL, after=self._after, limit=_PAGE).to_pylist()
                fresh: list[tuple[Act, int]] = []
                for row in rows:
                    if self.until is not None and len(self.acts) + len(fresh) >= self.until:
                        break
                    before = fresh[-1][0] if fresh else self.acts[-1] if self.acts else None
                    fresh.append((read_act(row, before, self.signing_key, self._vouch), row["seq"]))
                texts = self._texts([act for act, _ in fresh])
                for act, seq in fresh:
                    self._take_up(act, texts)
                    self._after = seq
                if len(rows) < _PAGE or len(fresh) < len(rows):
                    return

    def append(self, make: Callable[[], Draft], *, by: Actor, now: int, request: Request = Request()) -> Outcome:
        """Append the act that `make` drafts, and take it up.

        `make` is called when everything before has been taken up, again whenever another writer was faster, and raises
        where the act is not allowed to follow. Where the actor used the request's key before, that act is the answer;
        `BadInput` where it was used for another request. The act's instant is `now` (UTC microseconds), or the last
        act's where the clock went backwards. Raises `BadInput` where the book is signed and there is no key to sign
        with, `Tampered`, `StoreProblem`; after the latter the act may stand or
        not, and the same key again tells."""
        if self.until is not None:
            raise BadInput("this is the book as it stood", where=f"act {self.until}", do="act on the book of today")
        salts: dict[str, str] = {}
        kept: set[str] = set()

        def salt(of: str) -> str:
            return salts.setdefault(of, secrets.token_hex(16))

        with self._lock:
            for _ in range(_TRIES):
                self.refresh()
                known = self._by_key.get((by.name, request.key))
                if known is not None:
                    self._let_go(kept)
                    return Outcome(self._same(self.acts[known - 1], request.asked), True)
                try:
                    draft = make()
                    self.check_key()
                except Exception:  # whatever went wrong, texts of an act that is not written don't stay
                    self._let_go(kept)
                    raise
                body, texts = put_away(draft.kind, json.loads(_canonical(draft.body)), salt)
                asked = fingerprint(request.asked) if request.key else ""
                if asked and draft.kind in PLACES:
                    asked = _salted(salt(SALTED), request.asked)
                    texts[asked] = {"salt": salt(SALTED)}
                act = self._next(replace(draft, body=body), by, now, request.key, asked)
                row = row_of(act)
                if texts:  # first: an act whose text was lost would be worse than a text that no act names
                    told = [{"at": act.at, "id": id_, "body": _canonical(one)} for id_, one in texts.items()]
                    self.store.note(TEXTS, told)
                self.store.note(JOURNAL, [row])
                self.refresh()
                kept |= texts.keys()
                if len(self.acts) >= act.n and self.acts[act.n - 1].digest == act.digest:
                    self._let_go(kept - texts.keys())
                    return Outcome(act, False)
        raise StoreProblem(
            f"{_TRIES} others were faster in a row", where="book of acts", do="try again with the same key"
        )

    def _let_go(self, texts: Collection[str]) -> None:
        """Drop texts of acts that were not written."""
        if texts:
            self.store.erase_notes(TEXTS, sorted(texts))

    def check_key(self) -> None:
        """Raises `BadInput` where acts are signed and there is no key to sign the next one with."""
        if self._signed and not self.signing_key:  # an act without a signature would pass for one made up
            raise BadInput(
                "the book of acts is signed, and there is no key to sign with",
                where=self.store.url,
                do="set RINGFENCE_AUDIT_KEY, and try again",
            )

    def _next(self, draft: Draft, by: Actor, now: int, key: str, asked: str) -> Act:
        last = self.acts[-1] if self.acts else None
        blank = Act(
            n=len(self.acts) + 1,
            at=max(now, last.at if last else now),
            by=by.name,
            role=by.role,
            store_id=by.store_id,
            kind=draft.kind,
            subject=draft.subject,
            body=draft.body,
            key=key,
            asked=asked,
            prev=last.digest if last else FIRST,
            digest="",
            mac="",
        )
        digest = digest_of(blank)
        return replace(blank, digest=digest, mac=_mac(self.signing_key, digest))

    def _take_up(self, act: Act, texts: Mapping[str, Mapping[str, Any]] | None) -> None:
        self.acts.append(act)
        self._signed = self._signed or bool(act.mac)
        if act.key:
            self._by_key.setdefault((act.by, act.key), act.n)
        if act.kind == ERASED:
            self.erasures += 1
            self._erase(act)
            return
        if self.folds and act.kind in PLACES:
            known = places(act.n, act.kind, act.body)
            self._told |= {one.key for one in known if one.text is not None or one.key in (texts or ())}
            act = replace(act, body=filled(act.n, act.kind, act.body, texts))
        for fold in self.folds:
            fold.apply(act)

    def _texts(self, acts: Sequence[Act]) -> dict[str, dict[str, Any]] | None:
        """Rows of the texts that the folds are to be told, by digest."""
        if not self.words or not self.folds:
            return None
        wanted = [
            place.key
            for act in acts
            if act.kind in PLACES and act.kind not in APART
            for place in places(act.n, act.kind, act.body)
            if place.text is None
        ]
        return texts_of(self.store, wanted)

    def _erase(self, act: Act) -> None:
        """Let go of what was erased, also where acts of before held it."""
        keys = set(act.body["texts"])
        for number in map(int, act.body["acts"]):
            was = self.acts[number - 1]
            self.acts[number - 1] = replace(was, body=taken_out(number, was.kind, was.body, keys), asked="")
        if self._told & keys:
            for fold in self.folds:
                fold.apply(act)

    def _same(self, known: Act, asked: object) -> Act:
        """The act, where it came of the same request. Where words of it were erased nobody can tell any more."""
        same = known.asked in ("", fingerprint(asked))
        if known.asked.startswith(SALTED):
            kept = texts_of(self.store, [known.asked])
            same = not kept or known.asked == _salted(kept[known.asked]["salt"], asked)
        if not same:
            raise BadInput(
                f"the key {known.key!r} was used for another request",
                where=known.kind,
                do="use a new key for a new request; the same key only repeats the same one",
            )
        return known

    def _vouch(self, act: Act) -> Collection[str]:
        """What an act of before may have become, by what stands behind it."""
        if self._vouched is None or act.n not in self._vouched:
            self._vouched = vouched(self.store, self.signing_key)
        return self._vouched.get(act.n, ())


def vouched(store: Store, signing_key: str) -> dict[int, set[str]]:
    """Acts of before that were written anew without texts: number to the digests of what was left, as acts behind them
    say that are whole, and signed where a key is given. Cost: a reading of the whole book."""
    found: dict[int, set[str]] = {}
    for row in read_journal(store, JOURNAL):
        act = _parsed(row) if ERASED in row["body"] else None
        if act is None or act.kind != ERASED or act.digest != digest_of(act):
            continue
        if signing_key and not hmac.compare_digest(act.mac, _mac(signing_key, act.digest)):
            continue
        for number, digest in act.body["acts"].items():
            found.setdefault(int(number), set()).add(digest)
    return found


def read_act(
    row: Mapping[str, Any], before: Act | None, signing_key: str, vouch: Callable[[Act], Collection[str]]
) -> Act:
    """The act of a journal row, checked against the one before it. Raises `Tampered`.

    A MAC is checked where both it and a key are there. `vouch` gives the digests that the act may have without the
    texts that were erased from it."""
    n = before.n + 1 if before else 1
    act = _parsed(row)
    if act is None:
        raise tampered(n, "cannot be read")
    if act.n != n or row["id"] != act_id(n):
        raise tampered(n, f"is followed by act {act.n!r} where {n} is due" if act.n != n else "has another number")
    if act.prev != (before.digest if before else FIRST):
        raise tampered(n, "does not follow from the act before it")
    if before and act.at < before.at:
        raise tampered(n, "is older than the act before it")
    if act.digest != (digest := digest_of(act)) and digest not in vouch(act):
        raise tampered(n, "was changed after it was written")
    if signing_key and act.mac and not hmac.compare_digest(act.mac, _mac(signing_key, act.digest)):
        raise tampered(n, "was signed with another key")
    return act


def digest_of(act: Act) -> str:
    """SHA-256 over the canonical JSON of all fields of an act, the digest before it among them, but for its own digest
    and MAC."""
    told = {name: value for name, value in vars(act).items() if name not in ("digest", "mac")}
    return hashlib.sha256(_canonical(told).encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(value: object) -> str:
    """First 16 hex digits of the SHA-256 of plain JSON values in canonical form: a short id for what they state."""
    return hashlib.sha256(_canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def row_of(act: Act) -> dict[str, Any]:
    """The row of the journal that holds an act. Raises `BadInput` for one that is too large."""
    told = {name: value for name, value in vars(act).items() if name != "at"}
    text = _canonical(told)
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_BODY_BYTES:
        raise BadInput(f"one act of more than {_MAX_BODY_BYTES} bytes", where=act.kind, do="split it into smaller ones")
    return {"at": act.at, "id": act_id(act.n), "body": text}


def act_id(n: int) -> str:
    """The id of act `n` in the journal."""
    return f"{n:012d}"


def tampered(n: int, what: str) -> Tampered:
    """What is wrong with act `n`, as an error."""
    return Tampered(
        f"act {n} {what}",
        where="book of acts",
        do="compare with a backup; `ringfence audit verify` tells how far the book holds",
    )


def _parsed(row: Mapping[str, Any]) -> Act | None:
    try:
        return Act(at=row["at"], **json.loads(row["body"]))
    except (ValueError, TypeError):
        return None


def _mac(key: str, digest: str) -> str:
    return hmac.new(key.encode(), digest.encode(), hashlib.sha256).hexdigest() if key else ""


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _salted(salt: str, asked: object) -> str:
    return SALTED + fingerprint([salt, asked])
