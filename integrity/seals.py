"""Seals over the audit journal.

Look-ups are noted by the thousand and not chained one by one; every now and then an act states how many lines there are
since the last seal and the SHA-256 over them, so that changing, dropping or adding a line among them shows. The newest
lines are unsealed until the next seal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graph.errors import Tampered
from graph.store import Store
from integrity.acts import Act, Actor, Book, Draft
from integrity.policy_journal import read_journal

SEALED: Final = "audit.sealed"
JOURNAL: Final = "audit"
SEALER: Final = Actor("ringfence", "system")


@dataclass(frozen=True)
class Sealed:
    """Outcome of `check_seals`: seals, lines under them, and lines since."""

    seals: int
    lines: int
    unsealed: int


def seal(book: Book, *, now: int) -> Act | None:
    """Seal what was noted since the last seal; None where nothing was. Raises `Tampered`, `StoreProblem`."""

    def draft() -> Draft:
        after = _last(book)
        rows = list(read_journal(book.store, JOURNAL, after=after))
        if not rows:
            raise _Nothing
        body = {"after": after, "until": rows[-1]["seq"], "lines": len(rows), "sha256": _digest(rows)}
        return Draft(SEALED, JOURNAL, body)

    try:
        return book.append(draft, by=SEALER, now=now).act
    except _Nothing:
        return None


def check_seals(store: Store, book: Book) -> Sealed:
    """Compare every seal with the lines that it covers. Raises `Tampered` naming the first that differs."""
    seals = [act for act in book.acts if act.kind == SEALED]
    lines = 0
    rows = read_journal(store, JOURNAL)
    row = next(rows, None)
    for act in seals:
        covered = []
        while row is not None and row["seq"] <= act.body["until"]:
            covered.append(row)
            row = next(rows, None)
        if len(covered) != act.body["lines"] or _digest(covered) != act.body["sha256"]:
            raise Tampered(
                f"the {act.body['lines']} audit lines sealed by act {act.n} are not as they were",
                where="audit journal",
                do=f"compare lines {act.body['after'] + 1} to {act.body['until']} with a backup",
            )
        lines += len(covered)
    unsealed = sum(1 for _ in rows) + (row is not None)
    return Sealed(len(seals), lines, unsealed)


class _Nothing(Exception):
    """No line since the last seal."""


def _last(book: Book) -> int:
    """The last line under a seal, by its number; 0 before any."""
    for act in reversed(book.acts):
        if act.kind == SEALED:
            until: int = act.body["until"]
            return until
    return 0


def _digest(rows: Iterable[Mapping[str, Any]]) -> str:
    hasher = hashlib.sha256()
    for row in rows:
        line = json.dumps([row["seq"], row["at"], row["id"], row["body"]], ensure_ascii=False)
        hasher.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return hasher.hexdigest()
