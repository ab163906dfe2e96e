"""The book of acts: everything that people do to accounts, claims and rings, in one hash-chained journal.

A complaint, a verdict, a judgement, an appeal, a step in a case, a published policy: each is one act, appended and
never changed. What stands now is a fold over the acts (`Fold`), so every state can be had again as it was after any
act. An act carries the digest of the one before it; with a signing key it also carries a MAC, so that somebody who can
write to the store but does not hold the key cannot make up a chain of his own. The digest of the last act, kept
elsewhere, shows a cut-off tail.

Acts are appended one after the other whatever the number of processes: an act is written under its number, the first
writer of a number wins, and the other looks again at what stands before it tries the next number. So an act was always
checked against the very state that it follows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from graph.errors import BadInput, StoreProblem, Tampered
from graph.store import Store
from integrity.policy_journal import read_journal

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
        """Take up one act; acts of other kinds are passed over."""


@dataclass(frozen=True)
class Outcome:
    """An act as it stands in the book; `repeated` says that it stood there already under the client's key."""

    act: Act
    repeated: bool


@dataclass
class Book:
    """The acts of one store, read on from where the last reading ended, and the folds over them.

    May be used from several threads. `signing_key` signs what is appended and checks what is read where it is signed.
    With `until`, acts after that number are not taken up and nothing can be appended: what stood then.
    """

    store: Store
    folds: Sequence[Fold] = ()
    signing_key: str = ""
    until: int | None = None
    acts: list[Act] = field(default_factory=list)
    _after: int = 0
    _by_key: dict[tuple[str, str], Act] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def head(self) -> str:
        """Digest of the last act read; `FIRST` before any. Keep it elsewhere to notice a cut-off tail."""
        return self.acts[-1].digest if self.acts else FIRST

    def refresh(self) -> None:
        """Read what was appended since. Raises `Tampered` at the first act that does not follow from the one before."""
        with self._lock:
            while True:
                rows = self.store.notes(JOURNAL, after=self._after, limit=_PAGE).to_pylist()
                for row in rows:
                    if self.until is not None and len(self.acts) >= self.until:
                        return
                    self._take_up(read_act(row, self.acts[-1] if self.acts else None, self.signing_key))
                    self._after = row["seq"]
                if len(rows) < _PAGE:
                    return

    def append(self, make: Callable[[], Draft], *, by: Actor, now: int, request: Request = Request()) -> Outcome:
        """Append the act that `make` drafts, and take it up.

        `make` is called when everything before has been taken up, again whenever another writer was faster, and raises
        where the act is not allowed to follow. Where the actor used the request's key before, that act is the answer;
        `BadInput` where it was used for another request. The act's instant is `now` (UTC microseconds), or the last
        act's where the clock went backwards. Raises `Tampered`, `StoreProblem`; after the latter the act may stand or
        not, and the same key again tells."""
        if self.until is not None:
            raise BadInput("this is the book as it stood", where=f"act {self.until}", do="act on the book of today")
        asked = fingerprint(request.asked) if request.key else ""
        with self._lock:
            for _ in range(_TRIES):
                self.refresh()
                known = self._by_key.get((by.name, request.key))
                if known is not None:
                    return Outcome(_same(known, asked), True)
                act = self._next(make(), by, now, request.key, asked)
                self.store.note(JOURNAL, [_row(act)])
                self.refresh()
                if len(self.acts) >= act.n and self.acts[act.n - 1].digest == act.digest:
                    return Outcome(act, False)
        raise StoreProblem(
            f"{_TRIES} others were faster in a row", where="book of acts", do="try again with the same key"
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
            body=json.loads(_canonical(draft.body)),  # as it is read back: no type differs before and after
            key=key,
            asked=asked,
            prev=last.digest if last else FIRST,
            digest="",
            mac="",
        )
        digest = digest_of(blank)
        return replace(blank, digest=digest, mac=_mac(self.signing_key, digest))

    def _take_up(self, act: Act) -> None:
        self.acts.append(act)
        if act.key:
            self._by_key.setdefault((act.by, act.key), act)
        for fold in self.folds:
            fold.apply(act)


def read_act(row: Mapping[str, Any], before: Act | None, signing_key: str) -> Act:
    """The act of a journal row, checked against the one before it. Raises `Tampered`.

    A MAC is checked where both it and a key are there."""
    n = before.n + 1 if before else 1
    try:
        act = Act(at=row["at"], **json.loads(row["body"]))
    except (ValueError, TypeError):
        raise _tampered(n, "cannot be read") from None
    if act.n != n or row["id"] != _id(n):
        raise _tampered(n, f"is followed by act {act.n!r} where {n} is due" if act.n != n else "has another number")
    if act.prev != (before.digest if before else FIRST):
        raise _tampered(n, "does not follow from the act before it")
    if before and act.at < before.at:
        raise _tampered(n, "is older than the act before it")
    if act.digest != digest_of(act):
        raise _tampered(n, "was changed after it was written")
    if signing_key and act.mac and not hmac.compare_digest(act.mac, _mac(signing_key, act.digest)):
        raise _tampered(n, "was signed with another key")
    return act


@dataclass(frozen=True)
class Checked:
    """Outcome of `verify`: how many acts, how many of them signed, the head's digest."""

    acts: int
    signed: int
    head: str


def verify(store: Store, *, signing_key: str = "", head: str = "") -> Checked:
    """Read the whole book and check every link. With a key every act must be signed by it, once the first one is; with
    `head` that digest must be among the acts. Raises `Tampered` naming the first act that is wrong."""
    before: Act | None = None
    signed, found = 0, not head or head == FIRST
    for row in read_journal(store, JOURNAL):
        before = read_act(row, before, signing_key)
        if signing_key and signed and not before.mac:
            raise _tampered(before.n, "is not signed, though acts before it are")
        signed += bool(before.mac)
        found = found or before.digest == head
    if not found:
        raise Tampered(
            f"no act has the digest {head}", where="book of acts", do="acts were cut off or replaced since it was noted"
        )
    return Checked(before.n if before else 0, signed, before.digest if before else FIRST)


def digest_of(act: Act) -> str:
    """SHA-256 over the canonical JSON of all fields of an act, the digest before it among them, but for its own digest
    and MAC."""
    told = {name: value for name, value in vars(act).items() if name not in ("digest", "mac")}
    return hashlib.sha256(_canonical(told).encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(value: object) -> str:
    """First 16 hex digits of the SHA-256 of plain JSON values in canonical form: a short id for what they state."""
    return hashlib.sha256(_canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _row(act: Act) -> dict[str, Any]:
    told = {name: value for name, value in vars(act).items() if name != "at"}
    text = _canonical(told)
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_BODY_BYTES:
        raise BadInput(f"one act of more than {_MAX_BODY_BYTES} bytes", where=act.kind, do="split it into smaller ones")
    return {"at": act.at, "id": _id(act.n), "body": text}


def _id(n: int) -> str:
    return f"{n:012d}"


def _mac(key: str, digest: str) -> str:
    return hmac.new(key.encode(), digest.encode(), hashlib.sha256).hexdigest() if key else ""


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _same(known: Act, asked: str) -> Act:
    if known.asked != asked:
        raise BadInput(
            f"the key {known.key!r} was used for another request",
            where=known.kind,
            do="use a new key for a new request; the same key only repeats the same one",
        )
    return known


def _tampered(n: int, what: str) -> Tampered:
    return Tampered(
        f"act {n} {what}",
        where="book of acts",
        do="compare with a backup; `ringfence audit verify` tells how far the book holds",
    )
